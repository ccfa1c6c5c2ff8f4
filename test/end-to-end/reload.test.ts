import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { after } from 'node:test';
import { runSluice } from '../cli/sluice-process.ts';
import { startOrigin } from '../support/origins.ts';
import { ended, start, unlessInstalled } from '../support/programs.ts';
import { RawConnection } from '../support/raw-connection.ts';
import { type RunningSluice, startSluice, sumOf } from '../support/sluice.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { freePort, until } from '../support/waiting.ts';

const GET = 'GET /x HTTP/1.1\r\nHost: a.example\r\n\r\n';

async function namedOrigin(name: string) {
  const origin = await startOrigin((_request, response) => {
    response.setHeader('Cache-Control', 'no-store');
    response.end(name);
  });
  after(() => origin[Symbol.asyncDispose]());
  return origin;
}

const first = await namedOrigin('first');
const second = await namedOrigin('second');

/** A sluice whose options are in a file that can be written anew. */
async function serve(workers: number) {
  const file = join(temporaryDirectory(), 'sluice.yaml');
  const write = (text: string) => writeFileSync(file, text);
  write(`origin: ${first.url}\n`);
  const sluice = await startSluice({ workers, flags: ['--config', file] });
  const reload = (...words: string[]) =>
    runSluice(['reload', '--admin', `127.0.0.1:${sluice.adminPort}`, ...words]);
  return { sluice, write, reload };
}

async function ask(sluice: RunningSluice): Promise<string> {
  using connection = await RawConnection.open(sluice.httpPort);
  return (await connection.request(GET)).content;
}

/** What new connections get, asked often enough to meet every worker. */
async function everyAnswer(sluice: RunningSluice): Promise<string[]> {
  const answers = await Promise.all(Array.from({ length: 40 }, () => ask(sluice)));
  return [...new Set(answers)];
}

for (const workers of [1, 2]) {
  test(`a reload is for new connections; open ones keep what they have (${workers} workers)`, async () => {
    const { sluice, write, reload } = await serve(workers);
    await using _ = sluice;
    using open = await RawConnection.open(sluice.httpPort);
    assert.equal((await open.request(GET)).content, 'first');
    write(`origin: ${second.url}\n`);
    const { code, stdout } = await reload('--canary', '100ms');
    assert.equal(code, 0);
    assert.match(stdout, /^1 changed:\n {2}origin: http:\S+:\d+ → http:\S+:\d+\n/);
    assert.match(stdout, new RegExp(`applied on all ${workers} workers`));
    assert.deepEqual(await everyAnswer(sluice), ['second']);
    assert.equal((await open.request(GET)).content, 'first');
    assert.match((await reload()).stdout, /nothing has changed\nalready applied/);
  });
}

test('SIGHUP reloads, and a replaced worker has what is active', async () => {
  const { sluice, write } = await serve(2);
  await using _ = sluice;
  write(`origin: ${second.url}\n`);
  sluice.signal('SIGHUP');
  await until(() => /reload: done/.test(sluice.output), 'the reload');
  const [victim] = await sluice.workerPids();
  process.kill(victim!, 'SIGKILL');
  await until(async () => !(await sluice.workerPids()).includes(victim!), 'the replacement');
  await until(async () => (await sluice.sum('sluice_workers_running')) === 2, 'both workers');
  assert.deepEqual(await everyAnswer(sluice), ['second']);
});

const refused: Record<string, readonly [string, RegExp]> = {
  'a mistake in the file is told with its place': ['origin: nonsense\n', /:1:9: origin "nonsense"/],
  'what cannot change while it runs is named': [
    `origin: ${second.url}\npid-file: x.pid\n`,
    /pid-file cannot change while sluice runs; write sluice upgrade/,
  ],
};

for (const [name, [text, words]] of Object.entries(refused)) {
  test(`${name}, and nothing takes effect`, async () => {
    const { sluice, write, reload } = await serve(1);
    await using _ = sluice;
    write(text);
    const { code, stderr } = await reload();
    assert.equal(code, 2);
    assert.match(stderr, words);
    assert.deepEqual(await everyAnswer(sluice), ['first']);
  });
}

test('a configuration that makes requests fail is taken back, with the reason', async () => {
  const { sluice, write, reload } = await serve(2);
  await using _ = sluice;
  let failed = 0;
  let asking = true;
  const clients = Array.from({ length: 4 }, async () => {
    while (asking) if ((await ask(sluice)) !== 'first') failed++;
  });
  await until(async () => (await sluice.sum('sluice_requests_total')) > 100, 'some traffic');
  write(`origin: http://127.0.0.1:${await freePort()}\n`);
  const { code, stdout, stderr } = await reload('--canary', '20s');
  asking = false;
  await Promise.all(clients);
  assert.equal(code, 1);
  assert.match(stderr, /rolled back: \d+ % of \d+ requests failed, 0 % is usual/);
  assert.match(stdout, /rolled back to the previous configuration/);
  assert.ok(failed > 0, 'the trying worker has failed some, the others none');
  assert.deepEqual(await everyAnswer(sluice), ['first']);
});

test('a worker that dies while it tries ends the trial', async () => {
  const { sluice, write, reload } = await serve(2);
  await using _ = sluice;
  write(`origin: ${second.url}\n`);
  const reloading = reload('--canary', '20s');
  const [trying] = await sluice.workerPids();
  await until(async () => {
    const response = await fetch(`http://127.0.0.1:${sluice.adminPort}/reload`);
    const { reload: status } = (await response.json()) as {
      reload: { phase: string; triedSeconds: number } | null;
    };
    return status?.phase === 'trying' && status.triedSeconds > 0;
  }, 'the trial to be under way');
  process.kill(trying!, 'SIGKILL');
  const { code, stderr } = await reloading;
  assert.equal(code, 1);
  assert.match(stderr, /rolled back: the worker that tried it died/);
  await until(async () => (await sluice.sum('sluice_workers_running')) === 2, 'both workers');
  assert.deepEqual(await everyAnswer(sluice), ['first']);
});

test('a worker that has just died is waited for', async () => {
  const { sluice, write, reload } = await serve(2);
  await using _ = sluice;
  write(`origin: ${second.url}\n`);
  for (const pid of await sluice.workerPids()) process.kill(pid, 'SIGKILL');
  const { code, stderr } = await reload('--canary', '100ms');
  assert.equal(code, 0, stderr);
  assert.deepEqual(await everyAnswer(sluice), ['second']);
});

/** Each takes some 30 ms on a quiet machine, and 200 on a busy one. */
const RELOADS = process.env.SLUICE_LONG === '1' ? 1_000 : 30;

test(`${RELOADS} reloads under load fail no request`, {
  skip: unlessInstalled('h2load'),
}, async () => {
  const { sluice, write } = await serve(2);
  await using _ = sluice;
  // Some 1,600 requests a second: processors that have nothing left are another test's matter.
  const words = ['--h1', '-c', '8', '--rps', '200', '-D', '600', '-T', '10', sluice.httpUrl];
  const load = start('h2load', words, { stdio: ['ignore', 'pipe', 'ignore'] });
  let output = '';
  load.stdout!.on('data', (bytes: Buffer) => {
    output += bytes.toString();
  });
  const answers = new Set<string>();
  let asking = true;
  const clients = Array.from({ length: 2 }, async () => {
    while (asking) answers.add(await ask(sluice).catch((error: Error) => error.message));
  });
  const reloadUrl = `http://127.0.0.1:${sluice.adminPort}/reload`;
  for (let i = 0; i < RELOADS; i++) {
    write(`origin: ${i % 2 === 0 ? second.url : first.url}\n`);
    const headers = { 'Content-Type': 'application/json' };
    await fetch(reloadUrl, { method: 'POST', headers, body: '{"canaryMs": 0}' });
    const { outcome } = await until(async () => {
      const { reload } = (await (await fetch(reloadUrl)).json()) as {
        reload: { phase: string; outcome: string };
      };
      return reload.phase === 'over' && reload;
    }, 'the reload');
    assert.equal(outcome, 'done');
    assert.ok((await ask(sluice)) === (i % 2 === 0 ? 'second' : 'first'));
  }
  asking = false;
  await Promise.all(clients);
  load.kill('SIGINT');
  await ended(load);
  const stats = await sluice.stats();
  const requests = sumOf(stats, 'sluice_requests_total');
  const good = sumOf(stats, 'sluice_requests_total', { status: '200' });
  assert.ok(requests > RELOADS * 10, `${requests} requests`);
  assert.equal(good, requests, output);
  assert.deepEqual([...answers].sort(), ['first', 'second'], 'and no connection was refused');
});
