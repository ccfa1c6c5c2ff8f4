/** The encoder of RFC 7541. */

import type { FieldBlock } from '../http/field-block.ts';
import {
  isSensitive,
  isUnsent,
  SELDOM_REPEATED,
  TABLE_ENTRY_OVERHEAD_BYTES,
} from '../http/field-policy.ts';
import type { FieldSection } from '../http/field-section.ts';
import { STATIC_ENTRIES, staticFieldIndex, staticNameIndex } from './static-table.ts';

/** A literal that does not depend on, nor change, any dynamic table (RFC 7541 §6.2.2). */
export function appendLiteral(block: FieldBlock, name: string, value: string): void {
  const index = staticNameIndex(name);
  const exact = index === 0 ? 0 : staticFieldIndex(index, name, value);
  if (exact !== 0) {
    block.integer(0x80, 7, exact);
    return;
  }
  block.integer(0, 4, index);
  if (index === 0) block.string(name);
  block.string(value);
}

export class HpackEncoder {
  /** Where the lines go. */
  readonly block: FieldBlock;
  readonly #tableBytesMax: number;
  #tableBytesLimit: number;
  #tableBytes = 0;
  /** Insertion numbers by field, and the newest by name. */
  readonly #byName = new Map<string, Map<string, number>>();
  readonly #newestByName = new Map<string, number>();
  #names: string[] = [];
  #values: string[] = [];
  /** Numbers of the next entry to be inserted and of the oldest still there. */
  #next = 0;
  #oldest = 0;
  /** The smallest limit since the last block, or -1: the decoder must be told (RFC 7541 §4.2). */
  #smallestLimit = -1;

  /** `tableBytesMax` bounds what we keep, whatever the peer would allow. */
  constructor(block: FieldBlock, tableBytesMax: number) {
    this.block = block;
    this.#tableBytesMax = tableBytesMax;
    this.#tableBytesLimit = tableBytesMax;
  }

  get tableBytes(): number {
    return this.#tableBytes;
  }

  /** The peer's SETTINGS_HEADER_TABLE_SIZE. */
  setPeerLimit(bytes: number): void {
    const limit = Math.min(bytes, this.#tableBytesMax);
    if (limit === this.#tableBytesLimit) return;
    this.#tableBytesLimit = limit;
    if (this.#smallestLimit === -1 || limit < this.#smallestLimit) this.#smallestLimit = limit;
    this.#evict(0);
  }

  /** The next block must begin with a table size update: no block made elsewhere may be sent. */
  get hasPendingUpdate(): boolean {
    return this.#smallestLimit !== -1;
  }

  /** Starts a new field block. */
  begin(): void {
    this.block.length = 0;
    if (this.#smallestLimit === -1) return;
    if (this.#smallestLimit < this.#tableBytesLimit) {
      this.block.integer(0x20, 5, this.#smallestLimit);
    }
    this.block.integer(0x20, 5, this.#tableBytesLimit);
    this.#smallestLimit = -1;
  }

  /** Appends every line that may be sent; `except` names one that the caller writes itself. */
  section(fields: FieldSection, except: string): void {
    const { names, values } = fields;
    for (let i = 0; i < names.length; i++) {
      const name = names[i]!;
      if (name !== except && !isUnsent(name, values[i]!)) this.field(name, values[i]!);
    }
  }

  field(name: string, value: string): void {
    const { block } = this;
    const staticIndex = staticNameIndex(name);
    if (staticIndex !== 0) {
      const exact = staticFieldIndex(staticIndex, name, value);
      if (exact !== 0) {
        block.integer(0x80, 7, exact);
        return;
      }
    }
    if (isSensitive(name, value)) {
      this.#literal(0x10, 4, staticIndex, name, value);
      return;
    }
    const number = this.#byName.get(name)?.get(value);
    if (number !== undefined) {
      block.integer(0x80, 7, this.#index(number));
      return;
    }
    const size = name.length + value.length + TABLE_ENTRY_OVERHEAD_BYTES;
    // An entry of more than half the table would push out more than it can save.
    if (SELDOM_REPEATED.has(name) || size * 2 > this.#tableBytesLimit) {
      this.#literal(0, 4, staticIndex, name, value);
      return;
    }
    this.#literal(0x40, 6, staticIndex, name, value);
    this.#insert(name, value, size);
  }

  #literal(pattern: number, bits: number, staticIndex: number, name: string, value: string): void {
    const { block } = this;
    let index = staticIndex;
    if (index === 0) {
      const number = this.#newestByName.get(name);
      if (number !== undefined) index = this.#index(number);
    }
    block.integer(pattern, bits, index);
    if (index === 0) block.string(name);
    block.string(value);
  }

  #index(number: number): number {
    return STATIC_ENTRIES + (this.#next - number);
  }

  #insert(name: string, value: string, size: number): void {
    this.#evict(size);
    if (this.#next - this.#oldest === this.#names.length) this.#grow();
    const slot = this.#next & (this.#names.length - 1);
    this.#names[slot] = name;
    this.#values[slot] = value;
    let byValue = this.#byName.get(name);
    if (byValue === undefined) this.#byName.set(name, (byValue = new Map()));
    byValue.set(value, this.#next);
    this.#newestByName.set(name, this.#next);
    this.#next++;
    this.#tableBytes += size;
  }

  #evict(needed: number): void {
    const mask = this.#names.length - 1;
    while (this.#oldest < this.#next && this.#tableBytes + needed > this.#tableBytesLimit) {
      const slot = this.#oldest & mask;
      const name = this.#names[slot]!;
      const value = this.#values[slot]!;
      this.#tableBytes -= name.length + value.length + TABLE_ENTRY_OVERHEAD_BYTES;
      const byValue = this.#byName.get(name)!;
      if (byValue.get(value) === this.#oldest) byValue.delete(value);
      if (byValue.size === 0) this.#byName.delete(name);
      if (this.#newestByName.get(name) === this.#oldest) this.#newestByName.delete(name);
      this.#names[slot] = '';
      this.#values[slot] = '';
      this.#oldest++;
    }
  }

  #grow(): void {
    const length = Math.max(16, this.#names.length * 2);
    const names = new Array<string>(length).fill('');
    const values = new Array<string>(length).fill('');
    for (let number = this.#oldest; number < this.#next; number++) {
      const slot = number & (this.#names.length - 1);
      names[number & (length - 1)] = this.#names[slot]!;
      values[number & (length - 1)] = this.#values[slot]!;
    }
    this.#names = names;
    this.#values = values;
  }
}
