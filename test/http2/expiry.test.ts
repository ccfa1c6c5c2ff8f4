import assert from 'node:assert/strict';
import test from 'node:test';
import { FieldSection } from '../../src/http/field-section.ts';
import { type RecordedRequest, ServerUnderTest } from './server-under-test.ts';
import { data, get, ping, post, windowUpdate } from './wire.ts';

const INITIAL_WINDOW_SIZE = 4;
const LIMIT_MS = 1_000;

function answer(request: RecordedRequest): void {
  request.sender.sendHead({ status: 200, fields: new FieldSection(), contentLength: 5_000 });
  request.sender.sendContent(Buffer.alloc(5_000));
  request.sender.sendEnd(null);
}

test('a stream that takes nothing for too long is reset; the others go on', () => {
  const server = new ServerUnderTest({ onRequest: answer });
  server.greet([INITIAL_WINDOW_SIZE, 0]);
  server.receive(get(1), get(3), windowUpdate(3, 1_500));
  server.told();
  server.nowMs = LIMIT_MS - 1;
  server.connection.expireStreams(server.nowMs, LIMIT_MS, LIMIT_MS);
  assert.deepEqual(server.told(), []);
  server.receive(windowUpdate(3, 1_500));
  server.told();
  server.nowMs = LIMIT_MS;
  server.connection.expireStreams(server.nowMs, LIMIT_MS, LIMIT_MS);
  assert.deepEqual(server.told(), ['RST_STREAM 1 CANCEL']);
  assert.equal(server.requests[0]!.aborted?.blame, 'downstream');
  server.receive(windowUpdate(3, 2_000));
  assert.deepEqual(server.told(), ['DATA 3 2000 END_STREAM']);
  assert.equal(server.ended, false);
});

test('a window of one byte at a time does not count as progress', () => {
  const server = new ServerUnderTest({ onRequest: answer });
  server.greet([INITIAL_WINDOW_SIZE, 0]);
  server.receive(get(1));
  for (server.nowMs = 0; server.nowMs < LIMIT_MS; server.nowMs += 10) {
    server.receive(windowUpdate(1, 1));
    server.connection.expireStreams(server.nowMs, LIMIT_MS, LIMIT_MS);
  }
  server.told();
  server.connection.expireStreams(server.nowMs, LIMIT_MS, LIMIT_MS);
  assert.deepEqual(server.told(), ['RST_STREAM 1 CANCEL']);
});

test('settings that are never acknowledged end the connection', () => {
  const server = new ServerUnderTest();
  server.connection.start();
  assert.equal(server.connection.awaitsSettingsAck, true);
  server.told();
  server.connection.failForSettings();
  assert.deepEqual(server.told(), ['GOAWAY 0 SETTINGS_TIMEOUT']);
  assert.equal(server.ended, true);
});

test('a close that is asked for again and again is announced twice', () => {
  const server = new ServerUnderTest();
  server.greet();
  server.receive(get(1));
  server.connection.shutdown();
  server.connection.shutdown();
  server.connection.shutdown();
  const goaways = server.told().filter((frame) => frame.startsWith('GOAWAY'));
  assert.deepEqual(goaways, ['GOAWAY 2147483647 NO_ERROR', 'GOAWAY 1 NO_ERROR']);
  assert.equal(server.ended, false, 'the open request is still answered');
  server.receive(ping());
  answer(server.requests[0]!);
  assert.equal(server.ended, true);
});

test('a request whose content stops coming is reset; one that is being answered is not', () => {
  const server = new ServerUnderTest();
  server.greet();
  server.receive(post(1), post(3), post(5));
  server.requests[1]!.sender.upgrade(200, new FieldSection());
  server.requests[2]!.sender.pause();
  const expire = () => server.connection.expireStreams(server.nowMs, LIMIT_MS, LIMIT_MS);
  expire();
  server.nowMs = LIMIT_MS - 1;
  server.receive(data(1, 'x'));
  expire();
  server.nowMs += LIMIT_MS - 1;
  server.told();
  expire();
  assert.deepEqual(server.told(), []);
  server.nowMs += 1;
  expire();
  assert.deepEqual(server.told(), ['RST_STREAM 1 CANCEL']);
  assert.equal(server.requests[0]!.aborted?.code, 'http2-cancel');
  server.nowMs += 99 * LIMIT_MS;
  expire();
  assert.deepEqual(server.told(), []);
});
