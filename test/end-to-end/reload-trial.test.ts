// Needs openssl: it makes the certificates.
/** What a trial looks at besides failed requests, which reload.test.ts shows. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { after } from 'node:test';
import { runSluice } from '../cli/sluice-process.ts';
import { Authority } from '../support/authority.ts';
import { startOrigin } from '../support/origins.ts';
import { RawConnection } from '../support/raw-connection.ts';
import { type RunningSluice, startSluice } from '../support/sluice.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { until } from '../support/waiting.ts';

const GET = 'GET /x HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n';
/** Many times what a busy machine takes for the quick one. */
const SLOW_MS = 800;

async function originAfter(delayMs: number) {
  const origin = await startOrigin((_request, response) => {
    response.setHeader('Cache-Control', 'no-store');
    setTimeout(() => response.end('ok'), delayMs);
  });
  after(() => origin[Symbol.asyncDispose]());
  return origin;
}

const quick = await originAfter(0);
const slow = await originAfter(SLOW_MS);
const { certificateFile, keyFile } = new Authority().issue({ names: ['a.test'] });

const hosts = (tls: string) =>
  `hosts: [{names: [a.test], certificates: [{cert: ${certificateFile}, key: ${keyFile}}]${tls}}]\n`;

/** Reloads while clients ask, until it is decided. */
async function reloadUnderLoad(
  before: string,
  next: string,
  ask: (sluice: RunningSluice) => Promise<unknown>,
) {
  const file = join(temporaryDirectory(), 'sluice.yaml');
  writeFileSync(file, before);
  await using sluice = await startSluice({ workers: 2, flags: ['--config', file] });
  let asking = true;
  const clients = Array.from({ length: 16 }, async () => {
    while (asking) await ask(sluice).catch(() => {});
  });
  try {
    await until(async () => (await sluice.sum('sluice_requests_total')) > 200, 'some traffic');
    writeFileSync(file, next);
    const admin = ['--admin', `127.0.0.1:${sluice.adminPort}`];
    return await runSluice(['reload', '--canary', '25s', ...admin]);
  } finally {
    asking = false;
    await Promise.all(clients);
  }
}

test('a configuration that makes handshakes fail is taken back, with the reason', async () => {
  const origin = `origin: ${quick.url}\n`;
  const ask = async ({ httpsPort }: RunningSluice) => {
    const tls = { servername: 'a.test', maxVersion: 'TLSv1.2' } as const;
    using connection = await RawConnection.openTls(httpsPort, tls);
    await connection.request(GET);
  };
  const strict = hosts(', tls: {min-version: TLSv1.3}');
  const { code, stderr } = await reloadUnderLoad(origin + hosts(''), origin + strict, ask);
  assert.equal(code, 1, stderr);
  assert.match(stderr, /rolled back: \d+ % of \d+ handshakes failed, 0 % is usual/);
});

test('a configuration that makes requests slow is taken back, with the reason', async () => {
  const ask = async ({ httpPort }: RunningSluice) => {
    using connection = await RawConnection.open(httpPort);
    await connection.request(GET);
  };
  const [before, next] = [quick, slow].map(({ url }) => `origin: ${url}\n`);
  const { code, stderr } = await reloadUnderLoad(before!, next!, ask);
  assert.equal(code, 1, stderr);
  assert.match(stderr, /rolled back: half of its requests take \d+ times as long as is usual/);
});
