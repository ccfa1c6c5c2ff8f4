/** Writes frames. Each returns false, and writes nothing, when there is no room. */
import type { AckFrame, NewConnectionIdFrame } from './frame-reader.ts';
import { QuicFrameType } from './frame-types.ts';
import { varintBytes, type WireWriter } from './varint.ts';

/**
 * Ranges of an ACK frame that are sent: the latest, which matter most. RFC 9000 §13.2.3 leaves the
 * number to us; 32 hold what 64 KiB of alternating losses make.
 */
export const ACK_RANGES_SENT_MAX = 32;

/** A frame of a type and numbers alone, such as MAX_DATA. */
export function writeNumbers(writer: WireWriter, type: number, a: number, b?: number): boolean {
  const bytes = 1 + varintBytes(a) + (b === undefined ? 0 : varintBytes(b));
  if (writer.left < bytes) return false;
  writer.byte(type);
  writer.varint(a);
  if (b !== undefined) writer.varint(b);
  return true;
}

/** A frame of its type alone: PING, HANDSHAKE_DONE. */
export function writeBare(writer: WireWriter, type: number): boolean {
  if (writer.left < 1) return false;
  writer.byte(type);
  return true;
}

export function writeResetStream(
  writer: WireWriter,
  id: number,
  errorCode: number,
  finalSize: number,
): boolean {
  const bytes = 1 + varintBytes(id) + varintBytes(errorCode) + varintBytes(finalSize);
  if (writer.left < bytes) return false;
  writer.byte(QuicFrameType.resetStream);
  writer.varint(id);
  writer.varint(errorCode);
  writer.varint(finalSize);
  return true;
}

/** PATH_CHALLENGE and PATH_RESPONSE. */
export function writePathData(writer: WireWriter, type: number, data: Uint8Array): boolean {
  if (writer.left < 1 + data.length) return false;
  writer.byte(type);
  writer.put(data);
  return true;
}

/** NEW_TOKEN, and DATAGRAM with its length. */
export function writeTold(writer: WireWriter, type: number, bytes: Uint8Array): boolean {
  if (writer.left < 1 + varintBytes(bytes.length) + bytes.length) return false;
  writer.byte(type);
  writer.putTold(bytes);
  return true;
}

export function writeNewConnectionId(writer: WireWriter, frame: NewConnectionIdFrame): boolean {
  const bytes =
    2 +
    varintBytes(frame.sequence) +
    varintBytes(frame.retirePriorTo) +
    frame.id.length +
    frame.resetToken.length;
  if (writer.left < bytes) return false;
  writer.byte(QuicFrameType.newConnectionId);
  writer.varint(frame.sequence);
  writer.varint(frame.retirePriorTo);
  writer.byte(frame.id.length);
  writer.put(frame.id);
  writer.put(frame.resetToken);
  return true;
}

/** What CONNECTION_CLOSE says. The reason is cut to the room that is left. */
export interface CloseText {
  readonly isApplication: boolean;
  readonly errorCode: number;
  readonly frameType: number;
  readonly reason: Uint8Array;
}

export function writeClose(writer: WireWriter, close: CloseText): boolean {
  const type = close.isApplication ? 0 : varintBytes(close.frameType);
  const fixed = 1 + varintBytes(close.errorCode) + type + 2;
  if (writer.left < fixed) return false;
  const reason = close.reason.subarray(0, writer.left - fixed);
  writer.byte(close.isApplication ? QuicFrameType.applicationClose : QuicFrameType.connectionClose);
  writer.varint(close.errorCode);
  if (!close.isApplication) writer.varint(close.frameType);
  writer.varintOf(reason.length, 2);
  writer.put(reason);
  return true;
}

/** An ACK frame; `ranges` as in AckFrame. Old ranges are left out when there is no room. */
export function writeAck(writer: WireWriter, ack: AckFrame): boolean {
  const ecn = ack.hasEcn
    ? varintBytes(ack.ect0) + varintBytes(ack.ect1) + varintBytes(ack.congested)
    : 0;
  const { ranges } = ack;
  const first = ack.largest - ranges[0]!;
  let bytes = 1 + varintBytes(ack.largest) + varintBytes(ack.delay) + 1 + varintBytes(first) + ecn;
  if (writer.left < bytes) return false;
  let count = 0;
  while (count < ACK_RANGES_SENT_MAX - 1 && 2 * count + 3 < ranges.length) {
    const more = varintBytes(gapAt(ranges, count)) + varintBytes(lengthAt(ranges, count));
    if (writer.left < bytes + more) break;
    bytes += more;
    count++;
  }
  writer.byte(ack.hasEcn ? QuicFrameType.ackEcn : QuicFrameType.ack);
  writer.varint(ack.largest);
  writer.varint(ack.delay);
  writer.varint(count);
  writer.varint(first);
  for (let i = 0; i < count; i++) {
    writer.varint(gapAt(ranges, i));
    writer.varint(lengthAt(ranges, i));
  }
  if (ack.hasEcn) {
    writer.varint(ack.ect0);
    writer.varint(ack.ect1);
    writer.varint(ack.congested);
  }
  return true;
}

/** Between range `i` and the next lower one. */
function gapAt(ranges: readonly number[], i: number): number {
  return ranges[2 * i]! - ranges[2 * i + 3]! - 2;
}

function lengthAt(ranges: readonly number[], i: number): number {
  return ranges[2 * i + 3]! - ranges[2 * i + 2]!;
}

/** Bytes of a CRYPTO frame before its content, whose length is written in two bytes. */
export function handshakeDataOverhead(offset: number): number {
  return 1 + varintBytes(offset) + 2;
}

/** Writes the head of a CRYPTO frame; the content follows. */
export function writeHandshakeDataHead(writer: WireWriter, offset: number, length: number): void {
  writer.byte(QuicFrameType.handshakeData);
  writer.varint(offset);
  writer.varintOf(length, 2);
}

/** Bytes of a STREAM frame with a length of two bytes, before its content. */
export function streamOverhead(id: number, offset: number): number {
  return 1 + varintBytes(id) + (offset === 0 ? 0 : varintBytes(offset)) + 2;
}

/** Writes the head of a STREAM frame; the content follows. */
export function writeStreamHead(
  writer: WireWriter,
  id: number,
  offset: number,
  content: { readonly length: number; readonly isFin: boolean },
): void {
  writer.byte(QuicFrameType.stream | 2 | (offset === 0 ? 0 : 4) | (content.isFin ? 1 : 0));
  writer.varint(id);
  if (offset !== 0) writer.varint(offset);
  writer.varintOf(content.length, 2);
}
