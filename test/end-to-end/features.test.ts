import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import type { TLSSocket } from 'node:tls';
import { defaultGroupOptions } from '../../src/upstream/options.ts';
import { runSluice } from '../cli/sluice-process.ts';
import { Authority } from '../support/authority.ts';
import { serverAt, startGroup } from '../support/origin-group.ts';
import { startOrigin } from '../support/origins.ts';
import { unlessInstalled } from '../support/programs.ts';
import { RawConnection } from '../support/raw-connection.ts';
import { startConfigured } from '../support/routes.ts';
import { hasSession, sClient, sessionFile } from '../support/s-client.ts';
import { startSluice } from '../support/sluice.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { until } from '../support/waiting.ts';

const GET = 'GET /x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n';
const skip = unlessInstalled('openssl');

const origin = await startOrigin((_request, response) => response.end('ok'));
test.after(() => origin[Symbol.asyncDispose]());

/** The flags reach workers that are processes of their own, as well as the one that is not. */
for (const workers of [1, 2]) {
  const without = (...names: string[]) =>
    startSluice({
      origin: origin.url,
      workers,
      flags: names.flatMap((name) => ['--feature', `${name}=off`]),
    });

  test(`without alpn-h2 clients get HTTP/1.1 (workers: ${workers})`, async () => {
    await using sluice = await without('alpn-h2');
    using connection = await RawConnection.openTls(sluice.httpsPort, {
      ALPNProtocols: ['h2', 'http/1.1'],
    });
    assert.equal((connection.socket as TLSSocket).alpnProtocol, 'http/1.1');
    assert.equal((await connection.request(GET)).status, 200);
  });

  test(`without session-tickets nothing is resumed (workers: ${workers})`, { skip }, async () => {
    await using sluice = await without('session-tickets');
    for (const version of ['-tls1_3', '-tls1_2']) {
      const keep = sessionFile();
      const first = await sClient(sluice.httpsPort, { words: [version], request: GET, keep });
      assert.match(first.http, /^HTTP\/1\.1 200 /);
      if (!hasSession(keep)) continue;
      const again = { words: [version], request: GET, session: keep };
      assert.equal((await sClient(sluice.httpsPort, again)).resumed, false);
    }
  });

  test(`without early-data it is skipped (workers: ${workers})`, { skip }, async () => {
    await using sluice = await without('early-data');
    const keep = sessionFile();
    await sClient(sluice.httpsPort, { words: ['-tls1_3'], request: GET, keep });
    assert.ok(hasSession(keep));
    const again = await sClient(sluice.httpsPort, { early: GET, request: GET, session: keep });
    assert.equal(again.resumed, true);
    assert.equal(again.earlyData, 'not sent');
    assert.equal(await sluice.sum('sluice_early_data_offered_total'), 0, 'no ticket allows it');
  });

  test(`an observer that is switched off sees nothing (workers: ${workers})`, async () => {
    await using sluice = await without('handshake-metrics', 'ja4');
    using connection = await RawConnection.openTls(sluice.httpsPort);
    assert.equal((await connection.request(GET)).status, 200);
    assert.equal(await sluice.sum('sluice_tls_handshakes_total'), 0);
    const admin = ['--admin', String(sluice.adminPort)];
    const { stdout } = await runSluice(['handshakes', 'observers', ...admin]);
    assert.doesNotMatch(stdout, /handshake-metrics|ja4/);
    assert.match(stdout, /^handshake-failures +enabled/m);
  });
}

/** One handshake that fails, by a client that wants another protocol: what is left of it. */
async function failureWith(workers: number, ...off: string[]) {
  const log = join(temporaryDirectory(), 'handshakes.log');
  const flags = ['--handshake-log', log, ...off.flatMap((name) => ['--feature', `${name}=off`])];
  await using sluice = await startSluice({ origin: origin.url, workers, flags });
  const imaginary = { ALPNProtocols: ['imaginary'] };
  await assert.rejects(RawConnection.openTls(sluice.httpsPort, imaginary));
  const failed = () => sluice.sum('sluice_tls_handshakes_total', { outcome: 'failed' });
  await until(async () => (await failed()) === 1, 'the failure to be counted');
  const words = ['handshakes', 'failures', '--json', '--admin', String(sluice.adminPort)];
  const { failures } = JSON.parse((await runSluice(words)).stdout) as { failures: unknown[] };
  assert.equal(await sluice.stop(), 0);
  return { kinds: failures.length, lines: readFileSync(log, 'utf8').split('\n').length - 1 };
}

test('without handshake-failures and handshake-log nobody notes a failure', async () => {
  assert.deepEqual(await failureWith(1), { kinds: 1, lines: 1 });
  assert.deepEqual(await failureWith(1, 'handshake-failures'), { kinds: 0, lines: 1 });
  assert.deepEqual(await failureWith(2, 'handshake-log'), { kinds: 1, lines: 0 });
});

test('without certificate-compression certificates go as they are', { skip }, async () => {
  const names = Array.from({ length: 100 }, (_, index) => `host-${index}.example.org`);
  const { certificateFile: cert, keyFile: key } = new Authority().issue({ names });
  const received: number[] = [];
  for (const value of ['on', 'off']) {
    const features = { 'certificate-compression': value };
    await using sluice = await startConfigured({
      file: { origin: origin.url, cert, key, features },
    });
    // Our own client is one that takes them so.
    const server = serverAt(sluice.httpsPort, { scheme: 'https', http2: 'alpn' });
    const tls = { ...defaultGroupOptions.tls, verify: false, serverName: names[0]! };
    await using asked = startGroup([server], { tls });
    assert.equal((await asked.ask()).error, '');
    const bytesSent = () => sluice.sum('sluice_tls_handshake_bytes_total', { direction: 'sent' });
    received.push(await bytesSent());
  }
  assert.ok(received[0]! < received[1]! - 1_000, `${received} bytes with and without`);
});

test('without key-log no secret is written', { skip }, async () => {
  for (const value of ['on', 'off']) {
    const log = join(temporaryDirectory(), 'keys.log');
    const file = { origin: origin.url, tls: { 'key-log': log }, features: { 'key-log': value } };
    await using sluice = await startConfigured({ file });
    const { http } = await sClient(sluice.httpsPort, { request: GET });
    assert.match(http, /^HTTP\/1\.1 200 /);
    assert.equal(await sluice.stop(), 0);
    const text = existsSync(log) ? readFileSync(log, 'latin1') : '';
    assert.equal(text.includes('CLIENT_TRAFFIC_SECRET_0'), value === 'on');
  }
});
