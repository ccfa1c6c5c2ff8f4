/** Content of one stream that waits for the peer's window or for the output. */

/** Small pieces are copied together into blocks of this many bytes: one DATA frame's worth. */
const BLOCK_BYTES = 16_384;

export class SendQueue {
  readonly #chunks: Uint8Array[] = [];
  /** Bytes of the first chunk that have been sent. */
  #sent = 0;
  /** Bytes used of the last chunk when it is a block of ours with room left, else -1. */
  #tailUsed = -1;
  length = 0;

  /** Keeps a copy. */
  append(bytes: Uint8Array): void {
    let offset = 0;
    while (offset < bytes.length) {
      if (this.#tailUsed < 0) {
        this.#chunks.push(new Uint8Array(Math.max(BLOCK_BYTES, bytes.length - offset)));
        this.#tailUsed = 0;
      }
      const block = this.#chunks[this.#chunks.length - 1]!;
      const count = Math.min(block.length - this.#tailUsed, bytes.length - offset);
      block.set(bytes.subarray(offset, offset + count), this.#tailUsed);
      offset += count;
      this.#tailUsed += count;
      if (this.#tailUsed === block.length) this.#tailUsed = -1;
    }
    this.length += bytes.length;
  }

  /** Keeps the bytes themselves, which must never change. */
  appendStable(bytes: Uint8Array): void {
    this.#sealTail();
    this.#chunks.push(bytes);
    this.length += bytes.length;
  }

  /** Moves the first `count` bytes to `target`. */
  moveTo(target: Uint8Array, offset: number, count: number): void {
    this.length -= count;
    while (count > 0) {
      const chunk = this.#chunks[0]!;
      const isTail = this.#chunks.length === 1 && this.#tailUsed >= 0;
      const filled = isTail ? this.#tailUsed : chunk.length;
      const taken = Math.min(count, filled - this.#sent);
      target.set(chunk.subarray(this.#sent, this.#sent + taken), offset);
      offset += taken;
      count -= taken;
      this.#sent += taken;
      if (this.#sent < filled) continue;
      this.#chunks.shift();
      this.#sent = 0;
      if (isTail) this.#tailUsed = -1;
    }
  }

  clear(): void {
    this.#chunks.length = 0;
    this.#sent = 0;
    this.#tailUsed = -1;
    this.length = 0;
  }

  /** Ends the last block where it is filled to, so that another chunk can follow it. */
  #sealTail(): void {
    if (this.#tailUsed < 0) return;
    const last = this.#chunks.length - 1;
    this.#chunks[last] = this.#chunks[last]!.subarray(0, this.#tailUsed);
    this.#tailUsed = -1;
  }
}
