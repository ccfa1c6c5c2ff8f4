/** A field block that comes in more than one frame (RFC 9113 §4.3, §6.10), within limits. */
import type { Http2Limits } from './limits.ts';

const NOTHING = new Uint8Array(0);

export class FieldBlockAssembly {
  readonly #limits: Http2Limits;
  #bytes: Uint8Array = NOTHING;
  #continuations = 0;
  length = 0;
  /** The stream whose block is being assembled, or 0. */
  streamId = 0;
  endStream = false;
  early = false;
  /** The HEADERS frame makes its stream depend on itself. */
  dependsOnItself = false;

  constructor(limits: Http2Limits) {
    this.#limits = limits;
  }

  /** The fragments so far are the first `length` octets. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  begin(streamId: number, endStream: boolean, early: boolean, dependsOnItself: boolean): void {
    this.streamId = streamId;
    this.endStream = endStream;
    this.early = early;
    this.dependsOnItself = dependsOnItself;
    this.length = 0;
    this.#continuations = 0;
  }

  /** Adds the fragment of the HEADERS frame, or of a CONTINUATION frame. False: beyond the limits. */
  add(bytes: Uint8Array, start: number, end: number, isContinuation: boolean): boolean {
    const length = this.length + end - start;
    if (length > this.#limits.fieldBlockBytesMax) return false;
    if (isContinuation && ++this.#continuations > this.#limits.continuationFramesMax) return false;
    if (length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(length, this.#bytes.length * 2));
      larger.set(this.#bytes.subarray(0, this.length));
      this.#bytes = larger;
    }
    this.#bytes.set(bytes.subarray(start, end), this.length);
    this.length = length;
    return true;
  }

  /** Gives the memory back once the block has been decoded. */
  end(): void {
    this.streamId = 0;
    this.#bytes = NOTHING;
    this.length = 0;
  }
}
