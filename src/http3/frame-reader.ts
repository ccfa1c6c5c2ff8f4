/** Frames of one stream (RFC 9114 §7.1), from bytes that come in any pieces. */
import { FieldBlock } from '../http/field-block.ts';
import { WireReader } from '../quic/wire/varint.ts';

/** How a frame's payload is to come. */
export const FrameMode = {
  /** Whole, in one call. */
  COLLECT: 0,
  /** In pieces, as they come. */
  STREAM: 1,
  SKIP: 2,
  /** Not at all: the stream, or the connection, is over. */
  STOP: 3,
} as const;

/** What a call of the sink answers. */
export const Step = {
  GO_ON: 0,
  /** The bytes that follow are to be given again, later. */
  HOLD: 1,
  /** The stream, or the connection, is over. */
  STOP: 2,
} as const;

export interface FrameSink {
  /** A {@link FrameMode}. */
  onFrameBegin(type: number, length: number): number;
  /** A whole frame; a {@link Step}. The payload is valid until the return. */
  onFrame(type: number, payload: Uint8Array): number;
  /** A piece of a payload, never empty; a {@link Step}. */
  onPiece(bytes: Uint8Array): number;
}

/** Type and length, each at most 8 bytes. */
const HEADER_BYTES_MAX = 16;

const NOTHING = new Uint8Array(0);
const wire = new WireReader();

export class Http3FrameReader {
  /** Where the piece ends that the sink is given, in the bytes that are read. */
  pieceEnd = 0;
  readonly #sink: FrameSink;
  #header: Uint8Array = NOTHING;
  #headerLength = 0;
  #isInPayload = false;
  #type = 0;
  #mode: number = FrameMode.SKIP;
  #left = 0;
  /** Of a payload that comes in pieces. */
  #collected: FieldBlock | null = null;

  constructor(sink: FrameSink) {
    this.#sink = sink;
  }

  /** A frame has begun and not ended. */
  get isInsideFrame(): boolean {
    return this.#isInPayload || this.#headerLength > 0;
  }

  /**
   * Reads `bytes` from `start` on. Returns where it has stopped: at the end, or where the sink wanted to
   * hold; -1 when it wanted to stop for good.
   */
  read(bytes: Uint8Array, start: number): number {
    let position = start;
    while (position < bytes.length) {
      if (!this.#isInPayload) {
        position = this.#readHeader(bytes, position);
        if (position < 0) return -1;
        if (!this.#isInPayload) return position;
        // An empty frame is whole as it is; another goes on where there is something of it.
        if (this.#left > 0) continue;
      }
      const end = Math.min(bytes.length, position + this.#left);
      this.pieceEnd = end;
      const step = this.#readPayload(bytes, position, end);
      if (step === Step.STOP) return -1;
      position = end;
      if (step === Step.HOLD) return position;
    }
    return position;
  }

  /** Where the payload begins, or the end of what is there; -1 to stop. */
  #readHeader(bytes: Uint8Array, start: number): number {
    if (this.#headerLength === 0) {
      wire.set(bytes, start, bytes.length);
      const type = wire.varint();
      const length = wire.varint();
      if (!wire.hasFailed) return this.#begin(type, length) ? wire.at : -1;
    }
    if (this.#header.length === 0) this.#header = new Uint8Array(HEADER_BYTES_MAX);
    let position = start;
    while (position < bytes.length) {
      this.#header[this.#headerLength++] = bytes[position++]!;
      wire.set(this.#header, 0, this.#headerLength);
      const type = wire.varint();
      const length = wire.varint();
      if (wire.hasFailed) continue;
      this.#headerLength = 0;
      return this.#begin(type, length) ? position : -1;
    }
    return position;
  }

  #begin(type: number, length: number): boolean {
    const at = wire.at;
    this.#type = type;
    this.#left = length;
    this.#isInPayload = true;
    this.#mode = this.#sink.onFrameBegin(type, length);
    wire.at = at;
    return this.#mode !== FrameMode.STOP;
  }

  #readPayload(bytes: Uint8Array, start: number, end: number): number {
    const length = end - start;
    this.#left -= length;
    this.#isInPayload = this.#left > 0;
    switch (this.#mode) {
      case FrameMode.STREAM:
        return length === 0 ? Step.GO_ON : this.#sink.onPiece(bytes.subarray(start, end));
      case FrameMode.COLLECT:
        return this.#collect(bytes, start, end);
      default:
        return Step.GO_ON;
    }
  }

  #collect(bytes: Uint8Array, start: number, end: number): number {
    const piece = bytes.subarray(start, end);
    if (this.#isInPayload) {
      // Grows with what has come: what a length promises costs nothing.
      this.#collected ??= new FieldBlock(0);
      this.#collected.append(piece, piece.length);
      return Step.GO_ON;
    }
    const collected = this.#collected;
    if (collected === null) return this.#sink.onFrame(this.#type, piece);
    collected.append(piece, piece.length);
    this.#collected = null;
    return this.#sink.onFrame(this.#type, collected.bytes.subarray(0, collected.length));
  }
}
