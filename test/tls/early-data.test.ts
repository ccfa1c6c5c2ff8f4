import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import type { ServerContextOptions } from '../../src/tls/server-context.ts';
import { recordsOf } from '../../src/triage/replay/client/own-hello.ts';
import { accept, clientContext, liveHandles, obtainSession, Pair, serverContext } from './wire.ts';

const REQUEST = 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n';
const earlyData = Buffer.from(REQUEST);

after(() => assert.deepEqual(liveHandles(), {}, 'every native handle was freed'));

describe('early data', () => {
  test("is answered before the client's Finished has been received", () => {
    using server = serverContext();
    using client = clientContext();
    using session = obtainSession(server, client);
    assert.equal(session.earlyDataBytesMax, 16_384);
    using pair = new Pair(server, client, { session, earlyData });
    pair.server.answer = () => pair.server.send('the answer');
    pair.toServer();

    assert.deepEqual(pair.server.events, [`early:${REQUEST}`], 'no handshake has ended');
    assert.equal(pair.server.connection.isComplete, false);
    // The client has sent nothing but its first flight, and reads the answer.
    pair.toClient();
    assert.equal(pair.client.received, 'the answer');
    assert.equal(pair.server.records.length, 0);

    pair.settle();
    assert.equal(pair.server.connection.isComplete, true);
    const { record } = pair.server;
    assert.equal(record.earlyData, 'accepted');
    assert.equal(record.earlyDataBytes, REQUEST.length);
    assert.equal(record.resumed, true);
    assert.equal(pair.client.record.earlyData, 'accepted');
  });

  test('is handed up chunk by chunk, as the records come', () => {
    using server = serverContext();
    using client = clientContext();
    using session = obtainSession(server, client);
    using pair = new Pair(server, client, { session, earlyData });
    const flight = pair.client.takeFlight();
    const early = recordsOf(flight).at(-1)!;
    pair.server.receive(flight.subarray(0, flight.length - early.length));
    assert.deepEqual(pair.server.events, []);
    assert.equal(pair.server.connection.isWritable, false, 'nothing to answer yet');
    pair.server.receive(early.subarray(0, -1));
    assert.deepEqual(pair.server.events, []);
    pair.server.receive(early.subarray(-1));
    assert.deepEqual(pair.server.events, [`early:${REQUEST}`]);
    assert.equal(pair.server.connection.isWritable, true);
  });

  test('goes on as one stream after the handshake', () => {
    using server = serverContext();
    using client = clientContext();
    using session = obtainSession(server, client);
    using pair = new Pair(server, client, { session, earlyData });
    pair.settle();
    pair.client.send('the rest');
    pair.server.send('all of it');
    pair.settle();
    assert.deepEqual(pair.server.events, [`early:${REQUEST}`, 'handshake', 'late:the rest']);
    assert.equal(pair.client.received, 'all of it');
  });

  test('an answer may begin early and end after the handshake, in order', () => {
    using server = serverContext();
    using client = clientContext();
    using session = obtainSession(server, client);
    using pair = new Pair(server, client, { session, earlyData });
    pair.toServer();
    pair.server.send('one ');
    pair.toClient();
    pair.server.send('two ');
    pair.toServer();
    pair.server.send('three');
    pair.settle();
    assert.equal(pair.client.received, 'one two three');
  });

  test('close_notify that was asked for early waits for the end of the handshake', () => {
    using server = serverContext();
    using client = clientContext();
    using session = obtainSession(server, client);
    using pair = new Pair(server, client, { session, earlyData });
    pair.server.answer = () => {
      pair.server.send('bye');
      pair.server.connection.shutdown();
    };
    pair.toServer();
    assert.equal(pair.server.connection.isWritable, false);
    pair.toClient();
    assert.equal(pair.client.received, 'bye');
    assert.equal(pair.client.hasEnded, false);
    pair.settle();
    assert.equal(pair.client.hasEnded, true);
    assert.deepEqual(pair.client.errors, []);
  });

  test('a client that falls silent after it leaves a failed record once it is abandoned', () => {
    using server = serverContext();
    using client = clientContext();
    using session = obtainSession(server, client);
    using pair = new Pair(server, client, { session, earlyData });
    pair.toServer();
    pair.server.connection.abandon('tls-handshake-timeout');
    assert.equal(pair.server.record.outcome, 'failed');
    assert.equal(pair.server.record.earlyData, 'accepted');
    assert.equal(pair.server.record.earlyDataBytes, REQUEST.length);
    assert.equal(pair.server.connection.isWritable, false);
  });
});

describe('early data that is not accepted', () => {
  function rejected(options: Partial<ServerContextOptions>, reason: string): void {
    using first = serverContext();
    using client = clientContext();
    using session = obtainSession(first, client);
    using second = serverContext(options);
    using pair = new Pair(second, client, { session, earlyData }).settle();
    const { record } = pair.server;
    assert.equal(record.outcome, 'complete');
    assert.equal(record.earlyData, 'rejected');
    assert.equal(record.earlyDataReason, reason);
    assert.equal(record.earlyDataBytes, 0);
    assert.equal(pair.client.record.earlyData, 'rejected');
    assert.deepEqual(pair.server.events, ['handshake'], 'nothing of it is handed up');
    pair.client.send(REQUEST);
    pair.settle();
    assert.equal(pair.server.received, REQUEST, 'the client sends it again');
  }

  test('since it was switched off: it is skipped and the handshake succeeds', () => {
    rejected({ earlyData: { enabled: false } }, 'policy off');
  });

  test('since it was switched off, with a limit of 0', () => {
    rejected({ earlyData: { enabled: false, bytesMax: 0 } }, 'policy off');
  });

  test('since the ticket keys are others', () => {
    rejected({ ticketKeys: [Buffer.alloc(80, 3)] }, 'ticket not accepted');
  });

  test('since the protocol chosen by ALPN is another', () => {
    rejected({ alpn: [] }, 'ALPN changed');
  });

  test('since the server name is another than that of the ticket', () => {
    using server = serverContext();
    using client = clientContext();
    using session = obtainSession(server, client);
    const serverName = 'other.example';
    using pair = new Pair(server, client, { session, earlyData, serverName }).settle();
    assert.equal(pair.server.record.resumed, true);
    assert.equal(pair.server.record.earlyDataReason, 'server name changed');
    assert.deepEqual(pair.server.events, ['handshake']);
    // The ticket that the resumed connection brought is under the name it was made for.
    using renewed = pair.takeSession();
    using again = new Pair(server, client, { session: renewed, earlyData, serverName }).settle();
    assert.equal(again.server.record.earlyData, 'accepted');
    using back = new Pair(server, client, { session: renewed, earlyData }).settle();
    assert.equal(back.server.record.earlyDataReason, 'server name changed');
  });

  test('but the case of the name does not matter', () => {
    using server = serverContext();
    using client = clientContext();
    using session = obtainSession(server, client);
    const serverName = 'LOCALHOST';
    using pair = new Pair(server, client, { session, earlyData, serverName }).settle();
    assert.equal(pair.server.record.earlyData, 'accepted');
  });

  test('since the name is missing or was missing', () => {
    using server = serverContext();
    using client = clientContext();
    using named = obtainSession(server, client);
    using unnamed = new Pair(server, client, { serverName: '' }).settle();
    using nameless = unnamed.takeSession();
    for (const [session, serverName, expected] of [
      [named, '', 'rejected'],
      [nameless, 'localhost', 'rejected'],
      [nameless, '', 'accepted'],
    ] as const) {
      using pair = new Pair(server, client, { session, earlyData, serverName }).settle();
      assert.equal(pair.server.record.earlyData, expected);
    }
  });

  test('since a HelloRetryRequest came between', () => {
    rejected({ groups: 'P-384' }, 'hello retry request');
  });

  test('since the flight comes 12 s after it was made', async () => {
    using server = serverContext();
    using client = clientContext();
    using session = obtainSession(server, client);
    using pair = new Pair(server, client, { session, earlyData });
    // RFC 8446 §8.3: the age that the ClientHello claims is no longer that of the ticket.
    await setTimeout(12_000);
    pair.settle();
    assert.equal(pair.server.record.earlyDataReason, 'ticket age implausible');
    assert.equal(pair.server.record.resumed, true);
  });

  test('since the ticket has expired on its way', async () => {
    using server = serverContext({ ticketLifetimeSeconds: 1 });
    using client = clientContext();
    using session = obtainSession(server, client);
    using pair = new Pair(server, client, { session, earlyData });
    using fresh = new Pair(server, client);
    await setTimeout(2_100);
    pair.settle();
    assert.equal(pair.server.record.outcome, 'complete');
    assert.equal(pair.server.record.resumed, false);
    assert.equal(pair.server.record.earlyDataReason, 'ticket expired');
    fresh.settle();
    assert.equal(fresh.server.record.earlyDataReason, '');
  });

  test('full of 16 KiB, and switched off', () => {
    using first = serverContext();
    using client = clientContext();
    using session = obtainSession(first, client);
    using second = serverContext({ earlyData: { enabled: false } });
    const most = Buffer.alloc(16_384, 'x');
    using pair = new Pair(second, client, { session, earlyData: most }).settle();
    assert.equal(pair.server.record.outcome, 'complete');
    assert.equal(pair.server.record.earlyData, 'rejected');
  });

  test('the same flight twice at an engine without a register is accepted twice', () => {
    // The strike register is a layer above: this fixes what it has to guard against.
    using server = serverContext();
    using client = clientContext();
    using session = obtainSession(server, client);
    using pair = new Pair(server, client, { session, earlyData });
    const flight = pair.client.takeFlight();
    for (let copy = 0; copy < 2; copy++) {
      const replayed = accept(server);
      replayed.receive(flight);
      assert.deepEqual(replayed.events, [`early:${REQUEST}`]);
      replayed.connection[Symbol.dispose]();
    }
  });
});

describe('the limit of early data', () => {
  test('that a ticket names is what a client keeps to', () => {
    using server = serverContext({ earlyData: { enabled: true, bytesMax: 64 } });
    using client = clientContext();
    using session = obtainSession(server, client);
    assert.equal(session.earlyDataBytesMax, 64);
    using within = new Pair(server, client, { session, earlyData: Buffer.alloc(64) }).settle();
    assert.equal(within.server.record.earlyDataBytes, 64);
    using beyond = new Pair(server, client, { session, earlyData: Buffer.alloc(65) }).settle();
    assert.equal(beyond.server.record.earlyData, 'not-offered');
  });

  test('may be lowered: what an old ticket allowed is skipped, up to 1 MiB', () => {
    using generous = serverContext({ earlyData: { enabled: true, bytesMax: 1_000_000 } });
    using client = clientContext();
    using session = obtainSession(generous, client);
    using server = serverContext({ earlyData: { enabled: true, bytesMax: 64 } });
    const most = Buffer.alloc(1_000_000, 'x');
    using pair = new Pair(server, client, { session, earlyData: most }).settle();
    assert.equal(pair.server.record.outcome, 'complete');
    assert.equal(pair.server.record.resumed, true);
    assert.equal(pair.server.record.earlyData, 'rejected');
    assert.equal(pair.server.record.earlyDataReason, 'over the limit');
    assert.equal(pair.server.received, '');
  });

  test('beyond it the handshake ends with unexpected_message', () => {
    using generous = serverContext({ earlyData: { enabled: true, bytesMax: 2_000_000 } });
    using client = clientContext();
    using session = obtainSession(generous, client);
    using server = serverContext();
    const tooMuch = Buffer.alloc(2_000_000, 'x');
    using pair = new Pair(server, client, { session, earlyData: tooMuch }).settle();
    assert.equal(pair.server.record.outcome, 'failed');
    assert.equal(pair.server.record.errorCode, 'tls-too-much-early-data');
    assert.equal(pair.server.record.alert, 'unexpected_message');
    assert.equal(pair.server.received, '');
    const [error] = pair.client.errors;
    assert.equal(error?.message, 'the peer sent the alert unexpected_message');
  });
});
