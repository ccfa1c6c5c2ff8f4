import assert from 'node:assert/strict';
import test from 'node:test';
import { ourParameters } from '../../src/quic/connection/our-parameters.ts';
import { defaultQuicLimits } from '../../src/quic/limits.ts';
import { encodeTransportParameters } from '../../src/quic/wire/transport-parameters.ts';
import type { FakeStream } from '../support/quic/fake-application.ts';
import type { WireOptions } from '../support/quic/fake-wire.ts';
import { Pair } from '../support/quic/pair.ts';

const remembered = encodeTransportParameters(ourParameters(defaultQuicLimits), 1);
const REQUEST = Buffer.alloc(3_000, 'GET /');

interface Early {
  readonly isTaken: boolean;
  readonly wire?: WireOptions;
  readonly isPaused?: boolean;
}

/** A client that asks in 0-RTT, and again when that was refused. */
function early({ isPaused = false, isTaken, wire = {} }: Early) {
  const asked: FakeStream[] = [];
  const pair = new Pair({
    wire,
    clientTls: { isEarly: true },
    serverTls: { isEarly: isTaken, isPaused },
    peer: { rememberedParameters: remembered },
    begin: (client) => asked.push(client.ask(REQUEST)!),
  });
  return { pair, asked };
}

test('an early request is answered in the first round trip, and is marked early', () => {
  const { asked, pair } = early({ isTaken: true });
  const startMs = pair.wire.nowMs;
  assert.equal(
    pair.wire.run(() => asked[0]!.isEnded),
    true,
  );
  assert.equal(pair.wire.nowMs - startMs, 20, 'one round trip');
  assert.equal(pair.server.streams.get(0)!.isEarly, true);
  assert.equal(pair.confirm(), true);
  assert.deepEqual(asked[0]!.content, REQUEST);
  assert.equal(asked.length, 1);
});

test('without early data the answer takes two round trips', () => {
  const asked: FakeStream[] = [];
  const pair = new Pair({ begin: (client) => asked.push(client.ask(REQUEST)!) });
  const startMs = pair.wire.nowMs;
  assert.equal(
    pair.wire.run(() => asked[0]?.isEnded === true),
    true,
  );
  assert.equal(pair.wire.nowMs - startMs, 40);
  assert.equal(pair.server.streams.get(0)!.isEarly, false);
});

test('refused early data is asked again, and was never seen', () => {
  const { asked, pair } = early({ isTaken: false });
  assert.equal(
    pair.wire.run(() => asked.at(-1)!.isClosed),
    true,
  );
  assert.equal(pair.client.earlyRefusals, 1);
  assert.equal(asked.length, 2);
  assert.equal(asked[0]!.bytes, 0);
  assert.deepEqual(asked[1]!.content, REQUEST);
  assert.equal(pair.server.streams.get(0)!.isEarly, false);
  assert.equal(pair.server.streams.size, 1);
});

test('who goes on writing to a stream of refused early data writes to nobody', () => {
  const { asked, pair } = early({ isTaken: false });
  pair.wire.run(() => pair.client.earlyRefusals === 1);
  const old = asked[0]!.stream!;
  assert.equal(old.write([Buffer.from('more')], false), true);
  old.reset(1);
  old.stopSending(1);
  assert.equal(
    pair.wire.run(() => asked[1]!.isClosed),
    true,
  );
  assert.deepEqual(asked[1]!.content, REQUEST);
  assert.deepEqual(pair.server.streams.get(0)!.content, REQUEST);
});

test('early requests that overtake the ClientHello, or wait with it, are answered all the same', () => {
  const isInitial = (bytes: Uint8Array) => (bytes[0]! & 0xf0) === 0xc0;
  let isFirst = true;
  const { asked, pair } = early({
    isTaken: true,
    isPaused: true,
    wire: {
      pass: (datagram) => {
        if (datagram.from !== 'client' || !isInitial(datagram.bytes) || !isFirst) return true;
        isFirst = false;
        // The datagram of the Initial comes 5 ms after those of the early data.
        pair.wire.inject(datagram, pair.wire.nowMs + 15);
        return false;
      },
    },
  });
  pair.wire.pass(20);
  pair.serverTls[0]!.resume();
  assert.equal(
    pair.wire.run(() => asked[0]!.isClosed),
    true,
  );
  assert.deepEqual(asked[0]!.content, REQUEST);
});

test('early data that is sent again is early no more once the handshake is complete', () => {
  let isBlocked = true;
  const { pair } = early({
    isTaken: true,
    wire: {
      pass: ({ bytes, from }) => {
        const isEarly = from === 'client' && (bytes[0]! & 0xf0) === 0xd0;
        return !(isEarly && isBlocked);
      },
    },
  });
  assert.equal(pair.confirm(), true);
  isBlocked = false;
  assert.equal(
    pair.wire.run(() => pair.server.streams.get(0)?.isEnded === true),
    true,
  );
  assert.equal(pair.server.streams.get(0)!.bytes, REQUEST.length);
});

test('a Retry between does not cost the early request', () => {
  const asked: FakeStream[] = [];
  const pair = new Pair({
    clientTls: { isEarly: true },
    serverTls: { isEarly: true },
    server: { isRetryAlways: true },
    peer: { rememberedParameters: remembered },
    begin: (client) => asked.push(client.ask(REQUEST)!),
  });
  assert.equal(
    pair.wire.run(() => asked[0]!.isClosed),
    true,
  );
  assert.deepEqual(asked[0]!.content, REQUEST);
  assert.equal(pair.server.streams.get(0)!.isEarly, true);
});

test('a flight that is sent fifty times is one connection with one request while the first lives', () => {
  const flight: Uint8Array[] = [];
  const { asked, pair } = early({
    isTaken: true,
    wire: {
      pass: ({ bytes, from }) => {
        if (from === 'client' && pair === undefined) return true;
        if (from === 'client' && flight.length < 4) flight.push(Uint8Array.from(bytes));
        return true;
      },
    },
  });
  pair.wire.pass(11);
  for (let i = 0; i < 50; i++) {
    for (const bytes of flight) {
      pair.wire.inject({
        from: `replay${i}`,
        to: 'server',
        bytes: Uint8Array.from(bytes),
        ecn: 0,
        sentMs: 0,
      });
    }
  }
  assert.equal(
    pair.wire.run(() => asked[0]!.isClosed),
    true,
  );
  assert.equal(pair.serverEnd.endpoint.counts.accepted, 1);
  assert.equal(pair.server.streams.size, 1);
  assert.equal(pair.server.streams.get(0)!.bytes, REQUEST.length);
});

test('under loss the early request is answered once, byte for byte', () => {
  for (let seed = 1; seed <= 10; seed++) {
    const { asked, pair } = early({ isTaken: seed % 2 === 0, wire: { lost: 0.2, seed } });
    assert.equal(
      pair.wire.run(() => asked.at(-1)!.isClosed),
      true,
      `seed ${seed}`,
    );
    assert.deepEqual(asked.at(-1)!.content, REQUEST);
  }
});
