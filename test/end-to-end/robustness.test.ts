// Runs alone: it opens thousands of connections and looks at memory and at the event loop's delay.
import assert from 'node:assert/strict';
import { type AddressInfo, connect, createServer } from 'node:net';
import test from 'node:test';
import { connect as connectTls } from 'node:tls';
import { alive, assertAllClosed, assertNoStall, atRest } from '../support/leaks.ts';
import { startOrigin } from '../support/origins.ts';
import { RawConnection } from '../support/raw-connection.ts';
import { startSluice } from '../support/sluice.ts';
import { inParallel } from '../support/waiting.ts';

const MIB = 1 << 20;

const origin = await startOrigin((request, response) => {
  response.setHeader('Cache-Control', 'no-store');
  request.on('end', () => response.end('ok')).resume();
});
const sluice = await startSluice({ origin: origin.url });
test.after(async () => {
  await sluice[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
});

const GET = 'GET /x HTTP/1.1\r\nHost: a.example\r\n\r\n';

async function request(port: number, secure: boolean): Promise<void> {
  using connection = secure ? await RawConnection.openTls(port) : await RawConnection.open(port);
  assert.equal((await connection.request(GET)).status, 200);
}

// After the pools have filled once, memory and handles are what they stay.
await inParallel(200, 50, () => request(sluice.httpsPort, true));
await inParallel(200, 50, () => request(sluice.httpPort, false));
const before = await atRest(sluice);

test('native objects are counted, so that a leak can be seen', async () => {
  const counts = Object.keys(alive(await sluice.stats()));
  assert.ok(counts.length > 2, `only ${counts} are counted`);
});

/** Of ten, seven are without TLS. */
const CONNECTIONS = process.env.SLUICE_LONG === '1' ? 10_000 : 2_500;

test(`${CONNECTIONS} connections come and go: everything is freed, the loop never stalls`, async () => {
  const memory = await sluice.sum('sluice_native_memory_bytes');
  await assertNoStall(sluice, async () => {
    await inParallel(CONNECTIONS * 0.7, 100, () => request(sluice.httpPort, false));
    await inParallel(CONNECTIONS * 0.3, 100, () => request(sluice.httpsPort, true));
  });
  await assertAllClosed(sluice, before);
  const grown = (await sluice.sum('sluice_native_memory_bytes')) - memory;
  assert.ok(grown < 4 * MIB, `native memory grew by ${grown} bytes`);
});

test('clients that leave before the origin is reached leave no connection behind', async () => {
  await inParallel(300, 30, async () => {
    const connection = await RawConnection.open(sluice.httpPort);
    connection.send(GET);
    await new Promise((resolve) => setImmediate(resolve));
    connection.socket.resetAndDestroy();
  });
  await assertAllClosed(sluice, before);
});

/** A small generator, so that a failure can be repeated (mulberry32). */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A relay that breaks each connection off after some bytes, counted over both directions. */
async function startCutter(target: number, nextCut: () => { bytes: number; reset: boolean }) {
  const server = createServer((client) => {
    const { bytes, reset } = nextCut();
    const upstream = connect({ host: '127.0.0.1', port: target, noDelay: true });
    let left = bytes;
    const pass = (to: typeof client) => (bytes: Buffer) => {
      to.write(bytes.subarray(0, Math.max(0, left)));
      left -= bytes.length;
      if (left > 0) return;
      if (reset) upstream.resetAndDestroy();
      else upstream.end();
      client.destroy();
    };
    client.on('data', pass(upstream));
    upstream.on('data', pass(client));
    client.on('close', () => upstream.end());
    upstream.on('close', () => client.destroy());
    for (const socket of [client, upstream]) socket.on('error', () => {});
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, '127.0.0.1', resolve);
  await promise;
  return server;
}

for (const secure of [true, false]) {
  const kind = secure ? 'TLS' : 'plaintext';
  const seed = Number(process.env.SEED ?? 20_261_122);
  test(`1,000 ${kind} connections cut at random bytes (SEED=${seed}) leave nothing`, async () => {
    const next = random(seed);
    // A handshake with its request and response is about 2,500 bytes here, plaintext about 300.
    const span = secure ? 3_000 : 350;
    const cutter = await startCutter(secure ? sluice.httpsPort : sluice.httpPort, () => ({
      bytes: Math.floor(next() * span) + 1,
      reset: next() < 0.5,
    }));
    const { port } = cutter.address() as AddressInfo;
    await inParallel(1_000, 50, async () => {
      const { promise, resolve } = Promise.withResolvers<void>();
      const options = { host: '127.0.0.1', port, rejectUnauthorized: false };
      const socket = secure ? connectTls(options) : connect(options);
      socket.on('error', () => {});
      socket.on('close', () => resolve());
      socket.on(secure ? 'secureConnect' : 'connect', () => socket.write(GET));
      socket.on('data', (bytes: Buffer) => {
        if (bytes.includes('\r\n\r\nok')) socket.destroy();
      });
      await promise;
    });
    cutter.close();
    await assertAllClosed(sluice, before);
    await request(secure ? sluice.httpsPort : sluice.httpPort, secure);
  });
}
