/**
 * The dynamic table as an encoder keeps it (RFC 9204 §2.1, §3.2): entries found by their text, and what
 * of them the decoder is known to have, or may still look at.
 */
import { lineSize } from '../../http/decoder-table.ts';

/** Entries among the oldest quarter are not referred to any more, so that they can be evicted. */
const DRAINING_DIVISOR = 4;

/** What is not in the table. */
export const NO_ENTRY = -1;

export class EncoderTable {
  /** Insertion numbers by field, and the newest by name. */
  #byName: Map<string, Map<string, number>> | null = null;
  #newestByName: Map<string, number> | null = null;
  #names: string[] = [];
  #values: string[] = [];
  /** Bytes inserted before each entry, since the beginning. */
  #offsets: number[] = [];
  /** Sections that have not been acknowledged and refer to nothing older than this entry. */
  #sections: number[] = [];
  #bytesLimit = 0;
  #bytes = 0;
  #insertedBytes = 0;
  #oldest = 0;
  /** Entries inserted since the beginning: the number of the next one. */
  insertCount = 0;
  /** Of these, the ones that the decoder has told us it has. */
  knownInserts = 0;

  get bytesLimit(): number {
    return this.#bytesLimit;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Only while the table is empty: we set its capacity once. */
  setLimit(bytes: number): void {
    this.#bytesLimit = bytes;
  }

  find(name: string, value: string): number {
    return this.#byName?.get(name)?.get(value) ?? NO_ENTRY;
  }

  findName(name: string): number {
    return this.#newestByName?.get(name) ?? NO_ENTRY;
  }

  /** So old that it is soon to be evicted. */
  isDraining(number: number): boolean {
    const behind = this.#insertedBytes - this.#offsets[number & (this.#names.length - 1)]!;
    return behind > this.#bytesLimit - Math.floor(this.#bytesLimit / DRAINING_DIVISOR);
  }

  /** Inserts an entry if what must go for it may go (RFC 9204 §2.1.1). Its number, or NO_ENTRY. */
  insert(name: string, value: string): number {
    const size = lineSize(name, value);
    if (!this.#makeRoom(size)) return NO_ENTRY;
    if (this.insertCount - this.#oldest === this.#names.length) this.#grow();
    const number = this.insertCount++;
    const slot = number & (this.#names.length - 1);
    this.#names[slot] = name;
    this.#values[slot] = value;
    this.#offsets[slot] = this.#insertedBytes;
    this.#sections[slot] = 0;
    this.#byName ??= new Map();
    this.#newestByName ??= new Map();
    let byValue = this.#byName.get(name);
    if (byValue === undefined) this.#byName.set(name, (byValue = new Map()));
    byValue.set(value, number);
    this.#newestByName.set(name, number);
    this.#bytes += size;
    this.#insertedBytes += size;
    return number;
  }

  /** A section that refers to `oldest` and newer ones is on its way; `release` when it has come. */
  hold(oldest: number): void {
    this.#sections[oldest & (this.#names.length - 1)]!++;
  }

  release(oldest: number): void {
    this.#sections[oldest & (this.#names.length - 1)]!--;
  }

  #makeRoom(size: number): boolean {
    if (size > this.#bytesLimit) return false;
    // First whether all that must go may go: nothing is evicted for an entry that finds no room.
    let free = this.#bytesLimit - this.#bytes;
    let last = this.#oldest;
    while (free < size) {
      const slot = last & (this.#names.length - 1);
      if (last >= this.knownInserts || this.#sections[slot]! > 0) return false;
      free += lineSize(this.#names[slot]!, this.#values[slot]!);
      last++;
    }
    while (this.#oldest < last) this.#evictOldest();
    return true;
  }

  #evictOldest(): void {
    const slot = this.#oldest & (this.#names.length - 1);
    const name = this.#names[slot]!;
    const value = this.#values[slot]!;
    this.#bytes -= lineSize(name, value);
    const byName = this.#byName!;
    const newestByName = this.#newestByName!;
    const byValue = byName.get(name)!;
    if (byValue.get(value) === this.#oldest) byValue.delete(value);
    if (byValue.size === 0) byName.delete(name);
    if (newestByName.get(name) === this.#oldest) newestByName.delete(name);
    this.#names[slot] = '';
    this.#values[slot] = '';
    this.#oldest++;
  }

  #grow(): void {
    const mask = this.#names.length - 1;
    const length = Math.max(16, this.#names.length * 2);
    const names = new Array<string>(length).fill('');
    const values = new Array<string>(length).fill('');
    const offsets = new Array<number>(length).fill(0);
    const sections = new Array<number>(length).fill(0);
    for (let number = this.#oldest; number < this.insertCount; number++) {
      const from = number & mask;
      const to = number & (length - 1);
      names[to] = this.#names[from]!;
      values[to] = this.#values[from]!;
      offsets[to] = this.#offsets[from]!;
      sections[to] = this.#sections[from]!;
    }
    this.#names = names;
    this.#values = values;
    this.#offsets = offsets;
    this.#sections = sections;
  }
}
