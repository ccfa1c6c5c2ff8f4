import assert from 'node:assert/strict';
import test from 'node:test';
import fc from '../../../test/support/fast-check.ts';
import { AckFrame, type FrameHandler, PacketContent, readFrames } from './frame-reader.ts';
import { PacketBit, QuicFrameType } from './frame-types.ts';
import {
  ACK_RANGES_SENT_MAX,
  writeAck,
  writeClose,
  writeNewConnectionId,
  writeNumbers,
  writePathData,
  writeResetStream,
  writeStreamHead,
  writeTold,
} from './frame-writer.ts';
import { QuicFault, TransportErrorCode } from './transport-error.ts';
import { EXACT_MAX, WireReader, WireWriter } from './varint.ts';

/** A handler that notes the name and the values of each call. */
function notes(): [FrameHandler, unknown[][]] {
  const calls: unknown[][] = [];
  const handler = new Proxy({} as FrameHandler, {
    get:
      (_, name) =>
      (...values: unknown[]) =>
        calls.push([name, ...values.map(copy)]),
  });
  return [handler, calls];
}

function copy(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  if (value instanceof AckFrame) return { ...value, ranges: [...value.ranges] };
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, copy(one)]));
}

function read(bytes: Uint8Array, packet: number = PacketBit.application): unknown[][] {
  const [handler, calls] = notes();
  readFrames(new WireReader().set(bytes, 0, bytes.length), packet, handler);
  return calls;
}

function written(write: (writer: WireWriter) => void): Uint8Array {
  const writer = new WireWriter().set(new Uint8Array(2_000), 0, 2_000);
  write(writer);
  return writer.bytes.slice(0, writer.at);
}

test('integers of RFC 9000 A.1 are read, and any is read as it was written', () => {
  const of = (text: string) => {
    const bytes = Buffer.from(text, 'hex');
    return new WireReader().set(bytes, 0, bytes.length).varint();
  };
  assert.equal((of('c2197c5eff14e88c') / 1e18).toFixed(6), '0.151289');
  assert.equal(of('9d7f3e7d'), 494_878_333);
  assert.equal(of('7bbd'), 15_293);
  assert.equal(of('25'), 37);
  assert.equal(of('4025'), 37);
  fc.assert(
    fc.property(fc.oneof(fc.nat(), fc.nat(70), fc.nat(20_000), fc.maxSafeNat()), (value) => {
      const bytes = written((writer) => writer.varint(value));
      const reader = new WireReader().set(bytes, 0, bytes.length);
      assert.equal(reader.varint(), value);
      assert.equal(reader.left, 0);
      const cut = new WireReader().set(bytes, 0, bytes.length - 1);
      assert.equal(cut.varint(), 0);
      assert.equal(cut.hasFailed, true);
    }),
  );
});

test('every frame is read as it was written', () => {
  const id = Uint8Array.of(1, 2, 3, 4);
  const resetToken = new Uint8Array(16).fill(7);
  const bytes = written((writer) => {
    writeNumbers(writer, QuicFrameType.maxData, 70_000);
    writeNumbers(writer, QuicFrameType.maxStreamData, 4, 80_000);
    writeNumbers(writer, QuicFrameType.maxStreamsUnidirectional, 9);
    writeNumbers(writer, QuicFrameType.streamsBlockedBidirectional, 3);
    writeResetStream(writer, 8, 99, 1_000);
    writeNumbers(writer, QuicFrameType.stopSending, 8, 5);
    writePathData(writer, QuicFrameType.pathChallenge, new Uint8Array(8).fill(1));
    writeTold(writer, QuicFrameType.newToken, id);
    writeTold(writer, QuicFrameType.datagramWithLength, id);
    writeNewConnectionId(writer, { sequence: 3, retirePriorTo: 1, id, resetToken });
    writeStreamHead(writer, 4, 500, { length: 4, isFin: true });
    writer.put(id);
    writeClose(writer, { isApplication: false, errorCode: 10, frameType: 6, reason: id });
  });
  assert.deepEqual(read(bytes), [
    ['onMaxData', 70_000],
    ['onMaxStreamData', 4, 80_000],
    ['onMaxStreams', false, 9],
    ['onStreamsBlocked', true, 3],
    ['onResetStream', 8, 99, 1_000],
    ['onStopSending', 8, 5],
    ['onPathChallenge', '0101010101010101'],
    ['onNewToken', '01020304'],
    ['onDatagram', '01020304'],
    [
      'onNewConnectionId',
      { sequence: 3, retirePriorTo: 1, id: '01020304', resetToken: '07'.repeat(16) },
    ],
    ['onStream', { id: 4, offset: 500, bytes: '01020304', isFin: true }],
    ['onClose', { isApplication: false, errorCode: 10, reason: '01020304' }],
  ]);
});

test('an acknowledgement is read as it was written, with as many ranges as are sent', () => {
  const gaps = fc.array(fc.tuple(fc.nat(300), fc.nat(300)), { minLength: 1, maxLength: 50 });
  fc.assert(
    fc.property(gaps, fc.boolean(), (list, hasEcn) => {
      const ack = new AckFrame();
      let low = 1_000_000;
      for (const [gap, length] of list) {
        const high = low - 2 - gap;
        low = high - length;
        ack.ranges.push(low, high);
      }
      ack.largest = ack.ranges[1]!;
      Object.assign(ack, { delay: 77, hasEcn, ect0: hasEcn ? 5 : 0, congested: hasEcn ? 2 : 0 });
      const [[name, got]] = read(written((writer) => writeAck(writer, ack))) as [
        [string, AckFrame],
      ];
      assert.equal(name, 'onAck');
      assert.deepEqual(got, { ...ack, ranges: ack.ranges.slice(0, 2 * ACK_RANGES_SENT_MAX) });
    }),
  );
});

test('an acknowledgement leaves old ranges out when there is no room for them', () => {
  const ack = new AckFrame();
  for (let high = 1_000; high > 900; high -= 4) ack.ranges.push(high - 1, high);
  ack.largest = 1_000;
  const bytes = new Uint8Array(12);
  const writer = new WireWriter().set(bytes, 0, bytes.length);
  assert.equal(writeAck(writer, ack), true);
  const [[, got]] = read(bytes.slice(0, writer.at)) as [[string, AckFrame]];
  assert.deepEqual(got.ranges, ack.ranges.slice(0, got.ranges.length));
  assert.ok(got.ranges.length >= 4 && got.ranges.length < ack.ranges.length);
});

function codeOf(bytes: number[], packet?: number): number {
  try {
    read(Uint8Array.from(bytes), packet);
  } catch (error) {
    assert.ok(error instanceof QuicFault, String(error));
    return error.errorCode;
  }
  return assert.fail('it was read');
}

test('frames that RFC 9000 calls malformed are refused with the code it names', () => {
  const { frameEncodingError, protocolViolation } = TransportErrorCode;
  assert.equal(codeOf([]), protocolViolation, '§12.4: no frame');
  assert.equal(codeOf([0x1f]), frameEncodingError, '§12.4: unknown type');
  assert.equal(codeOf([0x40, 0x01]), frameEncodingError, '§12.4: type not in its shortest form');
  assert.equal(codeOf([0x08, 4, 1], PacketBit.initial), protocolViolation, 'table 3');
  assert.equal(codeOf([0x02, 0, 0, 0, 0], PacketBit.early), protocolViolation, 'table 3: ACK');
  assert.equal(codeOf([0x1e], PacketBit.handshake), protocolViolation, 'table 3: HANDSHAKE_DONE');
  assert.equal(codeOf([0x1d, 0, 0], PacketBit.initial), protocolViolation, 'table 3: 0x1d');
  assert.equal(codeOf([0x02, 5, 0, 0, 6]), frameEncodingError, '§19.3.1: below zero');
  assert.equal(
    codeOf([0x02, 5, 0, 1, 1, 3, 0]),
    frameEncodingError,
    '§19.3.1: below zero by a gap',
  );
  assert.equal(codeOf([0x06, 0, 5, 1]), frameEncodingError, 'CRYPTO is cut off');
  assert.equal(codeOf([0x07, 0]), frameEncodingError, '§19.7: empty token');
  assert.equal(
    codeOf([0x0e, 0, ...Array(8).fill(0xff), 1, 1]),
    frameEncodingError,
    '§19.8: offset',
  );
  assert.equal(codeOf([0x12, 0xd0, 0, 0, 0, 0, 0, 0, 1]), frameEncodingError, '§19.11: 2^60 + 1');
  assert.equal(codeOf([0x18, 0, 0, 0, ...Array(16).fill(1)]), frameEncodingError, '§19.15: no ID');
  assert.equal(
    codeOf([0x18, 0, 0, 21, ...Array(37).fill(1)]),
    frameEncodingError,
    '§19.15: 21 bytes',
  );
  assert.equal(
    codeOf([0x18, 1, 2, 1, ...Array(17).fill(1)]),
    frameEncodingError,
    '§19.15: retires itself',
  );
  assert.equal(codeOf([0x1a, 1, 2, 3]), frameEncodingError, 'PATH_CHALLENGE is cut off');
});

test('what a packet is worth is told apart: an answer, a new path', () => {
  const content = (...bytes: number[]) =>
    readFrames(
      new WireReader().set(Uint8Array.from(bytes), 0, bytes.length),
      PacketBit.application,
      notes()[0],
    );
  assert.equal(content(0, 0, 0), 0);
  assert.equal(content(1), PacketContent.ackEliciting | PacketContent.nonProbing);
  assert.equal(content(0x02, 0, 0, 0, 0), PacketContent.nonProbing);
  assert.equal(content(0x1a, 1, 2, 3, 4, 5, 6, 7, 8, 0), PacketContent.ackEliciting);
});

test('limits beyond what a number can hold are as good as the largest', () => {
  assert.deepEqual(read(Uint8Array.of(0x10, ...Array(8).fill(0xff))), [['onMaxData', EXACT_MAX]]);
});
