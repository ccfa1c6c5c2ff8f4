import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import test from 'node:test';
import { makeSelfSignedCertificate } from '../../src/tls/self-signed.ts';
import { type Origin, startOrigin, startSecureOrigin, unusedPort } from '../support/origins.ts';
import { RawConnection } from '../support/raw-connection.ts';
import { startConfigured } from '../support/routes.ts';
import type { RunningSluice } from '../support/sluice.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { inParallel, until } from '../support/waiting.ts';

async function named(name: string): Promise<Origin> {
  return startOrigin((_request, response) => {
    response.setHeader('Cache-Control', 'no-store');
    response.end(name);
  });
}

const [a, b] = [await named('a'), await named('b')];
test.after(async () => {
  await a[Symbol.asyncDispose]();
  await b[Symbol.asyncDispose]();
});

async function get(sluice: RunningSluice, path = '/') {
  using connection = await RawConnection.open(sluice.httpPort);
  return await connection.request(`GET ${path} HTTP/1.1\r\nHost: a.example\r\n\r\n`);
}

test('routes lead to groups, whose servers take turns by weight', async () => {
  await using sluice = await startConfigured({
    file: {
      origins: {
        app: { servers: [{ url: a.url, weight: 2 }, b.url] },
        static: { servers: [b.url] },
      },
      routes: [{ match: { 'path-prefix': '/static' }, origin: 'static' }, { origin: 'app' }],
    },
  });
  let order = '';
  for (let i = 0; i < 6; i++) order += (await get(sluice)).content;
  assert.equal(order, 'abaaba');
  assert.equal((await get(sluice, '/static/x')).content, 'b');
  const attempts = 'sluice_origin_server_requests_total';
  assert.equal(await sluice.sum(attempts, { origin: 'app', server: `127.0.0.1:${a.port}` }), 4);
  assert.equal(await sluice.sum(attempts, { origin: 'static' }), 1);
});

test('a server that is killed under load costs no request', async () => {
  const victim = await named('v');
  await using sluice = await startConfigured({
    file: { origins: { app: { servers: [victim.url, a.url] } } },
  });
  let statuses = '';
  let asked = 0;
  const load = inParallel(300, 8, async () => {
    const { status } = await get(sluice);
    if (status !== 200) statuses += `${status} `;
    if (++asked === 100) await victim[Symbol.asyncDispose]();
  });
  await load;
  assert.equal(statuses, '');
  assert.ok((await sluice.sum('sluice_origin_retries_total', { origin: 'app' })) > 0);
});

test('all workers leave a server alone that one of them has found unhealthy', async () => {
  const state = { status: 200 };
  await using sick = await startOrigin((request, response) => {
    response.setHeader('Cache-Control', 'no-store');
    if (request.url === '/healthz') response.statusCode = state.status;
    response.end('sick');
  });
  await using sluice = await startConfigured({
    workers: 2,
    file: {
      origins: {
        app: {
          servers: [sick.url, a.url],
          'health-check': { path: '/healthz', interval: '100ms', fall: 2, rise: 2 },
        },
      },
    },
  });
  const inState = (name: string) =>
    sluice.sum('sluice_origin_server_addresses', {
      server: `127.0.0.1:${sick.port}`,
      state: name,
    });
  await until(async () => (await inState('up')) === 2, 'both workers to use it');
  state.status = 503;
  await until(async () => (await inState('unhealthy')) === 2, 'both workers to leave it');
  for (let i = 0; i < 6; i++) assert.equal((await get(sluice)).content, 'a');
  state.status = 200;
  await until(async () => (await inState('up')) === 2, 'both workers to use it again');
});

test('no server can be connected to: 502; none is up: 503, destination_unavailable', async () => {
  const dead = await unusedPort();
  await using sluice = await startConfigured({
    file: {
      origins: {
        app: {
          servers: [`http://127.0.0.1:${dead}`, `http://127.0.0.2:${dead}`],
          'passive-health': { failures: 1, 'ejected-share-max': '100%', ejection: '1h' },
        },
      },
    },
  });
  const refused = await get(sluice);
  assert.equal(refused.status, 502);
  assert.match(refused.fields.get('proxy-status')!, /error=connection_refused/);
  const unavailable = await get(sluice);
  assert.equal(unavailable.status, 503);
  assert.match(unavailable.fields.get('proxy-status')!, /error=destination_unavailable/);
});

test('an origin has its own roots, its own name and its own time-outs', async () => {
  const certificate = makeSelfSignedCertificate({ names: ['app.internal'], nowMs: Date.now() });
  const ca = join(temporaryDirectory(), 'ca.pem');
  writeFileSync(ca, certificate.certificatePem);
  await using secure = await startSecureOrigin(certificate, (request, response) => {
    response.setHeader('Cache-Control', 'no-store');
    if (request.url !== '/silent') response.end('secure');
  });
  await using sluice = await startConfigured({
    file: {
      origins: {
        app: {
          servers: [secure.url],
          tls: { ca, 'server-name': 'app.internal' },
          timeouts: { response: '1s' },
        },
      },
    },
  });
  assert.equal((await get(sluice)).content, 'secure');
  const late = await get(sluice, '/silent');
  assert.equal(late.status, 504);
});

test('proxy-protocol: the origin learns the client’s address and where it connected to', async () => {
  const received: string[] = [];
  const server = createServer((socket) => {
    const index = received.push('') - 1;
    socket.on('error', () => {});
    socket.on('data', (bytes) => {
      received[index] += bytes.toString('latin1');
      if (!received[index]!.endsWith('\r\n\r\n')) return;
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nCache-Control: no-store\r\n\r\nok');
    });
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, '127.0.0.1', resolve);
  await promise;
  try {
    const { port } = server.address() as AddressInfo;
    await using sluice = await startConfigured({
      file: {
        origins: { app: { servers: [`http://127.0.0.1:${port}`], 'proxy-protocol': 'v1' } },
      },
    });
    assert.equal((await get(sluice)).content, 'ok');
    assert.equal((await get(sluice)).content, 'ok');
    const header = new RegExp(
      `^PROXY TCP4 127\\.0\\.0\\.1 127\\.0\\.0\\.1 \\d+ ${sluice.httpPort}\\r\\nGET / `,
    );
    assert.equal(received.length, 2, 'two clients, two connections');
    for (const text of received) assert.match(text, header);
    assert.notEqual(received[0]!.split(' ')[4], received[1]!.split(' ')[4]);
  } finally {
    server.close();
  }
});
