// Invariant: whatever a packet holds, reading it ends, and is right or closes the connection with a code.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import test from 'node:test';
import type { TransportConnection } from '../../src/quic/connection/connection.ts';
import { PacketHeader, PacketKind, readPacketHeader } from '../../src/quic/wire/packet-header.ts';
import { QuicFault } from '../../src/quic/wire/transport-error.ts';
import {
  decodeTransportParameters,
  encodeTransportParameters,
} from '../../src/quic/wire/transport-parameters.ts';
import { WireReader } from '../../src/quic/wire/varint.ts';
import fc from '../support/fast-check.ts';
import { sendFrames } from '../support/quic/hostile-frames.ts';
import { Pair } from '../support/quic/pair.ts';

const directory = new URL('quic-corpus/', import.meta.url);
const seeds = readdirSync(directory)
  .sort()
  .map((name) => ({ name, bytes: new Uint8Array(readFileSync(new URL(name, directory))) }));
const ofKind = (kind: string) => seeds.filter(({ name }) => name.startsWith(kind));
const scale = Number(process.env.FUZZ_SCALE ?? 1);

/** A seed with some bytes changed, cut out, or put in. */
function damaged(kind: string): fc.Arbitrary<Uint8Array> {
  const change = fc.tuple(fc.constantFrom('set', 'cut', 'put'), fc.nat(1_200), fc.nat(255));
  const changes = fc.array(change, { maxLength: 4 });
  return fc.tuple(fc.constantFrom(...ofKind(kind)), changes).map(([{ bytes }, list]) => {
    const copy = [...bytes];
    for (const [what, where, value] of list) {
      const at = where % (copy.length + 1);
      if (what === 'cut') copy.splice(at, value % 8);
      else if (what === 'put') copy.splice(at, 0, value, value);
      else copy[at] = value;
    }
    return Uint8Array.from(copy.slice(0, 1_400));
  });
}

function assertSound(connection: TransportConnection): void {
  const { recovery, streams } = connection.core;
  assert.ok(recovery.bytesInFlight >= 0, 'bytes in flight');
  assert.ok(streams.sentBytes <= Math.max(streams.sendLimit, streams.sentBytes));
}

test('frames of every kind and their damaged likes leave a connection sound, or close it', () => {
  fc.assert(
    fc.property(fc.array(damaged('frames'), { minLength: 1, maxLength: 5 }), (payloads) => {
      const pair = new Pair();
      assert.equal(pair.confirm(), true);
      for (const payload of payloads) {
        sendFrames(pair.wire, pair.connection, (writer) => writer.put(payload));
      }
      pair.wire.pass(500);
      const { closed } = pair.server;
      if (closed === undefined) assertSound(pair.serverConnection);
      else if (closed.by === 'us') assert.ok(closed.errorCode > 0 && closed.errorCode < 0x200);
      pair.connection.close(0, '');
      pair.wire.pass(40_000);
      assert.equal(pair.serverEnd.endpoint.connectionCount, 0);
      assert.equal(pair.serverEnd.protection.live, 0);
    }),
    { numRuns: 60 * scale },
  );
});

test('datagrams of every kind and their damaged likes harm no endpoint', () => {
  fc.assert(
    fc.property(fc.array(damaged('datagram'), { minLength: 1, maxLength: 8 }), (datagrams) => {
      const pair = new Pair({ wire: { seed: 99 } });
      for (const bytes of datagrams) {
        pair.wire.inject({ from: 'stranger', to: 'server', bytes, ecn: 0, sentMs: 0 });
        pair.wire.inject({ from: 'server', to: 'client', bytes, ecn: 0, sentMs: 0 });
      }
      assert.equal(pair.confirm(), true, 'the honest client is served');
    }),
    { numRuns: 60 * scale },
  );
});

test('headers are read within their bytes, or not at all', () => {
  const header = new PacketHeader();
  fc.assert(
    fc.property(damaged('datagram'), (bytes) => {
      if (!readPacketHeader(new WireReader().set(bytes, 0, bytes.length), header)) return;
      assert.ok(header.destinationAt + header.destinationBytes <= bytes.length);
      assert.ok(header.sourceAt + header.sourceBytes <= bytes.length || header.sourceBytes === 0);
      assert.ok(header.end <= bytes.length && header.packetNumberAt <= header.end);
      if (header.kind === PacketKind.initial) {
        assert.ok(header.tokenAt + header.tokenBytes <= header.packetNumberAt);
      }
    }),
    { numRuns: 1_000 * scale },
  );
});

test('transport parameters are read or refused; what is read is written and read alike', () => {
  fc.assert(
    fc.property(damaged('parameters'), (bytes) => {
      try {
        const parameters = decodeTransportParameters(bytes, 'server');
        if (parameters.preferredId !== undefined) return;
        const again = encodeTransportParameters(parameters, 3);
        assert.deepEqual(decodeTransportParameters(again, 'server'), parameters);
      } catch (error) {
        assert.ok(error instanceof QuicFault, String(error));
      }
    }),
    { numRuns: 1_000 * scale },
  );
});
