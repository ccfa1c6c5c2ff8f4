import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { get, request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { eventually, runSluice, type SluiceProcess, startProgram } from '../cli/sluice-process.ts';

const program = fileURLToPath(new URL('stand-in-service.ts', import.meta.url));

interface Serving extends AsyncDisposable {
  readonly sluice: SluiceProcess;
  readonly port: number;
  readonly adminPort: number;
}

async function serve(...words: string[]): Promise<Serving> {
  const common = ['--origin', 'http://127.0.0.1:9', '--http', '0', '--admin', '0'];
  const sluice = startProgram(program, [...common, ...words]);
  const [line] = await sluice.until(/\{.*\}\n/);
  const { listener, admin } = JSON.parse(line);
  return {
    sluice,
    port: listener.port,
    adminPort: admin.port,
    [Symbol.asyncDispose]: () => sluice[Symbol.asyncDispose](),
  };
}

interface Answer {
  readonly status: number;
  readonly body: string;
}

function ask(
  port: number,
  path: string,
  headers: Record<string, string> = {},
  begun: () => void = () => {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = get({ port, path, host: '127.0.0.1', headers, agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (chunk) => {
        body += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
    });
    request.on('information', begun).on('error', reject);
  });
}

/** A request that a worker has begun to work on; `answer` is what becomes of it. */
async function begin(port: number, path: string): Promise<{ answer: Promise<Answer> }> {
  const { promise: begun, resolve, reject } = Promise.withResolvers<void>();
  const answer = ask(port, path, {}, resolve);
  answer.catch(reject);
  await begun;
  return { answer };
}

async function stats(adminPort: number) {
  return JSON.parse((await ask(adminPort, '/stats')).body);
}

async function workerPids(adminPort: number): Promise<number[]> {
  const { workers } = await stats(adminPort);
  return workers.map((worker: { pid: number | null }) => worker.pid ?? 0);
}

function isAlive(pid: number): boolean {
  try {
    // A zombie still answers signal 0.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

async function metricValue(adminPort: number, series: string): Promise<number> {
  const { body } = await ask(adminPort, '/metrics');
  const line = body.split('\n').find((one) => one.startsWith(`${series} `));
  return line === undefined ? 0 : Number(line.slice(series.length + 1));
}

const GETS = 'sluice_requests_total{method="GET",status="200",cache="none"}';

test('a killed worker is replaced, and who waited on its socket is served', async () => {
  await using serving = await serve('--workers', '2');
  const before = await workerPids(serving.adminPort);
  for (const pid of before) process.kill(pid, 'SIGSTOP');
  // The kernel spreads these over both workers' queues, where they wait.
  const waiting = Array.from({ length: 16 }, () => ask(serving.port, '/'));
  await new Promise((resolve) => setTimeout(resolve, 100));
  for (const pid of before) process.kill(pid, 'SIGKILL');
  const answers = await Promise.all(waiting);
  const pids = new Set(answers.map(({ body }) => JSON.parse(body).pid));
  for (const pid of before) assert.ok(!pids.has(pid), 'the dead answer nothing');
  await eventually(async () => (await workerPids(serving.adminPort)).every((pid) => pid > 0));
  assert.match(serving.sluice.stderr(), /worker \d \(pid \d+\) died: SIGKILL .*replaced at once/);
  assert.equal(
    await metricValue(serving.adminPort, 'sluice_worker_restarts_total{cause="signal"}'),
    2,
  );
});

test('counts survive the worker that made them, gauges do not', async () => {
  await using serving = await serve('--workers', '2');
  for (let i = 0; i < 10; i++) await ask(serving.port, '/');
  await eventually(async () => (await metricValue(serving.adminPort, GETS)) === 10);
  for (const pid of await workerPids(serving.adminPort)) process.kill(pid, 'SIGKILL');
  await eventually(
    async () => (await metricValue(serving.adminPort, 'sluice_workers_running')) === 2,
  );
  assert.equal(await metricValue(serving.adminPort, GETS), 10);
  for (let i = 0; i < 10; i++) await ask(serving.port, '/');
  await eventually(async () => (await metricValue(serving.adminPort, GETS)) === 20);
});

test('a worker that dies again and again is started ever later, and reported', async () => {
  await using serving = await serve('--workers', '2');
  for (let death = 0; death < 6; death++) await ask(serving.port, '/die').catch(() => null);
  await serving.sluice.until(/died: exit code 3 .*death 2 in a row; replaced in 100 ms/, 'stderr');
  assert.equal((await ask(serving.port, '/')).status, 200);
});

for (const workers of ['1', '2']) {
  test(`SIGTERM lets a running request finish and exits 0 (${workers} workers)`, async () => {
    await using serving = await serve('--workers', workers);
    const slow = await begin(serving.port, '/slow?ms=1000');
    process.kill(serving.sluice.pid, 'SIGTERM');
    // No new connection is accepted.
    await eventually(() =>
      ask(serving.port, '/').then(
        () => false,
        () => true,
      ),
    );
    assert.equal((await slow.answer).status, 200);
    assert.equal((await serving.sluice.ended).code, 0);
  });

  test(`what outlives the drain timeout is broken off (${workers} workers)`, async () => {
    await using serving = await serve('--workers', workers, '--drain-timeout', '100ms');
    const endless = await begin(serving.port, '/slow?ms=120000');
    process.kill(serving.sluice.pid, 'SIGTERM');
    await assert.rejects(endless.answer);
    assert.equal((await serving.sluice.ended).code, 0);
  });

  test(`a second signal ends at once (${workers} workers)`, async () => {
    await using serving = await serve('--workers', workers, '--drain-timeout', '120s');
    const endless = await begin(serving.port, '/slow?ms=120000');
    process.kill(serving.sluice.pid, 'SIGINT');
    // npm, the launcher and the terminal each pass on the same Ctrl-C.
    process.kill(serving.sluice.pid, 'SIGINT');
    await new Promise((resolve) => setTimeout(resolve, 400));
    assert.ok(isAlive(serving.sluice.pid), 'two at the same moment are one');
    let isOver = false;
    const ended = serving.sluice.ended.finally(() => {
      isOver = true;
    });
    // On a busy machine the first may have been heard so late that this one is taken for the same.
    await eventually(async () => {
      if (!isOver) process.kill(serving.sluice.pid, 'SIGINT');
      await new Promise((resolve) => setTimeout(resolve, 400));
      return isOver;
    });
    assert.equal((await ended).code, 130);
    await assert.rejects(endless.answer);
  });
}

for (const workers of ['1', '2']) {
  test(`what a worker cannot start with is told once, exit code 2 (${workers} workers)`, async () => {
    const words = ['--origin', 'http://127.0.0.1:9', '--http', '0', '--workers', workers];
    const environment = { STAND_IN_FAILS: '1' };
    await using sluice = startProgram(program, words, { environment });
    const { code, stdout, stderr } = await sluice.ended;
    assert.deepEqual([code, stdout, stderr], [2, '', 'sluice: --cert: no good; mend it\n']);
  });
}

test('SIGHUP reloads, and traffic goes on', async () => {
  await using serving = await serve('--workers', '2');
  process.kill(serving.sluice.pid, 'SIGHUP');
  await serving.sluice.until(/sluice: reload: unchanged/, 'stderr');
  assert.equal((await ask(serving.port, '/')).status, 200);
});

test('one worker serves from the process that was started', async () => {
  await using serving = await serve('--workers', '1');
  assert.equal(JSON.parse((await ask(serving.port, '/')).body).pid, serving.sluice.pid);
  assert.deepEqual(await workerPids(serving.adminPort), [serving.sluice.pid]);
});

test('workers end when the supervisor is killed', async () => {
  await using serving = await serve('--workers', '2');
  const pids = await workerPids(serving.adminPort);
  process.kill(serving.sluice.pid, 'SIGKILL');
  await eventually(() => !pids.some(isAlive));
});

test('workers share one UNIX socket, and its file is removed in the end', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'sluice-'));
  try {
    const path = join(directory, 'http.sock');
    await using serving = await serve('--workers', '2', '--http', `unix:${path}`);
    const body = await new Promise<string>((resolve, reject) => {
      const socket = connect(path, () => socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n'));
      let text = '';
      socket.setEncoding('utf8').on('data', (chunk) => {
        text += chunk;
      });
      socket.on('end', () => resolve(text)).on('error', reject);
    });
    assert.match(body, /^HTTP\/1\.1 200 /);
    // Not to remove the file: that would take the one that serves off the air.
    const second = await runSluice(['--origin', 'http://127.0.0.1:9', '--http', `unix:${path}`]);
    assert.equal(second.code, 2);
    assert.match(second.stderr, /another program serves there; stop that program, or choose/);
    process.kill(serving.sluice.pid, 'SIGTERM');
    assert.equal((await serving.sluice.ended).code, 0);
    await assert.rejects(readFile(path), { code: 'ENOENT' });
  } finally {
    await rm(directory, { recursive: true });
  }
});

for (const workers of ['1', '2']) {
  test(`SIGUSR1 opens a moved access log anew (${workers} workers)`, async () => {
    const directory = await mkdtemp(join(tmpdir(), 'sluice-'));
    try {
      const file = join(directory, 'access.log');
      await using serving = await serve('--workers', workers, '--access-log', file);
      await ask(serving.port, '/one');
      await eventually(async () => (await readFile(file, 'utf8')).includes('/one'));
      await rename(file, `${file}.1`);
      process.kill(serving.sluice.pid, 'SIGUSR1');
      await eventually(async () => (await readFile(file, 'utf8').catch(() => null)) !== null);
      await eventually(async () => {
        await ask(serving.port, '/two');
        return (await readFile(file, 'utf8')).includes('/two');
      });
      assert.ok(!(await readFile(file, 'utf8')).includes('/one'));
    } finally {
      await rm(directory, { recursive: true });
    }
  });
}

test('the admin endpoint tells health, states and metrics, to this machine only', async () => {
  await using serving = await serve('--workers', '2');
  const { status: alive, body: health } = await ask(serving.adminPort, '/healthz');
  assert.deepEqual([alive, JSON.parse(health)], [200, { status: 'ok', why: [] }]);
  const { workers, state, metrics } = await stats(serving.adminPort);
  assert.equal(state, 'running');
  assert.equal(workers.length, 2);
  assert.deepEqual(metrics.sluice_workers_running, [{ labels: {}, value: 2 }]);
  // A page in a browser could point its own name at this address (DNS rebinding).
  assert.equal((await ask(serving.adminPort, '/stats', { Host: 'evil.example' })).status, 403);
  assert.equal((await ask(serving.adminPort, '/nowhere')).status, 404);
  const status = await new Promise((resolve, reject) => {
    const post = { port: serving.adminPort, host: '127.0.0.1', method: 'POST', agent: false };
    request(post, (response) => resolve(response.resume().statusCode))
      .on('error', reject)
      .end();
  });
  assert.equal(status, 405);
});
