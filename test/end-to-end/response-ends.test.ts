import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import test from 'node:test';
import {
  ACK,
  data,
  END_HEADERS,
  END_STREAM,
  FrameTeller,
  frame,
  goaway,
  headers,
  PREFACE,
  type ReadFrame,
  readFrames,
  reset,
  settings,
  TYPE,
} from '../http2/wire.ts';
import { Http2Client } from '../support/http2-client.ts';
import { startOrigin, startRawOrigin } from '../support/origins.ts';
import { RawConnection } from '../support/raw-connection.ts';
import { startRawHttp2Origin } from '../support/raw-http2-origin.ts';
import { startConfigured } from '../support/routes.ts';
import { untakenBytes } from '../support/tcp-sockets.ts';
import { sleep, until } from '../support/waiting.ts';

const listeners = (extra: object = {}) => [
  { address: '127.0.0.1:0', protocol: 'http', 'http2-cleartext': 'on', ...extra },
  { address: '127.0.0.1:0', protocol: 'https' },
];

const REFUSED_STREAM = 7;
const INTERNAL_ERROR = 2;
/** What sluice lets a stream send before it has used any: docs, limits of HTTP/2. */
const STREAM_WINDOW = 262_144;

/** An HTTP/2 client that uploads as fast as it may, and tells what it got. */
class Uploader implements Disposable {
  readonly socket: Socket;
  readonly told: string[] = [];
  sent = 0;
  #streamWindow = 65_535;
  #connectionWindow = 65_535;
  #received = Buffer.alloc(0);
  readonly #teller = new FrameTeller();

  constructor(port: number, window: number, request: readonly (readonly [string, string])[]) {
    this.socket = connect(port, '127.0.0.1');
    this.socket.on('error', () => {});
    this.socket.write(Buffer.concat([PREFACE, settings([4, window])]));
    this.socket.write(headers(1, END_HEADERS, request));
    this.socket.on('data', (bytes: Buffer) => this.#onBytes(bytes));
  }

  #onBytes(bytes: Buffer): void {
    const read: string[] = [];
    this.#received = Buffer.concat([this.#received, bytes]);
    for (;;) {
      const length = this.#received.length < 9 ? 0 : this.#received.readUIntBE(0, 3);
      if (this.#received.length < 9 + length) break;
      const [one] = readFrames(this.#received.subarray(0, 9 + length));
      this.#received = this.#received.subarray(9 + length);
      read.push(this.#on(one!));
    }
    this.told.push(...read);
    this.#upload();
  }

  #on(one: ReadFrame): string {
    const { type, flags, streamId, payload } = one;
    if (type === TYPE.SETTINGS && (flags & ACK) === 0) {
      for (let i = 0; i < payload.length; i += 6) {
        if (payload.readUInt16BE(i) === 4) this.#streamWindow = payload.readUInt32BE(i + 2);
      }
      this.socket.write(frame(TYPE.SETTINGS, ACK, 0));
    } else if (type === TYPE.PING && (flags & ACK) === 0) {
      this.socket.write(frame(TYPE.PING, ACK, 0, payload));
    } else if (type === TYPE.WINDOW_UPDATE) {
      if (streamId === 0) this.#connectionWindow += payload.readUInt32BE(0);
      else this.#streamWindow += payload.readUInt32BE(0);
    }
    return this.#teller.tell(one);
  }

  #upload(): void {
    if (this.told.some((line) => line.startsWith('RST_STREAM 1'))) return;
    for (;;) {
      const length = Math.min(16_384, this.#streamWindow, this.#connectionWindow);
      if (length <= 0) return;
      this.#streamWindow -= length;
      this.#connectionWindow -= length;
      this.sent += length;
      this.socket.write(data(1, Buffer.alloc(length)));
    }
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}

const upload = (path: string) =>
  [
    [':method', 'POST'],
    [':scheme', 'http'],
    [':path', path],
    [':authority', 'a.example'],
  ] as const;

test('an early answer ends an upload over HTTP/2, whoever has given it', async () => {
  // Each answers when some of the content has come, and reads no more.
  const seen = new Map<number, number>();
  await using h2 = await startRawHttp2Origin((socket, one) => {
    if (one.type !== TYPE.DATA || seen.has(one.streamId)) return;
    seen.set(one.streamId, 1);
    const head = headers(one.streamId, END_HEADERS, [[':status', '413']]);
    socket.write(Buffer.concat([head, data(one.streamId, 'too much', END_STREAM)]));
  });
  await using h1 = await startOrigin((request, response) => {
    request.pause();
    response.writeHead(413, { 'content-length': 8 }).end('too much');
  });
  const wide = 'n'.repeat(100_000);
  await using sluice = await startConfigured({
    file: {
      listeners: listeners(),
      origins: { h1: { servers: [h1.url] }, h2: { servers: [h2.url] } },
      routes: [
        { match: { 'path-prefix': '/h1' }, origin: 'h1' },
        { match: { 'path-prefix': '/h2' }, origin: 'h2' },
        {
          match: { 'path-prefix': '/page' },
          origin: 'h1',
          'error-pages': { 413: 'page.html', intercept: 'on' },
        },
        { match: { 'path-prefix': '/wide' }, respond: { status: 403, body: wide } },
        { match: { 'path-prefix': '/own' }, respond: { status: 403, body: 'no' } },
      ],
    },
    files: { 'page.html': 'ours' },
    listensByFile: true,
  });
  for (const [path, status, window] of [
    ['/h1', 413, 65_535],
    ['/h2', 413, 65_535],
    ['/page', 413, 65_535],
    ['/own', 403, 65_535],
    // It waits for the client, which has no window at first.
    ['/wide', 403, 65_535],
  ] as const) {
    using client = new Uploader(sluice.httpPort, window, upload(path));
    const told = () => client.told.join('\n');
    if (path === '/wide') {
      await until(() => told().includes('HEADERS 1 403'), 'the head');
      await sleep(50);
      assert.ok(client.sent <= STREAM_WINDOW, `${client.sent} bytes taken for nothing`);
      client.socket.write(frame(TYPE.WINDOW_UPDATE, 0, 1, Buffer.from([0, 1, 0, 0])));
      client.socket.write(frame(TYPE.WINDOW_UPDATE, 0, 0, Buffer.from([0, 1, 0, 0])));
    }
    await until(() => told().includes('RST_STREAM 1'), `${path}: the end of the upload`);
    assert.match(told(), new RegExp(`HEADERS 1 ${status}[\\s\\S]*END_STREAM\\n`), path);
    assert.match(told(), /RST_STREAM 1 NO_ERROR/, path);
    assert.ok(client.sent <= 4 * STREAM_WINDOW, `${path}: ${client.sent} bytes taken`);
    client.socket.write(headers(3, END_HEADERS | END_STREAM, [...upload('/own')]));
    await until(() => told().includes('HEADERS 3 403'), `${path}: the connection goes on`);
  }
});

/** Sends the head, so many bytes within the window it is given, and then resets the stream. */
async function startCuttingOrigin(
  head: (readonly [string, string])[],
  bytes: number,
  code: number,
) {
  let window = 65_535;
  let left = bytes;
  let streamId = 0;
  return startRawHttp2Origin((socket, one) => {
    if (one.type === TYPE.HEADERS) {
      streamId = one.streamId;
      left = bytes;
      socket.write(headers(streamId, END_HEADERS, [[':status', '200'], ...head]));
    } else if (one.type === TYPE.WINDOW_UPDATE && one.streamId === 0) {
      window += one.payload.readUInt32BE(0);
    }
    while (streamId !== 0 && left > 0 && window > 0) {
      const length = Math.min(16_384, left, window);
      left -= length;
      window -= length;
      socket.write(data(streamId, Buffer.alloc(length, 'x')));
    }
    if (streamId === 0 || left > 0) return;
    socket.write(reset(streamId, code));
    streamId = 0;
  });
}

const LENGTH = 100_000;
const full = ['content-length', String(LENGTH)] as const;

test('all of a Content-Length, then RST_STREAM(NO_ERROR): the response is whole', async () => {
  await using origin = await startCuttingOrigin([full], LENGTH, 0);
  await using sluice = await startConfigured({
    file: {
      listeners: listeners(),
      origins: { a: { servers: [origin.url] } },
      routes: [{ origin: 'a' }],
    },
    listensByFile: true,
  });
  for (const initialWindowSize of [1_000, 65_535]) {
    const client = await Http2Client.open(sluice.httpUrl, { settings: { initialWindowSize } });
    const { content } = await client.get(`/${initialWindowSize}`);
    assert.equal(content.length, LENGTH);
    client[Symbol.dispose]();
  }
  using connection = await RawConnection.open(sluice.httpPort);
  const { content } = await connection.request('GET /1 HTTP/1.1\r\nHost: a.example\r\n\r\n');
  assert.equal(content.length, LENGTH);
});

for (const [what, head, bytes, code] of [
  ['a byte less', [full], LENGTH - 1, 0],
  ['no length', [], LENGTH, 0],
  ['another code', [full], LENGTH, INTERNAL_ERROR],
] as const) {
  test(`RST_STREAM after ${what}: the response is cut off, with all that had come`, async () => {
    await using origin = await startCuttingOrigin([...head], bytes, code);
    await using sluice = await startConfigured({
      file: {
        listeners: listeners(),
        origins: { a: { servers: [origin.url] } },
        routes: [{ origin: 'a' }],
      },
      listensByFile: true,
    });
    // The windows are small: most of it waits in sluice when the reset comes.
    const client = await Http2Client.open(sluice.httpUrl, { settings: { initialWindowSize: 999 } });
    const stream = client.begin({ ':path': '/2' }, true);
    assert.equal(await stream.closed(), 'INTERNAL_ERROR');
    assert.equal(stream.content.length, bytes);
    client[Symbol.dispose]();
    // Where HTTP/1.1 has all that was announced, nothing but a reset tells of the error.
    if (head.length > 0 && bytes === LENGTH) return;
    using connection = await RawConnection.open(sluice.httpPort);
    connection.send('GET /1 HTTP/1.1\r\nHost: a.example\r\n\r\n');
    const text = await connection.closed();
    const content = text.slice(text.indexOf('\r\n\r\n')).replaceAll(/[^x]/g, '');
    assert.equal(content.length, bytes);
    assert.ok(!text.endsWith('0\r\n\r\n'), 'it does not look whole');
    assert.equal(connection.error, null, 'nothing is lost to a reset');
  });
}

test('an HTTP/1.1 origin that breaks off: a slow client still gets all that had come', async () => {
  const sent = 1_000_000;
  const taken = Promise.withResolvers<void>();
  const broken = Promise.withResolvers<void>();
  await using origin = await startRawOrigin((socket) => {
    const length = 2 * sent;
    socket.write(`HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Length: ${length}\r\n\r\n`);
    socket.write(Buffer.alloc(sent, 'x'));
    socket.on('close', () => broken.resolve());
    // A reset takes back what sluice has not taken: it has all of it first, or has passed it on.
    void taken.promise
      .then(() => until(() => untakenBytes(socket) === 0, 'sluice to take what was sent'))
      .then(() => socket.resetAndDestroy());
  });
  await using sluice = await startConfigured({
    file: {
      listeners: listeners(),
      origins: { a: { servers: [origin.url] } },
      routes: [{ origin: 'a' }],
    },
    listensByFile: true,
  });
  const socket = connect(sluice.httpPort, '127.0.0.1');
  let got = 0;
  let error: Error | null = null;
  let isOver = false;
  socket.on('data', (bytes) => {
    got += bytes.length;
    // Half of the way it stands still, until the origin has broken off.
    if (got < sent / 2 || isStill) return;
    isStill = true;
    socket.pause();
    taken.resolve();
    void broken.promise.then(() => sleep(100)).then(() => socket.resume());
  });
  let isStill = false;
  socket.on('error', (one) => {
    error = one;
  });
  socket.on('close', () => {
    isOver = true;
  });
  socket.write('GET / HTTP/1.1\r\nHost: a.example\r\n\r\n');
  await until(() => isOver, 'the end');
  assert.equal(error, null);
  assert.ok(got >= sent, `${got} bytes`);
});

test('a GOAWAY below a POST: it is sent again on another connection, once', async () => {
  const executed: string[] = [];
  let refuses = true;
  await using origin = await startRawHttp2Origin((socket, one) => {
    const hasEnded = (one.flags & END_STREAM) !== 0;
    if (!hasEnded || (one.type !== TYPE.DATA && one.type !== TYPE.HEADERS)) return;
    if (refuses) {
      refuses = false;
      socket.write(goaway(Math.max(0, one.streamId - 2)));
      socket.end();
      return;
    }
    executed.push(`${one.payload.length}`);
    socket.write(headers(one.streamId, END_HEADERS | END_STREAM, [[':status', '204']]));
  });
  await using sluice = await startConfigured({
    file: {
      listeners: listeners(),
      origins: { a: { servers: [origin.url] } },
      routes: [{ origin: 'a' }],
    },
    listensByFile: true,
  });
  using connection = await RawConnection.open(sluice.httpPort);
  const post = (length: number) =>
    `POST /pay HTTP/1.1\r\nHost: a.example\r\nContent-Length: ${length}\r\n\r\n${'x'.repeat(length)}`;
  assert.equal((await connection.request(post(3_000))).status, 204);
  assert.equal(origin.connections, 2);
  assert.equal(executed.length, 1);
});

test('a server that refuses twice: another one is asked, whatever the method', async () => {
  await using refusing = await startRawHttp2Origin((socket, one) => {
    if (one.type === TYPE.HEADERS) socket.write(reset(one.streamId, REFUSED_STREAM));
  });
  await using good = await startOrigin((request, response) => {
    request.resume().on('end', () => response.end('done'));
  });
  await using sluice = await startConfigured({
    file: {
      listeners: listeners(),
      origins: { a: { servers: [refusing.url, good.url] } },
      routes: [{ origin: 'a' }],
    },
    listensByFile: true,
  });
  for (let i = 0; i < 4; i++) {
    using connection = await RawConnection.open(sluice.httpPort);
    const text = 'POST /pay HTTP/1.1\r\nHost: a.example\r\nContent-Length: 4\r\n\r\ntext';
    assert.equal((await connection.request(text)).content, 'done');
  }
  assert.equal(good.seen.length, 4);
});
