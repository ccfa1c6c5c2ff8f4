/** Bytes that arrived while they could not be processed, with the boundary of early data. */
export class Backlog {
  #bytes: Buffer | null = null;
  #start = 0;
  #end = 0;
  /** Before this offset all bytes are early data, after it none. */
  #earlyEnd = 0;

  get length(): number {
    return this.#end - this.#start;
  }

  /** Whether the next bytes are early data. */
  get isEarly(): boolean {
    return this.#start < this.#earlyEnd;
  }

  append(bytes: Uint8Array, early: boolean): void {
    const needed = this.length + bytes.length;
    let buffer = this.#bytes;
    if (buffer === null || this.#end + bytes.length > buffer.length) {
      // Always a new one: `next` may have handed out a view of the old.
      const grown = Buffer.allocUnsafeSlow(Math.max(BUFFER_BYTES_MIN, 2 * needed));
      if (buffer !== null) grown.set(buffer.subarray(this.#start, this.#end));
      this.#earlyEnd -= this.#start;
      this.#end -= this.#start;
      this.#start = 0;
      this.#bytes = grown;
      buffer = grown;
    }
    buffer.set(bytes, this.#end);
    this.#end += bytes.length;
    if (early) this.#earlyEnd = this.#end;
  }

  /** All that can be processed next: only early data, or none of it. Valid until `consume`. */
  next(): Uint8Array {
    const end = this.isEarly ? this.#earlyEnd : this.#end;
    return this.#bytes!.subarray(this.#start, end);
  }

  consume(count: number): void {
    this.#start += count;
    if (this.#start >= this.#end) this.clear();
  }

  clear(): void {
    this.#bytes = null;
    this.#start = 0;
    this.#end = 0;
    this.#earlyEnd = 0;
  }
}

const BUFFER_BYTES_MIN = 1_024;
