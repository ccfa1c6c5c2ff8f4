import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { nativeBytesLive } from '../../src/native/memory.ts';
import type { ClientConnectionOptions } from '../../src/tls/client-context.ts';
import {
  accept,
  clientContext,
  liveHandles,
  obtainSession,
  Pair,
  type Side,
  serverContext,
} from './wire.ts';

const isLong = process.env.SLUICE_LONG === '1';
const earlyData = Buffer.from('GET / HTTP/1.1\r\n\r\n');

after(() => assert.deepEqual(liveHandles(), {}, 'every native handle was freed'));

const kinds = [
  'a full handshake',
  'early data',
  'early data that is not accepted',
  'a HelloRetryRequest',
  'a HelloRetryRequest after early data',
  'TLS 1.2',
  'TLS 1.2 resumed',
] as const;
type Kind = (typeof kinds)[number];

/** Where most of a certificate and of its signature is, every third byte stands for its neighbours. */
const DENSE_BYTES = 128;

/** The next position at which a flight is cut or altered. */
function following(at: number): number {
  return isLong || at < DENSE_BYTES ? at + 1 : at + 3;
}

/** Plays with fresh pairs of one kind. */
function withKind(kind: Kind, play: (begin: () => Pair) => void): void {
  const maxVersion = kind.startsWith('TLS 1.2') ? 'TLSv1.2' : 'TLSv1.3';
  // TLS 1.2 wants the curve of the certificate's key among the groups, too.
  const groups = kind.includes('HelloRetryRequest') ? 'P-256' : 'X25519:P-256';
  const enabled = kind !== 'early data that is not accepted';
  using issuer = serverContext();
  using server = serverContext({ groups, earlyData: { enabled } });
  using client = clientContext({ groups: 'X25519:P-256', maxVersion });
  using session = obtainSession(issuer, client);
  const options: Partial<ClientConnectionOptions> = kind.includes('early data')
    ? { session, earlyData }
    : kind === 'TLS 1.2 resumed'
      ? { session }
      : {};
  play(() => new Pair(server, client, options));
}

/** Whatever happened, a side has ended its handshake at most once and said why it failed. */
function assertSane(side: Side, words: string): void {
  assert.ok(side.records.length <= 1, `${words}: ${side.records.length} records`);
  for (const record of side.records) {
    assert.equal(record.errorCode === '', record.outcome === 'complete', words);
  }
  assert.ok(side.errors.length <= 1, `${words}: ${side.errors.length} errors`);
  const handshakeAt = side.events.indexOf('handshake');
  assert.ok(
    side.events.every((event, index) => !event.startsWith('late') || index > handshakeAt),
    `${words}: plaintext that is not early before the handshake has ended`,
  );
}

describe('a connection cut at every byte', () => {
  for (const kind of kinds) {
    test(`of both flights of ${kind}`, () => {
      withKind(kind, (begin) => {
        cutFirstFlight(begin);
        cutLastFlight(begin);
      });
    });
  }

  function cutFirstFlight(begin: () => Pair): void {
    for (let cut = 0, length = 1; cut < length; cut = following(cut)) {
      using pair = begin();
      const { server, client } = pair;
      const flight = client.takeFlight();
      length = flight.length;
      server.receive(flight.subarray(0, cut));
      server.connection.receiveEnd();
      const code = cut === 0 ? 'tls-handshake-not-begun' : 'tls-handshake-cut';
      assert.equal(server.record.errorCode, code, `cut at ${cut}`);
      assert.equal(server.record.bytesReceived, cut);
      assertSane(server, `cut at ${cut}`);
    }
  }

  function cutLastFlight(begin: () => Pair): void {
    for (let cut = 0, length = 1; cut < length; cut = following(cut)) {
      using pair = begin();
      pair.toServer();
      const answer = pair.server.takeFlight();
      pair.client.receive(answer.subarray(0, Math.floor(answer.length / 2)));
      pair.client.receive(answer.subarray(Math.floor(answer.length / 2)));
      const flight = pair.client.takeFlight();
      length = flight.length;
      pair.server.receive(flight.subarray(0, cut));
      pair.server.connection.receiveEnd();
      assert.equal(pair.server.record.outcome, 'failed', `cut at ${cut}`);
      assertSane(pair.server, `cut at ${cut}`);
    }
  }
});

describe('a connection split at every byte', () => {
  for (const kind of kinds) {
    test(`goes on as if it were whole: ${kind}`, () => {
      withKind(kind, (begin) => {
        using whole = begin();
        whole.settle();
        for (let cut = 1, length = 2; cut < length; cut = following(cut)) {
          using pair = begin();
          for (let flight = 0; flight < 3; flight++) {
            length = Math.max(length, moveSplit(pair.client, pair.server, cut));
            length = Math.max(length, moveSplit(pair.server, pair.client, cut));
          }
          const { durationMs: _d, startedAtMs: _s, ...facts } = pair.server.record;
          const { durationMs: _e, startedAtMs: _t, ...expected } = whole.server.record;
          // The signature of ECDSA, and so the flight, may be a byte longer or shorter.
          assert.deepEqual({ ...facts, bytesSent: 0 }, { ...expected, bytesSent: 0 });
          assert.equal(pair.server.received, whole.server.received);
        }
      });
    });
  }

  function moveSplit(from: Side, to: Side, cut: number): number {
    const flight = from.takeFlight();
    to.receive(flight.subarray(0, cut));
    to.receive(flight.subarray(cut));
    return flight.length;
  }
});

/** Both sides' flights by number; a HelloRetryRequest makes one more of each. */
function tracesOf(kind: Kind): readonly number[] {
  return kind.includes('HelloRetryRequest') ? [0, 1, 2, 3, 4, 5] : [0, 1, 2, 3];
}

/** Flips bits at every position of one flight and compares what both sides say about it. */
describe('a flipped byte', () => {
  const masks = isLong ? [0x01, 0x80, 0xff, 0x55] : [0x55];
  for (const kind of kinds) {
    for (const flight of tracesOf(kind)) {
      test(`at every position of flight ${flight} of ${kind}: no crash, one record`, () => {
        withKind(kind, (begin) => {
          for (const mask of masks) {
            for (let at = 0, length = 1; at < length; at = following(at)) {
              using pair = begin();
              length = playFlipped(pair, flight, at, mask);
              const place = `flight ${flight}, byte ${at} of ${length}, mask ${mask}`;
              assertSane(pair.server, place);
              assertSane(pair.client, place);
              assertSameAlert(pair.server, pair.client, place);
              assertSameAlert(pair.client, pair.server, place);
            }
          }
        });
      });
    }
  }

  /** Returns the length of the flight in which a byte was flipped. */
  function playFlipped(pair: Pair, flight: number, at: number, mask: number): number {
    let length = 0;
    for (let index = 0; index < 8; index++) {
      const [from, to] = index % 2 === 0 ? [pair.client, pair.server] : [pair.server, pair.client];
      const bytes = from.takeFlight();
      if (index === flight) {
        length = bytes.length;
        if (at < length) bytes[at]! ^= mask;
      }
      to.receive(bytes);
    }
    pair.server.connection.receiveEnd();
    pair.client.connection.receiveEnd();
    return length;
  }

  /** What one side says that it sent is what the other received. */
  function assertSameAlert(sender: Side, receiver: Side, place: string): void {
    const sent = sender.records[0];
    const received = receiver.records[0];
    if (sent === undefined || received === undefined) return;
    if (sent.alertSentBy !== 'us' || received.alertSentBy !== 'peer') return;
    // A sealed alert whose cause leaves two names open is not named.
    if (sent.alert === '') return;
    assert.equal(sent.alert, received.alert, `${place} (${sent.errorCode})`);
  }
});

describe('bytes that are no TLS', () => {
  const cases: readonly [string, Buffer, string][] = [
    ['a plain HTTP request', Buffer.from('GET / HTTP/1.1\r\n\r\n'), 'tls-not-tls'],
    ['a request to a forward proxy', Buffer.from('CONNECT a:443 HTTP/1.1\r\n'), 'tls-not-tls'],
    ['zeros', Buffer.alloc(600), 'tls-not-tls'],
    ['noise', Buffer.alloc(600, 0xa7), 'tls-not-tls'],
    ['SSH', Buffer.from('SSH-2.0-OpenSSH_9.2\r\n'), 'tls-not-tls'],
  ];
  for (const [name, bytes, code] of cases) {
    test(`${name}: ${code}`, () => {
      for (const enabled of [true, false]) {
        using server = serverContext({ earlyData: { enabled } });
        const side = accept(server);
        side.receive(bytes);
        assert.equal(side.record.outcome, 'failed');
        assert.equal(side.record.errorCode, code);
        assert.equal(side.errors[0]?.blame, 'downstream');
        side.connection[Symbol.dispose]();
      }
    });
  }
});

const CONNECTIONS = isLong ? 100_000 : 1_500;

test(`${CONNECTIONS} connections, some broken off, leave nothing behind`, () => {
  using server = serverContext({ groups: 'X25519' });
  using client = clientContext({ groups: 'X25519' });
  using session = obtainSession(server, client);
  const before = { handles: liveHandles(), bytes: nativeBytesLive() };
  const count = CONNECTIONS;
  for (let index = 0; index < count; index++) {
    using pair = new Pair(server, client, index % 3 === 0 ? { session, earlyData } : {});
    for (let flight = 0; flight < index % 5; flight++) {
      if (flight % 2 === 0) pair.toServer();
      else pair.toClient();
    }
  }
  assert.deepEqual(liveHandles(), before.handles);
  assert.equal(nativeBytesLive(), before.bytes);
});
