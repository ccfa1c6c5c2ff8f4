import assert from 'node:assert/strict';
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import type { PacketProtectionFactory } from '../../quic/contracts.ts';
import { liveNativeCounts } from '../counters.ts';
import { deriveKey, type KeyHash } from './key-derivation.ts';
import { packetProtection as ours } from './packet-protection.ts';

/** It is what the QUIC core asks for. */
const packetProtection: PacketProtectionFactory = ours;

const hex = (text: string) => Buffer.from(text, 'hex');
const TAG_BYTES = 16;

/** RFC 9001 appendix A. */
const CONNECTION_ID = hex('8394c8f03e515708');

const CLIENT_HELLO_FRAME = hex(
  '060040f1010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e86804fe3a47f06a2b69484c0000041301' +
    '1302010000c000000010000e00000b6578616d706c652e636f6dff01000100000a00080006001d0017001800100007' +
    '000504616c706e000500050100000000003300260024001d00209370b2c9caa47fbabaf4559fedba753de171fa71f5' +
    '0f1ce15d43e994ec74d748002b0003020304000d0010000e0403050306030203080408050806002d00020101001c00' +
    '024001003900320408ffffffffffffffff05048000ffff07048000ffff0801100104800075300901100f088394c8f0' +
    '3e51570806048000ffff',
);

/** Whether packets lie in memory of JavaScript's or in native memory. */
const memories = [
  ['JavaScript', (bytes: number) => new Uint8Array(bytes)],
  ['native memory', (bytes: number) => packetProtection.allocate(bytes)],
] as const;

function placeOf(start: number, headerBytes: number, packetNumberBytes: number, end: number) {
  const packetNumberAt = start + headerBytes - packetNumberBytes;
  return { start, packetNumberAt, packetNumberBytes, end, packetNumber: 0 };
}

for (const [memory, allocate] of memories) {
  describe(`packet protection in ${memory}`, () => {
    it('seals the client Initial of RFC 9001 appendix A.2', () => {
      const { sealer } = packetProtection.initialKeys(CONNECTION_ID, 'client');
      const header = hex('c300000001088394c8f03e5157080000449e00000002');
      const bytes = allocate(1_300);
      bytes.set(header, 50);
      bytes.set(CLIENT_HELLO_FRAME, 50 + header.length);
      const place = placeOf(50, header.length, 4, 50 + header.length + 1_162);
      place.packetNumber = 2;
      sealer.seal(bytes, place);
      const packet = Buffer.from(bytes.subarray(50, 1_250));
      assert.equal(
        packet.toString('hex', 0, 22 + 16),
        'c000000001088394c8f03e5157080000449e7b9aec34d1b1c98dd7689fb8ec11d242b123dc9b',
      );
      assert.equal(packet.toString('hex', 1_184), 'e221af44860018ab0856972e194cd934');
      assert.ok(bytes.subarray(1_250).every((byte) => byte === 0));
      const { opener } = packetProtection.initialKeys(CONNECTION_ID, 'server');
      const found = placeOf(50, header.length, 4, 1_250);
      found.packetNumberBytes = 0;
      found.packetNumber = -1;
      assert.equal(opener.unmask(bytes, found), true);
      assert.deepEqual([found.packetNumberBytes, found.packetNumber], [4, 2]);
      assert.equal(opener.open(bytes, found, 0), true);
      assert.deepEqual(Buffer.from(bytes.subarray(50, 72)), header);
      assert.deepEqual(
        Buffer.from(bytes.subarray(72, 72 + CLIENT_HELLO_FRAME.length)),
        CLIENT_HELLO_FRAME,
      );
    });

    it('seals the server Initial of appendix A.3', () => {
      const { sealer } = packetProtection.initialKeys(CONNECTION_ID, 'server');
      const header = hex('c1000000010008f067a5502a4262b50040750001');
      const payload = hex(
        '02000000000600405a020000560303eefce7f7b37ba1d1632e96677825ddf73988cfc79825df566dc5430b9a045a' +
          '1200130100002e00330024001d00209d3c940d89690b84d08a60993c144eca684d1081287c834d5311bcf32bb9' +
          'da1a002b00020304',
      );
      const bytes = allocate(header.length + payload.length + TAG_BYTES);
      bytes.set(header);
      bytes.set(payload, header.length);
      const place = placeOf(0, header.length, 2, header.length + payload.length);
      place.packetNumber = 1;
      sealer.seal(bytes, place);
      assert.equal(
        Buffer.from(bytes).toString('hex'),
        'cf000000010008f067a5502a4262b5004075c0d95a482cd0991cd25b0aac406a5816b6394100f37a1c69797554780bb3' +
          '8cc5a99f5ede4cf73c3ec2493a1839b3dbcba3f6ea46c5b7684df3548e7ddeb9c3bf9c73cc3f3bded74b562bfb19fb' +
          '84022f8ef4cdd93795d77d06edbb7aaf2f58891850abbdca3d20398c276456cbc42158407dd074ee',
      );
    });

    it('seals the ChaCha20-Poly1305 packet of appendix A.5', () => {
      const secret = hex('9ac312a7f877468ebe69422748ad00a15443f18203a07d6060f688f30f21632b');
      const sealer = packetProtection.sealer(0x1303, secret);
      const bytes = allocate(21);
      bytes.set(hex('4200bff401'));
      const place = placeOf(0, 4, 3, 5);
      place.packetNumber = 654_360_564;
      sealer.seal(bytes, place);
      assert.equal(
        Buffer.from(bytes).toString('hex'),
        '4cfe4189655e5cd55c41f69080575d7999c25a5bfb',
      );
      const opener = packetProtection.opener(0x1303, secret);
      const found = placeOf(0, 4, 3, 21);
      assert.equal(opener.unmask(bytes, found), true);
      assert.deepEqual([found.packetNumberBytes, found.packetNumber], [3, 0x00bff4]);
      found.packetNumber = 654_360_564;
      assert.equal(opener.open(bytes, found, 0), true);
      assert.equal(bytes[4], 1);
    });

    it('agrees with node:crypto in every suite, length and packet number', () => {
      for (let round = 0; round < 60; round++) crossCheck(allocate, round);
    });

    it('refuses whatever was altered on the way, and nothing throws', () => {
      const secret = randomBytes(32);
      const sealer = packetProtection.sealer(0x1301, secret);
      const opener = packetProtection.opener(0x1301, secret);
      const bytes = allocate(120);
      const sealed = Buffer.alloc(80);
      for (let i = 0; i < 40; i++) bytes[10 + i] = i;
      bytes[10] = 0x41;
      const place = { ...placeOf(10, 12, 2, 74), packetNumber: 0x1234 };
      bytes[20] = 0x12;
      bytes[21] = 0x34;
      sealer.seal(bytes, place);
      sealed.set(bytes.subarray(10, 90));
      const isGenuine = (packet: Uint8Array, end = 10 + packet.length) => {
        bytes.fill(0);
        bytes.set(packet, 10);
        const found = { ...placeOf(10, 12, 2, end), packetNumber: 0 };
        return opener.unmask(bytes, found) && opener.open(bytes, found, 0);
      };
      assert.equal(isGenuine(sealed), true);
      for (let at = 0; at < sealed.length; at++) {
        const altered = Buffer.from(sealed);
        altered[at]! ^= 1 << (at % 8);
        assert.equal(isGenuine(altered), false, `byte ${at}`);
      }
      for (let length = 0; length < sealed.length; length++) {
        assert.equal(isGenuine(sealed.subarray(0, length)), false, `${length} bytes`);
      }
      assert.equal(isGenuine(sealed, 1_000), false, 'an end outside of the buffer');
      assert.equal(isGenuine(sealed), true, 'and the keys are none the worse for it');
    });

    it('takes a packet with nothing in it', () => {
      const secret = randomBytes(32);
      for (const suite of [0x1301, 0x1303] as const) {
        const bytes = allocate(64);
        bytes[0] = 0x43;
        const place = { ...placeOf(0, 13, 4, 13), packetNumber: 0 };
        packetProtection.sealer(suite, secret).seal(bytes, place);
        const opener = packetProtection.opener(suite, secret);
        const found = { ...place, end: 13 + TAG_BYTES };
        assert.equal(opener.unmask(bytes, found), true);
        assert.equal(opener.open(bytes, found, 0), true);
      }
    });

    it('renews the keys, keeps those before, and forgets them when told', () => {
      const secret = randomBytes(48);
      const sealer = packetProtection.sealer(0x1302, secret);
      const opener = packetProtection.opener(0x1302, secret);
      const packets: Buffer[] = [];
      const bytes = allocate(100);
      for (let generation = 0; generation < 4; generation++) {
        bytes.fill(generation);
        bytes[0] = 0x43;
        sealer.seal(bytes, { ...placeOf(0, 9, 4, 84), packetNumber: generation });
        packets.push(Buffer.from(bytes));
        sealer.update();
      }
      const opens = (packet: number, generation: -1 | 0 | 1) => {
        bytes.set(packets[packet]!);
        const found = placeOf(0, 9, 4, 100);
        assert.equal(opener.unmask(bytes, found), true);
        found.packetNumber = packet;
        return opener.open(bytes, found, generation);
      };
      assert.deepEqual([opens(0, 0), opens(0, 1), opens(0, -1)], [true, false, false]);
      assert.deepEqual([opens(1, 0), opens(1, 1), opens(1, -1)], [false, true, false]);
      opener.advance();
      assert.deepEqual([opens(1, 0), opens(0, -1), opens(2, 1)], [true, true, true]);
      opener.dropPrevious();
      assert.deepEqual([opens(1, 0), opens(0, -1)], [true, false]);
      opener.advance();
      opener.advance();
      assert.deepEqual([opens(3, 0), opens(2, -1), opens(1, -1)], [true, true, false]);
    });
  });
}

describe('packet protection', () => {
  it('makes the tag of the Retry of RFC 9001 appendix A.4', () => {
    const retry = hex('ff000000010008f067a5502a4262b5746f6b656e');
    const pseudo = Buffer.concat([Buffer.from([CONNECTION_ID.length]), CONNECTION_ID, retry]);
    for (let again = 0; again < 2; again++) {
      const tag = Buffer.from(packetProtection.retryTag(pseudo));
      assert.equal(tag.toString('hex'), '04a265ba2eff4d829058fb3f0f2496ba');
    }
  });

  it('frees every key once', () => {
    packetProtection.retryTag(Buffer.alloc(20));
    const before = liveNativeCounts().cipher ?? 0;
    for (let i = 0; i < 50; i++) {
      const { sealer, opener } = packetProtection.initialKeys(randomBytes(i % 21), 'server');
      sealer.update();
      opener.advance();
      opener.advance();
      for (const key of [sealer, opener, sealer, opener]) key.free();
      assert.throws(() => sealer.seal(new Uint8Array(64), placeOf(0, 9, 4, 40)), /been freed/);
      assert.equal(opener.unmask(new Uint8Array(64), placeOf(0, 9, 4, 64)), false);
      assert.equal(opener.open(new Uint8Array(64), placeOf(0, 9, 4, 64), 0), false);
    }
    assert.equal(liveNativeCounts().cipher ?? 0, before);
  });
});

const SUITES = [
  { number: 0x1301, hash: 'SHA256', aead: 'aes-128-gcm', header: 'aes-128-ecb', keyBytes: 16 },
  { number: 0x1302, hash: 'SHA384', aead: 'aes-256-gcm', header: 'aes-256-ecb', keyBytes: 32 },
  { number: 0x1303, hash: 'SHA256', aead: 'chacha20-poly1305', header: 'chacha20', keyBytes: 32 },
] as const;

/** Seals, and opens with node:crypto by the words of RFC 9001 §5.3 and §5.4. */
function crossCheck(allocate: (bytes: number) => Uint8Array, round: number): void {
  const suite = SUITES[round % SUITES.length]!;
  const hash: KeyHash = suite.hash;
  const secret = randomBytes(hash === 'SHA256' ? 32 : 48);
  const packetNumberBytes = 1 + (round % 4);
  const packetNumber = [0, 255, 65_537, 4_294_967_295, 4_294_967_296, 9_007_199_254_740_991][
    round % 6
  ]!;
  const headerBytes = 1 + (round % 21) + packetNumberBytes;
  const length = 4 + ((round * 97) % 1_400);
  const start = round % 5;
  const header = randomBytes(headerBytes);
  header[0] = ((header[0]! & 0xfc) | (packetNumberBytes - 1)) & 0xff;
  for (let i = 0; i < packetNumberBytes; i++) {
    const divisor = 256 ** (packetNumberBytes - 1 - i);
    header[headerBytes - packetNumberBytes + i] = Math.floor(packetNumber / divisor) % 256;
  }
  const payload = randomBytes(length);
  const bytes = allocate(start + headerBytes + length + TAG_BYTES);
  bytes.set(header, start);
  bytes.set(payload, start + headerBytes);
  const end = start + headerBytes + length;
  const place = { ...placeOf(start, headerBytes, packetNumberBytes, end), packetNumber };
  packetProtection.sealer(suite.number, secret).seal(bytes, place);

  const sealed = Buffer.from(bytes.subarray(start));
  const headerKey = deriveKey(hash, secret, 'quic hp', suite.keyBytes);
  const packetNumberAt = headerBytes - packetNumberBytes;
  const sample = sealed.subarray(packetNumberAt + 4, packetNumberAt + 20);
  const mask =
    suite.header === 'chacha20'
      ? createCipheriv('chacha20', headerKey, sample).update(Buffer.alloc(5))
      : createCipheriv(suite.header, headerKey, null).update(sample);
  sealed[0]! ^= mask[0]! & ((sealed[0]! & 0x80) === 0 ? 0x1f : 0x0f);
  for (let i = 0; i < packetNumberBytes; i++) sealed[packetNumberAt + i]! ^= mask[1 + i]!;
  assert.deepEqual(sealed.subarray(0, headerBytes), header);
  const nonce = deriveKey(hash, secret, 'quic iv', 12);
  const number = Buffer.alloc(8);
  number.writeBigUInt64BE(BigInt(packetNumber));
  for (let i = 0; i < 8; i++) nonce[4 + i]! ^= number[i]!;
  const key = deriveKey(hash, secret, 'quic key', suite.keyBytes);
  const decipher = createDecipheriv(suite.aead as 'aes-128-gcm', key, nonce, {
    authTagLength: TAG_BYTES,
  });
  decipher.setAAD(header);
  decipher.setAuthTag(sealed.subarray(headerBytes + length));
  const opened = Buffer.concat([
    decipher.update(sealed.subarray(headerBytes, headerBytes + length)),
    decipher.final(),
  ]);
  assert.deepEqual(opened, payload);

  const opener = packetProtection.opener(suite.number, secret);
  const found = { ...place, end: end + TAG_BYTES, packetNumber: -1, packetNumberBytes: 0 };
  assert.equal(opener.unmask(bytes, found), true);
  assert.equal(found.packetNumberBytes, packetNumberBytes);
  assert.equal(found.packetNumber, packetNumber % 256 ** packetNumberBytes);
  found.packetNumber = packetNumber;
  assert.equal(opener.open(bytes, found, 0), true);
  assert.deepEqual(Buffer.from(bytes.subarray(start + headerBytes, end)), payload);
}
