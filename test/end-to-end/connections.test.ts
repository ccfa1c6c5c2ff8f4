import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import type { Duplex } from 'node:stream';
import test, { after } from 'node:test';
import { startOrigin } from '../support/origins.ts';
import { RawConnection } from '../support/raw-connection.ts';
import { startSluice } from '../support/sluice.ts';
import { until, within } from '../support/waiting.ts';

const origin = await startOrigin((request, response) => {
  response.setHeader('Cache-Control', 'no-store');
  const delayMs = Number(/^\/after\/(\d+)/.exec(request.url!)?.[1] ?? 0);
  request.on('end', () => {
    setTimeout(() => response.end(`${request.method} ${request.url}`), delayMs);
  });
  request.resume();
});

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

origin.server.on('upgrade', (request, socket: Duplex, head: Buffer) => {
  socket.on('error', () => {});
  if (request.url === '/refused') {
    socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno');
    return;
  }
  const key = createHash('sha1').update(`${request.headers['sec-websocket-key']}${GUID}`);
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${request.headers.upgrade}\r\n` +
      `Sec-WebSocket-Accept: ${key.digest('base64')}\r\n\r\n`,
  );
  if (request.url === '/raw') {
    socket.write(head);
    socket.pipe(socket);
  } else {
    socket.on('data', (frame: Buffer) => answerFrame(socket, frame));
  }
});

/** Sends a small masked WebSocket frame back, unmasked (RFC 6455 §5.2). */
function answerFrame(socket: Duplex, frame: Buffer): void {
  const length = frame[1]! & 0x7f;
  const mask = frame.subarray(2, 6);
  const payload = Buffer.from(frame.subarray(6, 6 + length).map((byte, i) => byte ^ mask[i % 4]!));
  socket.write(Buffer.concat([Buffer.from([frame[0]!, length]), payload]));
  if ((frame[0]! & 0x0f) === 8) socket.end();
}

const sluice = await startSluice({ origin: origin.url });
after(async () => {
  await sluice[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
});

const get = (path: string, more = '') => `GET ${path} HTTP/1.1\r\nHost: a.example\r\n${more}\r\n`;

for (const scheme of ['http', 'https'] as const) {
  const open = () =>
    scheme === 'http'
      ? RawConnection.open(sluice.httpPort)
      : RawConnection.openTls(sluice.httpsPort);

  test(`a ${scheme} connection carries 100 requests`, async () => {
    using connection = await open();
    for (let i = 0; i < 100; i++) {
      const response = await connection.request(get(`/${i}`));
      assert.equal(response.content, `GET /${i}`);
    }
  });

  test(`pipelined ${scheme} requests are answered in order, however long each takes`, async () => {
    using connection = await open();
    const paths = [30, 0, 20, 10, 0, 5].map((delayMs, i) => `/after/${delayMs}/${i}`);
    connection.send(paths.map((path) => get(path)).join(''));
    for (const path of paths) {
      assert.equal((await connection.response()).content, `GET ${path}`);
    }
  });
}

test('pipelined requests with content are told apart at every boundary', async () => {
  using connection = await RawConnection.open(sluice.httpPort);
  const text =
    'POST /a HTTP/1.1\r\nHost: a.example\r\nContent-Length: 4\r\n\r\nGET ' +
    'POST /b HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nGET \r\n0\r\n\r\n' +
    get('/c');
  for (const byte of text) {
    connection.send(byte);
    if (byte === '\n') await new Promise((resolve) => setImmediate(resolve));
  }
  for (const expected of ['POST /a', 'POST /b', 'GET /c']) {
    assert.equal((await connection.response()).content, expected);
  }
});

test('Connection: close ends the connection after the response', async () => {
  using connection = await RawConnection.open(sluice.httpPort);
  const response = await connection.request(get('/last', 'Connection: close\r\n'));
  assert.equal(response.status, 200);
  assert.match(response.fields.get('connection') ?? '', /\bclose\b/);
  assert.equal(await connection.closed(), '');
});

test('a client that has half-closed still gets its answer', async () => {
  using connection = await RawConnection.open(sluice.httpPort);
  connection.send(get('/after/50/half')).end();
  assert.equal((await connection.response()).content, 'GET /after/50/half');
});

test('HTTP/1.0 needs no Host, and its connection ends after one request', async () => {
  using connection = await RawConnection.open(sluice.httpPort);
  const response = await connection.request('GET /old HTTP/1.0\r\n\r\n');
  assert.equal(response.content, 'GET /old');
  await connection.closed();
});

test('an empty line before a request is passed over (RFC 9112 §2.2)', async () => {
  using connection = await RawConnection.open(sluice.httpPort);
  assert.equal((await connection.request(`\r\n${get('/line')}`)).content, 'GET /line');
});

test('another major version is refused with 505 (RFC 9110 §15.6.6)', async () => {
  using connection = await RawConnection.open(sluice.httpPort);
  const response = await connection.request('GET / HTTP/3.0\r\nHost: a.example\r\n\r\n');
  assert.equal(response.status, 505);
});

test('a WebSocket client talks with the origin', async () => {
  const socket = new WebSocket(`ws://127.0.0.1:${sluice.httpPort}/chat`);
  const opened = Promise.withResolvers<void>();
  const message = Promise.withResolvers<string>();
  const closed = Promise.withResolvers<number>();
  socket.addEventListener('open', () => opened.resolve());
  socket.addEventListener('error', () => opened.reject(new Error('no WebSocket')));
  socket.addEventListener('message', (event) => message.resolve(String(event.data)));
  socket.addEventListener('close', (event) => closed.resolve(event.code));
  await within(opened.promise, 'the WebSocket to open');
  socket.send('hello');
  assert.equal(await within(message.promise, 'the answer'), 'hello');
  socket.close(1000);
  assert.equal(await within(closed.promise, 'the close'), 1000);
});

const upgrade = (path: string, more = '') =>
  get(path, `Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: eA==\r\n${more}`);

test('a tunnel over TLS carries bytes both ways, those sent with the request included', async () => {
  using connection = await RawConnection.openTls(sluice.httpsPort);
  connection.send(upgrade('/raw'));
  const response = await connection.response();
  assert.equal(response.status, 101);
  assert.equal(response.fields.get('upgrade'), 'websocket');
  assert.match(response.fields.get('connection')!, /\bupgrade\b/i);
  const block = Buffer.alloc(1 << 20, 'tunnel ');
  connection.send(block);
  await until(() => connection.unread.length >= block.length, 'all bytes to come back');
  assert.equal(connection.unread, block.toString('latin1'));
});

test('the end of one side of a tunnel reaches the other', async () => {
  using connection = await RawConnection.open(sluice.httpPort);
  connection.send(upgrade('/raw'));
  assert.equal((await connection.response()).status, 101);
  connection.send('last words').end();
  assert.equal(await connection.closed(), 'last words');
});

test('an origin that does not upgrade answers as usual', async () => {
  using connection = await RawConnection.open(sluice.httpPort);
  const response = await connection.request(upgrade('/refused'));
  assert.equal(response.status, 403);
  assert.equal(response.content, 'no');
});

test('a client cannot talk the origin into cleartext HTTP/2 behind our back', async () => {
  using connection = await RawConnection.open(sluice.httpPort);
  const response = await connection.request(
    get(
      '/h2c',
      'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n',
    ),
  );
  assert.notEqual(response.status, 101);
  for (const seen of origin.asked('/h2c')) assert.equal(seen.headers.upgrade, undefined);
});
