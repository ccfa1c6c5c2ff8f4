/** Bytes of a stream that cannot be read yet: a copy, in blocks, so that small pieces cost little. */

const BLOCK_BYTES = 2_048;

export class HeldBytes {
  readonly #chunks: Uint8Array[] = [];
  /** Bytes used of the last chunk when it has room left, else -1. */
  #tailUsed = -1;
  length = 0;
  /** The stream's end has come behind them. */
  hasFin = false;

  append(bytes: Uint8Array): void {
    this.length += bytes.length;
    const tail = this.#chunks.at(-1);
    if (tail !== undefined && this.#tailUsed >= 0) {
      if (tail.length - this.#tailUsed >= bytes.length) {
        tail.set(bytes, this.#tailUsed);
        this.#tailUsed += bytes.length;
        return;
      }
      this.#chunks[this.#chunks.length - 1] = tail.subarray(0, this.#tailUsed);
    }
    const block = new Uint8Array(Math.max(BLOCK_BYTES, bytes.length));
    block.set(bytes);
    this.#chunks.push(block);
    this.#tailUsed = bytes.length;
  }

  /** What was taken and not read stands before the rest again. */
  putBack(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.length += bytes.length;
    if (this.#chunks.length === 0) this.#tailUsed = -1;
    this.#chunks.unshift(new Uint8Array(bytes));
  }

  /** The next bytes, which are nobody else's from here on; empty when there are none. */
  take(): Uint8Array {
    const isTail = this.#chunks.length === 1 && this.#tailUsed >= 0;
    let chunk = this.#chunks.shift();
    if (chunk === undefined) return NO_BYTES;
    if (isTail) {
      chunk = chunk.subarray(0, this.#tailUsed);
      this.#tailUsed = -1;
    }
    this.length -= chunk.length;
    return chunk;
  }
}

const NO_BYTES = new Uint8Array(0);
