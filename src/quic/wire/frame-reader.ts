/**
 * Reads the frames of a packet and calls a handler for each. What is malformed throws a QuicFault; all
 * that a single frame can say wrongly by itself is found here, what depends on the connection is the
 * handler's matter.
 */
import { copyOfBytes } from '../../base/bytes.ts';
import { RESET_TOKEN_BYTES } from '../contracts.ts';
import { ALLOWED_PACKETS, isAckEliciting, isProbing, QuicFrameType } from './frame-types.ts';
import { CONNECTION_ID_BYTES_MAX } from './packet-header.ts';
import { QuicFault, TransportErrorCode } from './transport-error.ts';
import { EXACT_MAX, type WireReader } from './varint.ts';

/** An ACK frame; one object that is used again. */
export class AckFrame {
  largest = 0;
  /** As it came, before the exponent. */
  delay = 0;
  /** Pairs of the smallest and the largest number of each range, the highest range first. */
  readonly ranges: number[] = [];
  hasEcn = false;
  ect0 = 0;
  ect1 = 0;
  congested = 0;
}

export interface CloseFrame {
  readonly isApplication: boolean;
  readonly errorCode: number;
  readonly reason: Uint8Array;
}

export interface NewConnectionIdFrame {
  readonly sequence: number;
  readonly retirePriorTo: number;
  readonly id: Uint8Array;
  readonly resetToken: Uint8Array;
}

/** What a STREAM frame says of its content; one object that is used again. */
export interface StreamFrame {
  id: number;
  offset: number;
  bytes: Uint8Array;
  isFin: boolean;
}

/** Called for each frame but PADDING and PING. Views are valid until the return. */
export interface FrameHandler {
  onAck(frame: AckFrame): void;
  onHandshakeData(offset: number, bytes: Uint8Array): void;
  onStream(frame: StreamFrame): void;
  onResetStream(id: number, errorCode: number, finalSize: number): void;
  onStopSending(id: number, errorCode: number): void;
  onNewToken(token: Uint8Array): void;
  onMaxData(max: number): void;
  onMaxStreamData(id: number, max: number): void;
  onMaxStreams(isBidirectional: boolean, max: number): void;
  /** The peer could send more than the limit lets it: `id` undefined for the connection's. */
  onBlocked(id: number | undefined): void;
  onStreamsBlocked(isBidirectional: boolean, max: number): void;
  onNewConnectionId(frame: NewConnectionIdFrame): void;
  onRetireConnectionId(sequence: number): void;
  onPathChallenge(data: Uint8Array): void;
  onPathResponse(data: Uint8Array): void;
  onClose(frame: CloseFrame): void;
  onHandshakeDone(): void;
  onDatagram(bytes: Uint8Array): void;
}

/** Bits of what `readFrames` says of a packet. */
export const PacketContent = { ackEliciting: 1, nonProbing: 2 } as const;

const PATH_DATA_BYTES = 8;
const STREAMS_MAX = 2 ** 60;
/** RFC 9000 §4.5, §19.8: offsets end here; beyond 2^53 every limit of ours is exceeded long before. */
const OFFSET_MAX = EXACT_MAX;

const ack = new AckFrame();
const stream: StreamFrame = { id: 0, offset: 0, bytes: new Uint8Array(0), isFin: false };

/** Reads frames up to the reader's end; `packet` is one of PacketBit. Returns bits of PacketContent. */
export function readFrames(reader: WireReader, packet: number, handler: FrameHandler): number {
  if (reader.left === 0) throw violation('a packet has no frame');
  let content = 0;
  while (reader.left > 0) {
    // Types beyond one byte are unknown to us, or not in their shortest form (RFC 9000 §12.4).
    const type = reader.byte();
    const allowed = ALLOWED_PACKETS[type]!;
    if (allowed === 0) throw malformed(`frame type ${type} is unknown`, type);
    if ((allowed & packet) === 0) throw violation(`a frame of type ${type} is not allowed here`);
    if (isAckEliciting(type)) content |= PacketContent.ackEliciting;
    if (!isProbing(type)) content |= PacketContent.nonProbing;
    try {
      readFrame(reader, type, handler);
    } catch (error) {
      if (error instanceof QuicFault) error.frameType = type;
      throw error;
    }
  }
  return content;
}

function violation(reason: string): QuicFault {
  return new QuicFault(TransportErrorCode.protocolViolation, reason);
}

function malformed(reason: string, type: number): QuicFault {
  const fault = new QuicFault(TransportErrorCode.frameEncodingError, reason);
  fault.frameType = type;
  return fault;
}

function readFrame(reader: WireReader, type: number, handler: FrameHandler): void {
  if (type >= QuicFrameType.stream && type < QuicFrameType.maxData)
    readStream(reader, type, handler);
  else if (type === QuicFrameType.padding) skipPadding(reader);
  else if (type === QuicFrameType.ack || type === QuicFrameType.ackEcn)
    readAck(reader, type, handler);
  else if (type < QuicFrameType.stream) readFirstKinds(reader, type, handler);
  else if (type <= QuicFrameType.streamsBlockedUnidirectional) readLimit(reader, type, handler);
  else readOther(reader, type, handler);
}

/** A whole packet may be padding: it is passed over in one loop. */
function skipPadding(reader: WireReader): void {
  const { bytes, end } = reader;
  let at = reader.at;
  while (at < end && bytes[at] === 0) at++;
  reader.at = at;
}

function complete(reader: WireReader, type: number): void {
  if (reader.hasFailed) throw malformed('a frame is cut off', type);
}

function readStream(reader: WireReader, type: number, handler: FrameHandler): void {
  stream.id = reader.varint();
  stream.offset = (type & 4) === 0 ? 0 : reader.varint();
  stream.bytes = (type & 2) === 0 ? reader.view(reader.left) : reader.viewOfTold();
  stream.isFin = (type & 1) !== 0;
  complete(reader, type);
  if (stream.offset + stream.bytes.length > OFFSET_MAX) throw malformed('offset too large', type);
  handler.onStream(stream);
}

function readAck(reader: WireReader, type: number, handler: FrameHandler): void {
  ack.largest = reader.varint();
  ack.delay = reader.varint();
  const count = reader.varint();
  let high = ack.largest;
  let low = high - reader.varint();
  const { ranges } = ack;
  ranges.length = 0;
  ranges.push(low, high);
  // Each range takes two bytes at least, so that the packet's length bounds the loop.
  for (let i = 0; i < count && !reader.hasFailed && low >= 0; i++) {
    high = low - reader.varint() - 2;
    low = high - reader.varint();
    ranges.push(low, high);
  }
  ack.hasEcn = type === QuicFrameType.ackEcn;
  ack.ect0 = ack.hasEcn ? reader.varint() : 0;
  ack.ect1 = ack.hasEcn ? reader.varint() : 0;
  ack.congested = ack.hasEcn ? reader.varint() : 0;
  complete(reader, type);
  if (low < 0) throw malformed('an ACK names a negative packet number', type);
  handler.onAck(ack);
}

function readFirstKinds(reader: WireReader, type: number, handler: FrameHandler): void {
  if (type === QuicFrameType.ping) return;
  if (type === QuicFrameType.newToken) {
    const token = reader.viewOfTold();
    complete(reader, type);
    if (token.length === 0) throw malformed('a token is empty', type);
    handler.onNewToken(token);
    return;
  }
  const first = reader.varint();
  if (type === QuicFrameType.handshakeData) {
    const bytes = reader.viewOfTold();
    complete(reader, type);
    if (first + bytes.length > OFFSET_MAX) throw malformed('offset too large', type);
    handler.onHandshakeData(first, bytes);
    return;
  }
  const errorCode = reader.varint();
  const finalSize = type === QuicFrameType.resetStream ? reader.varint() : 0;
  complete(reader, type);
  if (type === QuicFrameType.resetStream) handler.onResetStream(first, errorCode, finalSize);
  else handler.onStopSending(first, errorCode);
}

function readLimit(reader: WireReader, type: number, handler: FrameHandler): void {
  const first = reader.varint();
  const hasSecond =
    type === QuicFrameType.maxStreamData || type === QuicFrameType.streamDataBlocked;
  const second = hasSecond ? reader.varint() : 0;
  complete(reader, type);
  const isBidirectional = (type & 1) === 0;
  if (type === QuicFrameType.maxData) handler.onMaxData(Math.min(first, EXACT_MAX));
  else if (type === QuicFrameType.maxStreamData)
    handler.onMaxStreamData(first, Math.min(second, EXACT_MAX));
  else if (type === QuicFrameType.dataBlocked) handler.onBlocked(undefined);
  else if (type === QuicFrameType.streamDataBlocked) handler.onBlocked(first);
  else if (first > STREAMS_MAX) throw malformed('more streams than there can be', type);
  else if (type <= QuicFrameType.maxStreamsUnidirectional)
    handler.onMaxStreams(isBidirectional, first);
  else handler.onStreamsBlocked(isBidirectional, first);
}

function readOther(reader: WireReader, type: number, handler: FrameHandler): void {
  if (type === QuicFrameType.newConnectionId) {
    handler.onNewConnectionId(readNewConnectionId(reader, type));
  } else if (type === QuicFrameType.retireConnectionId) {
    const sequence = reader.varint();
    complete(reader, type);
    handler.onRetireConnectionId(sequence);
  } else if (type === QuicFrameType.pathChallenge || type === QuicFrameType.pathResponse) {
    const data = reader.view(PATH_DATA_BYTES);
    complete(reader, type);
    if (type === QuicFrameType.pathChallenge) handler.onPathChallenge(data);
    else handler.onPathResponse(data);
  } else if (type === QuicFrameType.handshakeDone) {
    handler.onHandshakeDone();
  } else if (type === QuicFrameType.datagram || type === QuicFrameType.datagramWithLength) {
    const isTold = type === QuicFrameType.datagramWithLength;
    const bytes = isTold ? reader.viewOfTold() : reader.view(reader.left);
    complete(reader, type);
    handler.onDatagram(bytes);
  } else {
    handler.onClose(readClose(reader, type));
  }
}

function readNewConnectionId(reader: WireReader, type: number): NewConnectionIdFrame {
  const sequence = reader.varint();
  const retirePriorTo = reader.varint();
  const id = reader.view(reader.byte());
  const resetToken = reader.view(RESET_TOKEN_BYTES);
  complete(reader, type);
  if (id.length === 0 || id.length > CONNECTION_ID_BYTES_MAX || retirePriorTo > sequence) {
    throw malformed('NEW_CONNECTION_ID is not well formed', type);
  }
  return { sequence, retirePriorTo, id: copyOfBytes(id), resetToken: copyOfBytes(resetToken) };
}

function readClose(reader: WireReader, type: number): CloseFrame {
  const isApplication = type === QuicFrameType.applicationClose;
  const errorCode = reader.varint();
  if (!isApplication) reader.varint();
  const reason = reader.viewOfTold();
  complete(reader, type);
  return { isApplication, errorCode, reason: copyOfBytes(reason) };
}
