/**
 * The dynamic table as a decoder keeps it (RFC 7541 §2.3.2, §4; RFC 9204 §3.2): a ring of entries with
 * the kind of each beside its text.
 */
import { TABLE_ENTRY_OVERHEAD_BYTES } from './field-policy.ts';

export class DecoderTable {
  /** By slot. The arrays are replaced when the ring grows. */
  names: string[] = [];
  values: string[] = [];
  kinds: number[] = [];
  sizes: number[] = [];
  /** Bytes that its entries count for (RFC 7541 §4.1), and how many they are. */
  bytes = 0;
  entries = 0;
  /** Entries inserted since the beginning. */
  insertCount = 0;
  #newest = -1;
  #bytesLimit: number;

  constructor(bytesLimit: number) {
    this.#bytesLimit = bytesLimit;
  }

  get bytesLimit(): number {
    return this.#bytesLimit;
  }

  setLimit(bytes: number): void {
    this.#bytesLimit = bytes;
    this.#evict(0);
  }

  /** The slot of the entry that came `age` entries before the newest; -1 when it is not there. */
  slotOfAge(age: number): number {
    if (age < 0 || age >= this.entries) return -1;
    return (this.#newest - age) & (this.names.length - 1);
  }

  /** An entry larger than the table empties it and is not kept (RFC 7541 §4.4). */
  insert(name: string, value: string, kind: number, size: number): void {
    this.#evict(size);
    if (size > this.#bytesLimit) return;
    if (this.entries === this.names.length) this.#grow();
    const slot = (this.#newest + 1) & (this.names.length - 1);
    this.names[slot] = name;
    this.values[slot] = value;
    this.kinds[slot] = kind;
    this.sizes[slot] = size;
    this.#newest = slot;
    this.entries++;
    this.insertCount++;
    this.bytes += size;
  }

  #evict(needed: number): void {
    const mask = this.names.length - 1;
    while (this.entries > 0 && this.bytes + needed > this.#bytesLimit) {
      const oldest = (this.#newest - this.entries + 1) & mask;
      this.bytes -= this.sizes[oldest]!;
      this.names[oldest] = '';
      this.values[oldest] = '';
      this.entries--;
    }
  }

  /** Doubles the ring, the oldest entry first in the new one. */
  #grow(): void {
    const length = this.names.length;
    const oldest = this.#newest - this.entries + 1;
    const names: string[] = [];
    const values: string[] = [];
    const kinds: number[] = [];
    const sizes: number[] = [];
    for (let i = 0; i < this.entries; i++) {
      const slot = (oldest + i) & (length - 1);
      names.push(this.names[slot]!);
      values.push(this.values[slot]!);
      kinds.push(this.kinds[slot]!);
      sizes.push(this.sizes[slot]!);
    }
    for (let i = this.entries; i < Math.max(16, length * 2); i++) {
      names.push('');
      values.push('');
      kinds.push(0);
      sizes.push(0);
    }
    this.names = names;
    this.values = values;
    this.kinds = kinds;
    this.sizes = sizes;
    this.#newest = this.entries - 1;
  }
}

/** Bytes that a line counts for in a table and in a field section's size (RFC 9113 §6.5.2). */
export function lineSize(name: string, value: string): number {
  return name.length + value.length + TABLE_ENTRY_OVERHEAD_BYTES;
}
