import assert from 'node:assert/strict';
import test from 'node:test';
import { EcnMark } from '../../src/quic/contracts.ts';
import { PacketHeader, PacketKind, readPacketHeader } from '../../src/quic/wire/packet-header.ts';
import { WireReader } from '../../src/quic/wire/varint.ts';
import { readVersionNegotiation } from '../../src/quic/wire/version-negotiation.ts';
import { FakeWire } from '../support/quic/fake-wire.ts';
import { Pair } from '../support/quic/pair.ts';

function strange(version: number, bytes: number): Uint8Array {
  const packet = new Uint8Array(bytes);
  packet.set([0xc0, version >>> 24, (version >> 16) & 255, (version >> 8) & 255, version & 255]);
  packet.set([3, 1, 2, 3, 2, 8, 9], 5);
  return packet;
}

/** What a server answers to one datagram. */
function answersTo(bytes: Uint8Array): Uint8Array[] {
  const answers: Uint8Array[] = [];
  const wire = new FakeWire({ pass: ({ bytes: answer }) => answers.push(answer) > 0 });
  wire.add('server', { accept: () => assert.fail('it was accepted') });
  wire.inject({ from: 'client', to: 'server', bytes, ecn: EcnMark.none, sentMs: 0 });
  wire.pass(100);
  return answers;
}

test('a packet of an unknown version is answered with ours, and never by more than it was long', () => {
  const [answer] = answersTo(strange(0x0a1a2a3a, 1_200));
  const header = new PacketHeader();
  assert.equal(readPacketHeader(new WireReader().set(answer!, 0, answer!.length), header), true);
  assert.equal(header.kind, PacketKind.versionNegotiation);
  assert.equal(header.destinationBytes, 2, 'the IDs are swapped');
  const versions = readVersionNegotiation(answer!, header)!;
  assert.ok(versions.includes(1));
  assert.ok(
    versions.some((version) => (version & 0x0f0f0f0f) === 0x0a0a0a0a),
    'a reserved one',
  );
  assert.deepEqual(answersTo(strange(0x0a1a2a3a, 1_199)), [], 'RFC 9000 §6.1: too short');
  assert.deepEqual(answersTo(strange(0, 1_200)), [], 'version negotiation is not answered');
});

test('a client ends when the server speaks no version of its own, and not for a forged list', () => {
  const negotiate = (...versions: number[]) => {
    const pair = new Pair({ wire: { pass: ({ from }) => from !== 'client' } });
    const { core } = pair.connection;
    const packet = new Uint8Array(23 + 4 * versions.length);
    packet[0] = 0x80;
    packet.set([8, ...core.localIds.first, 8, ...core.originalId], 5);
    versions.forEach((version, i) => {
      new DataView(packet.buffer).setUint32(23 + 4 * i, version);
    });
    pair.wire.inject({ from: 'server', to: 'client', bytes: packet, ecn: 0, sentMs: 0 });
    pair.wire.pass(5);
    return pair.client.closed?.by;
  };
  assert.equal(negotiate(0x6b3343cf), 'refused');
  assert.equal(negotiate(0x6b3343cf, 1), undefined);
});

test('after a server is gone without a word its clients get a reset at once from the next one', () => {
  const pair = new Pair();
  pair.confirm();
  pair.wire.pass(100);
  pair.wire.remove('server');
  const next = pair.wire.add('server', { accept: () => undefined });
  pair.client.ask(Buffer.from('are you there?'));
  pair.clientEnd.endpoint.flush(pair.wire.nowMs);
  const startMs = pair.wire.nowMs;
  assert.equal(
    pair.wire.run(() => pair.client.closed !== undefined),
    true,
  );
  assert.equal(pair.client.closed!.by, 'reset');
  assert.equal(pair.wire.nowMs - startMs, 20, 'one round trip');
  assert.equal(next.endpoint.counts.resets, 1);
  assert.equal(pair.clientEnd.endpoint.connectionCount, 0);
  assert.equal(pair.clientEnd.protection.live, 0, 'all keys are freed');
});

test('two endpoints without state do not answer each other for ever', () => {
  const wire = new FakeWire();
  wire.add('server', { accept: () => undefined });
  wire.add('client');
  const bytes = new Uint8Array(1_200).fill(0x55);
  wire.inject({ from: 'client', to: 'server', bytes, ecn: EcnMark.none, sentMs: 0 });
  wire.pass(10_000);
  assert.ok(wire.datagrams < 40, `${wire.datagrams} datagrams`);
});

test('answers without a connection are so many for each second', () => {
  const wire = new FakeWire();
  wire.add('server', { accept: () => undefined, limits: { statelessAnswersPerSecond: 10 } });
  for (let i = 0; i < 1_000; i++) {
    const bytes = strange(0x0a1a2a3a, 1_200);
    wire.inject({ from: 'client', to: 'server', bytes, ecn: EcnMark.none, sentMs: 0 });
  }
  wire.pass(10);
  assert.equal(wire.datagrams, 10);
});

test('a reset that is forged, or too short, ends nothing', () => {
  const pair = new Pair();
  pair.confirm();
  for (const length of [20, 21, 60]) {
    const bytes = new Uint8Array(length).fill(0x41);
    pair.wire.inject({ from: 'server', to: 'client', bytes, ecn: EcnMark.none, sentMs: 0 });
  }
  pair.wire.pass(10);
  assert.equal(pair.client.closed, undefined);
});

test('packets whose fixed bit is clear are read when we have said so, and begin nothing (RFC 9287)', () => {
  const pair = new Pair();
  assert.equal(pair.confirm(), true);
  assert.equal(pair.connection.core.peer!.acceptsClearFixedBit, true);
  const { sealer } = pair.connection.core.applicationSpace;
  const original = sealer!.seal.bind(sealer);
  // The bit is authenticated, so that it must be cleared before the packet is sealed.
  sealer!.seal = (bytes, place) => {
    bytes[place.start]! &= 0xbf;
    original(bytes, place);
  };
  const asked = pair.client.ask(Buffer.from('hello'))!;
  assert.equal(
    pair.wire.run(() => asked.isClosed, 2_000),
    true,
  );
  const first = new Uint8Array(1_200).fill(1);
  first.set([0x80, 0, 0, 0, 1, 8]);
  pair.wire.inject({ from: 'stranger', to: 'server', bytes: first, ecn: 0, sentMs: 0 });
  pair.wire.pass(20);
  assert.equal(pair.serverEnd.endpoint.counts.accepted, 1);
});
