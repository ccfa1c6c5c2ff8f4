/** Output that the kernel has not taken yet: a queue of native blocks from a shared pool. */
import { Errno } from '../native/errno.ts';
import { NativeBuffer } from '../native/memory.ts';
import { sendNativeFrom } from '../native/sockets.ts';
import { OUTPUT_CHUNK_BYTES, OUTPUT_CHUNKS_KEPT_MAX } from './limits.ts';

export class ChunkPool implements Disposable {
  readonly #kept: NativeBuffer[] = [];
  #closed = false;

  take(): NativeBuffer {
    return this.#kept.pop() ?? NativeBuffer.allocate(OUTPUT_CHUNK_BYTES);
  }

  give(chunk: NativeBuffer): void {
    if (!this.#closed && this.#kept.length < OUTPUT_CHUNKS_KEPT_MAX) this.#kept.push(chunk);
    else chunk[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    for (const chunk of this.#kept.splice(0)) chunk[Symbol.dispose]();
  }
}

export class OutputQueue {
  readonly #pool: ChunkPool;
  readonly #chunks: NativeBuffer[] = [];
  /** First byte to send in the first block, and bytes filled in the last. */
  #headOffset = 0;
  #tailLength = 0;
  #bytes = 0;

  constructor(pool: ChunkPool) {
    this.#pool = pool;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Copies everything from `offset` on. */
  append(source: Uint8Array, offset: number): void {
    this.#bytes += source.length - offset;
    while (offset < source.length) {
      if (this.#chunks.length === 0 || this.#tailLength === OUTPUT_CHUNK_BYTES) {
        this.#chunks.push(this.#pool.take());
        this.#tailLength = 0;
      }
      const length = Math.min(source.length - offset, OUTPUT_CHUNK_BYTES - this.#tailLength);
      const tail = this.#chunks[this.#chunks.length - 1]!;
      tail.bytes.set(source.subarray(offset, offset + length), this.#tailLength);
      this.#tailLength += length;
      offset += length;
    }
  }

  /** Sends until empty or the kernel refuses. 0, or the negative errno that broke the socket. */
  send(fd: number): number {
    while (this.#chunks.length > 0) {
      const chunk = this.#chunks[0]!;
      const end = this.#chunks.length === 1 ? this.#tailLength : OUTPUT_CHUNK_BYTES;
      const length = end - this.#headOffset;
      const sent = sendNativeFrom(fd, chunk, this.#headOffset, length);
      if (sent < 0) return sent === -Errno.EAGAIN ? 0 : sent;
      this.#bytes -= sent;
      if (sent < length) {
        this.#headOffset += sent;
        return 0;
      }
      this.#chunks.shift();
      this.#headOffset = 0;
      this.#pool.give(chunk);
    }
    this.#tailLength = 0;
    return 0;
  }

  /** Drops everything. */
  clear(): void {
    for (const chunk of this.#chunks.splice(0)) this.#pool.give(chunk);
    this.#headOffset = 0;
    this.#tailLength = 0;
    this.#bytes = 0;
  }
}
