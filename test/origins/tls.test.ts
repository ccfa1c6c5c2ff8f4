import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import test from 'node:test';
import type { TLSSocket } from 'node:tls';
import { makeSelfSignedCertificate } from '../../src/tls/self-signed.ts';
import {
  defaultGroupOptions,
  type OriginGroupOptions,
  type OriginServerOptions,
} from '../../src/upstream/options.ts';
import { startNginx } from '../support/nginx.ts';
import { type GroupUnderTest, serverAt, startGroup } from '../support/origin-group.ts';
import { startOrigin, unusedPort } from '../support/origins.ts';
import { unlessInstalled } from '../support/programs.ts';
import { startSluice } from '../support/sluice.ts';
import { until } from '../support/waiting.ts';

const certificate = makeSelfSignedCertificate({ names: ['localhost'], nowMs: Date.now() });
const skip = unlessInstalled('nginx');

/** Unused connections are closed at once, so that each request of a test makes one of its own. */
const timeouts = { ...defaultGroupOptions.timeouts, keepAliveMs: 20 };
const HANDSHAKES = 'sluice_origin_tls_handshakes_total';

function over(
  server: Partial<OriginServerOptions> & { readonly port: number },
  tls: Partial<OriginGroupOptions['tls']> = {},
): GroupUnderTest {
  const { port, ...more } = server;
  return startGroup([serverAt(port, { scheme: 'https', http2: 'alpn', ...more })], {
    timeouts,
    tls: { ...defaultGroupOptions.tls, verify: false, ...tls },
  });
}

/** One request on a connection of its own. */
async function askAlone(asked: GroupUnderTest, question = {}): Promise<string> {
  await until(() => asked.group.endpoints[0]!.pool.connectionCount === 0, 'no connection');
  const { content, error } = await asked.ask(question);
  return error === '' ? content : `(${error})`;
}

async function listen(server: Server) {
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, '127.0.0.1', resolve);
  await promise;
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.dispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}

for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
  test(`a new connection resumes the session of an earlier one (${version})`, async () => {
    const { certificatePem: cert, keyPem: key } = certificate;
    const server = createServer({ cert, key, maxVersion: version }, (request, response) => {
      response.end(String((request.socket as TLSSocket).isSessionReused()));
    });
    using listening = await listen(server);
    await using asked = over({ port: listening.port });
    assert.equal(await askAlone(asked), 'false');
    for (let i = 0; i < 3; i++) assert.equal(await askAlone(asked), 'true');
    assert.equal(asked.sum(HANDSHAKES, version, 'complete', '1'), 3);
    assert.equal(asked.sum(HANDSHAKES), asked.sum(HANDSHAKES, version));
  });
}

test('a certificate that nobody vouches for ends the handshake, and leaves no session', async () => {
  const { certificatePem: cert, keyPem: key } = certificate;
  const server = createServer({ cert, key }, (_request, response) => response.end('ok'));
  using listening = await listen(server);
  const { port } = listening;
  await using asked = over({ port }, { verify: true, serverName: 'localhost' });
  assert.equal(await askAlone(asked), '(tls-certificate-untrusted)');
  assert.equal(asked.sum(HANDSHAKES, 'TLSv1.3', 'failed'), 1);
});

async function startEarlyNginx(port: number) {
  return startNginx({
    port,
    files: { 'cert.pem': certificate.certificatePem, 'key.pem': certificate.keyPem },
    http: `
      log_format brief '$uri $status';
      server {
        access_log DIR/access.log brief;
        listen 127.0.0.1:${port} ssl;
        ssl_certificate DIR/cert.pem;
        ssl_certificate_key DIR/key.pem;
        ssl_protocols TLSv1.3;
        ssl_early_data on;
        location / { return 200 "early=$ssl_early_data reused=$ssl_session_reused"; }
        location /late {
          if ($ssl_early_data) { return 425; }
          return 200 "early=$ssl_early_data";
        }
      }`,
  });
}

test('early-data: a safe request leaves with the ClientHello of a new connection', {
  skip,
}, async () => {
  const port = await unusedPort();
  await using _nginx = await startEarlyNginx(port);
  await using asked = over({ port }, { earlyData: true });
  assert.equal(await askAlone(asked), 'early= reused=.');
  assert.match(await askAlone(asked), /^early=1? reused=r$/);
  assert.equal(asked.sum(HANDSHAKES, 'accepted'), 1);
  assert.equal(await askAlone(asked, { method: 'POST', content: 'x' }), 'early= reused=r');
  assert.equal(await askAlone(asked, { method: 'DELETE' }), 'early= reused=r');
  assert.equal(await askAlone(asked, { method: 'HEAD' }), '');
  assert.equal(asked.sum(HANDSHAKES, 'accepted'), 2);
});

test('early-data: off by default, and then sessions are only resumed', { skip }, async () => {
  const port = await unusedPort();
  await using _nginx = await startEarlyNginx(port);
  await using asked = over({ port });
  assert.equal(await askAlone(asked), 'early= reused=.');
  assert.equal(await askAlone(asked), 'early= reused=r');
});

test('early-data: 425 is answered by asking again after the handshake', { skip }, async () => {
  const port = await unusedPort();
  await using nginx = await startEarlyNginx(port);
  await using asked = over({ port }, { earlyData: true });
  await askAlone(asked);
  // Now and then nginx sees the end of the handshake before the request, and has nothing to refuse.
  const refusals = () => readFileSync(join(nginx.directory, 'access.log'), 'latin1');
  await until(async () => {
    assert.equal(await askAlone(asked, { path: '/late' }), 'early=');
    return refusals().includes('/late 425');
  }, 'nginx to refuse one');
  assert.ok(asked.sum(HANDSHAKES, 'accepted') > 0, 'it was early at first');
});

test('early-data: an origin that has lost its keys gets the request in 1-RTT', {
  skip,
}, async () => {
  const port = await unusedPort();
  await using asked = over({ port }, { earlyData: true });
  {
    await using _nginx = await startEarlyNginx(port);
    assert.equal(await askAlone(asked), 'early= reused=.');
  }
  await using _nginx = await startEarlyNginx(port);
  assert.equal(await askAlone(asked), 'early= reused=.');
  assert.equal(asked.sum(HANDSHAKES, 'rejected'), 1);
  // nginx says early=1 only as long as it has not seen the end of the handshake.
  assert.match(await askAlone(asked), /^early=1? reused=r$/);
  assert.equal(asked.sum(HANDSHAKES, 'accepted'), 1);
});

test('early-data: an origin that does not shake hands fails in the time to connect', {
  skip,
}, async () => {
  const port = await unusedPort();
  await using nginx = await startEarlyNginx(port);
  await using asked = startGroup([serverAt(port, { scheme: 'https', http2: 'alpn' })], {
    timeouts: { ...timeouts, connectMs: 600 },
    tls: { ...defaultGroupOptions.tls, verify: false, earlyData: true },
  });
  await askAlone(asked);
  await until(() => asked.group.endpoints[0]!.pool.connectionCount === 0, 'no connection');
  nginx.freeze();
  // Early at first, then in 1-RTT; the time for a response is a minute.
  assert.equal((await asked.ask()).error, 'connect-timeout');
});

test('early-data: many at once, of which one is early on each connection', { skip }, async () => {
  const port = await unusedPort();
  await using _nginx = await startEarlyNginx(port);
  await using asked = over({ port }, { earlyData: true });
  await askAlone(asked);
  await until(() => asked.group.endpoints[0]!.pool.connectionCount === 0, 'no connection');
  const questions = Array.from({ length: 20 }, (_, i) =>
    asked.ask(i % 3 === 0 ? { method: 'POST', content: 'x' } : {}),
  );
  for (const [i, answer] of (await Promise.all(questions)).entries()) {
    assert.equal(answer.error, '');
    if (i % 3 === 0) assert.match(answer.content, /^early= /, 'a POST is never early');
  }
});

test('early-data: between two sluices, over HTTP/2, marked for the origin behind', async () => {
  await using origin = await startOrigin((request, response) => {
    response.setHeader('Cache-Control', 'no-store');
    response.end(`early-data: ${request.headers['early-data'] ?? 'none'}`);
  });
  await using inner = await startSluice({ origin: origin.url });
  await using asked = over({ port: inner.httpsPort }, { earlyData: true, serverName: 'localhost' });
  const drained = async () => {
    asked.group.endpoints[0]!.pool.closeIdle();
    await until(() => asked.group.endpoints[0]!.pool.connectionCount === 0, 'no connection');
  };
  assert.equal((await asked.ask()).content, 'early-data: none');
  await drained();
  assert.equal((await asked.ask({ path: '/second' })).content, 'early-data: 1');
  assert.equal(asked.sum(HANDSHAKES, 'accepted'), 1);
  assert.equal(await inner.sum('sluice_early_data_accepted_total'), 1);
});
