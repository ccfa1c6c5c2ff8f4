import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import test from 'node:test';
import { HelloGuard } from '../../src/tls/refusal/hello-guard.ts';
import { traceRegionBytes } from '../../src/tls/trace-layout.ts';
import { TraceRecorder } from '../../src/tls/trace-recorder.ts';
import {
  accept,
  clientContext,
  connect,
  obtainSession,
  Pair,
  serverContext,
  steppingClock,
} from './wire.ts';

const earlyData = Buffer.from('GET / HTTP/1.1\r\n\r\n');

test('early data that is offered and cut off by a HelloRetryRequest has its reason', () => {
  using issuer = serverContext();
  using client = clientContext({ groups: 'P-256:x25519' });
  const session = obtainSession(issuer, client);
  using server = serverContext({ groups: 'x25519' });
  using pair = new Pair(server, client, { session, earlyData });
  pair.toServer();
  pair.server.connection.receiveEnd();
  const { record } = pair.server;
  assert.deepEqual(
    [record.outcome, record.helloRetryRequest, record.earlyData, record.earlyDataReason],
    ['failed', true, 'rejected', 'hello retry request'],
  );
  // Both were on the wire.
  assert.deepEqual([record.version, record.cipher], ['TLSv1.3', 'TLS_AES_128_GCM_SHA256']);
  session[Symbol.dispose]();
});

test('early data is counted as offered, though the ClientHello that offers it fails', () => {
  using issuer = serverContext();
  using client = clientContext();
  const session = obtainSession(issuer, client);
  using server = serverContext({ alpn: ['h2'] });
  using pair = new Pair(server, client, { session, earlyData }).settle();
  const { record } = pair.server;
  assert.equal(record.errorCode, 'tls-no-application-protocol');
  assert.deepEqual([record.earlyData, record.earlyDataReason], ['rejected', 'handshake failed']);
  assert.equal(record.serverName, 'localhost');
  assert.equal(record.lastState, 'SR_CLNT_HELLO', 'how far it came, and not that it failed');
  session[Symbol.dispose]();
});

test('a client of TLS 1.2 that does not trust us has the version and suite that were chosen', () => {
  using server = serverContext({ maxVersion: 'TLSv1.2' });
  using client = clientContext({ verify: true });
  using pair = new Pair(server, client).settle();
  const { record } = pair.server;
  assert.deepEqual(
    [record.outcome, record.alert, record.alertSentBy],
    ['failed', 'unknown_ca', 'peer'],
  );
  assert.equal(record.version, 'TLSv1.2');
  assert.match(record.cipher, /^TLS_ECDHE_ECDSA_WITH_/);
  assert.notEqual(record.group, '');
  assert.equal(record.resumed, false);
});

test('what no server has chosen is not told: an alert is no answer', () => {
  using server = serverContext({ minVersion: 'TLSv1.3' });
  using client = clientContext({ maxVersion: 'TLSv1.2' });
  using pair = new Pair(server, client).settle();
  for (const { record } of [pair.server, pair.client]) {
    assert.deepEqual([record.version, record.cipher, record.group], ['', '', '']);
  }
});

test('of a ClientHello that is refused before OpenSSL sees it the bytes and the name are told', () => {
  using server = serverContext();
  using client = clientContext();
  const guard = new HelloGuard();
  const recorder = new TraceRecorder(new Uint8Array(traceRegionBytes), 1, steppingClock());
  const peer = connect(client);
  const hello = peer.takeFlight();
  // The message, without the header of its record.
  guard.replace([createHash('sha256').update(hello.subarray(5)).digest('hex')]);
  const side = accept(server, { recorder, peer: '', guard });
  side.receive(hello);
  const { record } = side;
  assert.equal(record.errorCode, 'tls-client-hello-refused');
  assert.deepEqual([record.bytesReceived, record.serverName], [hello.length, 'localhost']);
  for (const { connection } of [side, peer]) connection[Symbol.dispose]();
});
