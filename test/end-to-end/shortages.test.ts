// What this machine or process runs out of is nobody else's fault, and ends nothing.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import http from 'node:http';
import net from 'node:net';
import test from 'node:test';
import { startOrigin } from '../support/origins.ts';
import { unlessInstalled } from '../support/programs.ts';
import { startSluiceWith } from '../support/sluice-file.ts';
import { until, within } from '../support/waiting.ts';

const skip = unlessInstalled('prlimit');

/** All of the numbers below are taken in a worker that runs. */
const FEW = 20;

/** Only the soft limit, which may be raised again. */
function limitDescriptors(pid: number, count: number): void {
  execFileSync('prlimit', ['--pid', String(pid), `--nofile=${count}:`]);
}

async function ask(url: string, agent: http.Agent | false = false): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  http
    .get(url, { agent }, (response) => {
      response.resume().once('end', () => resolve(response.statusCode ?? 0));
    })
    .once('error', reject);
  return within(promise, url);
}

test('without descriptors, kept connections are served, no origin is blamed, no worker ends', {
  skip,
}, async () => {
  await using origin = await startOrigin((_request, response) => {
    response.setHeader('Connection', 'close');
    response.end('from the origin');
  });
  await using sluice = await startSluiceWith({
    listeners: [
      { address: '127.0.0.1:0', protocol: 'http' },
      { address: '127.0.0.1:0', protocol: 'https' },
    ],
    origins: {
      a: {
        servers: [origin.url],
        'health-check': { path: '/healthz', interval: '100ms', timeout: '1s', fall: 2 },
        'passive-health': { failures: 2, 'ejected-share-max': '100%' },
        'circuit-breaker': { 'failure-share': '50%', 'requests-min': 2 },
      },
    },
    routes: [
      { match: { 'path-prefix': '/own' }, respond: { status: 200, body: 'own' } },
      { origin: 'a', cache: { enabled: 'off' } },
    ],
    workers: 2,
  });
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  assert.equal(await ask(`${sluice.httpUrl}/own`, agent), 200);
  await until(() => origin.asked('/healthz').length > 0, 'a first check');
  const pids = await sluice.workerPids();
  for (const pid of pids) limitDescriptors(pid, FEW);
  // They wait: nobody can take them now.
  const waiting = Array.from({ length: 40 }, () =>
    net.connect(sluice.httpPort, '127.0.0.1').on('error', () => {}),
  );
  await until(() => /has run out \(EMFILE\)/.test(sluice.output), 'the shortage to be told');
  for (let i = 0; i < 6; i++) {
    assert.equal(await ask(`${sluice.httpUrl}/own`, agent), 200);
    assert.equal(await ask(`${sluice.httpUrl}/from-origin`, agent), 503);
  }
  const checks = origin.asked('/healthz').length;
  // As long as several checks and samples of memory take.
  await within(new Promise((resolve) => setTimeout(resolve, 1_500)), 'some rounds');
  assert.equal(origin.asked('/healthz').length, checks, 'no check could be made');
  for (const pid of pids) limitDescriptors(pid, 1_000);
  for (const socket of waiting) socket.destroy();
  assert.equal(await ask(`${sluice.httpUrl}/from-origin`, agent), 200, 'nobody was blamed');
  for (let i = 0; i < 8; i++) assert.equal(await ask(`${sluice.httpUrl}/from-origin`), 200);
  assert.deepEqual(await sluice.workerPids(), pids, 'the same workers');
  assert.equal(await sluice.sum('sluice_origin_server_ejections_total'), 0);
  assert.ok((sluice.output.match(/run out/g) ?? []).length <= 6, sluice.output);
  agent.destroy();
});
