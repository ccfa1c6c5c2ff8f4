import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import test from 'node:test';
import { type Message, readMessage } from '../support/messages.ts';
import { startRawOrigin } from '../support/origins.ts';
import { RawConnection } from '../support/raw-connection.ts';
import { startSluice } from '../support/sluice.ts';

const origin = await startRawOrigin((socket: Socket, request: Message) => {
  const target = request.start.split(' ')[1]!;
  socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${target.length}\r\n\r\n${target}`);
});
const sluice = await startSluice({ origin: origin.url });
test.after(async () => {
  await sluice[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
});

/** What follows every doubtful request: whoever sees it as a request was smuggled past. */
const MARKER = 'GET /smuggled HTTP/1.1\r\nHost: a.example\r\n\r\n';

const post = (fields: string, content = '') =>
  `POST /doubtful HTTP/1.1\r\nHost: a.example\r\n${fields}\r\n${content}`;
const get = (fields: string) => `GET /doubtful HTTP/1.1\r\nHost: a.example\r\n${fields}\r\n`;
const chunked = (content: string) => post('Transfer-Encoding: chunked\r\n', content);

/** Heads that can be read in two ways: refused before the origin hears anything. */
const ambiguousHeads: Record<string, string> = {
  // RFC 9112 §6.3, §6.1
  'Content-Length with chunked': post(
    'Content-Length: 4\r\nTransfer-Encoding: chunked\r\n',
    '0\r\n\r\n',
  ),
  'chunked with Content-Length': post(
    'Transfer-Encoding: chunked\r\nContent-Length: 4\r\n',
    '0\r\n\r\n',
  ),
  'two different Content-Lengths': post('Content-Length: 0\r\nContent-Length: 44\r\n'),
  'the same Content-Length twice': post('Content-Length: 0\r\nContent-Length: 0\r\n'),
  'a list in Content-Length': post('Content-Length: 0, 0\r\n'),
  'Content-Length with a plus': post('Content-Length: +0\r\n'),
  'Content-Length with a minus': post('Content-Length: -1\r\n'),
  'Content-Length in hexadecimal': post('Content-Length: 0x10\r\n'),
  'Content-Length with an exponent': post('Content-Length: 1e1\r\n'),
  'Content-Length with a space inside': post('Content-Length: 1 0\r\n'),
  'Content-Length without a value': post('Content-Length:\r\n'),
  'Content-Length beyond 2^64': post('Content-Length: 18446744073709551616\r\n'),
  'Content-Length beyond 2^53': post('Content-Length: 9007199254740993\r\n'),
  'Content-Length with an underscore': post('Content-Length: 1_0\r\n'),
  'a vertical tab in a name': post('Content-Length: 0\r\nContent-Length\x0b: 44\r\n'),
  'chunked in HTTP/1.0':
    'POST /doubtful HTTP/1.0\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  'an unknown transfer coding': post('Transfer-Encoding: xchunked\r\n', '0\r\n\r\n'),
  'identity as transfer coding': post('Transfer-Encoding: identity\r\n'),
  'chunked that is not last': post('Transfer-Encoding: chunked, gzip\r\n', '0\r\n\r\n'),
  'chunked, then identity': post('Transfer-Encoding: chunked, identity\r\n', '0\r\n\r\n'),
  'chunked twice in one line': post('Transfer-Encoding: chunked, chunked\r\n', '0\r\n\r\n'),
  'chunked in two lines': post(
    'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n',
    '0\r\n\r\n',
  ),
  'chunked, then something else in another line': post(
    'Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n',
    '0\r\n\r\n',
  ),
  'chunked in quotes': post('Transfer-Encoding: "chunked"\r\n', '0\r\n\r\n'),
  'a vertical tab before chunked': post('Transfer-Encoding: \x0bchunked\r\n', '0\r\n\r\n'),
  'an empty Transfer-Encoding': post('Transfer-Encoding:\r\n', '0\r\n\r\n'),
  'a parameter on chunked': post('Transfer-Encoding: chunked;q=1\r\n', '0\r\n\r\n'),
  // RFC 9112 §5.1, §5.2, §2.2; RFC 9110 §5.5
  'a space before a colon': post('Transfer-Encoding : chunked\r\n', '0\r\n\r\n'),
  'a tab before a colon': post('Content-Length\t: 0\r\n'),
  'a folded field line': post('X-A: a\r\n Content-Length: 4\r\n'),
  'a folded Transfer-Encoding': post('Transfer-Encoding:\r\n chunked\r\n', '0\r\n\r\n'),
  'a bare CR in a value': get('X-A: a\rTransfer-Encoding: chunked\r\n'),
  'a bare CR in the line end': get('X-A: a\r\r\n'),
  'a bare LF after a field line': get('X-A: a\nX-B: b\r\n'),
  'a bare LF after the request line': 'GET /doubtful HTTP/1.1\nHost: a.example\r\n\r\n',
  'bare LFs throughout': 'GET /doubtful HTTP/1.1\nHost: a.example\n\n',
  'a bare LF for the empty line': 'GET /doubtful HTTP/1.1\r\nHost: a.example\r\n\n',
  'a NUL in a value': get('X-A: a\0b\r\n'),
  'a NUL in a name': get('X-\0A: a\r\n'),
  'a NUL in the target': 'GET /doubt\0ful HTTP/1.1\r\nHost: a.example\r\n\r\n',
  'a control character in the target': 'GET /doubt\x01ful HTTP/1.1\r\nHost: a.example\r\n\r\n',
  'whitespace before the first field': 'GET /doubtful HTTP/1.1\r\n Host: a.example\r\n\r\n',
  'a field without a name': get(': a\r\n'),
  'a bracket in a name': get('X[A]: a\r\n'),
  'a line without a colon': get('nonsense\r\n'),
  // RFC 9112 §3
  'two spaces after the method': 'GET  /doubtful HTTP/1.1\r\nHost: a.example\r\n\r\n',
  'two spaces before the version': 'GET /doubtful  HTTP/1.1\r\nHost: a.example\r\n\r\n',
  'a space after the version': 'GET /doubtful HTTP/1.1 \r\nHost: a.example\r\n\r\n',
  'a space before the method': ' GET /doubtful HTTP/1.1\r\nHost: a.example\r\n\r\n',
  'a space in the target': 'GET /doubt ful HTTP/1.1\r\nHost: a.example\r\n\r\n',
  'a tab for a space': 'GET\t/doubtful\tHTTP/1.1\r\nHost: a.example\r\n\r\n',
  'a version in lower case': 'GET /doubtful http/1.1\r\nHost: a.example\r\n\r\n',
  'a version of two digits': 'GET /doubtful HTTP/1.10\r\nHost: a.example\r\n\r\n',
  'a version without a dot': 'GET /doubtful HTTP/11\r\nHost: a.example\r\n\r\n',
  'no version': 'GET /doubtful\r\nHost: a.example\r\n\r\n',
  'a method with a bracket': 'G(T /doubtful HTTP/1.1\r\nHost: a.example\r\n\r\n',
  'a target that is no path': 'GET doubtful HTTP/1.1\r\nHost: a.example\r\n\r\n',
  'a target with a fragment': 'GET /doubtful#x HTTP/1.1\r\nHost: a.example\r\n\r\n',
  'a star for GET': 'GET * HTTP/1.1\r\nHost: a.example\r\n\r\n',
  // RFC 9112 §3.2; RFC 9110 §7.2
  'no Host': 'GET /doubtful HTTP/1.1\r\n\r\n',
  'two Hosts': 'GET /doubtful HTTP/1.1\r\nHost: a.example\r\nHost: b.example\r\n\r\n',
  'the same Host twice': 'GET /doubtful HTTP/1.1\r\nHost: a.example\r\nHost: a.example\r\n\r\n',
  'a list in Host': 'GET /doubtful HTTP/1.1\r\nHost: a.example, b.example\r\n\r\n',
  'a space in Host': 'GET /doubtful HTTP/1.1\r\nHost: a b\r\n\r\n',
  'a path in Host': 'GET /doubtful HTTP/1.1\r\nHost: a.example/b\r\n\r\n',
  'user information in Host': 'GET /doubtful HTTP/1.1\r\nHost: u@a.example\r\n\r\n',
  'a port that is no number in Host': 'GET /doubtful HTTP/1.1\r\nHost: a.example:80x\r\n\r\n',
  'the preface of HTTP/2': 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
};

for (const [name, bytes] of Object.entries(ambiguousHeads)) {
  test(`${name}: refused, the connection closed, the origin not asked`, async () => {
    const before = origin.received.join('').length;
    using connection = await RawConnection.open(sluice.httpPort);
    connection.send(bytes + MARKER);
    const response = await connection.response();
    assert.ok(
      (response.status >= 400 && response.status < 500) || [501, 505].includes(response.status),
      `answered ${response.status}`,
    );
    // RFC 9110 §6.6.1: an answer of our own has its time.
    assert.ok(Date.parse(response.fields.get('date')!) > 0);
    assert.equal(await connection.closed(), '', 'nothing follows the refusal');
    assert.equal(origin.received.join('').length, before, 'the origin received nothing');
  });
}

/** Content that can be read in two ways: the head may have gone on, a second request never. */
const ambiguousContent: Record<string, string> = {
  // RFC 9112 §7.1
  'a chunk size in 0x form': '0x4\r\nfour\r\n0\r\n\r\n',
  'a chunk size with a plus': '+4\r\nfour\r\n0\r\n\r\n',
  'a negative chunk size': '-4\r\nfour\r\n0\r\n\r\n',
  'a space before a chunk size': ' 4\r\nfour\r\n0\r\n\r\n',
  'a chunk size that is no number': 'zz\r\nfour\r\n0\r\n\r\n',
  'an empty chunk size': '\r\nfour\r\n0\r\n\r\n',
  'a chunk size beyond 2^64': '10000000000000004\r\nfour\r\n0\r\n\r\n',
  'a chunk size of many zeros': `${'0'.repeat(100)}4\r\nfour\r\n0\r\n\r\n`,
  'a bare LF after a chunk size': '4\nfour\r\n0\r\n\r\n',
  'a bare CR after a chunk size': '4\rfour\r\n0\r\n\r\n',
  'a bare LF after a chunk': '4\r\nfour\n0\r\n\r\n',
  'a chunk longer than it says': '4\r\nfourteen\r\n0\r\n\r\n',
  'a chunk without its line end': '4\r\nfour0\r\n\r\n',
  'a bare LF in a chunk extension': '4;a\nb\r\nfour\r\n0\r\n\r\n',
  'a bare CR in a chunk extension': '4;a\rb\r\nfour\r\n0\r\n\r\n',
  'a NUL in a chunk extension': '4;a\0b\r\nfour\r\n0\r\n\r\n',
  'a chunk extension without end': `4;${'a'.repeat(100_000)}\r\nfour\r\n0\r\n\r\n`,
  'a bare LF after the last chunk': '0\n\r\n',
  'a bare LF for the end': '0\r\n\n',
  'a space before a trailer’s colon': '0\r\nX-A : a\r\n\r\n',
  'a bare LF in the trailers': '0\r\nX-A: a\nX-B: b\r\n\r\n',
  'a folded trailer': '0\r\nX-A: a\r\n b\r\n\r\n',
  'trailers without end': `0\r\n${'X-A: a\r\n'.repeat(20_000)}\r\n`,
};

for (const [name, content] of Object.entries(ambiguousContent)) {
  test(`${name}: the request is broken off and nothing is taken for another`, async () => {
    const seen = origin.seen.length;
    const connections = origin.received.length;
    using connection = await RawConnection.open(sluice.httpPort);
    connection.send(chunked(content) + MARKER);
    const text = await connection.closed();
    const first = readMessage(text, 0, true);
    if (first !== undefined) {
      assert.match(first.start, /^HTTP\/1\.1 4\d\d /);
      assert.equal(text.length, first.end, 'nothing follows the refusal');
    }
    assert.equal(origin.seen.length, seen, 'the origin saw no complete request');
    for (const bytes of origin.received.slice(connections)) {
      assert.doesNotMatch(bytes, /smuggled/);
    }
  });
}

/** Near neighbours that the RFCs allow: both requests pass, and nothing else. */
const allowed: Record<string, string> = {
  'optional whitespace around a length': post('Content-Length: \t 4\t \r\n', 'four'),
  'leading zeros in a length': post('Content-Length: 004\r\n', 'four'),
  'chunked in capitals': post('transfer-encoding: CHUNKED\r\n', '4\r\nfour\r\n0\r\n\r\n'),
  'a chunk extension': chunked('4;a=b;c="d e"\r\nfour\r\n0;x\r\n\r\n'),
  'a chunk size in capitals': chunked('0A\r\n0123456789\r\n0\r\n\r\n'),
  'trailers that would mean something in a head': chunked(
    '4\r\nfour\r\n0\r\nContent-Length: 44\r\nTransfer-Encoding: chunked\r\nHost: b\r\n\r\n',
  ),
  'content with GET': get('Content-Length: 4\r\n').replace(/$/, 'four'),
  'an empty value': get('X-A:\r\n'),
  'bytes above 127 in a value': get('X-A: \xe9\xff\r\n'),
};

for (const [name, bytes] of Object.entries(allowed)) {
  test(`${name}: allowed, and the next request is the next request`, async () => {
    const seen = origin.seen.length;
    using connection = await RawConnection.open(sluice.httpPort);
    connection.send(bytes + MARKER.replace('smuggled', 'next'));
    assert.equal((await connection.response()).content, '/doubtful');
    assert.equal((await connection.response()).content, '/next');
    const targets = origin.seen.slice(seen).map((request) => request.start.split(' ')[1]);
    assert.deepEqual(targets, ['/doubtful', '/next']);
  });
}

test('what reaches the origin is delimited once, whatever the client wrote', async () => {
  const seen = origin.seen.length;
  using connection = await RawConnection.open(sluice.httpPort);
  await connection.request(chunked('4\r\nfour\r\n0\r\nContent-Length: 44\r\n\r\n'));
  const { fields, trailers } = origin.seen[seen]!;
  const lengths = fields.lines.filter(([name]) => name === 'content-length').length;
  const codings = fields.lines.filter(([name]) => name === 'transfer-encoding').length;
  assert.equal(lengths + codings, 1);
  // RFC 9110 §6.5.1: fields that delimit a message are not trailers.
  assert.equal(trailers.get('content-length'), undefined);
});

test('CONNECT to an origin of the client’s choice is refused', async () => {
  using connection = await RawConnection.open(sluice.httpPort);
  connection.send(
    `CONNECT 127.0.0.1:${origin.port} HTTP/1.1\r\nHost: 127.0.0.1:${origin.port}\r\n\r\n`,
  );
  const response = await connection.response();
  assert.ok(response.status >= 400, `answered ${response.status}`);
});
