/** A handshake that waits for the answer of a cluster, whatever happens meanwhile. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, describe, test } from 'node:test';
import type { SteadyClock } from '../../src/base/clock.ts';
import { bootClock } from '../../src/native/boot-clock.ts';
import type { ClusterRegister, ClusterStrike } from '../../src/tls/cluster.ts';
import { HELD_INPUT_BYTES_MAX } from '../../src/tls/cluster.ts';
import type { HandshakeRecord } from '../../src/tls/contract.ts';
import type { ServerContext } from '../../src/tls/server-context.ts';
import { recordsOf } from '../../src/triage/replay/client/own-hello.ts';
import { clientContext, liveHandles, obtainSession, Pair, serverContext } from './wire.ts';

after(() => assert.deepEqual(liveHandles(), {}, 'every native handle was freed'));

const REQUEST = 'GET / HTTP/1.1\r\n\r\n';
const earlyData = Buffer.from(REQUEST);

/** A cluster that answers when the test wants it to. */
class FakeCluster implements ClusterRegister {
  readonly asked: Uint8Array[] = [];
  clock: SteadyClock | null = bootClock;
  /** Said before `ask` returns, when there is one. */
  atOnce: ClusterStrike | null = null;
  #waiting: ((strike: ClusterStrike) => void)[] = [];

  ask(clientRandom: Uint8Array, done: (strike: ClusterStrike) => void): void {
    this.asked.push(Uint8Array.from(clientRandom));
    if (this.atOnce === null) this.#waiting.push(done);
    else done(this.atOnce);
  }

  answer(strike: ClusterStrike): void {
    for (const done of this.#waiting.splice(0)) done(strike);
  }
}

const server = (cluster: ClusterRegister): ServerContext => serverContext({ cluster });

/** A client that comes back with early data; its first flight has not left yet. */
function withPair(body: (pair: Pair, cluster: FakeCluster) => void): void {
  const cluster = new FakeCluster();
  using context = server(cluster);
  using client = clientContext();
  using session = obtainSession(context, client);
  assert.equal(cluster.asked.length, 0, 'nobody is asked about a handshake without early data');
  using pair = new Pair(context, client, { session, earlyData });
  body(pair, cluster);
}

describe('a handshake that waits for its cluster', () => {
  test('says nothing until the answer is there, then accepts the early data', () => {
    withPair((pair, cluster) => {
      const flight = pair.client.takeFlight();
      pair.server.receive(flight);
      assert.equal(cluster.asked.length, 1);
      // Record header, handshake header, version; then ClientHello.random (RFC 8446 §4.1.2).
      assert.deepEqual(Buffer.from(cluster.asked[0]!), flight.subarray(11, 43));
      assert.deepEqual([pair.server.events, pair.server.connection.hasOutput], [[], false]);
      cluster.answer('first');
      assert.deepEqual(pair.server.events, [`early:${REQUEST}`, 'resumed']);
      pair.server.send('early answer');
      pair.settle();
      assert.equal(pair.client.received, 'early answer');
      assert.equal(pair.server.record.earlyData, 'accepted');
    });
  });

  for (const [strike, reason] of [
    ['replayed', 'replayed'],
    ['too-young', 'cluster register too young'],
    ['unanswered', 'cluster did not answer'],
  ] as const) {
    for (const when of ['at once', 'later'] as const) {
      test(`goes on in 1-RTT when the answer, ${when}, is ${strike}`, () => {
        withPair((pair, cluster) => {
          if (when === 'at once') cluster.atOnce = strike;
          pair.toServer();
          cluster.answer(strike);
          pair.settle();
          const { record } = pair.server;
          assert.deepEqual([record.outcome, record.resumed], ['complete', true]);
          assert.deepEqual([record.earlyData, record.earlyDataReason], ['rejected', reason]);
          pair.client.send('again');
          pair.settle();
          assert.equal(pair.server.received, 'again');
        });
      });
    }
  }

  test('accepts when the answer is there at once', () => {
    withPair((pair, cluster) => {
      cluster.atOnce = 'first';
      pair.settle();
      assert.equal(pair.server.record.earlyData, 'accepted');
      assert.equal(pair.server.received, REQUEST);
      assert.ok(!pair.server.events.includes('resumed'));
    });
  });

  test('keeps what comes meanwhile, in whatever pieces', () => {
    for (let cut = 1; cut < 600; cut += 37) {
      withPair((pair, cluster) => {
        const flight = pair.client.takeFlight();
        for (let at = 0; at < flight.length; at += cut) {
          pair.server.receive(flight.subarray(at, at + cut));
        }
        cluster.answer('first');
        pair.settle();
        assert.equal(pair.server.received, REQUEST, `in pieces of ${cut}`);
        const { bytesReceived, earlyData: outcome } = pair.server.record;
        assert.equal(outcome, 'accepted');
        assert.ok(bytesReceived > flight.length);
      });
    }
  });

  test('is answered between the ClientHello and its early data', () => {
    withPair((pair, cluster) => {
      const [hello, ...rest] = recordsOf(pair.client.takeFlight());
      pair.server.receive(hello!);
      cluster.answer('first');
      assert.deepEqual(pair.server.events, ['resumed']);
      assert.equal(pair.server.connection.hasOutput, true);
      for (const record of rest) pair.server.receive(record);
      pair.settle();
      assert.equal(pair.server.received, REQUEST);
    });
  });

  test('does not wait any longer when the client sends too much', () => {
    withPair((pair, cluster) => {
      pair.server.receive(pair.client.takeFlight());
      const piece = Buffer.alloc(16_384, 0x17);
      for (let sent = 0; sent <= HELD_INPUT_BYTES_MAX; sent += piece.length) {
        pair.server.receive(piece);
      }
      // What was sent was no TLS, which is found when it is looked at.
      assert.equal(pair.server.record.outcome, 'failed');
      cluster.answer('first');
      assert.equal(pair.server.records.length, 1);
    });
  });

  for (const [name, end] of [
    ['cut off', (pair: Pair) => pair.server.connection.receiveEnd()],
    ['timed out', (pair: Pair) => pair.server.connection.abandon('tls-handshake-timeout')],
    ['disposed', (pair: Pair) => pair.server.connection[Symbol.dispose]()],
  ] as const) {
    for (const order of ['before', 'after'] as const) {
      test(`leaves one record when it is ${name} ${order} the answer`, () => {
        withPair((pair, cluster) => {
          pair.server.receive(pair.client.takeFlight());
          if (order === 'after') cluster.answer('first');
          end(pair);
          cluster.answer('first');
          assert.equal(pair.server.record.outcome, 'failed');
          assert.equal(pair.server.received, order === 'after' ? REQUEST : '');
        });
      });
    }
  }

  test('may be disposed by whoever gets its early data', () => {
    withPair((pair, cluster) => {
      pair.server.answer = () => pair.server.connection[Symbol.dispose]();
      pair.server.receive(pair.client.takeFlight());
      cluster.answer('first');
      assert.deepEqual(pair.server.events, [`early:${REQUEST}`, 'handshake']);
    });
  });

  test('of many at once, each has its own answer', () => {
    const cluster = new FakeCluster();
    using context = server(cluster);
    using client = clientContext();
    const sessions = Array.from({ length: 8 }, () => obtainSession(context, client));
    const pairs = sessions.map((session) => new Pair(context, client, { session, earlyData }));
    for (const pair of pairs) pair.toServer();
    assert.equal(new Set(cluster.asked.map((random) => random.join())).size, 8);
    cluster.answer('first');
    for (const pair of pairs) {
      pair.settle();
      assert.equal(pair.server.record.earlyData, 'accepted');
      pair[Symbol.dispose]();
    }
    for (const session of sessions) session[Symbol.dispose]();
  });
});

// The client repeats the request in 1-RTT: another instance, which might accept it, has to know.
describe('the cluster learns of a flight that this instance refuses by itself', () => {
  const asked = (pair: Pair, cluster: FakeCluster): HandshakeRecord => {
    const flight = pair.client.takeFlight();
    pair.server.receive(flight);
    assert.deepEqual(Buffer.from(cluster.asked[0]!), flight.subarray(11, 43));
    assert.equal(pair.server.connection.hasOutput, false, 'before the client does');
    cluster.answer('first');
    return pair.settle().server.record;
  };

  test('because it does not have the key of the ticket', () => {
    const cluster = new FakeCluster();
    using other = serverContext({ ticketKeys: [randomBytes(80)] });
    using context = server(cluster);
    using client = clientContext();
    using session = obtainSession(other, client);
    using pair = new Pair(context, client, { session, earlyData });
    assert.equal(asked(pair, cluster).earlyDataReason, 'ticket not accepted');
  });

  test('because its early data is off', () => {
    const cluster = new FakeCluster();
    using on = serverContext();
    using off = serverContext({ cluster, earlyData: { enabled: false } });
    using client = clientContext();
    using session = obtainSession(on, client);
    using pair = new Pair(off, client, { session, earlyData });
    assert.equal(asked(pair, cluster).earlyDataReason, 'policy off');
  });
});
