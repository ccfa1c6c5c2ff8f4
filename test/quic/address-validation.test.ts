import assert from 'node:assert/strict';
import test from 'node:test';
import { EcnMark } from '../../src/quic/contracts.ts';
import type { WireDatagram } from '../support/quic/fake-wire.ts';
import { nodeSecrets } from '../support/quic/node-secrets.ts';
import { Pair } from '../support/quic/pair.ts';

const LARGE_FLIGHT = 20_000;

test('a server sends three times what came, and no more, to an address that does not answer', () => {
  const pair = new Pair({
    serverTls: { flightBytes: LARGE_FLIGHT },
    wire: { pass: ({ from }) => from === 'client' },
  });
  const { serverEnd, wire } = pair;
  const within = () => {
    const sent = serverEnd.sent.get('client') ?? 0;
    const arrived = serverEnd.arrived.get('client') ?? 0;
    assert.ok(sent <= 3 * arrived, `${sent} bytes for ${arrived}`);
    return false;
  };
  wire.run(within, 9_000);
  assert.ok((serverEnd.sent.get('client') ?? 0) >= 3_600, 'the first Initial is answered in full');
});

test('whatever comes counts once, also what waits for keys, what is damaged, and what is doubled', () => {
  const seen: WireDatagram[] = [];
  const pair = new Pair({
    serverTls: { flightBytes: LARGE_FLIGHT, isPaused: true },
    wire: {
      pass: (datagram) => {
        if (datagram.from === 'client') seen.push(datagram);
        return datagram.from === 'client';
      },
    },
  });
  const { serverEnd, wire } = pair;
  wire.pass(100);
  const [first] = seen;
  // A 0-RTT packet of nobody, that waits; a damaged Initial; the first Initial again.
  const early = first!.bytes.slice();
  early[0] = 0xd0;
  const damaged = first!.bytes.slice();
  damaged[1_000]! ^= 1;
  for (const bytes of [early, damaged, first!.bytes]) {
    wire.inject({ from: 'client', to: 'server', bytes, ecn: EcnMark.none, sentMs: 0 });
  }
  wire.pass(10);
  pair.serverTls[0]!.resume();
  wire.pass(5);
  const arrived = serverEnd.arrived.get('client')!;
  const sent = serverEnd.sent.get('client')!;
  assert.ok(sent <= 3 * arrived, `${sent} bytes for ${arrived}`);
  assert.ok(sent >= 10 * 1_200, 'more than the first Initial alone is worth');
});

test('a long chain of certificates comes through, with the client going on asking', () => {
  const pair = new Pair({ serverTls: { flightBytes: LARGE_FLIGHT } });
  assert.equal(pair.confirm(), true);
  assert.ok(pair.wire.nowMs < 1_300, `${pair.wire.nowMs - 1_000} ms`);
});

test('a lost answer of the server is asked for by the client, so that nobody waits for ever', () => {
  let count = 0;
  const pass = ({ from }: WireDatagram) => from === 'client' || ++count > 3;
  const pair = new Pair({ serverTls: { flightBytes: LARGE_FLIGHT }, wire: { pass } });
  assert.equal(pair.confirm(), true);
});

test('with Retry a client shows its address first, and its handshake is complete a round trip later', () => {
  const pair = new Pair({ server: { isRetryAlways: true } });
  const startMs = pair.wire.nowMs;
  assert.equal(pair.confirm(), true);
  assert.equal(pair.wire.nowMs - startMs, 60);
  assert.equal(pair.serverEnd.endpoint.counts.retries, 1);
  assert.equal(pair.serverConnection.facts().isAddressValidatedByToken, true);
  assert.equal(pair.server.closed, undefined);
});

test('a Retry that is damaged, or comes twice, changes nothing', () => {
  const pair = new Pair({
    server: { isRetryAlways: true },
    wire: {
      doubled: 1,
      pass: (datagram) => {
        if (datagram.from === 'server' && (datagram.bytes[0]! & 0xf0) === 0xf0) {
          const forged = { ...datagram, bytes: datagram.bytes.slice() };
          forged.bytes[20]! ^= 1;
          pair.wire.inject(forged, pair.wire.nowMs + 1);
        }
        return true;
      },
    },
  });
  assert.equal(pair.confirm(), true);
});

test('a token of NEW_TOKEN spares a client the Retry; one of another address or an old one does not', () => {
  const first = new Pair();
  assert.equal(first.confirm(), true);
  first.wire.pass(100);
  const { token } = first.connection.core;
  assert.ok(token.length > 0, 'NEW_TOKEN came');
  const again = (options: { peerIp?: Uint8Array; laterMs?: number; key?: string }) => {
    const secrets = nodeSecrets(9, options.key);
    const pair = new Pair({ peer: { token }, server: { isRetryAlways: true, secrets } });
    Object.assign(pair.wire.pathTo('client'), options.peerIp && { peerIp: options.peerIp });
    pair.wire.nowMs += options.laterMs ?? 0;
    assert.equal(pair.confirm(), true);
    return pair.serverEnd.endpoint.counts.retries;
  };
  assert.equal(again({}), 0, 'the same address, another server with the same key');
  assert.equal(again({ peerIp: Uint8Array.of(10, 0, 0, 99) }), 1, 'another address');
  assert.equal(again({ key: 'another' }), 1, 'another key');
  const old = new Pair({
    peer: { token },
    server: {
      isRetryAlways: true,
      secrets: nodeSecrets(9),
      clock: { wallMs: () => 1_800_000_000_000 + 8_000_000, monotonicMs: () => 0 },
    },
  });
  assert.equal(old.confirm(), true);
  assert.equal(old.serverEnd.endpoint.counts.retries, 1, 'too old');
});

test('a token of a Retry for another address is answered with INVALID_TOKEN', () => {
  const thief = new Pair({ server: { isRetryAlways: true } });
  thief.wire.run(() => thief.connection.core.retryId !== undefined);
  const stolen = thief.connection.core.token;
  const pair = new Pair({
    wire: { seed: 2 },
    peer: { token: stolen },
    server: { isRetryAlways: true },
  });
  assert.equal(
    pair.wire.run(() => pair.client.closed !== undefined),
    true,
  );
  assert.equal(pair.client.closed!.by, 'peer');
  assert.equal(pair.client.closed!.errorCode, 0x0b);
  assert.equal(pair.servers.length, 0);
});

test('beyond a number of open handshakes everybody gets a Retry, beyond another nobody begins one', () => {
  const limits = { unvalidatedHandshakesMax: 0, handshakesMax: 1 };
  const pair = new Pair({ server: { limits } });
  assert.equal(pair.confirm(), true);
  assert.equal(pair.serverEnd.endpoint.counts.retries, 1);
  const full = new Pair({ server: { limits: { handshakesMax: 0 } } });
  assert.equal(
    full.wire.run(() => full.client.closed !== undefined),
    true,
  );
  assert.equal(full.client.closed!.errorCode, 0x02, 'CONNECTION_REFUSED');
  assert.equal(full.serverEnd.endpoint.connectionCount, 0);
});
