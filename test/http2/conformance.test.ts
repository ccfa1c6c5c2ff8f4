/** What vectors (../vectors/http2/) cannot tell: the preface, and one step after the other. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { prepared, type RecordedRequest, ServerUnderTest } from './server-under-test.ts';
import { ACK, frame, get, settings, TYPE, windowUpdate } from './wire.ts';

function answer(request: RecordedRequest): void {
  request.sender.sendStored(prepared('hello'));
}

describe('HTTP/2 connection preface (RFC 9113 §3.4)', () => {
  test('the server sends its settings first', () => {
    const server = new ServerUnderTest();
    server.connection.start();
    assert.deepEqual(server.told(), ['SETTINGS', 'WINDOW_UPDATE 0 983041']);
  });

  test('another preface, HTTP/1 for instance, ends the connection', () => {
    const server = new ServerUnderTest();
    server.receive(Buffer.from('GET / HTTP/1.1\r\nHost: a\r\n\r\n'));
    assert.equal(server.told().at(-1), 'GOAWAY 0 PROTOCOL_ERROR');
    assert.ok(server.ended);
  });

  test('a first frame other than SETTINGS ends the connection', () => {
    const server = new ServerUnderTest();
    server.receive(
      Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
      Buffer.from('0000080600000000003132333435363738', 'hex'),
    );
    assert.equal(server.told().at(-1), 'GOAWAY 0 PROTOCOL_ERROR');
  });
});

test('a client may write the empty SETTINGS of its preface with the ACK flag (RFC 9113 §3.4)', () => {
  const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
  const server = new ServerUnderTest({ onRequest: answer });
  server.receive(preface, frame(TYPE.SETTINGS, ACK, 0), get(1));
  assert.deepEqual(server.told().slice(-2), ['HEADERS 1 200', 'DATA 1 5 END_STREAM']);
  // It has not seen ours, so that it acknowledges nothing.
  assert.ok(!server.connection.connection.hasSettingsAck);
  const other = new ServerUnderTest({ onRequest: answer });
  other.receive(preface, frame(TYPE.SETTINGS, ACK, 0, Buffer.of(0)));
  assert.equal(other.told().at(-1), 'GOAWAY 0 FRAME_SIZE_ERROR');
});

test('RFC 9113 §6.9.2: a window made negative is respected until it is positive again', () => {
  const server = new ServerUnderTest({ onRequest: answer }).greet([4, 3]);
  assert.deepEqual(server.receive(get(1)).told(), ['HEADERS 1 200', 'DATA 1 3']);
  assert.deepEqual(server.receive(settings([4, 0])).told(), ['SETTINGS ACK']);
  assert.deepEqual(server.receive(windowUpdate(1, 3)).told(), []);
  assert.deepEqual(server.receive(windowUpdate(1, 2)).told(), ['DATA 1 2 END_STREAM']);
});
