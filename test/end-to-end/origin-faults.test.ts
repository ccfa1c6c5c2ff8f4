import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import test from 'node:test';
import type { Message } from '../support/messages.ts';
import { startRawOrigin, unusedPort } from '../support/origins.ts';
import { RawConnection } from '../support/raw-connection.ts';
import { startSluice } from '../support/sluice.ts';

const GET = 'GET /x HTTP/1.1\r\nHost: a.example\r\n\r\n';
const POST = 'POST /x HTTP/1.1\r\nHost: a.example\r\nContent-Length: 4\r\n\r\nfour';
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

/** One raw origin and one sluice serve all faults: the request's path chooses. */
const faults: Record<string, (socket: Socket) => void> = {
  '/close': (socket) => socket.destroy(),
  '/reset': (socket) => socket.resetAndDestroy(),
  '/half-a-head': (socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Le'),
};

const badResponses: Record<string, string> = {
  'a banner of another protocol': 'SSH-2.0-OpenSSH_9.2\r\n',
  'a bad status': 'HTTP/1.1 2x0 OK\r\n\r\n',
  'a status of two digits': 'HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n',
  'another version': 'HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n',
  'a Content-Length that is no number': 'HTTP/1.1 200 OK\r\nContent-Length: 2x\r\n\r\nok',
  'a negative Content-Length': 'HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok',
  'two different Content-Lengths':
    'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nokk',
  'Content-Length with chunked':
    'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n',
  'an unknown transfer coding': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: zap\r\n\r\nok',
  'a NUL in a field': 'HTTP/1.1 200 OK\r\nX-A: a\0b\r\nContent-Length: 2\r\n\r\nok',
  'a line without a colon': 'HTTP/1.1 200 OK\r\nnonsense\r\n\r\n',
  'a field section without end': `HTTP/1.1 200 OK\r\n${`X-A: ${'a'.repeat(4000)}\r\n`.repeat(400)}`,
  '101 without having been asked': 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n',
};

const badNames = Object.keys(badResponses);
const origin = await startRawOrigin((socket: Socket, request: Message) => {
  const path = request.start.split(' ')[1]!;
  const bad = /^\/bad\/(\d+)$/.exec(path);
  if (bad !== null) socket.write(badResponses[badNames[Number(bad[1])]!]!, 'latin1');
  else if (faults[path] !== undefined) faults[path]!(socket);
  else socket.write(OK);
});
const sluice = await startSluice({ origin: origin.url });
test.after(async () => {
  await sluice[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
});

function asked(path: string): number {
  return origin.seen.filter((request) => request.start.split(' ')[1] === path).length;
}

/** Asks for a path that fails, then for one that does not, on the same connection. */
async function failure(path: string) {
  using connection = await RawConnection.open(sluice.httpPort);
  const response = await connection.request(`GET ${path} HTTP/1.1\r\nHost: a.example\r\n\r\n`);
  const next = await connection.request(GET);
  assert.equal(next.content, 'ok', 'the client can go on');
  const proxyStatus = response.fields.get('proxy-status') ?? '';
  return { status: response.status, proxyStatus };
}

test('nothing listens: 502, connection_refused (RFC 9209 §2.3.7)', async () => {
  await using lonely = await startSluice({ origin: `http://127.0.0.1:${await unusedPort()}` });
  using connection = await RawConnection.open(lonely.httpPort);
  const response = await connection.request(GET);
  assert.equal(response.status, 502);
  assert.match(response.fields.get('proxy-status')!, /^sluice; error=connection_refused\b/);
  assert.equal((await connection.request(GET)).status, 502, 'the client can go on');
});

for (const [path, type] of [
  ['/close', 'connection_terminated'],
  ['/reset', 'connection_terminated'],
  ['/half-a-head', 'http_response_incomplete|connection_terminated'],
] as const) {
  test(`the origin ${path.slice(1)}s: 502, ${type}`, async () => {
    const { status, proxyStatus } = await failure(path);
    assert.equal(status, 502);
    assert.match(proxyStatus, new RegExp(`^sluice; error=(?:${type})\\b`));
  });
}

for (const [index, name] of badNames.entries()) {
  test(`the origin sends ${name}: 502, and nothing of it comes through`, async () => {
    const { status, proxyStatus } = await failure(`/bad/${index}`);
    assert.equal(status, 502);
    assert.match(proxyStatus, /^sluice; error=http_\w+/);
  });
}

test('a folded field of a response is mended or refused, never passed on', async () => {
  // RFC 9112 §5.2
  await using folding = await startRawOrigin((socket) => {
    socket.write('HTTP/1.1 200 OK\r\nX-A: a\r\n b\r\nContent-Length: 2\r\n\r\nok');
  });
  await using proxy = await startSluice({ origin: folding.url });
  using connection = await RawConnection.open(proxy.httpPort);
  const response = await connection.request(GET);
  if (response.status === 200) assert.match(response.fields.get('x-a')!, /^a +b$/);
  else assert.equal(response.status, 502);
});

test('whitespace before a colon is removed from a response (RFC 9112 §5.1)', async () => {
  await using spacing = await startRawOrigin((socket) => {
    socket.write('HTTP/1.1 200 OK\r\nX-A : a\r\nX-A:b\r\nContent-Length\t: 2\r\n\r\nok');
  });
  await using proxy = await startSluice({ origin: spacing.url });
  using connection = await RawConnection.open(proxy.httpPort);
  const response = await connection.request(GET);
  assert.equal(response.status, 200);
  assert.equal(response.fields.get('x-a'), 'a, b');
  assert.equal(response.content, 'ok');
});

test('faults are counted by their RFC 9209 name', async () => {
  const before = await sluice.sum('sluice_origin_errors_total', { type: 'connection_terminated' });
  await failure('/close');
  const now = await sluice.sum('sluice_origin_errors_total', { type: 'connection_terminated' });
  assert.equal(now - before, 1);
});

test('a request is not repeated on a fresh connection: the origin may have acted on it', async () => {
  const { status } = await failure('/reset');
  assert.equal(status, 502);
  await using counting = await startRawOrigin((socket) => socket.destroy());
  await using proxy = await startSluice({ origin: counting.url });
  using connection = await RawConnection.open(proxy.httpPort);
  assert.equal((await connection.request(GET)).status, 502);
  assert.equal(counting.seen.length, 1);
});

/** An origin that breaks each connection off at its second request. */
function closesAtSecondRequest() {
  return startRawOrigin((socket, _request, count) => {
    if (count === 1) socket.write(OK);
    else socket.destroy();
  });
}

test('a GET on a reused connection that the origin closes is repeated (RFC 9112 §9.3.1)', async () => {
  await using closing = await closesAtSecondRequest();
  await using proxy = await startSluice({ origin: closing.url });
  using connection = await RawConnection.open(proxy.httpPort);
  assert.equal((await connection.request(GET)).status, 200);
  assert.equal((await connection.request(GET)).status, 200);
  assert.equal(closing.seen.length, 3, 'first, broken off, repeated');
});

test('a POST on a reused connection that the origin closes is not repeated', async () => {
  await using closing = await closesAtSecondRequest();
  await using proxy = await startSluice({ origin: closing.url });
  using connection = await RawConnection.open(proxy.httpPort);
  assert.equal((await connection.request(GET)).status, 200);
  assert.equal((await connection.request(POST)).status, 502);
  const posts = closing.seen.filter((request) => request.start.startsWith('POST'));
  assert.equal(posts.length, 1);
});

test('connections to the origin are used again', async () => {
  const before = origin.received.length;
  using connection = await RawConnection.open(sluice.httpPort);
  for (let i = 0; i < 20; i++) assert.equal((await connection.request(GET)).status, 200);
  assert.ok(origin.received.length - before <= 1, 'at most one new connection for 20 requests');
  assert.ok(asked('/x') >= 20);
});

test('bytes after a response are never taken for the answer to another request', async () => {
  await using chatty = await startRawOrigin((socket, _request, count) => {
    const extra = 'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged';
    socket.write(count === 1 ? OK + extra : OK);
  });
  await using proxy = await startSluice({ origin: chatty.url });
  for (let i = 0; i < 3; i++) {
    using connection = await RawConnection.open(proxy.httpPort);
    assert.equal((await connection.request(GET)).content, 'ok');
  }
});
