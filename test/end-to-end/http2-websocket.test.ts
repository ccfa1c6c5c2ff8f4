import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import type { Duplex } from 'node:stream';
import test, { after } from 'node:test';
import { Http2Client } from '../support/http2-client.ts';
import { startOrigin } from '../support/origins.ts';
import { startSluice } from '../support/sluice.ts';
import { startSluiceWith } from '../support/sluice-file.ts';
import { until } from '../support/waiting.ts';

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

const origin = await startOrigin((_request, response) => {
  response.end('no WebSocket here');
});
const sockets: Duplex[] = [];
const asked: NodeJS.Dict<string | string[]>[] = [];

origin.server.on('upgrade', (request, socket: Duplex) => {
  sockets.push(socket);
  asked.push({ ...request.headers, method: request.method, url: request.url });
  socket.on('error', () => {});
  if (request.url === '/forbidden') {
    socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno');
    return;
  }
  if (request.url === '/success') {
    socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhm');
    return;
  }
  const key = request.url === '/wrong-key' ? 'x' : request.headers['sec-websocket-key'];
  const accept = createHash('sha1').update(`${key}${GUID}`).digest('base64');
  socket.write(
    'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
      `Sec-WebSocket-Accept: ${accept}\r\nSec-WebSocket-Protocol: chat\r\n\r\n`,
  );
  if (request.url === '/greeting') socket.write('hello');
  if (request.url === '/farewell') socket.end('bye');
  else socket.pipe(socket);
});

const sluice = await startSluice({ origin: origin.url });
after(async () => {
  for (const socket of sockets) socket.destroy();
  await sluice[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
});

const client = await Http2Client.open(sluice.httpsUrl);
after(() => client[Symbol.dispose]());

function connect(path: string, fields: Record<string, string> = {}) {
  return client.begin(
    {
      ':method': 'CONNECT',
      ':protocol': 'websocket',
      ':scheme': 'https',
      ':path': path,
      'sec-websocket-version': '13',
      'sec-websocket-protocol': 'chat',
      ...fields,
    },
    false,
  );
}

test('the server offers extended CONNECT', () => {
  assert.equal(client.session.remoteSettings.enableConnectProtocol, true);
});

test('a WebSocket over HTTP/2 reaches an origin that speaks HTTP/1.1', async () => {
  const socket = connect('/echo?room=1');
  const fields = await socket.head();
  assert.equal(fields[':status'], 200);
  assert.equal(fields['sec-websocket-protocol'], 'chat');
  // RFC 8441 §5: these do not exist here.
  assert.equal(fields['sec-websocket-accept'], undefined);
  assert.equal(fields.upgrade, undefined);
  const request = asked.at(-1)!;
  assert.deepEqual([request.method, request.url], ['GET', '/echo?room=1']);
  assert.equal(request['sec-websocket-version'], '13');
  assert.equal(Buffer.from(request['sec-websocket-key'] as string, 'base64').length, 16);
  socket.stream.write('one');
  await socket.until('one');
  socket.stream.write('two');
  await socket.until('onetwo');
  socket.stream.end('three');
  await socket.until('onetwothree');
  await until(() => socket.hasEnded, 'the origin’s end');
  assert.equal(await socket.closed(), 'NO_ERROR');
});

test('each WebSocket has a key of its own', async () => {
  const both = [connect('/echo?1'), connect('/echo?2')];
  for (const socket of both) await socket.head();
  const keys = asked.slice(-2).map((request) => request['sec-websocket-key']);
  assert.notEqual(keys[0], keys[1]);
  for (const socket of both) socket.stream.close();
});

test('bytes that follow the 101 at once are not lost', async () => {
  const socket = connect('/greeting');
  await socket.until('hello');
  socket.stream.close();
});

test('bytes sent before the answer wait for it', async () => {
  const socket = connect('/echo');
  socket.stream.write('early');
  await socket.until('early');
  socket.stream.close();
});

test('the origin’s end reaches the client', async () => {
  const socket = connect('/farewell');
  await socket.until('bye');
  await until(() => socket.hasEnded, 'the end');
  socket.stream.end();
  assert.equal(await socket.closed(), 'NO_ERROR');
});

test('a client that resets its stream ends the origin’s connection', async () => {
  const socket = connect('/echo');
  await socket.head();
  const atOrigin = sockets.at(-1)!;
  socket.stream.close(8);
  await until(() => atOrigin.destroyed, 'the origin’s socket to close');
});

test('an origin that breaks off resets the client’s stream', async () => {
  const socket = connect('/echo');
  await socket.head();
  (sockets.at(-1) as Duplex & { resetAndDestroy(): void }).resetAndDestroy();
  assert.equal(await socket.closed(), 'INTERNAL_ERROR');
});

test('an origin that refuses is heard', async () => {
  const socket = connect('/forbidden');
  const { status, content } = await socket.answer();
  assert.deepEqual([status, content], [403, 'no']);
});

test('a success without 101 is not taken for a WebSocket', async () => {
  const { status, fields } = await connect('/success').answer();
  assert.equal(status, 502);
  assert.match(fields['proxy-status'] as string, /error=http_upgrade_failed/);
});

test('an origin that does not know the key is not trusted', async () => {
  const { status, fields } = await connect('/wrong-key').answer();
  assert.equal(status, 502);
  assert.match(fields['proxy-status'] as string, /error=http_upgrade_failed/);
});

test('plain CONNECT gets 405, and unknown protocols 501', async () => {
  const plain = client.begin({ ':method': 'CONNECT', ':authority': 'example.com:443' }, false);
  assert.equal((await plain.head())[':status'], 405);
  const other = connect('/', { ':protocol': 'connect-udp' });
  assert.equal((await other.head())[':status'], 501);
});

test('a megabyte passes both ways, however fast each side reads', async () => {
  const socket = connect('/echo');
  await socket.head();
  const sent = Buffer.alloc(1 << 20, 'web socket ');
  socket.stream.end(sent);
  await until(() => socket.hasEnded, 'all of it');
  assert.equal(socket.content.length, sent.length);
  assert.ok(socket.content === sent.toString('latin1'));
});

test('it is judged as the GET that it becomes: by access rules, routes and limits', async () => {
  const routes = [
    { match: { methods: ['CONNECT'] }, respond: { status: 418 } },
    {
      match: { 'path-prefix': '/get', methods: ['GET'] },
      'rate-limit': { 'requests-per-second': 0.001, burst: 0 },
      origin: 'app',
    },
    {
      match: { 'path-prefix': '/post', methods: ['POST'] },
      origin: 'app',
    },
    { access: [{ deny: 'all', methods: ['GET', 'POST'], paths: ['/admin'] }], origin: 'app' },
  ];
  await using judging = await startSluiceWith({
    origins: { app: { servers: [origin.url] } },
    routes,
    'access-log': '-',
    'log-format': 'json',
  });
  using other = await Http2Client.open(judging.httpsUrl);
  const status = async (path: string) => {
    const stream = other.begin(
      { ':method': 'CONNECT', ':protocol': 'websocket', ':scheme': 'https', ':path': path },
      false,
    );
    const head = await stream.head();
    stream.stream.close();
    return head[':status'];
  };
  const before = asked.length;
  assert.equal(await status('/admin'), 403);
  assert.equal(asked.length, before, 'the origin has not been asked');
  assert.equal(await status('/post/x'), 200, 'not that of POST, nor that of CONNECT');
  assert.equal(await status('/get/x'), 200);
  assert.equal(await status('/get/x'), 429);
  await until(() => judging.output.includes('"method":"CONNECT"'), 'it is logged as it was sent');
});
