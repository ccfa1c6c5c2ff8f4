/** HEADERS and CONTINUATION frames, put together to field blocks (RFC 9113 §4.3, §6.2, §6.10). */

import { uint31 } from './bytes.ts';
import type { Http2Limits } from './limits.ts';
import { Flag } from './protocol.ts';

/** What came of a frame. */
export const BlockResult = {
  /** A whole block: `streamId` and what follows it describe it. */
  COMPLETE: 0,
  /** CONTINUATION frames must follow. */
  INCOMPLETE: 1,
  WRONG_LENGTH: 2,
  TOO_MUCH_PADDING: 3,
  /** A CONTINUATION frame that continues nothing, or something else. */
  OUT_OF_ORDER: 4,
  /** More bytes or frames than one block may have. */
  TOO_LARGE: 5,
} as const;

const NOTHING = new Uint8Array(0);

export class FieldBlockReader {
  readonly #limits: Http2Limits;
  /** The stream whose block is incomplete, or 0. */
  openStreamId = 0;

  // The block found last: where it lies, and what its HEADERS frame said.
  bytes: Uint8Array = NOTHING;
  start = 0;
  end = 0;
  endStream = false;
  /** The HEADERS frame's first byte was early data. */
  early = false;
  /** The deprecated priority signals name the stream itself as its dependency. */
  dependsOnItself = false;

  /** Fragments of a block in several frames. */
  #assembled: Uint8Array = NOTHING;
  #length = 0;
  #continuations = 0;

  constructor(limits: Http2Limits) {
    this.#limits = limits;
  }

  onHeaders(
    flags: number,
    streamId: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    early: boolean,
  ): number {
    this.dependsOnItself = false;
    let padding = 0;
    if ((flags & (Flag.PADDED | Flag.PRIORITY)) !== 0) {
      if ((flags & Flag.PADDED) !== 0) {
        if (start === end) return BlockResult.WRONG_LENGTH;
        padding = bytes[start++]!;
      }
      if ((flags & Flag.PRIORITY) !== 0) {
        if (end - start < 5) return BlockResult.WRONG_LENGTH;
        this.dependsOnItself = uint31(bytes, start) === streamId;
        start += 5;
      }
      end -= padding;
      if (start > end) return BlockResult.TOO_MUCH_PADDING;
    }
    this.endStream = (flags & Flag.END_STREAM) !== 0;
    this.early = early;
    if ((flags & Flag.END_HEADERS) !== 0) {
      this.bytes = bytes;
      this.start = start;
      this.end = end;
      return BlockResult.COMPLETE;
    }
    this.openStreamId = streamId;
    this.#length = 0;
    this.#continuations = 0;
    return this.#add(bytes, start, end) ? BlockResult.INCOMPLETE : BlockResult.TOO_LARGE;
  }

  onContinuation(
    flags: number,
    streamId: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): number {
    if (streamId === 0 || this.openStreamId !== streamId) return BlockResult.OUT_OF_ORDER;
    this.#continuations++;
    if (this.#continuations > this.#limits.continuationFramesMax) return BlockResult.TOO_LARGE;
    if (!this.#add(bytes, start, end)) return BlockResult.TOO_LARGE;
    if ((flags & Flag.END_HEADERS) === 0) return BlockResult.INCOMPLETE;
    this.bytes = this.#assembled;
    this.start = 0;
    this.end = this.#length;
    this.openStreamId = 0;
    this.#assembled = NOTHING;
    return BlockResult.COMPLETE;
  }

  /** Lets go of the block once it has been decoded. */
  release(): void {
    this.bytes = NOTHING;
  }

  #add(bytes: Uint8Array, start: number, end: number): boolean {
    const length = this.#length + end - start;
    if (length > this.#limits.fieldBlockBytesMax) return false;
    if (length > this.#assembled.length) {
      const larger = new Uint8Array(Math.max(length, this.#assembled.length * 2));
      larger.set(this.#assembled.subarray(0, this.#length));
      this.#assembled = larger;
    }
    this.#assembled.set(bytes.subarray(start, end), this.#length);
    this.#length = length;
    return true;
  }
}
