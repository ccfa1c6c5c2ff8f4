import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { request as secureRequest } from 'node:https';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import test, { after } from 'node:test';
import { startOrigin, startRawOrigin } from '../support/origins.ts';
import { RawConnection } from '../support/raw-connection.ts';
import { startSluice } from '../support/sluice.ts';
import { until, within } from '../support/waiting.ts';

const MIB = 1 << 20;
const BIG_BYTES = 256 * MIB;
/** More than any buffer on the way, far less than the message. */
const GROWTH_BYTES_MAX = 96 * MIB;

const block = Buffer.alloc(64 * 1024, 'a stream of bytes ');

function* blocks(bytes: number): Generator<Buffer> {
  for (let left = bytes; left > 0; left -= block.length) yield block.subarray(0, left);
}

function hashOf(bytes: number): string {
  const hash = createHash('sha256');
  for (const part of blocks(bytes)) hash.update(part);
  return hash.digest('hex');
}

/** Responses that are still being written, by path. */
const open = new Map<string, { request: IncomingMessage; response: ServerResponse }>();

const origin = await startOrigin((request, response) => {
  response.setHeader('Cache-Control', 'no-store');
  const path = request.url!;
  open.set(path, { request, response });
  switch (path) {
    case '/big':
      void pipeline(Readable.from(blocks(BIG_BYTES)), response).catch(() => {});
      break;
    case '/trailers':
      response.setHeader('Trailer', 'X-Checksum');
      response.write('content');
      response.addTrailers({ 'X-Checksum': 'abc' });
      response.end();
      break;
    case '/hints':
      response.writeEarlyHints({ link: '</style.css>; rel=preload' }, () => response.end('after'));
      break;
    case '/refuse':
      response.writeHead(413).end('too large');
      break;
    case '/echo':
      response.flushHeaders();
      request.pipe(response);
      break;
    case '/continue':
      response.writeContinue();
      request.on('end', () => response.end('thanks')).resume();
      break;
    case '/held':
      response.write('begun');
      break;
    case '/chunked':
      response.write('one ');
      response.end('two');
      break;
    default:
      request.on('end', () => response.end('ok'));
  }
});
const sluice = await startSluice({ origin: origin.url });
after(async () => {
  await sluice[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
});

/** Runs a job and returns by how much sluice's resident memory grew at most meanwhile. */
async function growthDuring(job: () => Promise<void>): Promise<number> {
  const before = await sluice.residentBytes();
  let highest = before;
  let isOver = false;
  const watching = (async () => {
    while (!isOver) {
      highest = Math.max(highest, await sluice.residentBytes());
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  })();
  await job().finally(() => {
    isOver = true;
  });
  await watching;
  return highest - before;
}

const tls = { host: '127.0.0.1', servername: 'localhost', rejectUnauthorized: false, agent: false };

test('a download of 256 MiB streams through in little memory, every byte right', async () => {
  const hash = createHash('sha256');
  const growth = await growthDuring(async () => {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const request = secureRequest({ ...tls, port: sluice.httpsPort, path: '/big' }, resolve);
    request.on('error', reject).end();
    for await (const bytes of await promise) hash.update(bytes as Buffer);
  });
  assert.equal(hash.digest('hex'), hashOf(BIG_BYTES));
  assert.ok(growth < GROWTH_BYTES_MAX, `memory grew by ${Math.round(growth / MIB)} MiB`);
});

test('an upload of 256 MiB streams through in little memory, every byte right', async () => {
  const growth = await growthDuring(async () => {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const target = { ...tls, port: sluice.httpsPort, path: '/upload', method: 'PUT' };
    const request = secureRequest(target, resolve);
    request.on('error', reject);
    await pipeline(Readable.from(blocks(BIG_BYTES)), request);
    const response = await promise;
    assert.equal(response.statusCode, 200);
    response.resume();
  });
  const seen = origin.asked('/upload').at(-1)!;
  assert.equal(seen.contentHash, hashOf(BIG_BYTES));
  assert.ok(growth < GROWTH_BYTES_MAX, `memory grew by ${Math.round(growth / MIB)} MiB`);
});

test('chunked content reaches the origin with its trailers (RFC 9112 §7.1.2)', async () => {
  using connection = await RawConnection.open(sluice.httpPort);
  const response = await connection.request(
    'POST /sent HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n' +
      'Trailer: X-Checksum\r\n\r\n5\r\nhello\r\n6;ext=1\r\n world\r\n0\r\nX-Checksum: abc\r\n\r\n',
  );
  assert.equal(response.status, 200);
  const seen = origin.asked('/sent').at(-1)!;
  assert.equal(seen.contentBytes, 11);
  assert.equal(seen.trailers['x-checksum'], 'abc');
});

test('trailers of a response reach a client that asks for them (RFC 9110 §6.5)', async () => {
  using connection = await RawConnection.open(sluice.httpPort);
  const response = await connection.request(
    'GET /trailers HTTP/1.1\r\nHost: a.example\r\nTE: trailers\r\nConnection: TE\r\n\r\n',
  );
  assert.equal(response.content, 'content');
  assert.equal(response.trailers.get('x-checksum'), 'abc');
});

test('a client of HTTP/1.0 gets content of unknown length until the close', async () => {
  using connection = await RawConnection.open(sluice.httpPort);
  connection.send('GET /chunked HTTP/1.0\r\nHost: a.example\r\n\r\n');
  const response = await connection.response();
  assert.equal(response.fields.get('transfer-encoding'), undefined);
  assert.equal(response.content, 'one two');
  await connection.closed();
});

test('Expect: 100-continue: content is sent after the origin agreed (RFC 9110 §10.1.1)', async () => {
  using connection = await RawConnection.open(sluice.httpPort);
  connection.send(
    'POST /continue HTTP/1.1\r\nHost: a.example\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n',
  );
  assert.equal((await connection.response()).status, 100);
  const final = await connection.send('four').response();
  assert.equal(final.status, 200);
  assert.equal(final.content, 'thanks');
  assert.equal(origin.asked('/continue').at(-1)!.contentBytes, 4);
});

test('Expect: 100-continue: a refusal arrives before any content was sent', async () => {
  using connection = await RawConnection.open(sluice.httpPort);
  connection.send(
    'POST /refuse HTTP/1.1\r\nHost: a.example\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n',
  );
  let response = await connection.response();
  // A proxy may have said 100 by itself before it heard from the origin.
  if (response.status === 100) response = await connection.response();
  assert.equal(response.status, 413);
  assert.equal(response.content, 'too large');
});

test('103 Early Hints come before the response, which follows (RFC 8297)', async () => {
  using connection = await RawConnection.open(sluice.httpPort);
  const hints = await connection.request('GET /hints HTTP/1.1\r\nHost: a.example\r\n\r\n');
  assert.equal(hints.status, 103);
  assert.equal(hints.fields.get('link'), '</style.css>; rel=preload');
  const final = await connection.response();
  assert.equal(final.status, 200);
  assert.equal(final.content, 'after');
});

test('a client of HTTP/1.0 is sent no interim response (RFC 9110 §15.2)', async () => {
  using connection = await RawConnection.open(sluice.httpPort);
  connection.send('GET /hints HTTP/1.0\r\nHost: a.example\r\n\r\n');
  const response = await connection.response();
  assert.equal(response.status, 200);
  assert.equal(response.content, 'after');
});

test('a final response arrives while the request’s content is still being sent', async () => {
  using connection = await RawConnection.open(sluice.httpPort);
  connection.send(
    `POST /refuse HTTP/1.1\r\nHost: a.example\r\nContent-Length: ${100 * MIB}\r\n\r\nbegin`,
  );
  const response = await connection.response();
  assert.equal(response.status, 413);
  assert.equal(response.content, 'too large');
});

test('both directions flow at once: what is sent comes back before more is sent', async () => {
  using connection = await RawConnection.open(sluice.httpPort);
  connection.send('POST /echo HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n');
  for (const word of ['first', 'second', 'third']) {
    connection.send(`${word.length.toString(16)}\r\n${word}\r\n`);
    await until(() => connection.unread.includes(word), `${word} to come back`);
  }
  const response = await connection.send('0\r\n\r\n').response();
  assert.equal(response.content, 'firstsecondthird');
});

test('when the client breaks off in the middle of a response, the origin hears of it', async () => {
  const connection = await RawConnection.open(sluice.httpPort);
  connection.send('GET /held HTTP/1.1\r\nHost: a.example\r\n\r\n');
  await until(() => connection.unread.includes('begun'), 'the response to begin');
  const closed = Promise.withResolvers<void>();
  open.get('/held')!.response.on('close', () => closed.resolve());
  // A FIN alone would not do: who has only ended its requests still wants its answer.
  connection.socket.resetAndDestroy();
  await within(closed.promise, 'the origin to hear of it');
});

test('a client that closed and left is noticed as the response goes on', async () => {
  const connection = await RawConnection.openTls(sluice.httpsPort);
  connection.send('GET /held HTTP/1.1\r\nHost: a.example\r\n\r\n');
  await until(() => connection.unread.includes('begun'), 'the response to begin');
  const { response } = open.get('/held')!;
  connection.socket.destroy();
  const writing = setInterval(() => response.write('more'), 10);
  const closed = Promise.withResolvers<void>();
  response.on('close', () => closed.resolve());
  await within(closed.promise, 'the origin to hear of it').finally(() => clearInterval(writing));
});

for (const [framing, head] of [
  ['Content-Length', 'Content-Length: 100\r\n\r\npart'],
  ['chunked', 'Transfer-Encoding: chunked\r\n\r\n4\r\npart\r\n'],
] as const) {
  test(`a response that the origin broke off never looks complete (${framing})`, async () => {
    await using broken = await startRawOrigin((socket) => {
      socket.end(`HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\n${head}`);
    });
    await using proxy = await startSluice({ origin: broken.url });
    for (const _ of [1, 2]) {
      using connection = await RawConnection.open(proxy.httpPort);
      connection.send('GET /cut HTTP/1.1\r\nHost: a.example\r\n\r\n');
      await assert.rejects(connection.response(), /closed in the middle/);
    }
    assert.equal(broken.seen.length, 2, 'it was not stored either');
  });
}
