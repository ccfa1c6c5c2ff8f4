/** The decoder of RFC 7541: field blocks in, field lines with their kinds out. */

import { readLatin1 } from '../base/bytes.ts';
import {
  BAD_VALUE,
  type DecodedFields,
  FieldKind,
  isFieldValueBytes,
  kindOfName,
  kindWithValue,
  normalizeValue,
} from '../http/field-kind.ts';
import { internFieldName } from '../http/field-names.ts';
import { TABLE_ENTRY_OVERHEAD_BYTES } from '../http/field-policy.ts';
import { PrefixReader } from '../http/prefix-reader.ts';
import { STATIC_ENTRIES, staticNames, staticValues } from './static-table.ts';

/**
 * Integers above this are refused (RFC 7541 §5.1 asks for a limit): longer than any block that is
 * accepted, and small enough that no sum overflows.
 */
const INTEGER_MAX = 0x0fff_ffff;

const staticKinds = staticNames.map((name, index) =>
  kindWithValue(kindOfName(name), staticValues[index]!),
);

export class HpackDecoder {
  readonly fields: DecodedFields = { names: [], values: [], kinds: [], count: 0, size: 0 };
  /** Lines beyond this many bytes are decoded for the table's sake and dropped. */
  readonly #fieldSectionBytesMax: number;
  /** The most that we have allowed the peer (SETTINGS_HEADER_TABLE_SIZE). */
  readonly #tableBytesMax: number;
  #tableBytesLimit: number;
  #tableBytes = 0;

  // The dynamic table: a ring of entries, `#newest` the index of the last one inserted.
  #names: string[] = [];
  #values: string[] = [];
  #kinds: number[] = [];
  #sizes: number[] = [];
  #newest = -1;
  #entries = 0;

  readonly #reader = new PrefixReader(INTEGER_MAX);

  constructor(options: { fieldSectionBytesMax: number; tableBytesMax: number }) {
    this.#fieldSectionBytesMax = options.fieldSectionBytesMax;
    this.#tableBytesMax = options.tableBytesMax;
    this.#tableBytesLimit = options.tableBytesMax;
  }

  /** Why the last block could not be decoded. */
  get failure(): string {
    return this.#reader.failure;
  }

  /** Bytes that the dynamic table holds (RFC 7541 §4.1), for tests and metrics. */
  get tableBytes(): number {
    return this.#tableBytes;
  }

  get tableEntries(): number {
    return this.#entries;
  }

  /** True when the block decoded last was larger than the limit, so that lines are missing. */
  get isTooLarge(): boolean {
    return this.fields.size > this.#fieldSectionBytesMax;
  }

  /**
   * Decodes one whole field block into `fields`. Returns false on a decoding error, which the
   * connection does not survive (RFC 9113 §4.3); `failure` says what was wrong.
   */
  decode(block: Uint8Array, start: number, end: number): boolean {
    const { fields } = this;
    fields.count = 0;
    fields.size = 0;
    let position = start;
    while (position < end) {
      const byte = block[position]!;
      if (byte >= 0x80) position = this.#indexed(block, position, end);
      else if (byte >= 0x40) position = this.#literal(block, position, end, 6);
      else if (byte < 0x20) position = this.#literal(block, position, end, 4);
      else position = this.#sizeUpdate(block, position, end);
      if (position < 0) return false;
    }
    return true;
  }

  /** RFC 7541 §6.1. */
  #indexed(block: Uint8Array, position: number, end: number): number {
    let index = block[position]! & 0x7f;
    if (index < 0x7f) position++;
    else {
      index = this.#reader.integer(block, position, end, 7);
      position = this.#reader.position;
      if (position < 0) return -1;
    }
    if (index <= STATIC_ENTRIES) {
      if (index === 0) return this.#fail('index 0');
      const name = staticNames[index]!;
      const value = staticValues[index]!;
      this.#add(
        name,
        value,
        staticKinds[index]!,
        name.length + value.length + TABLE_ENTRY_OVERHEAD_BYTES,
      );
      return position;
    }
    const slot = this.#slot(index);
    if (slot < 0) return this.#fail('index beyond the tables');
    this.#add(this.#names[slot]!, this.#values[slot]!, this.#kinds[slot]!, this.#sizes[slot]!);
    return position;
  }

  /** RFC 7541 §6.2: `prefixBits` 6 adds the line to the dynamic table, 4 does not. */
  #literal(block: Uint8Array, position: number, end: number, prefixBits: number): number {
    const reader = this.#reader;
    const index = reader.integer(block, position, end, prefixBits);
    if (reader.position < 0) return -1;
    let name: string;
    let kind: number;
    if (index === 0) {
      if (!reader.string(block, end, 7)) return -1;
      name = internFieldName(readLatin1(reader.bytes, reader.start, reader.end));
      kind = kindOfName(name);
    } else if (index <= STATIC_ENTRIES) {
      name = staticNames[index]!;
      kind = staticKinds[index]! & ~BAD_VALUE;
    } else {
      const slot = this.#slot(index);
      if (slot < 0) return this.#fail('index beyond the tables');
      name = this.#names[slot]!;
      kind = this.#kinds[slot]! & ~BAD_VALUE;
    }
    if (!reader.string(block, end, 7)) return -1;
    const isValue = isFieldValueBytes(reader.bytes, reader.start, reader.end);
    let value = readLatin1(reader.bytes, reader.start, reader.end);
    const size = name.length + value.length + TABLE_ENTRY_OVERHEAD_BYTES;
    if (!isValue) kind |= BAD_VALUE;
    else if (kind !== FieldKind.REGULAR) {
      kind = kindWithValue(kind, value);
      value = normalizeValue(kind, value);
    }
    if (prefixBits === 6) this.#insert(name, value, kind, size);
    this.#add(name, value, kind, size);
    return this.#reader.position;
  }

  /** RFC 7541 §6.3, §4.2: only before the first line, and not above what we allow. */
  #sizeUpdate(block: Uint8Array, position: number, end: number): number {
    if (this.fields.size > 0) return this.#fail('table size update after a header');
    const size = this.#reader.integer(block, position, end, 5);
    if (this.#reader.position < 0) return -1;
    if (size > this.#tableBytesMax) return this.#fail('table size above the setting');
    this.#tableBytesLimit = size;
    this.#evict(0);
    return this.#reader.position;
  }

  #add(name: string, value: string, kind: number, size: number): void {
    const { fields } = this;
    fields.size += size;
    if (fields.size > this.#fieldSectionBytesMax) return;
    const { count } = fields;
    fields.names[count] = name;
    fields.values[count] = value;
    fields.kinds[count] = kind;
    fields.count = count + 1;
  }

  /** The ring's slot of a dynamic index, or -1. */
  #slot(index: number): number {
    const age = index - STATIC_ENTRIES - 1;
    if (age >= this.#entries) return -1;
    return (this.#newest - age) & (this.#names.length - 1);
  }

  #insert(name: string, value: string, kind: number, size: number): void {
    // An entry larger than the table empties it and is not kept (RFC 7541 §4.4).
    this.#evict(size);
    if (size > this.#tableBytesLimit) return;
    if (this.#entries === this.#names.length) this.#grow();
    const slot = (this.#newest + 1) & (this.#names.length - 1);
    this.#names[slot] = name;
    this.#values[slot] = value;
    this.#kinds[slot] = kind;
    this.#sizes[slot] = size;
    this.#newest = slot;
    this.#entries++;
    this.#tableBytes += size;
  }

  #evict(needed: number): void {
    const mask = this.#names.length - 1;
    while (this.#entries > 0 && this.#tableBytes + needed > this.#tableBytesLimit) {
      const oldest = (this.#newest - this.#entries + 1) & mask;
      this.#tableBytes -= this.#sizes[oldest]!;
      this.#names[oldest] = '';
      this.#values[oldest] = '';
      this.#entries--;
    }
  }

  /** Doubles the ring, the oldest entry first in the new one. */
  #grow(): void {
    const length = this.#names.length;
    const oldest = this.#newest - this.#entries + 1;
    const names: string[] = [];
    const values: string[] = [];
    const kinds: number[] = [];
    const sizes: number[] = [];
    for (let i = 0; i < this.#entries; i++) {
      const slot = (oldest + i) & (length - 1);
      names.push(this.#names[slot]!);
      values.push(this.#values[slot]!);
      kinds.push(this.#kinds[slot]!);
      sizes.push(this.#sizes[slot]!);
    }
    for (let i = this.#entries; i < Math.max(16, length * 2); i++) {
      names.push('');
      values.push('');
      kinds.push(0);
      sizes.push(0);
    }
    this.#names = names;
    this.#values = values;
    this.#kinds = kinds;
    this.#sizes = sizes;
    this.#newest = this.#entries - 1;
  }

  #fail(reason: string): -1 {
    return this.#reader.fail(reason);
  }
}
