// Needs openssl: it makes the certificate.
// Whatever goes wrong, each place where an operator looks says so within two seconds.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import test from 'node:test';
import { type Browser, chromium } from 'playwright-core';
import type { ActionArguments } from '../../src/cli/action-arguments.ts';
import { fullStatus } from '../../src/cli/status.ts';
import { runSluice } from '../cli/sluice-process.ts';
import { Authority } from '../support/authority.ts';
import { FakeWallClock, unlessFaketime } from '../support/faketime.ts';
import { startOrigin } from '../support/origins.ts';
import { findProgram, unlessInstalled } from '../support/programs.ts';
import { startRedis } from '../support/redis.ts';
import { type RunningSluice, startSluice } from '../support/sluice.ts';
import { mountSmall } from '../support/small-disk.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { freePort, inParallel, until } from '../support/waiting.ts';

const skip = unlessFaketime || unlessInstalled('redis-server') || unlessInstalled('prlimit');
const executablePath = findProgram('chromium');

/** On a quiet machine; `until` gives a busy one more. */
const SAID_WITHIN_MS = 2_000;
const BODY_BYTES = 512 * 1024;

/** Where an operator looks: what is there to read now. */
type Place = readonly [name: string, read: () => string | Promise<string>];

function places(sluice: RunningSluice, ofPage: (() => Promise<string>) | null): Place[] {
  const admin = `127.0.0.1:${sluice.adminPort}`;
  const flags = new Map([['admin', admin]]);
  const args: ActionArguments = { command: 'status', action: '', arguments: [], flags };
  return [
    ['terminal', () => sluice.output],
    ['log', async () => (await fetch(`http://${admin}/log?limit=1000`)).text()],
    ['status --json', async () => JSON.stringify((await fullStatus(args)).wrong)],
    ...(ofPage === null ? [] : [['dashboard', ofPage] as const]),
  ];
}

async function assertSaid(where: readonly Place[], scene: string, sentence: RegExp): Promise<void> {
  await Promise.all(
    where.map(async ([place, read]) => {
      let text = '';
      const isThere = async () => {
        text = await read();
        return sentence.test(text);
      };
      const what = () => `${sentence} (${scene}) in ${place}, which says: ${text.slice(-3_000)}`;
      await until(isThere, what, SAID_WITHIN_MS);
    }),
  );
}

test('twelve troubles: terminal, log, status and dashboard say what each is, in time', {
  skip,
}, async (t) => {
  await using well = await startOrigin((request, response) => {
    if (request.url!.startsWith('/slow')) return;
    response.statusCode = request.url!.startsWith('/errors') ? 500 : 200;
    response.setHeader('Cache-Control', 'max-age=600');
    response.end(Buffer.alloc(BODY_BYTES));
  });
  await using redis = await startRedis();
  const { certificateFile: cert, keyFile: key } = new Authority().issue({
    names: ['edge.example'],
    days: 100,
  });
  const wallClock = new FakeWallClock();
  const disk = join(temporaryDirectory(), 'small');
  const noDisk = mountSmall(disk, '16m');
  const file = join(temporaryDirectory(), 'sluice.yaml');
  const timeouts = { response: '200ms' };
  const servers = [well.url];
  const configuration = JSON.stringify({
    listeners: [
      { address: '127.0.0.1:0', protocol: 'http' },
      { address: '127.0.0.1:0', protocol: 'https' },
    ],
    hosts: [{ names: ['edge.example'], certificates: [{ cert, key }] }],
    origins: {
      well: { servers },
      gone: { servers: [`http://127.0.0.1:${await freePort()}`] },
      slow: { servers, timeouts, retries: { max: 0 } },
      errors: { servers },
      lost: { servers: ['http://nowhere.invalid'] },
    },
    routes: [
      ...['gone', 'slow', 'errors', 'lost'].map((name) => {
        return { match: { 'path-prefix': `/${name}` }, origin: name };
      }),
      { origin: 'well' },
    ],
    cluster: { redis: redis.url },
    ...(noDisk === false ? { cache: { directory: join(disk, 'cache'), size: '64MiB' } } : {}),
  });
  writeFileSync(file, configuration);
  await using sluice = await startSluice({
    workers: 2,
    listensByFile: true,
    flags: ['--config', file],
    environment: wallClock.environment,
  });
  const browser: Browser | null =
    executablePath === null
      ? null
      : await chromium.launch({ executablePath, args: ['--no-sandbox'] });
  try {
    const page = (await browser?.newPage()) ?? null;
    await page?.goto(`http://127.0.0.1:${sluice.adminPort}/`);
    if (page === null) t.diagnostic('no dashboard: chromium is not installed');
    const where = places(
      sluice,
      page && (async () => (await page.locator('#wrong').textContent()) ?? ''),
    );
    const said = (scene: string, sentence: RegExp) => assertSaid(where, scene, sentence);
    const get = async (path: string) => (await fetch(sluice.httpUrl + path)).arrayBuffer();

    await get('/gone');
    await said('origin refused', /origin gone: 127\.0\.0\.1:\d+ .*connection refused/);
    await get('/slow');
    await said('origin slow', /origin slow: 127\.0\.0\.1:\d+ .*no answer within the time limit/);
    await inParallel(12, 1, (i) => get(`/errors/${i}`).then(() => {}));
    await said(
      'origin answers 500',
      /origin errors: 127\.0\.0\.1:\d+ .*it answers with (errors|500)/,
    );
    await get('/lost');
    await said('DNS gone', /origin lost: \S+ .*(its name has no address|no name server answers)/);

    await until(() => sluice.output.includes('cluster: connected to'), 'the cluster');
    await redis.kill();
    await said('Redis away', /cluster: 127\.0\.0\.1:\d+: (the connection has ended|ECONNREFUSED)/);
    await said('early data refused', /early data is refused as a whole: cluster did not answer/);

    writeFileSync(file, configuration.replace('"routes"', '"rutes"'));
    await fetch(`http://127.0.0.1:${sluice.adminPort}/reload`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
    });
    await said('bad reload', /reload: refused.*rutes/s);
    writeFileSync(file, configuration);

    if (noDisk === false) {
      await inParallel(60, 4, (i) => get(`/large/${i}`).then(() => {}));
      await said('disk full', /cache: cache-disk-full: no space left on the device/);
    } else t.diagnostic(`no full disk: ${noDisk}`);

    const [, victim] = await sluice.workerPids();
    process.kill(victim!, 'SIGKILL');
    await said('worker killed', new RegExp(`worker 1 \\(pid ${victim}\\) died: SIGKILL`));

    const DAY_S = 86_400;
    wallClock.set(95 * DAY_S);
    await said('clock stepped', /the clock of this machine was set forward by 95 d/);
    await said('certificate expires', /the certificate of edge\.example expires in 4 days/);

    const pids = await sluice.workerPids();
    for (const pid of pids) execFileSync('prlimit', ['--pid', String(pid), '--nofile=20:']);
    const flood = Array.from({ length: 40 }, () =>
      net.connect(sluice.httpPort, '127.0.0.1').on('error', () => {}),
    );
    await said('out of descriptors', /has run out \(EMFILE\)/);
    for (const socket of flood) socket.destroy();

    const { stdout } = await runSluice(['status', '--admin', `127.0.0.1:${sluice.adminPort}`]);
    assert.match(stdout, /^wrong now:\n {2}\S.*\n {4}\S/m, 'each with what to do about it');
    assert.match(stdout, /^ {2}worker 1 \(pid \d+\) died.* \(.* ago\)\n {4}sluice incidents list/m);
  } finally {
    await browser?.close();
  }
});
