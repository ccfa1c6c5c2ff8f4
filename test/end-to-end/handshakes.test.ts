import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import test from 'node:test';
import { TLSSocket } from 'node:tls';
import { startOrigin } from '../support/origins.ts';
import { run, unlessInstalled } from '../support/programs.ts';
import { RawConnection } from '../support/raw-connection.ts';
import { hasSession, sClient, sessionFile } from '../support/s-client.ts';
import { type Stats, startSluice, sumOf } from '../support/sluice.ts';
import { until } from '../support/waiting.ts';

const GET = 'GET /x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n';
const noOpenSsl = unlessInstalled('openssl');

const origin = await startOrigin((_request, response) => {
  response.setHeader('Cache-Control', 'no-store');
  response.end('ok');
});
const sluices = {
  on: await startSluice({ origin: origin.url, earlyData: 'on' }),
  off: await startSluice({ origin: origin.url, earlyData: 'off' }),
};
test.after(async () => {
  await sluices.on[Symbol.asyncDispose]();
  await sluices.off[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
});

const TOTAL = 'sluice_tls_handshakes_total';

/** Runs a job and says which handshakes were counted: labels of each, as often as it was. */
async function counted(sluice: (typeof sluices)['on'], expected: number, job: () => Promise<void>) {
  const before = await sluice.stats();
  await job();
  const total = sumOf(before, TOTAL) + expected;
  await until(async () => (await sluice.sum(TOTAL)) >= total, `${expected} handshakes`);
  const now = await sluice.stats();
  assert.equal(sumOf(now, TOTAL), total, 'each handshake is counted exactly once');
  return (now.metrics[TOTAL] ?? []).flatMap((series) => {
    const grown = (series.value ?? 0) - countOf(before, series.labels);
    return Array.from({ length: grown }, () => series.labels);
  });
}

function countOf(stats: Stats, labels: Record<string, string>): number {
  return sumOf(stats, TOTAL, labels);
}

for (const earlyData of ['on', 'off'] as const) {
  const sluice = sluices[earlyData];
  const named = (name: string) => `${name} (early data ${earlyData})`;

  test(named('a full TLS 1.3 handshake'), { skip: noOpenSsl }, async () => {
    const labels = await counted(sluice, 1, async () => {
      const client = await sClient(sluice.httpsPort, { request: GET });
      assert.match(client.http, /^HTTP\/1\.1 200 /);
      assert.equal(client.version, 'TLSv1.3');
      assert.equal(client.resumed, false);
      assert.match(client.text, /^Verify return code: 18/m, 'self-signed, and nothing worse');
    });
    assert.equal(labels.length, 1);
    assert.partialDeepStrictEqual(labels[0], {
      version: 'TLSv1.3',
      group: 'x25519',
      resumed: '0',
      outcome: 'complete',
    });
    assert.match(labels[0]!.cipher!, /^TLS_/);
  });

  for (const version of ['-tls1_3', '-tls1_2']) {
    test(named(`five resumptions in a row, ${version}`), { skip: noOpenSsl }, async () => {
      let session = sessionFile();
      const labels = await counted(sluice, 6, async () => {
        const first = { words: [version], request: GET, keep: session };
        assert.equal((await sClient(sluice.httpsPort, first)).resumed, false);
        for (let i = 1; i <= 5; i++) {
          assert.ok(hasSession(session), 'a ticket came');
          const keep = sessionFile();
          const again = await sClient(sluice.httpsPort, {
            words: [version],
            request: GET,
            session,
            keep,
          });
          assert.equal(again.resumed, true, `resumption ${i}`);
          assert.match(again.http, /^HTTP\/1\.1 200 /);
          // RFC 5077 §3.3: a TLS 1.2 server may leave the client with the ticket it has.
          if (version === '-tls1_3' || hasSession(keep)) session = keep;
        }
      });
      assert.equal(labels.filter((one) => one.resumed === '1').length, 5);
    });
  }

  test(named('TLS 1.2 with a modern cipher suite'), { skip: noOpenSsl }, async () => {
    const labels = await counted(sluice, 1, async () => {
      const client = await sClient(sluice.httpsPort, { words: ['-tls1_2'], request: GET });
      assert.match(client.http, /^HTTP\/1\.1 200 /);
    });
    assert.equal(labels[0]!.version, 'TLSv1.2');
    assert.match(labels[0]!.cipher!, /^TLS_ECDHE_ECDSA_WITH_\w+(?:GCM|POLY1305)/);
  });

  for (const [offered, group] of [
    ['X25519', 'x25519'],
    ['P-256', 'secp256r1'],
    ['P-384', 'secp384r1'],
    ['P-521', 'secp521r1'],
    ['X448', 'x448'],
    ['ffdhe2048', 'ffdhe2048'],
    ['ffdhe3072', 'ffdhe3072'],
  ] as const) {
    test(named(`key exchange with ${offered} is done and counted`), {
      skip: noOpenSsl,
    }, async () => {
      const labels = await counted(sluice, 1, async () => {
        const words = ['-tls1_3', '-groups', offered];
        const client = await sClient(sluice.httpsPort, { words, request: GET });
        assert.match(client.http, /^HTTP\/1\.1 200 /);
      });
      assert.equal(labels[0]!.group, group);
    });
  }

  test(named('key exchange with X25519MLKEM768 is done and counted'), async () => {
    const labels = await counted(sluice, 1, async () => {
      const options = { ecdhCurve: 'X25519MLKEM768', minVersion: 'TLSv1.3' } as const;
      using connection = await RawConnection.openTls(sluice.httpsPort, options);
      assert.equal((await connection.request(GET)).status, 200);
    });
    assert.equal(labels[0]!.group, 'X25519MLKEM768');
  });

  // The first group is offered with a key share, and is one that the server does not take: it has to
  // ask for another with a HelloRetryRequest. This once killed a server's process.
  for (const groups of [
    'ffdhe4096:X448:X25519',
    'ffdhe8192:P-256',
    'ffdhe6144:P-521:P-384',
    'ffdhe4096:ffdhe2048',
    'ffdhe4096:X25519',
  ]) {
    for (const offering of ['no early data', 'early data']) {
      const name = `HelloRetryRequest by ${groups}, client offers ${offering}`;
      test(named(name), { skip: noOpenSsl }, async () => {
        const session = sessionFile();
        await sClient(sluice.httpsPort, { words: ['-tls1_3'], request: GET, keep: session });
        const retries = await sluice.sum('sluice_tls_hello_retry_requests_total');
        const labels = await counted(sluice, 1, async () => {
          const words = ['-tls1_3', '-groups', groups];
          const early =
            offering === 'early data' && earlyData === 'on' ? { early: GET } : { request: GET };
          const client = await sClient(sluice.httpsPort, {
            words,
            ...early,
            // RFC 8446 §4.1.2: early data after a HelloRetryRequest is rejected, so the request goes
            // after the handshake.
            request: GET,
            session,
          });
          assert.match(client.http, /^HTTP\/1\.1 200 /);
          assert.notEqual(client.earlyData, 'accepted');
        });
        assert.equal(labels.length, 1);
        assert.equal(labels[0]!.outcome, 'complete');
        assert.notEqual(labels[0]!.group, 'none');
        assert.equal(await sluice.sum('sluice_tls_hello_retry_requests_total'), retries + 1);
        assert.ok(sluice.isRunning);
      });
    }
  }

  test(named('a handshake that cannot succeed ends with the alert that says why'), async (t) => {
    const cases: readonly (readonly [string[], RegExp])[] = [
      [['-groups', 'brainpoolP256r1', '-tls1_2'], /handshake failure|alert number 40/i],
      [['-tls1_3', '-groups', 'ffdhe8192'], /handshake failure|alert number 40/i],
      [['-alpn', 'imaginary'], /no application protocol|alert number 120/i],
      [['-tls1_1', '-cipher', 'DEFAULT@SECLEVEL=0'], /protocol version|alert number 70/i],
    ];
    for (const [words, alert] of cases) {
      await t.test(words.join(' '), { skip: noOpenSsl }, async () => {
        const labels = await counted(sluice, 1, async () => {
          const client = await sClient(sluice.httpsPort, { words, request: GET });
          assert.match(client.stderr + client.text, alert);
        });
        assert.equal(labels[0]!.outcome, 'failed');
      });
    }
  });

  test(named('what is no TLS at all is refused, counted, and hurts nobody'), async () => {
    const noise = Array.from({ length: 20 }, (_, i) => randomBytes(i * 40 + 1));
    const all = [Buffer.from(GET), Buffer.from('\x80\x2e\x01\x00\x02', 'latin1'), ...noise];
    const labels = await counted(sluice, all.length, async () => {
      for (const bytes of all) {
        using connection = await RawConnection.open(sluice.httpsPort);
        connection.send(bytes).end();
        await connection.closed();
      }
    });
    assert.ok(labels.every((one) => one.outcome === 'failed'));
    using connection = await RawConnection.openTls(sluice.httpsPort);
    assert.equal((await connection.request(GET)).status, 200);
  });
}

test('the connection ends with close_notify, so that a cut is told from an end', async () => {
  using connection = await RawConnection.openTls(sluices.on.httpsPort);
  assert.equal((await connection.request(GET)).status, 200);
  await connection.closed();
  assert.equal(connection.error, null);
  assert.ok(connection.socket instanceof TLSSocket);
});

test('http/1.1 is agreed by ALPN, and a client without ALPN is served', async () => {
  using one = await RawConnection.openTls(sluices.on.httpsPort, {
    ALPNProtocols: ['x', 'http/1.1'],
  });
  assert.equal((one.socket as TLSSocket).alpnProtocol, 'http/1.1');
  using two = await RawConnection.openTls(sluices.on.httpsPort, { ALPNProtocols: [] });
  assert.equal((await two.request(GET)).status, 200);
});

test('GnuTLS connects and resumes', { skip: unlessInstalled('gnutls-cli') }, async () => {
  const words = ['--insecure', '--resume', '--waitresumption', '-p'];
  const target = [String(sluices.on.httpsPort), 'localhost'];
  const result = await run('gnutls-cli', [...words, ...target], { input: GET });
  assert.match(result.text, /This is a resumed session/);
  assert.match(result.text, /HTTP\/1\.1 200 /);
});

test('KeyUpdate from the client is answered and the connection goes on', {
  skip: noOpenSsl,
}, async () => {
  // s_client reads a line that is `K` as the command to update both sides' keys.
  const words = ['-connect', `127.0.0.1:${sluices.on.httpsPort}`, '-tls1_3'];
  const request = 'GET /k HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n';
  const result = await run('sh', [
    '-c',
    `{ sleep 0.3; printf 'K\\n'; sleep 0.3; printf '${request.replaceAll('\r\n', '\\r\\n')}'; sleep 1; } | ` +
      `openssl s_client ${words.join(' ')} 2>&1`,
  ]);
  assert.match(result.text, /KEYUPDATE/);
  assert.match(result.text, /HTTP\/1\.1 200 /);
});
