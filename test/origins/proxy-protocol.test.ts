import assert from 'node:assert/strict';
import { createServer, type Socket } from 'node:net';
import test from 'node:test';
import type { ClientFacts } from '../../src/http/client-facts.ts';
import { makeSelfSignedCertificate } from '../../src/tls/self-signed.ts';
import { defaultGroupOptions } from '../../src/upstream/options.ts';
import { startNginx } from '../support/nginx.ts';
import { serverAt, startGroup } from '../support/origin-group.ts';
import { unusedPort } from '../support/origins.ts';
import { unlessInstalled } from '../support/programs.ts';
import { until } from '../support/waiting.ts';

const skip = unlessInstalled('nginx');

function client(address: string, port: number): ClientFacts {
  const [localAddress, tls] = ['127.0.0.1', null];
  return { remoteAddress: address, remotePort: port, localAddress, localPort: 443, tls };
}

async function startReadingNginx(port: number, securePort: number) {
  const certificate = makeSelfSignedCertificate({ names: ['localhost'], nowMs: Date.now() });
  return startNginx({
    port,
    files: { 'cert.pem': certificate.certificatePem, 'key.pem': certificate.keyPem },
    http: `
      server {
        listen 127.0.0.1:${port} proxy_protocol;
        listen 127.0.0.1:${securePort} ssl http2 proxy_protocol;
        ssl_certificate DIR/cert.pem;
        ssl_certificate_key DIR/key.pem;
        location / {
          return 200 "$proxy_protocol_addr:$proxy_protocol_port>$proxy_protocol_server_port #$connection ";
        }
      }`,
  });
}

for (const proxyProtocol of ['v1', 'v2'] as const) {
  test(`proxy-protocol ${proxyProtocol}: nginx learns whose each connection is`, {
    skip,
  }, async () => {
    const [port, securePort] = [await unusedPort(), await unusedPort()];
    await using _nginx = await startReadingNginx(port, securePort);
    const tls = { ...defaultGroupOptions.tls, verify: false };
    for (const server of [
      serverAt(port),
      serverAt(securePort, { scheme: 'https', http2: 'alpn' }),
    ]) {
      await using asked = startGroup([server], { proxyProtocol, tls });
      const first = client('192.0.2.1', 1001);
      const second = client('192.0.2.2', 2002);
      const answers: string[] = [];
      for (const one of [first, second, first, second]) {
        answers.push((await asked.ask({ client: one })).content);
      }
      assert.match(answers[0]!, /^192\.0\.2\.1:1001>443 #/);
      assert.match(answers[1]!, /^192\.0\.2\.2:2002>443 #/);
      assert.equal(answers[2], answers[0], 'a client’s own connection is used again');
      assert.equal(answers[3], answers[1]);
      // Revalidations and the like are nobody's.
      assert.match((await asked.ask({ client: null })).content, /^(127\.0\.0\.1)?:/);
    }
  });
}

test('with a limit of connections a client’s unused one makes room for another client', {
  skip,
}, async () => {
  const [port, securePort] = [await unusedPort(), await unusedPort()];
  await using _nginx = await startReadingNginx(port, securePort);
  await using asked = startGroup([serverAt(port)], { proxyProtocol: 'v2', connectionsMax: 2 });
  for (let i = 1; i <= 8; i++) {
    const { content, error } = await asked.ask({ client: client(`192.0.2.${i}`, i) });
    assert.equal(error, '');
    assert.match(content, new RegExp(`^192\\.0\\.2\\.${i}:${i}>`));
  }
  assert.ok(asked.group.endpoints[0]!.pool.connectionCount <= 2);
});

test('the header comes first and once, before each connection’s first request', async () => {
  const sockets: Socket[] = [];
  const received: string[] = [];
  const server = createServer((socket) => {
    const index = sockets.push(socket) - 1;
    received[index] = '';
    socket.on('data', (bytes) => {
      received[index] += bytes.toString('latin1');
      if (received[index]!.endsWith('\r\n\r\n')) {
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
      }
    });
    socket.on('error', () => {});
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, '127.0.0.1', resolve);
  await promise;
  const { port } = server.address() as { port: number };
  {
    await using asked = startGroup([serverAt(port)], { proxyProtocol: 'v1' });
    const one = client('192.0.2.1', 1001);
    await asked.ask({ client: one, path: '/a' });
    await asked.ask({ client: one, path: '/b' });
    await until(() => received[0]!.includes('/b'), 'both requests');
    assert.match(
      received[0]!,
      /^PROXY TCP4 192\.0\.2\.1 127\.0\.0\.1 1001 443\r\nGET \/a .*\r\n\r\nGET \/b /s,
    );
    assert.equal(received.length, 1);
  }
  for (const socket of sockets) socket.destroy();
  server.close();
});
