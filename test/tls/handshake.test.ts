import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import {
  accept,
  clientContext,
  connect,
  liveHandles,
  obtainSession,
  Pair,
  serverContext,
} from './wire.ts';

after(() => assert.deepEqual(liveHandles(), {}, 'every native handle was freed'));

describe('a full handshake', () => {
  for (const enabled of [true, false]) {
    test(`is recorded once on each side, early data ${enabled ? 'on' : 'off'}`, () => {
      using server = serverContext({ earlyData: { enabled } });
      using client = clientContext();
      using pair = new Pair(server, client);
      const hello = pair.client.takeFlight();
      pair.server.receive(hello);
      const flight = pair.server.takeFlight();
      pair.client.receive(flight);
      const finished = pair.client.takeFlight();
      pair.server.receive(finished);
      const tickets = pair.server.takeFlight();
      pair.client.receive(tickets);

      const { durationMs, startedAtMs, ...facts } = pair.server.record;
      assert.deepEqual(facts, {
        outcome: 'complete',
        version: 'TLSv1.3',
        cipher: 'TLS_AES_128_GCM_SHA256',
        group: 'X25519MLKEM768',
        signature: 'ecdsa_secp256r1_sha256',
        resumed: false,
        earlyData: 'not-offered',
        earlyDataReason: '',
        earlyDataBytes: 0,
        helloRetryRequest: false,
        serverName: 'localhost',
        alpn: 'http/1.1',
        bytesReceived: hello.length + finished.length,
        bytesSent: flight.length + tickets.length,
        alert: '',
        alertSentBy: '',
        errorCode: '',
        blame: '',
        callbackFault: '',
        lastState: 'SSL negotiation finished successfully',
      });
      assert.ok(durationMs > 0 && startedAtMs > 0);
      assert.ok(Object.isFrozen(pair.server.record));
      const seenByClient = pair.client.record;
      assert.equal(seenByClient.outcome, 'complete');
      assert.equal(seenByClient.group, 'X25519MLKEM768');
      assert.equal(seenByClient.signature, 'ecdsa_secp256r1_sha256');
      assert.equal(seenByClient.alpn, 'http/1.1');
    });
  }

  test('bytes are counted up to its end, not what the client sends right behind it', () => {
    using server = serverContext();
    using client = clientContext();
    using pair = new Pair(server, client);
    const hello = pair.toServer();
    pair.toClient();
    const finished = pair.client.takeFlight();
    pair.client.send('GET / HTTP/1.1\r\n\r\n');
    const request = pair.client.takeFlight();
    pair.server.receive(Buffer.concat([finished, request]));
    assert.equal(pair.server.record.bytesReceived, hello + finished.length);
    assert.deepEqual(pair.server.events, ['handshake', 'late:GET / HTTP/1.1\r\n\r\n']);
  });

  test('carries data both ways afterwards, larger than one record', () => {
    using server = serverContext();
    using client = clientContext();
    using pair = new Pair(server, client).settle();
    const text = 'sluice '.repeat(20_000);
    pair.client.send(text);
    pair.server.send(text.toUpperCase());
    pair.settle();
    assert.equal(pair.server.received, text);
    assert.equal(pair.client.received, text.toUpperCase());
  });

  test('arrives one byte at a time', () => {
    using server = serverContext();
    using client = clientContext();
    using pair = new Pair(server, client);
    for (let round = 0; round < 3; round++) {
      for (const byte of pair.client.takeFlight()) pair.server.receive(Buffer.of(byte));
      for (const byte of pair.server.takeFlight()) pair.client.receive(Buffer.of(byte));
    }
    assert.equal(pair.server.record.outcome, 'complete');
    assert.equal(pair.client.record.outcome, 'complete');
  });
});

describe('TLS 1.2', () => {
  for (const enabled of [true, false]) {
    test(`full and resumed with a fresh ticket, early data ${enabled ? 'on' : 'off'}`, () => {
      using server = serverContext({ earlyData: { enabled } });
      using client = clientContext({ maxVersion: 'TLSv1.2' });
      using first = new Pair(server, client).settle();
      assert.equal(first.server.record.version, 'TLSv1.2');
      assert.equal(first.server.record.cipher, 'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256');
      assert.equal(first.server.record.group, 'x25519');
      first.client.send('ping');
      first.settle();
      assert.equal(first.server.received, 'ping');
      let session = first.takeSession();
      for (let round = 0; round < 5; round++) {
        using resumed = new Pair(server, client, { session }).settle();
        assert.equal(resumed.server.record.resumed, true);
        assert.equal(resumed.server.record.group, '', 'no key exchange took place');
        session[Symbol.dispose]();
        session = resumed.takeSession();
      }
      session[Symbol.dispose]();
    });
  }

  test('is refused with protocol_version when the server wants TLS 1.3', () => {
    using server = serverContext({ minVersion: 'TLSv1.3' });
    using client = clientContext({ maxVersion: 'TLSv1.2' });
    using pair = new Pair(server, client).settle();
    assert.equal(pair.server.record.outcome, 'failed');
    assert.equal(pair.server.record.alert, 'protocol_version');
    assert.equal(pair.server.record.alertSentBy, 'us');
    assert.equal(pair.server.record.errorCode, 'tls-version-unsupported');
    assert.equal(pair.server.record.version, '');
    assert.equal(pair.client.record.alert, 'protocol_version');
    assert.equal(pair.client.record.alertSentBy, 'peer');
  });
});

describe('resumption', () => {
  test('five times in a row, each time with the ticket of the connection before', () => {
    using server = serverContext();
    using client = clientContext();
    let session = obtainSession(server, client);
    for (let round = 0; round < 5; round++) {
      using pair = new Pair(server, client, { session }).settle();
      assert.equal(pair.server.record.resumed, true, `round ${round}`);
      assert.equal(pair.server.record.signature, '', 'nothing is signed again');
      assert.equal(pair.server.record.group, 'X25519MLKEM768', 'a fresh key exchange');
      session[Symbol.dispose]();
      session = pair.takeSession();
    }
    session[Symbol.dispose]();
  });

  test('outlives a rotation of the ticket keys as long as the old key is kept', () => {
    const older = Buffer.alloc(80, 1);
    const newer = Buffer.alloc(80, 2);
    using server = serverContext({ ticketKeys: [older] });
    using client = clientContext();
    using session = obtainSession(server, client);
    server.replaceTicketKeys([newer, older]);
    using overlap = new Pair(server, client, { session }).settle();
    assert.equal(overlap.server.record.resumed, true);
    using renewed = overlap.takeSession();
    server.replaceTicketKeys([newer]);
    using forgotten = new Pair(server, client, { session }).settle();
    assert.equal(forgotten.server.record.resumed, false);
    assert.equal(forgotten.server.record.outcome, 'complete');
    using kept = new Pair(server, client, { session: renewed }).settle();
    assert.equal(kept.server.record.resumed, true, 'the fresh ticket is under the newer key');
  });

  test('a ticket that was tampered with leads to a full handshake', () => {
    using server = serverContext();
    using other = serverContext({ ticketKeys: [Buffer.alloc(80, 7)] });
    using client = clientContext();
    using session = obtainSession(other, client);
    using pair = new Pair(server, client, { session }).settle();
    assert.equal(pair.server.record.resumed, false);
    assert.equal(pair.server.record.outcome, 'complete');
  });
});

describe('ALPN', () => {
  test("the server's order decides", () => {
    using server = serverContext({ alpn: ['h2', 'http/1.1'] });
    using client = clientContext({ alpn: ['http/1.1', 'h2'] });
    using pair = new Pair(server, client).settle();
    assert.equal(pair.server.record.alpn, 'h2');
    assert.equal(pair.client.record.alpn, 'h2');
  });

  test('nothing in common ends with no_application_protocol', () => {
    using server = serverContext({ alpn: ['h2'] });
    using client = clientContext({ alpn: ['http/1.1'] });
    using pair = new Pair(server, client).settle();
    assert.equal(pair.server.record.errorCode, 'tls-no-application-protocol');
    assert.equal(pair.server.record.alert, 'no_application_protocol');
    assert.equal(pair.client.record.alert, 'no_application_protocol');
    assert.deepEqual(
      pair.client.errors.map((error) => [error.code, error.blame]),
      [['tls-alert-received', 'upstream']],
    );
  });

  test('a client without it is served', () => {
    using server = serverContext({ alpn: ['h2', 'http/1.1'] });
    using client = clientContext({ alpn: [] });
    using pair = new Pair(server, client).settle();
    assert.equal(pair.server.record.outcome, 'complete');
    assert.equal(pair.server.record.alpn, '');
  });
});

describe('the end of a connection', () => {
  test('close_notify goes each way by itself', () => {
    using server = serverContext();
    using client = clientContext();
    using pair = new Pair(server, client).settle();
    pair.client.connection.shutdown();
    pair.settle();
    assert.ok(pair.server.hasEnded);
    assert.equal(pair.server.connection.isWritable, true, 'half-closed');
    pair.server.send('the answer');
    pair.server.connection.shutdown();
    pair.settle();
    assert.equal(pair.client.received, 'the answer');
    assert.ok(pair.client.hasEnded);
    assert.equal(pair.server.connection.isWritable, false);
    pair.server.connection.receiveEnd();
    pair.client.connection.receiveEnd();
    assert.deepEqual([...pair.server.errors, ...pair.client.errors], []);
  });

  test('a transport that ends without close_notify is a truncation', () => {
    using server = serverContext();
    using client = clientContext();
    using pair = new Pair(server, client).settle();
    pair.server.connection.receiveEnd();
    pair.client.connection.receiveEnd();
    assert.deepEqual(
      [pair.server.errors[0]?.code, pair.server.errors[0]?.blame],
      ['tls-truncated', 'downstream'],
    );
    assert.deepEqual(
      [pair.client.errors[0]?.code, pair.client.errors[0]?.blame],
      ['tls-truncated', 'upstream'],
    );
  });

  test('a client that goes away during the handshake leaves a record that says where', () => {
    using server = serverContext();
    using client = clientContext();
    using pair = new Pair(server, client);
    pair.toServer();
    pair.server.connection.receiveEnd();
    assert.equal(pair.server.record.outcome, 'failed');
    assert.equal(pair.server.record.errorCode, 'tls-handshake-cut');
    assert.equal(pair.server.record.version, 'TLSv1.3');
    assert.notEqual(pair.server.record.lastState, '');
    assert.deepEqual(pair.server.events, ['handshake', 'error:tls-handshake-cut']);
  });

  test('a deadline abandons the handshake once', () => {
    using server = serverContext();
    using client = clientContext();
    using pair = new Pair(server, client);
    pair.toServer();
    pair.server.connection.abandon('tls-handshake-timeout');
    pair.server.connection.abandon('tls-handshake-timeout');
    pair.server.connection[Symbol.dispose]();
    assert.equal(pair.server.record.errorCode, 'tls-handshake-timeout');
    assert.equal(pair.server.record.alert, '');
    assert.deepEqual(pair.server.errors, []);
  });

  test('a connection disposed before its first byte leaves no record, one disposed later does', () => {
    using server = serverContext();
    using client = clientContext();
    const untouched = accept(server);
    untouched.connection[Symbol.dispose]();
    assert.deepEqual(untouched.events, []);
    const begun = accept(server);
    const peer = connect(client);
    begun.receive(peer.takeFlight().subarray(0, 1));
    begun.connection[Symbol.dispose]();
    assert.equal(begun.record.errorCode, 'tls-handshake-abandoned');
    assert.equal(begun.record.bytesReceived, 1);
    peer.connection[Symbol.dispose]();
    assert.equal(peer.record.outcome, 'failed');
  });

  test('a handler may dispose the connection that calls it', () => {
    using server = serverContext();
    using client = clientContext();
    const pair = new Pair(server, client).settle();
    pair.server.answer = () => pair[Symbol.dispose]();
    pair.client.send('one');
    pair.client.send('two');
    pair.server.receive(pair.client.takeFlight());
    assert.equal(pair.server.received, 'one');
    assert.deepEqual(pair.server.errors, []);
  });

  test('a context may be disposed before its connections', () => {
    const server = serverContext();
    const client = clientContext();
    using pair = new Pair(server, client);
    server[Symbol.dispose]();
    client[Symbol.dispose]();
    pair.settle();
    assert.equal(pair.server.record.outcome, 'complete');
  });
});

describe('KeyUpdate', () => {
  test('either side renews its keys and data goes on', () => {
    using server = serverContext();
    using client = clientContext();
    using pair = new Pair(server, client).settle();
    for (const [from, to] of [
      [pair.client, pair.server],
      [pair.server, pair.client],
    ] as const) {
      (from.connection as import('../../src/tls/connection.ts').TlsEngine).updateKeys();
      from.send('after the update');
      pair.settle();
      assert.equal(to.received.endsWith('after the update'), true);
      to.send('and back');
      pair.settle();
      assert.equal(from.received.endsWith('and back'), true);
    }
    assert.deepEqual([...pair.server.errors, ...pair.client.errors], []);
  });
});
