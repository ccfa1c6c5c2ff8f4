// biome-ignore-all lint/suspicious/noTemplateCurlyInString: fields of a format.
import assert from 'node:assert/strict';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { after } from 'node:test';
import { logLevels, logSubsystems } from '../../src/telemetry/log-event.ts';
import { runSluice } from '../cli/sluice-process.ts';
import { startOrigin } from '../support/origins.ts';
import { type RunningSluice, startSluice } from '../support/sluice.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { until } from '../support/waiting.ts';

const origin = await startOrigin((_request, response) => {
  response.setHeader('Cache-Control', 'max-age=60');
  response.end('ok');
});
after(() => origin[Symbol.asyncDispose]());

interface Event {
  readonly level: string;
  readonly subsystem: string;
  readonly code: string | null;
  readonly message: string;
  readonly fields: Record<string, unknown>;
  readonly worker: number | null;
}

function command(sluice: RunningSluice, ...words: string[]) {
  return runSluice([...words, '--admin', `127.0.0.1:${sluice.adminPort}`]);
}

async function events(sluice: RunningSluice, query: string): Promise<Event[]> {
  const response = await fetch(`http://127.0.0.1:${sluice.adminPort}/log?${query}`);
  return ((await response.json()) as { events: Event[] }).events;
}

function linesOf(file: string): string[] {
  return readFileSync(file, 'utf8').split('\n').slice(0, -1);
}

test('the error log is a file of JSON lines, which another program may move away', async () => {
  const file = join(temporaryDirectory(), 'error.log');
  const flags = ['--error-log', file, '--error-log-format', 'json'];
  await using sluice = await startSluice({ origin: origin.url, workers: 2, flags });
  const [pid] = await sluice.workerPids();
  process.kill(pid!, 'SIGKILL');
  await until(() => linesOf(file).some((line) => line.includes('worker-died')), 'a line');
  const died = linesOf(file)
    .map((line) => JSON.parse(line) as Event)
    .find(({ code }) => code === 'worker-died')!;
  assert.equal(died.level, 'error');
  assert.equal(died.subsystem, 'supervisor');
  assert.match(died.message, /^worker 0 \(pid \d+\) died: SIGKILL/);
  assert.equal(died.fields.pid, pid);
  assert.doesNotMatch(sluice.output, /died/);

  renameSync(file, `${file}.1`);
  sluice.signal('SIGUSR1');
  const purge = () => command(sluice, 'cache', 'purge', '--all');
  await until(async () => {
    await purge();
    try {
      return linesOf(file).some((line) => line.includes('"code":"purge"'));
    } catch {
      return false;
    }
  }, 'a line in the new file');
});

test('details of every subsystem are there when they are asked for, in all workers', async () => {
  await using sluice = await startSluice({ origin: origin.url, workers: 2 });
  const before = await command(sluice, 'log', 'level');
  assert.match(before.stdout, /^tls +notice$/m);
  assert.deepEqual(await events(sluice, 'level=debug&subsystem=proxy'), []);

  const words = ['proxy=debug', 'cache=debug', 'origins=debug', 'tls=debug'];
  const changed = await command(sluice, 'log', 'level', ...words, '--for', '10m');
  assert.match(changed.stdout, /^tls +debug {2}until \d{4}-/m);
  // Each connection is one of either worker's.
  const curl = async (path: string) => {
    const response = await fetch(`${sluice.httpUrl}${path}`, { headers: { connection: 'close' } });
    await response.text();
  };
  const from = new Set<number | null>();
  await until(async () => {
    await curl('/details');
    const seen = await events(sluice, 'subsystem=proxy&limit=1000');
    for (const { worker } of seen) from.add(worker);
    return from.size === 2;
  }, 'details of both workers');
  const [exchange] = await events(sluice, 'subsystem=proxy&limit=1000');
  assert.equal(exchange!.code, 'exchange-finished');
  assert.match(exchange!.message, /^GET 127\.0\.0\.1:\d+\/details$/);
  assert.equal(exchange!.fields.status, 200);
  assert.equal(exchange!.fields.route, 'default');
  const cache = await events(sluice, 'subsystem=cache&limit=1000');
  assert.ok(cache.some(({ code }) => code === 'cache-miss'));
  assert.ok(cache.some(({ code }) => code === 'cache-hit'));
  const origins = await events(sluice, 'subsystem=origins&limit=1000');
  assert.ok(origins.some(({ code }) => code === 'origin-connection-opened'));

  // A client that trusts nobody ends its handshake.
  await assert.rejects(fetch(sluice.httpsUrl));
  await until(async () => {
    const seen = await events(sluice, 'subsystem=tls');
    return seen.some(({ code }) => code === 'handshake-failed');
  }, 'the handshake');

  await command(sluice, 'log', 'level', 'tls=default');
  const after = await command(sluice, 'log', 'level', '--json');
  const { levels } = JSON.parse(after.stdout) as { levels: Record<string, string> };
  assert.equal(levels.tls, 'notice');
  assert.equal(levels.proxy, 'debug');
  const told = await command(sluice, 'log', '--subsystem', 'logs');
  assert.match(told.stdout, /notice +logs +log: levels changed: tls=default$/m);
  // Every write of the admin endpoint has a line.
  const writes = await events(sluice, 'subsystem=admin');
  assert.ok(writes.some(({ message }) => message === 'admin: POST /log/levels: 200'));
});

test('a level that was set for a time goes back by itself', async () => {
  await using sluice = await startSluice({ origin: origin.url });
  await command(sluice, 'log', 'level', 'debug', '--for', '50ms');
  await until(async () => {
    const { stdout } = await command(sluice, 'log', 'level', '--json');
    return (JSON.parse(stdout) as { levels: Record<string, string> }).levels.proxy === 'notice';
  }, 'the level of before');
  await until(() => /the level of proxy is notice again/.test(sluice.output), 'a line');
});

test('what is no level or subsystem is refused, with what to write', async () => {
  await using sluice = await startSluice({ origin: origin.url });
  const subsystem = await command(sluice, 'log', 'level', 'cach=debug');
  assert.equal(subsystem.code, 2);
  assert.match(subsystem.stderr, /no such subsystem; write cache=debug/);
  const level = await command(sluice, 'log', '--level', 'loud');
  assert.equal(level.code, 2);
  assert.match(level.stderr, /level is one of error,/);
});

test('flags say how urgent an event must be, of one subsystem and of all others', async () => {
  const flags = ['--log-level', 'error', '--log-level', 'cache=notice'];
  await using sluice = await startSluice({ origin: origin.url, flags });
  await command(sluice, 'cache', 'purge', '--all');
  await until(() => /^sluice: cache: purge of/m.test(sluice.output), 'its line');
  assert.doesNotMatch(sluice.output, /admin: POST/);
});

test('each subsystem has the level that the file gives it', async () => {
  const others = logLevels.filter((level) => level !== 'notice');
  const levels = Object.fromEntries(
    logSubsystems.map((name, i) => [name, others[i % others.length]!]),
  );
  const file = join(temporaryDirectory(), 'sluice.yaml');
  writeFileSync(file, JSON.stringify({ origin: origin.url, 'error-log': { levels } }));
  await using sluice = await startSluice({ flags: ['--config', file] });
  const { stdout } = await command(sluice, 'log', 'level', '--json');
  assert.deepEqual((JSON.parse(stdout) as { levels: object }).levels, levels);
});

test('a reload brings other levels and another file', async () => {
  const directory = temporaryDirectory();
  const file = join(directory, 'sluice.yaml');
  const write = (more: object) =>
    writeFileSync(file, JSON.stringify({ origin: origin.url, ...more }));
  write({ 'error-log': { level: 'warning' } });
  await using sluice = await startSluice({ flags: ['--config', file] });
  await command(sluice, 'cache', 'purge', '--all');
  assert.doesNotMatch(sluice.output, /purge/);
  const target = join(directory, 'error.log');
  write({ 'error-log': { target, levels: { cache: 'info' } } });
  const reload = await command(sluice, 'reload', '--canary', '0s');
  assert.equal(reload.code, 0, reload.stderr);
  await command(sluice, 'cache', 'purge', '--all');
  await until(() => /^sluice: cache: purge of/m.test(readFileSync(target, 'utf8')), 'its line');
});

test('a request is counted and logged by the name of its route', async () => {
  const directory = temporaryDirectory();
  const file = join(directory, 'sluice.yaml');
  const log = join(directory, 'access.log');
  const configuration = {
    origins: { app: { servers: [origin.url] } },
    routes: [
      { name: 'api', match: { 'path-prefix': '/api' }, origin: 'app' },
      { match: { 'path-prefix': '/gone' }, respond: { status: 410, body: '' } },
      { origin: 'app' },
    ],
    logs: [{ target: log, format: '${route} ${path}' }],
  };
  writeFileSync(file, JSON.stringify(configuration));
  await using sluice = await startSluice({ flags: ['--config', file] });
  for (const path of ['/api/x', '/gone', '/y', '/api/x']) {
    await (await fetch(`${sluice.httpUrl}${path}`)).text();
  }
  await until(() => linesOf(log).length === 4, 'four lines');
  assert.deepEqual(linesOf(log), ['api /api/x', 'routes[1] /gone', 'routes[2] /y', 'api /api/x']);
  const count = (labels: Record<string, string>) =>
    sluice.sum('sluice_route_requests_total', labels);
  assert.equal(await count({ route: 'api', status: '2xx' }), 2);
  assert.equal(await count({ route: 'routes[1]', status: '4xx' }), 1);
  assert.equal(await sluice.sum('sluice_route_duration_seconds', { route: 'api' }), 2);
});

test('who follows sees new events through a death and a reload, and ends when sluice does', async () => {
  const directory = temporaryDirectory();
  const file = join(directory, 'sluice.yaml');
  const write = (level: string) =>
    writeFileSync(file, JSON.stringify({ origin: origin.url, 'error-log': { level } }));
  write('info');
  const flags = ['--config', file, '--incident-dir', 'off'];
  await using sluice = await startSluice({ workers: 2, flags });
  const followed = command(sluice, 'log', '--follow', '--json');
  const [pid] = await sluice.workerPids();
  process.kill(pid!, 'SIGKILL');
  const seen = async (code: string, count: number) => {
    const all = await events(sluice, 'limit=1000');
    return all.filter((event) => event.code === code).length === count;
  };
  await until(() => seen('worker-started', 3), 'the replacement');
  write('debug');
  const reloaded = await command(sluice, 'reload', '--canary', '0s');
  assert.equal(reloaded.code, 0, reloaded.stderr);
  // Whoever follows asks four times a second.
  const told = await command(sluice, 'log', '--json', '--limit', '1000');
  const codes = (JSON.parse(told.stdout) as Event[]).map(({ code }) => code);
  for (const code of ['listening', 'started', 'certificate-loaded', 'reload-begun']) {
    assert.ok(codes.includes(code), `${code} among ${codes.join()}`);
  }
  await command(sluice, 'cache', 'purge', '--all');
  assert.equal(await sluice.stop(), 0);
  const { code, stdout, stderr } = await followed;
  assert.equal(code, 0, stderr);
  assert.match(stderr, /nothing more to follow/);
  const lines = stdout.trimEnd().split('\n');
  const shown = lines.map((line) => (JSON.parse(line) as Event).code);
  assert.deepEqual(
    ['worker-died', 'reload-begun', 'reload-done'].filter((one) => !shown.includes(one)),
    [],
  );
});

test('an origin that goes down and comes back is told once, not by every worker', async () => {
  let isWell = true;
  await using checked = await startOrigin((_request, response) => {
    response.statusCode = isWell ? 200 : 503;
    response.end();
  });
  const file = join(temporaryDirectory(), 'sluice.yaml');
  const check = { path: '/', interval: '100ms', rise: 1, fall: 1 };
  const app = { servers: [checked.url], 'health-check': check };
  writeFileSync(file, JSON.stringify({ origins: { app } }));
  await using sluice = await startSluice({ workers: 2, flags: ['--config', file] });
  const told = async (code: string) =>
    (await events(sluice, 'subsystem=origins')).filter((event) => event.code === code);
  isWell = false;
  await until(async () => (await told('origin-down')).length > 0, 'the news');
  isWell = true;
  await until(async () => (await told('origin-up')).length > 0, 'better news');
  const [down, ...more] = await told('origin-down');
  assert.match(down!.message, /^origin app: 127\.0\.0\.1:\d+ is down by its checks: .*503/);
  assert.equal(more.length, 0);
});
