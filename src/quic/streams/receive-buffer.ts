/**
 * Puts what has come out of order in order: pages of a fixed size, so that what is held is bounded by the
 * window whatever the pieces look like, and the ranges that are there, whose number is bounded.
 */
import { RangeSet } from './range-set.ts';

const PAGE_BYTES = 16_384;

/** Gets bytes in order; valid until the return. */
export interface InOrder {
  onBytes(bytes: Uint8Array, start: number): void;
}

export class ReceiveBuffer {
  /** All below has been handed over. */
  delivered = 0;
  readonly #there = new RangeSet();
  readonly #pages = new Map<number, Uint8Array>();
  readonly #gapsMax: number;

  constructor(gapsMax: number) {
    this.#gapsMax = gapsMax;
  }

  get isEmpty(): boolean {
    return this.#there.isEmpty;
  }

  /**
   * Takes a piece. What is in order goes to `to` at once, with all that it makes whole. False: there are
   * more gaps than a peer may make.
   */
  put(offset: number, bytes: Uint8Array, to: InOrder): boolean {
    const end = offset + bytes.length;
    if (end <= this.delivered) return true;
    if (offset <= this.delivered) {
      const start = this.delivered;
      this.delivered = end;
      to.onBytes(offset === start ? bytes : bytes.subarray(start - offset), start);
      if (!this.#there.isEmpty) this.#deliver(to);
      return true;
    }
    this.#there.add(offset, end);
    this.#store(offset, bytes);
    return this.#there.count <= this.#gapsMax;
  }

  #store(offset: number, bytes: Uint8Array): void {
    let from = 0;
    while (from < bytes.length) {
      const index = Math.floor((offset + from) / PAGE_BYTES);
      const at = offset + from - index * PAGE_BYTES;
      const count = Math.min(bytes.length - from, PAGE_BYTES - at);
      let page = this.#pages.get(index);
      if (page === undefined) this.#pages.set(index, (page = new Uint8Array(PAGE_BYTES)));
      page.set(bytes.subarray(from, from + count), at);
      from += count;
    }
  }

  #deliver(to: InOrder): void {
    const { pairs } = this.#there;
    while (pairs.length > 0 && pairs[0]! <= this.delivered) {
      const end = pairs[1]!;
      pairs.splice(0, 2);
      while (this.delivered < end) {
        const start = this.delivered;
        const index = Math.floor(start / PAGE_BYTES);
        const at = start - index * PAGE_BYTES;
        const count = Math.min(end - start, PAGE_BYTES - at);
        this.delivered += count;
        // Whoever gets the bytes may clear us.
        const page = this.#pages.get(index);
        if (page === undefined) return;
        to.onBytes(page.subarray(at, at + count), start);
      }
    }
    const first = Math.floor(this.delivered / PAGE_BYTES);
    for (const index of this.#pages.keys()) if (index < first) this.#pages.delete(index);
    if (pairs.length === 0) this.#pages.clear();
  }

  clear(): void {
    this.#there.pairs.length = 0;
    this.#pages.clear();
  }
}
