/** A worker that hangs, cannot start or is told to end costs no new connection. */
import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { Agent, get } from 'node:http';
import { join } from 'node:path';
import test from 'node:test';
import { startOrigin } from '../support/origins.ts';
import { type RunningSluice, startSluice } from '../support/sluice.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { inParallel, until, within } from '../support/waiting.ts';

const CONNECTIONS = 60;

const origin = await startOrigin((_request, response) => response.end('ok'));
test.after(() => origin[Symbol.asyncDispose]());

/** One request on a connection of its own: its status, or why there is none. */
function askAnew({ httpPort }: RunningSluice): Promise<number | string> {
  const { promise, resolve } = Promise.withResolvers<number | string>();
  const agent = new Agent({ keepAlive: false });
  get({ host: '127.0.0.1', port: httpPort, path: '/', agent }, (response) => {
    response.resume().on('end', () => resolve(response.statusCode ?? 0));
  }).on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  return promise;
}

/** What so many new connections at once are answered. Rejects when one is not, within the time. */
async function askAll(
  sluice: RunningSluice,
  quietMs: number,
): Promise<Map<number | string, number>> {
  const counts = new Map<number | string, number>();
  const all = inParallel(CONNECTIONS, CONNECTIONS, async () => {
    const answer = await askAnew(sluice);
    counts.set(answer, (counts.get(answer) ?? 0) + 1);
  });
  await within(all, `${CONNECTIONS} answers; there are ${JSON.stringify([...counts])}`, quietMs);
  return counts;
}

async function healthOf({ adminPort }: RunningSluice) {
  const response = await fetch(`http://127.0.0.1:${adminPort}/readyz`);
  return [response.status, (await response.json()) as { status: string; why: string[] }] as const;
}

const ALL_SERVED = new Map([[200, CONNECTIONS]]);

test('while a worker hangs, the others take its new connections; then it has its own again', async () => {
  // Were they left to the watchdog, they would wait for a minute.
  const flags = ['--watchdog', '1m'];
  await using sluice = await startSluice({ origin: origin.url, workers: 2, flags });
  const [pid] = await sluice.workerPids();
  process.kill(pid!, 'SIGSTOP');
  // Those included that wait in its queue by then.
  assert.deepEqual(await askAll(sluice, 6_000), ALL_SERVED);
  assert.deepEqual(await askAll(sluice, 1_000), ALL_SERVED);
  assert.match(sluice.output, /worker 0 does not respond: the others take its new connections/);
  const degraded = { status: 'degraded', why: ['worker 0 does not respond or ends'] };
  assert.deepEqual(await healthOf(sluice), [200, degraded]);
  const [, other] = await sluice.workerPids();
  process.kill(other!, 'SIGSTOP');
  await until(async () => (await healthOf(sluice))[0] === 503, 'nobody to serve');
  process.kill(other!, 'SIGCONT');
  process.kill(pid!, 'SIGCONT');
  await until(async () => (await healthOf(sluice))[1].status === 'ok', 'both to serve');
  assert.deepEqual(await askAll(sluice, 5_000), ALL_SERVED);
  assert.deepEqual((await sluice.workerPids())[0], pid, 'it was not ended');
});

test('a worker that hangs is ended and replaced without a directory for incidents, too', async () => {
  const flags = ['--incident-dir', 'off', '--watchdog', '1s'];
  await using sluice = await startSluice({ origin: origin.url, workers: 2, flags });
  const [pid] = await sluice.workerPids();
  const stoppedAtMs = performance.now();
  process.kill(pid!, 'SIGSTOP');
  await until(async () => {
    const [worker] = (await sluice.stats()).workers;
    return worker!.pid !== pid && worker!.state === 'running';
  }, 'its replacement');
  assert.ok(performance.now() - stoppedAtMs >= 1_000);
  assert.match(
    sluice.output,
    /worker 0 \(pid \d+\) hangs: its event loop has been blocked for \d\.\d s\n/,
  );
  assert.deepEqual(await askAll(sluice, 2_000), ALL_SERVED);
});

test('a worker that is told to end by somebody else costs no new connection', async () => {
  await using sluice = await startSluice({ origin: origin.url, workers: 2 });
  const [pid] = await sluice.workerPids();
  process.kill(pid!, 'SIGTERM');
  assert.deepEqual(await askAll(sluice, 2_000), ALL_SERVED);
});

test('while a worker cannot start, the others take its new connections', async () => {
  const module = join(temporaryDirectory(), 'module.mjs');
  const write = () => writeFileSync(module, 'export const features = [];\n');
  write();
  const flags = ['--danger-module', module];
  await using sluice = await startSluice({ origin: origin.url, workers: 2, flags });
  const [pid] = await sluice.workerPids();
  rmSync(module);
  process.kill(pid!, 'SIGKILL');
  await until(() => sluice.output.includes('death 4 in a row'), 'deaths at the start');
  assert.deepEqual(await askAll(sluice, 3_000), ALL_SERVED);
  assert.notEqual((await sluice.stats()).workers[0]!.state, 'running');
  write();
  const isBack = async () => (await sluice.stats()).workers[0]!.state === 'running';
  await until(isBack, 'the worker to be back');
  assert.deepEqual(await askAll(sluice, 3_000), ALL_SERVED);
});
