import assert from 'node:assert/strict';
import { test } from 'node:test';
import { facts, Pipe, testServer } from '../../test/http1/wire.ts';
import { AssertionError } from '../base/assert.ts';
import { SluiceError } from '../base/errors.ts';
import type {
  PreparedResponse,
  RequestFacts,
  RequestHandler,
  RequestSink,
  ResponseSender,
} from '../http/exchange.ts';
import { FieldSection } from '../http/field-section.ts';
import type { RequestHead } from '../http/message.ts';
import { defaultHttp1Limits } from './limits.ts';

/** One request as the sink saw it, with what came of it. */
class Exchange implements RequestHandler {
  readonly head: RequestHead;
  readonly sender: ResponseSender;
  readonly facts: RequestFacts;
  content = '';
  ends = 0;
  trailers: FieldSection | null = null;
  aborted: SluiceError | null = null;
  writable = 0;

  constructor(head: RequestHead, sender: ResponseSender, facts: RequestFacts) {
    this.head = head;
    this.sender = sender;
    this.facts = facts;
  }

  onContent(bytes: Uint8Array): void {
    this.content += Buffer.from(bytes).toString('latin1');
  }

  onEnd(trailers: FieldSection | null): void {
    this.ends++;
    this.trailers = trailers;
  }

  onAbort(error: SluiceError): void {
    this.aborted = error;
  }

  onWritable(): void {
    this.writable++;
  }

  answer(content = 'ok', contentLength = content.length): void {
    this.sender.sendHead({ status: 200, fields: new FieldSection(), contentLength });
    if (content !== '') this.sender.sendContent(Buffer.from(content));
    this.sender.sendEnd(null);
  }
}

/** A sink that keeps its exchanges; `begin` may answer at once. */
function keeping(begin: (exchange: Exchange) => void = () => {}) {
  const exchanges: Exchange[] = [];
  const sink: RequestSink = {
    onRequest(head, sender, facts) {
      const exchange = new Exchange(head, sender, facts);
      exchanges.push(exchange);
      begin(exchange);
      return exchange;
    },
  };
  return { sink, exchanges };
}

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`;
const post = (length: number, content = '') =>
  `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n\r\n${content}`;
const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';

function stored(overrides: Partial<PreparedResponse> = {}): PreparedResponse {
  return {
    status: 200,
    fields: FieldSection.of(['etag', '"1"']),
    content: Buffer.from('stored'),
    ageSeconds: -1,
    ...overrides,
  };
}

// -------------------------------------------------------------------- responses

test('content of known length is announced, and the connection stays', () => {
  const { sink } = keeping((exchange) => exchange.answer());
  const { receive, output, connection } = testServer(sink);
  receive(GET);
  assert.equal(output.take(), OK);
  assert.ok(connection.isIdle);
});

test('content of unknown length is chunked, with trailers', () => {
  const { sink, exchanges } = keeping();
  const { receive, output } = testServer(sink);
  receive(GET);
  const { sender } = exchanges[0]!;
  sender.sendHead({ status: 200, fields: new FieldSection(), contentLength: -1 });
  sender.sendContent(Buffer.from('hello'));
  sender.sendContent(Buffer.alloc(0));
  sender.sendContent(Buffer.alloc(0x1f, 'x'));
  sender.sendEnd(FieldSection.of(['x-sum', '1']));
  assert.equal(
    output.take(),
    'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n' +
      `5\r\nhello\r\n1f\r\n${'x'.repeat(0x1f)}\r\n0\r\nx-sum: 1\r\n\r\n`,
  );
});

test('to HTTP/1.0, content of unknown length ends with the connection', () => {
  const { sink } = keeping((exchange) => exchange.answer('hello', -1));
  const { receive, output } = testServer(sink);
  receive('GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n');
  assert.equal(output.take(), 'HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nhello');
  assert.ok(output.isEnded);
});

test('to HTTP/1.0 with keep-alive, content of known length leaves the connection open', () => {
  const { sink } = keeping((exchange) => exchange.answer());
  const { receive, output } = testServer(sink);
  receive('GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n');
  assert.match(output.take(), /\r\nconnection: keep-alive\r\n\r\nok$/);
  assert.ok(!output.isEnded);
});

test('HEAD, 204 and 304 have no content whatever is sent', () => {
  for (const [request, status, length] of [
    [GET.replace('GET', 'HEAD'), 200, 2],
    [GET, 204, 0],
    [GET, 304, 2],
  ] as const) {
    const { sink, exchanges } = keeping();
    const { receive, output } = testServer(sink);
    receive(request);
    const { sender } = exchanges[0]!;
    sender.sendHead({ status, fields: new FieldSection(), contentLength: length });
    sender.sendContent(Buffer.from('ok'));
    sender.sendEnd(null);
    const text = output.take();
    assert.ok(text.endsWith('\r\n\r\n'), text);
    assert.equal(text.includes('content-length: 2'), status === 200, text);
  }
});

test('interim responses go before the final one, and not to HTTP/1.0', () => {
  for (const [version, expected] of [
    ['1.1', `HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n${OK}`],
    ['1.0', 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok'],
  ]) {
    const { sink } = keeping((exchange) => {
      exchange.sender.sendInformational(103, FieldSection.of(['link', '</a>']));
      exchange.answer();
    });
    const { receive, output } = testServer(sink);
    receive(`GET / HTTP/${version}\r\nHost: a\r\n\r\n`);
    assert.equal(output.take(), expected);
  }
});

test('framing and connection fields of the answerer are replaced by ours', () => {
  const { sink, exchanges } = keeping();
  const { receive, output } = testServer(sink);
  receive(GET);
  const fields = FieldSection.of(
    ['content-length', '99'],
    ['transfer-encoding', 'gzip'],
    ['connection', 'x'],
    ['keep-alive', 'y'],
    ['server', 'z'],
  );
  exchanges[0]!.sender.sendHead({ status: 200, fields, contentLength: 0 });
  exchanges[0]!.sender.sendEnd(null);
  assert.equal(output.take(), 'HTTP/1.1 200 OK\r\nserver: z\r\ncontent-length: 0\r\n\r\n');
});

test('a field value can never become a line of its own', () => {
  for (const value of ['a\r\nb: c', 'a\nb', 'a\rb']) {
    const { sink, exchanges } = keeping();
    testServer(sink).receive(GET);
    const fields = FieldSection.of(['x-a', value]);
    assert.throws(
      () => exchanges[0]!.sender.sendHead({ status: 200, fields, contentLength: 0 }),
      AssertionError,
    );
  }
});

test('less content than announced breaks the connection, more is our own mistake', () => {
  const { sink, exchanges } = keeping();
  const { receive, output } = testServer(sink);
  receive(GET);
  const { sender } = exchanges[0]!;
  sender.sendHead({ status: 200, fields: new FieldSection(), contentLength: 3 });
  assert.throws(() => sender.sendContent(Buffer.from('four')), AssertionError);
  sender.sendContent(Buffer.from('ab'));
  sender.sendEnd(null);
  // Its framing tells, and FIN takes nothing along that the client has not read yet.
  assert.ok(output.isEnded && !output.isReset);
});

test('a response that breaks off ends the connection; with a reset where only that tells', () => {
  for (const contentLength of [3, -1]) {
    const { sink, exchanges } = keeping();
    const { receive, output } = testServer(sink);
    receive(GET);
    const { sender } = exchanges[0]!;
    sender.sendHead({ status: 200, fields: new FieldSection(), contentLength });
    sender.sendContent(Buffer.from('ab'));
    sender.abort(new SluiceError('x', 'x', { blame: 'upstream' }));
    assert.ok(output.isEnded && !output.isReset);
  }
  const { sink, exchanges } = keeping();
  const { receive, output } = testServer(sink);
  receive(GET);
  exchanges[0]!.sender.abort(new SluiceError('x', 'x', { blame: 'upstream' }));
  assert.ok(output.isReset);
  assert.equal(exchanges[0]!.aborted, null);
});

// -------------------------------------------------------------------- stored responses

test('a stored response is one piece; its head is encoded once', () => {
  const response = stored();
  const { sink } = keeping((exchange) => exchange.sender.sendStored(response));
  const { receive, output } = testServer(sink);
  receive(GET);
  const head = response.http1Head;
  assert.equal(output.take(), 'HTTP/1.1 200 OK\r\netag: "1"\r\ncontent-length: 6\r\n\r\nstored');
  receive(GET);
  assert.equal(response.http1Head, head);
  assert.equal(head!.buffer.byteLength, head!.length, 'it keeps no more memory than its own');
});

test('age and connection are added per answer; HEAD gets the same head', () => {
  const { sink } = keeping(({ sender }) => sender.sendStored(stored({ ageSeconds: 7 })));
  const { receive, output } = testServer(sink);
  receive('HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  assert.equal(
    output.take(),
    'HTTP/1.1 200 OK\r\netag: "1"\r\ncontent-length: 6\r\nage: 7\r\nconnection: close\r\n\r\n',
  );
});

test('a stored 304 or 204 has neither content nor length', () => {
  for (const status of [204, 304]) {
    const { sink } = keeping(({ sender }) => sender.sendStored(stored({ status })));
    const { receive, output } = testServer(sink);
    receive(GET);
    assert.match(output.take(), /^HTTP\/1\.1 \d+ [\w ]+\r\netag: "1"\r\n\r\n$/);
  }
});

test('a stored response that does not fit into the output buffer is sent all the same', () => {
  const content = Buffer.alloc(10_000, 'x');
  const { sink } = keeping(({ sender }) => sender.sendStored(stored({ content })));
  const { receive, output } = testServer(sink);
  receive(GET);
  assert.ok(output.take().endsWith(`\r\n\r\n${'x'.repeat(10_000)}`));
});

// -------------------------------------------------------------------- pipelining and backpressure

test('heads that arrive in pieces on two connections at once are not mixed up', () => {
  const { sink, exchanges } = keeping();
  const [one, two] = [testServer(sink), testServer(sink)];
  one.receive('GET /1 HTTP/1.1\r\nHost: one\r\nX-First: 1\r\nX-Se');
  two.receive('GET /2 HTTP/1.1\r\nX-Longer-Name: 2\r\nHost: two\r\n');
  one.receive('cond: 1\r\n\r\n');
  two.receive('\r\n');
  assert.deepEqual([...exchanges[0]!.head.fields].join(';'), 'host,one;x-first,1;x-second,1');
  assert.deepEqual([...exchanges[1]!.head.fields].join(';'), 'x-longer-name,2;host,two');
});

test('the second of two pipelined requests waits for the first one to be answered', () => {
  const { sink, exchanges } = keeping();
  const { receive, output, connection } = testServer(sink);
  receive(get('/1') + get('/2').slice(0, 10));
  receive(get('/2').slice(10) + get('/3'));
  assert.equal(exchanges.length, 1);
  assert.ok(!connection.isIdle);
  exchanges[0]!.answer();
  assert.equal(exchanges.length, 2);
  exchanges[1]!.answer();
  exchanges[2]!.answer();
  assert.deepEqual(
    exchanges.map(({ head }) => head.path),
    ['/1', '/2', '/3'],
  );
  assert.equal(output.take(), OK + OK + OK);
  assert.ok(connection.isIdle);
});

test('pipelined requests that pile up pause reading, until they are answered', () => {
  const { sink, exchanges } = keeping();
  const { receive, output } = testServer(sink);
  const count = Math.ceil(defaultHttp1Limits.backlogBytesMax / GET.length) + 2;
  for (let i = 0; i < count; i++) receive(GET);
  assert.equal(output.isReading, false);
  for (let i = 0; i < count; i++) {
    assert.equal(exchanges.length, i + 1);
    exchanges[i]!.answer();
  }
  assert.equal(output.isReading, true);
});

test('paused content waits here and comes in order', () => {
  const { sink, exchanges } = keeping(({ sender }) => sender.pause());
  const { receive, connection } = testServer(sink);
  receive(post(6, 'ab'));
  receive('cd');
  const exchange = exchanges[0]!;
  assert.equal(exchange.content, '');
  assert.equal(connection.isReadingContent, false);
  exchange.sender.resume();
  assert.equal(exchange.content, 'abcd');
  assert.equal(connection.isReadingContent, true);
  exchange.sender.pause();
  receive('ef');
  assert.deepEqual([exchange.content, exchange.ends], ['abcd', 0]);
  exchange.sender.resume();
  assert.deepEqual([exchange.content, exchange.ends], ['abcdef', 1]);
});

test('a handler that pauses at every piece gets one piece per resume', () => {
  const { sink, exchanges } = keeping();
  const { receive } = testServer(sink);
  receive('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n');
  const exchange = exchanges[0]!;
  const pieces: string[] = [];
  exchange.onContent = (bytes) => {
    pieces.push(Buffer.from(bytes).toString());
    exchange.sender.pause();
  };
  receive('1\r\na\r\n1\r\nb\r\n1\r\nc\r\n0\r\n\r\n');
  for (const expected of ['a', 'ab', 'abc']) {
    assert.equal(pieces.join(''), expected);
    exchange.sender.resume();
  }
  assert.equal(exchange.ends, 1);
});

test('backpressure of the output is passed on both ways', () => {
  const { sink, exchanges } = keeping();
  const { receive, connection } = testServer(sink, new Pipe(100));
  receive(GET);
  const { sender } = exchanges[0]!;
  sender.sendHead({ status: 200, fields: new FieldSection(), contentLength: 200 });
  assert.equal(sender.sendContent(Buffer.alloc(10)), true);
  assert.equal(sender.sendContent(Buffer.alloc(100)), false);
  connection.onWritable();
  assert.equal(exchanges[0]!.writable, 1);
});

test('pipelined requests of a client that does not read wait until it does', () => {
  const content = Buffer.alloc(1_000, 'x');
  let answered = 0;
  const { sink } = keeping(({ sender }) => {
    answered++;
    sender.sendStored(stored({ content }));
  });
  const output = new Pipe(5_000);
  const { receive, connection } = testServer(sink, output);
  const count = Math.ceil((2 * defaultHttp1Limits.backlogBytesMax) / GET.length);
  for (let i = 0; i < count; i += 100) receive(GET.repeat(Math.min(100, count - i)));
  assert.ok(output.waitingBytes < 5_000 + 2 * content.length, `${output.waitingBytes} bytes`);
  assert.equal(output.isReading, false);
  while (answered < count) {
    const before = answered;
    output.take();
    connection.onWritable();
    assert.ok(answered > before, 'it goes on where it stopped');
    assert.ok(output.waitingBytes < 5_000 + 2 * content.length, `${output.waitingBytes} bytes`);
  }
  assert.equal(output.isReading, true);
  output.take();
  connection.onWritable();
  assert.ok(connection.isIdle);
});

test('the client that does not read may also have ended its side', () => {
  const { sink, exchanges } = keeping(({ sender }) => sender.sendStored(stored()));
  const output = new Pipe(1);
  const { receive, connection } = testServer(sink, output);
  receive(GET.repeat(3));
  connection.onEndOfInput();
  for (let i = 1; i <= 3; i++) {
    assert.equal(exchanges.length, i);
    assert.equal(output.isEnded, false);
    output.take();
    connection.onWritable();
  }
  assert.equal(output.isEnded, true);
});

test('content may be discarded instead of delivered', () => {
  const { sink, exchanges } = keeping(({ sender }) => {
    sender.pause();
    sender.discardContent();
  });
  const { receive } = testServer(sink);
  receive(post(4, 'abcd'));
  assert.deepEqual([exchanges[0]!.content, exchanges[0]!.ends], ['', 1]);
});

// -------------------------------------------------------------------- full duplex

test('a response may begin and go on while the request still arrives', () => {
  const { sink, exchanges } = keeping();
  const { receive, output } = testServer(sink);
  receive(post(4, 'ab'));
  const exchange = exchanges[0]!;
  exchange.sender.sendHead({ status: 200, fields: new FieldSection(), contentLength: 2 });
  exchange.sender.sendContent(Buffer.from('o'));
  receive('cd');
  assert.equal(exchange.content, 'abcd');
  exchange.sender.sendContent(Buffer.from('k'));
  exchange.sender.sendEnd(null);
  assert.equal(output.take(), OK);
});

test('after an early response a small rest of the request is dropped, then the next is read', () => {
  const { sink, exchanges } = keeping(({ head, sender }) => {
    if (head.method === 'POST') sender.pause();
  });
  const { receive } = testServer(sink);
  receive(post(4, 'ab'));
  exchanges[0]!.answer();
  receive(`cd${get('/next')}`);
  assert.equal(exchanges[0]!.content, '');
  assert.equal(exchanges[1]!.head.path, '/next');
});

test('after an early response a large rest is read for a while, then the connection is broken', () => {
  const { sink } = keeping((exchange) => exchange.answer());
  const { receive, output, connection } = testServer(sink);
  receive(post(1e9));
  assert.ok(output.isEnded && !output.isReset);
  assert.ok(connection.isReadingContent);
  receive('x'.repeat(defaultHttp1Limits.drainBytesMax));
  assert.ok(!output.isReset);
  receive('x');
  assert.ok(output.isReset);
});

// -------------------------------------------------------------------- Expect

test('100 (Continue) makes the content come, and the connection stays', () => {
  const { sink, exchanges } = keeping();
  const { receive, output } = testServer(sink);
  receive('POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n');
  assert.equal(exchanges[0]!.head.expectContinue, true);
  exchanges[0]!.sender.sendInformational(100, new FieldSection());
  assert.equal(output.take(), 'HTTP/1.1 100 Continue\r\n\r\n');
  receive('ab');
  exchanges[0]!.answer();
  assert.equal(output.take(), OK);
});

test('a final answer instead of 100 closes the connection', () => {
  const { sink, exchanges } = keeping((exchange) => exchange.answer());
  const { receive, output } = testServer(sink);
  receive('POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n');
  assert.match(output.take(), /\r\nconnection: close\r\n/);
  receive(GET);
  assert.equal(exchanges.length, 1);
});

// -------------------------------------------------------------------- tunnels

const UPGRADE = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n';

test('an upgraded connection carries bytes both ways, and is closed half by half', () => {
  const { sink, exchanges } = keeping();
  const { receive, output, connection } = testServer(sink);
  receive(`${UPGRADE}early`);
  const exchange = exchanges[0]!;
  assert.equal(exchange.ends, 1);
  const fields = FieldSection.of(['connection', 'upgrade'], ['upgrade', 'websocket']);
  exchange.sender.upgrade(101, fields);
  assert.equal(exchange.content, 'early');
  assert.equal(
    output.take(),
    'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n',
  );
  exchange.sender.sendContent(Buffer.from('down'));
  exchange.sender.sendEnd(null);
  assert.equal(output.take(), 'down');
  assert.ok(output.isEnded);
  assert.ok(connection.isReadingContent, 'only the client is waited for now');
  receive('up');
  assert.equal(exchange.content, 'earlyup');
  connection.onEndOfInput();
  assert.equal(exchange.ends, 2);
  assert.equal(exchange.aborted, null);
});

test("the client's half may be closed first", () => {
  const { sink, exchanges } = keeping();
  const { receive, output, connection } = testServer(sink);
  receive(UPGRADE);
  const { sender } = exchanges[0]!;
  sender.upgrade(101, new FieldSection());
  sender.pause();
  receive('late');
  connection.onEndOfInput();
  assert.equal(exchanges[0]!.ends, 1);
  sender.resume();
  assert.deepEqual([exchanges[0]!.content, exchanges[0]!.ends], ['late', 2]);
  output.take();
  sender.sendContent(Buffer.from('still'));
  assert.equal(output.take(), 'still');
  sender.sendEnd(null);
  assert.ok(output.isEnded);
});

test("the end of the client's half is told once, however often it is paused afterwards", () => {
  const { sink, exchanges } = keeping();
  const { receive, connection } = testServer(sink);
  receive(UPGRADE);
  const exchange = exchanges[0]!;
  exchange.sender.upgrade(101, new FieldSection());
  connection.onEndOfInput();
  for (let i = 0; i < 3; i++) {
    exchange.sender.pause();
    exchange.sender.resume();
  }
  assert.equal(exchange.ends, 2);
});

test('a tunnel can be opened before the sink has returned', () => {
  const { sink, exchanges } = keeping(({ sender }) => sender.upgrade(200, new FieldSection()));
  const { receive, output } = testServer(sink);
  receive('CONNECT b:443 HTTP/1.1\r\nHost: b:443\r\n\r\nraw');
  assert.equal(exchanges[0]!.content, 'raw');
  assert.equal(exchanges[0]!.ends, 0);
  assert.equal(output.take(), 'HTTP/1.1 200 OK\r\n\r\n');
});

test('what was meant for a tunnel is not read as a request when the tunnel is refused', () => {
  const { sink, exchanges } = keeping();
  const { receive, output } = testServer(sink);
  receive(`CONNECT b:443 HTTP/1.1\r\nHost: b:443\r\n\r\n${GET}`);
  const { sender } = exchanges[0]!;
  sender.sendHead({ status: 403, fields: new FieldSection(), contentLength: 0 });
  sender.sendEnd(null);
  assert.match(output.take(), /^HTTP\/1\.1 403 .*\r\nconnection: close\r\n/s);
  assert.ok(output.isEnded);
  receive(GET);
  assert.equal(exchanges.length, 1);
});

test('an upgrade that nobody asked for is our own mistake', () => {
  const { sink, exchanges } = keeping();
  testServer(sink).receive(GET);
  assert.throws(() => exchanges[0]!.sender.upgrade(101, new FieldSection()), AssertionError);
});

// -------------------------------------------------------------------- ends

test('closeAfterResponse lets the request under way finish and says so', () => {
  const { sink, exchanges } = keeping();
  const { receive, output, connection } = testServer(sink);
  receive(GET + GET);
  connection.closeAfterResponse();
  exchanges[0]!.answer();
  assert.match(output.take(), /\r\nconnection: close\r\n/);
  assert.ok(output.isEnded);
  assert.equal(exchanges.length, 1);
});

test('a lost connection ends the request; late calls of its answerer do nothing', () => {
  const { sink, exchanges } = keeping();
  const { receive, output, connection } = testServer(sink);
  receive(GET);
  connection.onConnectionLost(null);
  const exchange = exchanges[0]!;
  assert.equal(exchange.aborted?.code, 'connection-closed');
  exchange.answer();
  exchange.sender.sendStored(stored());
  exchange.sender.sendInformational(103, new FieldSection());
  exchange.sender.upgrade(101, new FieldSection());
  exchange.sender.pause();
  exchange.sender.resume();
  exchange.sender.discardContent();
  exchange.sender.abort(new SluiceError('x', 'x', { blame: 'internal' }));
  assert.equal(output.take(), '');
});

test('a sender whose response has ended cannot touch the next one', () => {
  const { sink, exchanges } = keeping();
  const { receive, output } = testServer(sink);
  receive(GET);
  exchanges[0]!.answer();
  receive(post(2, 'a'));
  const { sender } = exchanges[0]!;
  sender.pause();
  sender.discardContent();
  sender.abort(new SluiceError('x', 'x', { blame: 'internal' }));
  sender.sendEnd(null);
  receive('b');
  assert.deepEqual([exchanges[1]!.content, exchanges[1]!.ends], ['ab', 1]);
  exchanges[1]!.answer();
  assert.equal(output.take(), OK + OK);
});

test('malformed content is refused when the response has not begun, else the connection breaks', () => {
  for (const begun of [false, true]) {
    const { sink, exchanges } = keeping();
    const { receive, output, refusals } = testServer(sink);
    receive('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n');
    const { sender } = exchanges[0]!;
    if (begun) sender.sendHead({ status: 200, fields: new FieldSection(), contentLength: 9 });
    receive('x\r\n');
    assert.equal(refusals[0]?.code, 'bad-chunk');
    assert.equal(exchanges[0]!.aborted?.code, 'bad-chunk');
    assert.equal(output.isReset, begun);
    if (!begun) assert.match(output.take(), /^HTTP\/1\.1 400 .*\r\nconnection: close\r\n/s);
    exchanges[0]!.sender.sendEnd(null);
    assert.equal(output.take(), '');
  }
});

test('a slow request is answered 408; a slow answerer is broken off', () => {
  const { sink, exchanges } = keeping();
  const slowHead = testServer(sink);
  slowHead.receive('GET / HT');
  assert.ok(slowHead.connection.isReadingHead);
  slowHead.connection.timeOut();
  assert.match(slowHead.output.take(), /^HTTP\/1\.1 408 Request Timeout\r\n/);
  assert.ok(slowHead.output.isEnded);
  const slowContent = testServer(sink);
  slowContent.receive(post(5, 'ab'));
  slowContent.connection.timeOut();
  assert.match(slowContent.output.take(), /^HTTP\/1\.1 408 /);
  assert.equal(exchanges[0]!.aborted?.code, 'request-timeout');
  const slowAnswer = testServer(sink);
  slowAnswer.receive(GET);
  slowAnswer.connection.timeOut();
  assert.ok(slowAnswer.output.isReset);
  assert.equal(exchanges[1]!.aborted?.code, 'connection-closed');
});

// -------------------------------------------------------------------- early data

test('a request is early when its first byte was, whenever the rest comes', () => {
  const { sink, exchanges } = keeping();
  const { receive } = testServer(sink);
  receive(get('/1').slice(0, 5), true);
  receive(get('/1').slice(5), false);
  receive(get('/2'), false);
  exchanges[0]!.answer();
  exchanges[1]!.answer();
  assert.deepEqual(
    exchanges.map(({ facts }) => facts.beganEarly),
    [true, false],
  );
});

test('early requests that had to wait stay early, and those after them do not become so', () => {
  const { sink, exchanges } = keeping();
  const { receive } = testServer(sink);
  receive(get('/1'), true);
  receive(get('/2') + get('/3').slice(0, 4), true);
  receive(get('/3').slice(4) + get('/4'), false);
  for (let i = 0; i < 4; i++) exchanges[i]!.answer();
  assert.deepEqual(
    exchanges.map(({ facts }) => facts.beganEarly),
    [true, true, true, false],
  );
});

test('an empty line in early data does not make the request after it early', () => {
  const { sink, exchanges } = keeping();
  const { receive, connection } = testServer(sink);
  receive('\r\n', true);
  assert.ok(connection.isIdle);
  receive(GET, false);
  assert.equal(exchanges[0]!.facts.beganEarly, facts(false).beganEarly);
});
