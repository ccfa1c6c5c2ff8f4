import assert from 'node:assert/strict';
import test from 'node:test';
import { NodeProtection } from '../../../test/support/quic/node-protection.ts';
import { KeyGeneration, newPacketPlace, QuicCipherSuite } from '../contracts.ts';
import {
  PacketHeader,
  PacketKind,
  readPacketHeader,
  writeLongHeader,
  writePacketNumber,
} from './packet-header.ts';
import { packetNumberBytes, wholePacketNumber } from './packet-number.ts';
import { isGenuineRetry, writeRetry } from './retry.ts';
import { WireReader, WireWriter } from './varint.ts';

const protection = new NodeProtection();
const hex = (text: string) => Uint8Array.from(Buffer.from(text.replaceAll(/\s/g, ''), 'hex'));
const originalId = hex('8394c8f03e515708');

/** RFC 9001 appendix A.3. */
const SERVER_INITIAL = hex(`
  cf000000010008f067a5502a4262b5004075c0d95a482cd0991cd25b0aac406a5816b6394100f37a1c69797554780bb3
  8cc5a99f5ede4cf73c3ec2493a1839b3dbcba3f6ea46c5b7684df3548e7ddeb9c3bf9c73cc3f3bded74b562bfb19fb84
  022f8ef4cdd93795d77d06edbb7aaf2f58891850abbdca3d20398c276456cbc42158407dd074ee`);
const SERVER_PAYLOAD = hex(`
  02000000000600405a020000560303eefce7f7b37ba1d1632e96677825ddf73988cfc79825df566dc5430b9a045a1200
  130100002e00330024001d00209d3c940d89690b84d08a60993c144eca684d1081287c834d5311bcf32bb9da1a002b00
  020304`);

test('a server Initial of RFC 9001 A.3 is read with the keys of A.1', () => {
  const bytes = SERVER_INITIAL.slice();
  const header = new PacketHeader();
  assert.equal(readPacketHeader(new WireReader().set(bytes, 0, bytes.length), header), true);
  assert.equal(header.kind, PacketKind.initial);
  assert.equal(header.end, bytes.length);
  const { opener } = protection.initialKeys(originalId, 'client');
  const place = newPacketPlace();
  place.packetNumberAt = header.packetNumberAt;
  place.end = header.end;
  assert.equal(opener.unmask(bytes, place), true);
  assert.equal(wholePacketNumber(0, place.packetNumber, place.packetNumberBytes), 1);
  assert.equal(opener.open(bytes, place, KeyGeneration.current), true);
  const payloadAt = place.packetNumberAt + place.packetNumberBytes;
  assert.deepEqual(bytes.slice(payloadAt, bytes.length - 16), SERVER_PAYLOAD);
});

test('a server Initial is written as in RFC 9001 A.3', () => {
  const bytes = new Uint8Array(SERVER_INITIAL.length);
  const writer = new WireWriter().set(bytes, 0, bytes.length);
  const none = new Uint8Array(0);
  const ids = { destinationId: none, sourceId: hex('f067a5502a4262b5'), token: none };
  writeLongHeader(writer, { kind: PacketKind.initial, ...ids }, 2);
  const packetNumberAt = writer.at;
  writePacketNumber(writer, 1, 2);
  writer.put(SERVER_PAYLOAD);
  const end = writer.at;
  writer.set(bytes, packetNumberAt - 2, bytes.length).varintOf(end + 16 - packetNumberAt, 2);
  const { sealer } = protection.initialKeys(originalId, 'server');
  sealer.seal(bytes, { start: 0, packetNumberAt, packetNumberBytes: 2, end, packetNumber: 1 });
  assert.deepEqual(bytes, SERVER_INITIAL);
});

test('a Retry is written and checked as in RFC 9001 A.4', () => {
  const expected = hex('ff000000010008f067a5502a4262b5746f6b656e04a265ba2eff4d829058fb3f0f2496ba');
  const target = new Uint8Array(64);
  const none = new Uint8Array(0);
  const retry = { sourceId: hex('f067a5502a4262b5'), token: Buffer.from('token'), originalId };
  const length = writeRetry(target, { destinationId: none, ...retry }, protection);
  assert.equal(length, expected.length);
  const header = new PacketHeader();
  assert.equal(readPacketHeader(new WireReader().set(expected, 0, length), header), true);
  assert.equal(isGenuineRetry(expected, header, originalId, protection), true);
  // Ours differs in the four bits that are unused (0xf0, the RFC's example has 0xff).
  assert.equal(readPacketHeader(new WireReader().set(target, 0, length), header), true);
  assert.equal(isGenuineRetry(target, header, originalId, protection), true);
  target[length - 20]! ^= 1;
  assert.equal(isGenuineRetry(target, header, originalId, protection), false);
});

test('a packet with ChaCha20 is written as in RFC 9001 A.5', () => {
  const secret = hex('9ac312a7f877468ebe69422748ad00a15443f18203a07d6060f688f30f21632b');
  const bytes = new Uint8Array(21);
  bytes.set(hex('4200bff401'));
  const place = {
    start: 0,
    packetNumberAt: 1,
    packetNumberBytes: 3,
    end: 5,
    packetNumber: 654_360_564,
  };
  protection.sealer(QuicCipherSuite.chacha20, secret).seal(bytes, place);
  assert.deepEqual(bytes, hex('4cfe4189655e5cd55c41f69080575d7999c25a5bfb'));
});

test('truncated packet numbers are those of RFC 9000 appendix A', () => {
  assert.equal(wholePacketNumber(0xa82f30eb, 0x9b32, 2), 0xa82f9b32);
  assert.equal(packetNumberBytes(0xac5c02, 0xabe8b3), 2);
  assert.equal(packetNumberBytes(0xace8fe, 0xabe8b3), 3);
  for (const [number, acknowledged] of [
    [0, -1],
    [127, -1],
    [128, -1],
    [70_000, 2],
    [2 ** 31, 2 ** 31 - 99],
  ] as const) {
    const bytes = packetNumberBytes(number, acknowledged);
    const truncated = number % 2 ** (8 * bytes);
    for (
      let expected = acknowledged + 1;
      expected <= number + 1;
      expected += Math.max(1, Math.floor((number - acknowledged) / 5))
    ) {
      assert.equal(wholePacketNumber(expected, truncated, bytes), number);
    }
  }
});
