/**
 * Finds the frames in a sequence of bytes that arrives in any pieces (RFC 9113 §4.1). A frame that
 * lies whole in a piece is handed on where it lies; only a frame that is cut is copied.
 */
import { PARTIAL_FRAME_BYTES_KEPT } from './limits.ts';
import { FRAME_HEADER_BYTES, FrameType } from './protocol.ts';

export interface FrameReceiver {
  /**
   * A whole frame: its payload is `bytes` from `start` to `end`, valid until the return. `early`:
   * its first byte was early data. False stops the reader for good.
   */
  onFrame(
    type: number,
    flags: number,
    streamId: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    early: boolean,
  ): boolean;
  /** A frame whose header announces more bytes than are allowed. The reader has stopped. */
  onFrameTooLarge(length: number): void;
}

const NOTHING = new Uint8Array(0);

export class FrameReader {
  readonly #receiver: FrameReceiver;
  readonly #frameBytesMax: number;
  /** The beginning of a frame whose end has not come yet. */
  #partial: Uint8Array = NOTHING;
  #partialLength = 0;
  #partialEarly = false;
  #stopped = false;

  constructor(receiver: FrameReceiver, frameBytesMax: number) {
    this.#receiver = receiver;
    this.#frameBytesMax = frameBytesMax;
  }

  /** The peer has begun a frame, other than DATA, and not ended it. */
  get isInsideFrame(): boolean {
    const isData = this.#partialLength > 3 && this.#partial[3] === FrameType.DATA;
    return this.#partialLength > 0 && !isData;
  }

  receive(bytes: Uint8Array, start: number, early: boolean): void {
    let position = start;
    if (this.#partialLength > 0) {
      position = this.#completePartial(bytes, start);
      if (position < 0) return;
    }
    const end = bytes.length;
    while (end - position >= FRAME_HEADER_BYTES && !this.#stopped) {
      const length = frameLength(bytes, position);
      if (length > this.#frameBytesMax) {
        this.#refuse(length);
        return;
      }
      const frameEnd = position + FRAME_HEADER_BYTES + length;
      if (frameEnd > end) break;
      this.#deliver(bytes, position, frameEnd, early);
      position = frameEnd;
    }
    if (position < end && !this.#stopped) {
      this.#hold(bytes, position, end);
      this.#partialEarly = early;
    }
  }

  /** Gives memory back while nothing is going on. */
  shrink(): void {
    if (this.#partialLength === 0 && this.#partial.length > PARTIAL_FRAME_BYTES_KEPT) {
      this.#partial = NOTHING;
    }
  }

  /** Drops all that comes from here on. */
  stop(): void {
    this.#stopped = true;
    this.#partial = NOTHING;
    this.#partialLength = 0;
  }

  /** Returns where in `bytes` the next frame begins, or -1 when all was needed and more is. */
  #completePartial(bytes: Uint8Array, start: number): number {
    const end = bytes.length;
    let position = start;
    if (this.#partialLength < FRAME_HEADER_BYTES) {
      position = Math.min(end, start + FRAME_HEADER_BYTES - this.#partialLength);
      this.#hold(bytes, start, position);
      if (this.#partialLength < FRAME_HEADER_BYTES) return -1;
    }
    const length = frameLength(this.#partial, 0);
    if (length > this.#frameBytesMax) {
      this.#refuse(length);
      return -1;
    }
    const frameBytes = FRAME_HEADER_BYTES + length;
    const taken = Math.min(end - position, frameBytes - this.#partialLength);
    if (taken > 0) this.#hold(bytes, position, position + taken, frameBytes);
    if (this.#partialLength < frameBytes) return -1;
    this.#partialLength = 0;
    this.#deliver(this.#partial, 0, frameBytes, this.#partialEarly);
    return this.#stopped ? -1 : position + taken;
  }

  #deliver(bytes: Uint8Array, position: number, end: number, early: boolean): void {
    const streamId =
      ((bytes[position + 5]! & 0x7f) << 24) |
      (bytes[position + 6]! << 16) |
      (bytes[position + 7]! << 8) |
      bytes[position + 8]!;
    const start = position + FRAME_HEADER_BYTES;
    const type = bytes[position + 3]!;
    const flags = bytes[position + 4]!;
    if (!this.#receiver.onFrame(type, flags, streamId, bytes, start, end, early)) this.stop();
  }

  /** `expected` is the whole frame's size once it is known, so that it is allocated once. */
  #hold(bytes: Uint8Array, start: number, end: number, expected = FRAME_HEADER_BYTES): void {
    const needed = Math.max(this.#partialLength + end - start, expected);
    if (needed > this.#partial.length) {
      const larger = new Uint8Array(Math.max(needed, PARTIAL_FRAME_BYTES_KEPT));
      larger.set(this.#partial.subarray(0, this.#partialLength));
      this.#partial = larger;
    }
    this.#partial.set(bytes.subarray(start, end), this.#partialLength);
    this.#partialLength += end - start;
  }

  #refuse(length: number): void {
    this.stop();
    this.#receiver.onFrameTooLarge(length);
  }
}

function frameLength(bytes: Uint8Array, position: number): number {
  return (bytes[position]! << 16) | (bytes[position + 1]! << 8) | bytes[position + 2]!;
}
