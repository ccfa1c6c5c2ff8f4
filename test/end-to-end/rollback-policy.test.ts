import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { runSluice } from '../cli/sluice-process.ts';
import { startOrigin } from '../support/origins.ts';
import { RawConnection } from '../support/raw-connection.ts';
import { type RunningSluice, startSluice } from '../support/sluice.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { until } from '../support/waiting.ts';

/** What trips an automatic rollback by default. */
const DEATHS = 3;

async function statusOf(sluice: RunningSluice): Promise<number> {
  using connection = await RawConnection.open(sluice.httpPort);
  return (await connection.request('GET /admin HTTP/1.1\r\nHost: a.example\r\n\r\n')).status;
}

async function restarts(sluice: RunningSluice): Promise<number> {
  return (await sluice.stats()).workers.reduce((sum, worker) => sum + worker.restarts, 0);
}

test('deaths of workers right after a reload do not take its deny rule away', async () => {
  await using origin = await startOrigin((_request, response) => response.end('admin'));
  const file = join(temporaryDirectory(), 'sluice.yaml');
  const write = (route: object) =>
    writeFileSync(
      file,
      JSON.stringify({
        origins: { app: { servers: [origin.url] } },
        routes: [{ origin: 'app', ...route }],
      }),
    );
  write({});
  await using sluice = await startSluice({ workers: 2, flags: ['--config', file] });
  assert.equal(await statusOf(sluice), 200);
  write({ access: [{ deny: 'all', paths: ['/admin'] }] });
  const { code, stderr } = await runSluice([
    ...['reload', '--admin', `127.0.0.1:${sluice.adminPort}`, '--canary', '100ms'],
  ]);
  assert.equal(code, 0, stderr);
  assert.equal(await statusOf(sluice), 403);
  for (let deaths = 0; deaths < DEATHS; deaths++) {
    const before = await restarts(sluice);
    const pid = await until(async () => {
      const { workers } = await sluice.stats();
      return (
        workers.find(({ pid, state }) => pid !== null && state === 'running')?.pid ?? undefined
      );
    }, 'a worker that serves');
    process.kill(pid, 'SIGSEGV');
    await until(async () => (await restarts(sluice)) > before, 'its death to be noticed');
  }
  await until(() => sluice.output.includes('is not undone by itself'), 'the operator to be told');
  assert.equal(await statusOf(sluice), 403);
  const { stdout } = await runSluice([
    'features',
    'list',
    '--admin',
    `127.0.0.1:${sluice.adminPort}`,
  ]);
  assert.doesNotMatch(stdout, /configuration/);
});
