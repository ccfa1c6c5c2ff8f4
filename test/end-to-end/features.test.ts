import assert from 'node:assert/strict';
import test from 'node:test';
import type { TLSSocket } from 'node:tls';
import { runSluice } from '../cli/sluice-process.ts';
import { startOrigin } from '../support/origins.ts';
import { unlessInstalled } from '../support/programs.ts';
import { RawConnection } from '../support/raw-connection.ts';
import { hasSession, sClient, sessionFile } from '../support/s-client.ts';
import { startSluice } from '../support/sluice.ts';

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
    const again = await sClient(sluice.httpsPort, { request: GET, session: keep });
    assert.equal(again.resumed, true);
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
    assert.match(stdout, /^handshake-failures +armed/m);
  });
}
