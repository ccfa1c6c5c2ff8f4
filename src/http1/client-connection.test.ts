import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Pipe, testClient } from '../../test/http1/wire.ts';
import { AssertionError } from '../base/assert.ts';
import { SluiceError } from '../base/errors.ts';
import { configuredAuthority } from '../http/authority.ts';
import type { ResponseHandler } from '../http/exchange.ts';
import { FieldSection } from '../http/field-section.ts';
import type { RequestHead, ResponseHead } from '../http/message.ts';

class Answer implements ResponseHandler {
  readonly events: string[] = [];
  onEnded: () => void = () => {};
  onPiece: () => void = () => {};
  error: SluiceError | null = null;

  onInformational(status: number): void {
    this.events.push(`informational ${status}`);
  }

  onHead(head: ResponseHead): void {
    this.events.push(`head ${head.status}`);
  }

  onContent(bytes: Uint8Array): void {
    this.events.push(Buffer.from(bytes).toString('latin1'));
    this.onPiece();
  }

  onEnd(trailers: FieldSection | null): void {
    this.events.push(trailers === null ? 'end' : `end ${[...trailers]}`);
    this.onEnded();
  }

  onUpgrade(head: ResponseHead): void {
    this.events.push(`upgrade ${head.status}`);
  }

  onWritable(): void {
    this.events.push('writable');
  }

  onError(error: SluiceError): void {
    this.events.push(`error ${error.code}`);
    this.error = error;
  }
}

function head(overrides: Partial<RequestHead> = {}): RequestHead {
  return {
    method: 'GET',
    version: '1.1',
    scheme: 'http',
    authority: configuredAuthority('a.example'),
    path: '/p?q',
    fields: FieldSection.of(['host', 'a.example'], ['accept', '*/*']),
    contentLength: 0,
    expectContinue: false,
    upgrade: '',
    ...overrides,
  };
}

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

// -------------------------------------------------------------------- requests

test('a request without content', () => {
  const { connection, output } = testClient();
  connection.start(head(), new Answer()).sendEnd(null);
  assert.equal(output.take(), 'GET /p?q HTTP/1.1\r\nhost: a.example\r\naccept: */*\r\n\r\n');
});

test('methods that define content announce that there is none', () => {
  const { connection, output } = testClient();
  connection.start(head({ method: 'POST' }), new Answer()).sendEnd(null);
  assert.match(output.take(), /\r\ncontent-length: 0\r\n\r\n$/);
});

test('content of known and unknown length', () => {
  const known = testClient();
  const sender = known.connection.start(head({ method: 'PUT', contentLength: 4 }), new Answer());
  sender.sendContent(Buffer.from('ab'));
  sender.sendContent(Buffer.from('cd'));
  sender.sendEnd(null);
  assert.match(known.output.take(), /\r\ncontent-length: 4\r\n\r\nabcd$/);
  const unknown = testClient();
  const other = unknown.connection.start(head({ method: 'PUT', contentLength: -1 }), new Answer());
  other.sendContent(Buffer.from('abcd'));
  other.sendEnd(FieldSection.of(['x-sum', '1']));
  assert.match(
    unknown.output.take(),
    /\r\ntransfer-encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\nx-sum: 1\r\n\r\n$/,
  );
});

test("the framing fields of the client's request are never sent on", () => {
  const { connection, output } = testClient();
  const fields = FieldSection.of(
    ['host', 'a'],
    ['content-length', '7'],
    ['transfer-encoding', 'chunked'],
    ['connection', 'close'],
  );
  connection.start(head({ fields }), new Answer());
  assert.equal(output.take(), 'GET /p?q HTTP/1.1\r\nhost: a\r\n\r\n');
});

test('content that is not as long as announced is our own mistake', () => {
  const { connection } = testClient();
  const sender = connection.start(head({ contentLength: 2 }), new Answer());
  assert.throws(() => sender.sendContent(Buffer.from('abc')), AssertionError);
  assert.throws(() => sender.sendEnd(null), AssertionError);
});

test('neither a field nor a target can become a line of its own', () => {
  const fields = FieldSection.of(['x', 'a\r\nb: c']);
  assert.throws(
    () => testClient().connection.start(head({ fields }), new Answer()),
    AssertionError,
  );
  const path = '/ HTTP/1.1\r\nx: y';
  assert.throws(() => testClient().connection.start(head({ path }), new Answer()), AssertionError);
});

test('CONNECT and OPTIONS * have targets of their own', () => {
  const connect = testClient();
  const tunnel = head({ method: 'CONNECT', authority: configuredAuthority('b:443'), path: '' });
  connect.connection.start(tunnel, new Answer());
  assert.match(connect.output.take(), /^CONNECT b:443 HTTP\/1\.1\r\n/);
  const options = testClient();
  options.connection.start(head({ method: 'OPTIONS', path: '*' }), new Answer());
  assert.match(options.output.take(), /^OPTIONS \* HTTP\/1\.1\r\n/);
});

// -------------------------------------------------------------------- one after another

test('exchanges follow each other on one connection, the next started from the end of the last', () => {
  const { connection, output, receive } = testClient();
  const [first, second] = [new Answer(), new Answer()];
  first.onEnded = () => {
    assert.ok(connection.isReusable);
    connection.start(head({ path: '/2' }), second);
  };
  connection.start(head({ path: '/1' }), first).sendEnd(null);
  assert.ok(!connection.isReusable);
  receive(OK);
  receive(OK);
  assert.deepEqual(first.events, ['head 200', 'ok', 'end']);
  assert.deepEqual(second.events, ['head 200', 'ok', 'end']);
  assert.match(output.take(), /^GET \/1 .*GET \/2 /s);
});

test('bytes after a response are known before its end is told, and answer nobody', () => {
  for (const response of [
    OK,
    'HTTP/1.1 204 No Content\r\n\r\n',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  ]) {
    const { connection, receive } = testClient();
    const answer = new Answer();
    let reusable: boolean | undefined;
    answer.onEnded = () => {
      reusable = connection.isReusable;
    };
    connection.start(head(), answer).sendEnd(null);
    receive(`${response}HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\npoisoned`);
    assert.equal(reusable, false);
    assert.equal(answer.events.at(-1), 'end');
    assert.ok(!answer.events.includes('poisoned'));
  }
});

test('bytes on an idle connection make it useless', () => {
  const { connection, receive } = testClient();
  connection.start(head(), new Answer()).sendEnd(null);
  receive(OK);
  assert.ok(connection.isReusable);
  receive('HTTP/1.1 408 Request Timeout\r\n\r\n');
  assert.ok(!connection.isReusable);
  assert.throws(() => connection.start(head(), new Answer()), AssertionError);
});

test('late calls of an ended exchange do not touch the next', () => {
  const { connection, output, receive } = testClient();
  const first = connection.start(head(), new Answer());
  first.sendEnd(null);
  receive(OK);
  const answer = new Answer();
  connection.start(head(), answer);
  output.take();
  first.pause();
  first.sendContent(Buffer.from('x'));
  first.sendEnd(null);
  first.cancel();
  assert.equal(output.take(), '');
  assert.ok(!output.isReset && output.isReading);
  receive(OK);
  assert.deepEqual(answer.events, ['head 200', 'ok', 'end']);
});

test('giving up a finished exchange leaves its connection alone', () => {
  const { connection, output, receive } = testClient();
  const sender = connection.start(head(), new Answer());
  sender.sendEnd(null);
  receive(OK);
  sender.cancel();
  assert.ok(connection.isReusable && !output.isReset);
});

// -------------------------------------------------------------------- full duplex

test('a response may come while the request is still being sent', () => {
  const { connection, output, receive } = testClient();
  const answer = new Answer();
  const sender = connection.start(head({ method: 'POST', contentLength: -1 }), answer);
  output.take();
  receive(OK);
  assert.deepEqual(answer.events, ['head 200', 'ok', 'end']);
  sender.sendContent(Buffer.from('x'));
  sender.sendEnd(null);
  assert.equal(output.take(), '1\r\nx\r\n0\r\n\r\n');
  assert.ok(!connection.isReusable);
});

test('giving up the rest of a request after its response breaks the connection', () => {
  const { connection, output, receive } = testClient();
  const sender = connection.start(head({ method: 'POST', contentLength: 5 }), new Answer());
  receive(OK);
  sender.cancel();
  assert.ok(output.isReset);
});

test('backpressure of the output is passed on', () => {
  const { connection } = testClient(new Pipe(200));
  const answer = new Answer();
  const sender = connection.start(head({ method: 'POST', contentLength: 200 }), answer);
  assert.equal(sender.sendContent(Buffer.alloc(10)), true);
  assert.equal(sender.sendContent(Buffer.alloc(190)), false);
  connection.onWritable();
  assert.deepEqual(answer.events, ['writable']);
});

// -------------------------------------------------------------------- pausing

test('a paused response waits, its end included', () => {
  const { connection, output, receive } = testClient();
  const answer = new Answer();
  const sender = connection.start(head(), answer);
  sender.sendEnd(null);
  answer.onPiece = () => sender.pause();
  receive('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n');
  receive('1\r\nb\r\n0\r\nx-sum: 1\r\n\r\n');
  assert.equal(output.isReading, false);
  assert.deepEqual(answer.events, ['head 200', 'a']);
  sender.resume();
  assert.deepEqual(answer.events, ['head 200', 'a', 'b']);
  sender.resume();
  assert.deepEqual(answer.events, ['head 200', 'a', 'b', 'end x-sum,1']);
  assert.ok(output.isReading && connection.isReusable);
});

test('a pause at the last byte holds the end back and does not stop the next exchange', () => {
  const { connection, output, receive } = testClient();
  const answer = new Answer();
  const next = new Answer();
  const sender = connection.start(head(), answer);
  sender.sendEnd(null);
  answer.onPiece = () => sender.pause();
  answer.onEnded = () => connection.start(head(), next).sendEnd(null);
  receive(OK);
  assert.deepEqual(answer.events, ['head 200', 'ok']);
  sender.resume();
  assert.ok(output.isReading);
  receive(OK);
  assert.deepEqual(next.events, ['head 200', 'ok', 'end']);
});

test('what follows a paused response is not read as another', () => {
  const { connection, receive } = testClient();
  const answer = new Answer();
  const sender = connection.start(head(), answer);
  sender.sendEnd(null);
  answer.onPiece = () => sender.pause();
  receive(`${OK}HTTP/1.1 200 OK\r\n`);
  sender.resume();
  assert.deepEqual(answer.events, ['head 200', 'ok', 'end']);
  assert.ok(!connection.isReusable);
});

test('an origin that closes while the response is paused has closed after it', () => {
  for (const response of [OK, 'HTTP/1.1 200 OK\r\n\r\nok']) {
    const { connection, receive } = testClient();
    const answer = new Answer();
    const sender = connection.start(head(), answer);
    sender.sendEnd(null);
    answer.onPiece = () => sender.pause();
    receive(response);
    connection.onEndOfInput();
    assert.deepEqual(answer.events, ['head 200', 'ok']);
    sender.resume();
    assert.deepEqual(answer.events, ['head 200', 'ok', 'end']);
    assert.ok(!connection.isReusable);
  }
});

// -------------------------------------------------------------------- tunnels

test('after 101 bytes go both ways, the first ones of the origin included', () => {
  const { connection, output, receive } = testClient();
  const answer = new Answer();
  const fields = FieldSection.of(['connection', 'upgrade'], ['upgrade', 'websocket']);
  const sender = connection.start(head({ upgrade: 'websocket', fields }), answer);
  sender.sendEnd(null);
  assert.match(output.take(), /\r\nconnection: upgrade\r\nupgrade: websocket\r\n/);
  receive('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\nhello');
  assert.deepEqual(answer.events, ['upgrade 101', 'hello']);
  sender.sendContent(Buffer.from('raw'));
  assert.equal(output.take(), 'raw');
  connection.onEndOfInput();
  assert.equal(answer.events.at(-1), 'end');
  sender.sendContent(Buffer.from('more'));
  sender.sendEnd(null);
  assert.equal(output.take(), 'more');
  assert.ok(output.isEnded);
});

// -------------------------------------------------------------------- failures

const lost = new SluiceError('connection-reset', 'reset', { blame: 'upstream' });

test('a connection lost before any answer may be retried elsewhere if it was reused', () => {
  const { connection } = testClient();
  const answer = new Answer();
  connection.start(head(), answer).sendEnd(null);
  connection.onConnectionLost(lost);
  assert.equal(answer.error?.retry, 'ifReused');
  assert.equal(answer.error?.code, 'connection-reset');
});

test('once a byte of the answer has come, nothing is retried', () => {
  const { connection, receive } = testClient();
  const answer = new Answer();
  connection.start(head(), answer).sendEnd(null);
  receive('HTTP/1.1 103 Early Hints\r\n\r\nH');
  connection.onConnectionLost(lost);
  assert.equal(answer.error?.retry, 'never');
});

test('a response that was complete when the connection was lost has its end', () => {
  const { connection, receive } = testClient();
  const answer = new Answer();
  const sender = connection.start(head(), answer);
  sender.sendEnd(null);
  answer.onPiece = () => sender.pause();
  receive(OK);
  connection.onConnectionLost(lost);
  assert.deepEqual(answer.events, ['head 200', 'ok', 'end']);
});

test('losing an idle connection concerns nobody', () => {
  const { connection, receive } = testClient();
  const answer = new Answer();
  connection.start(head(), answer).sendEnd(null);
  receive(OK);
  connection.onConnectionLost(lost);
  assert.deepEqual(answer.events, ['head 200', 'ok', 'end']);
  assert.ok(!connection.isReusable);
});

test('a cancelled exchange hears nothing more, and its connection is broken', () => {
  for (const when of ['at once', 'in the content']) {
    const { connection, output, receive } = testClient();
    const answer = new Answer();
    const sender = connection.start(head(), answer);
    if (when === 'at once') sender.cancel();
    else answer.onPiece = () => sender.cancel();
    receive(OK);
    connection.onConnectionLost(lost);
    assert.deepEqual(answer.events, when === 'at once' ? [] : ['head 200', 'ok']);
    assert.ok(output.isReset);
    sender.sendContent(Buffer.from('x'));
    sender.resume();
  }
});

test("the end of a tunnel's input is told once, however often it is paused afterwards", () => {
  const { connection, receive } = testClient();
  const answer = new Answer();
  const exchange = connection.start(head({ upgrade: 'websocket' }), answer);
  receive('HTTP/1.1 101 Switching Protocols\r\n\r\n');
  answer.onPiece = () => exchange.pause();
  receive('last');
  connection.onEndOfInput();
  for (let i = 0; i < 3; i++) {
    exchange.resume();
    exchange.pause();
  }
  assert.deepEqual(answer.events, ['upgrade 101', 'last', 'end']);
});
