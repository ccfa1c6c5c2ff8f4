/** The decoder of RFC 7541: field blocks in, field lines with their kinds out. */

import { DecoderTable, lineSize } from '../http/decoder-table.ts';
import { type DecodedFields, kindOfName, kindWithValue } from '../http/field-kind.ts';
import { FieldLineReader } from '../http/field-line-reader.ts';
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
  readonly #table: DecoderTable;
  readonly #line = new FieldLineReader(INTEGER_MAX);

  constructor(options: { fieldSectionBytesMax: number; tableBytesMax: number }) {
    this.#fieldSectionBytesMax = options.fieldSectionBytesMax;
    this.#tableBytesMax = options.tableBytesMax;
    this.#table = new DecoderTable(options.tableBytesMax);
  }

  /** Why the last block could not be decoded. */
  get failure(): string {
    return this.#line.reader.failure;
  }

  /** Bytes that the dynamic table holds (RFC 7541 §4.1), for tests and metrics. */
  get tableBytes(): number {
    return this.#table.bytes;
  }

  get tableEntries(): number {
    return this.#table.entries;
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
      index = this.#line.reader.integer(block, position, end, 7);
      position = this.#line.reader.position;
      if (position < 0) return -1;
    }
    if (index <= STATIC_ENTRIES) {
      if (index === 0) return this.#fail('index 0');
      const name = staticNames[index]!;
      const value = staticValues[index]!;
      this.#add(name, value, staticKinds[index]!, lineSize(name, value));
      return position;
    }
    const slot = this.#slot(index);
    if (slot < 0) return this.#fail('index beyond the tables');
    const { names, values, kinds, sizes } = this.#table;
    this.#add(names[slot]!, values[slot]!, kinds[slot]!, sizes[slot]!);
    return position;
  }

  /** RFC 7541 §6.2: `prefixBits` 6 adds the line to the dynamic table, 4 does not. */
  #literal(block: Uint8Array, position: number, end: number, prefixBits: number): number {
    const line = this.#line;
    const { reader } = line;
    const index = reader.integer(block, position, end, prefixBits);
    if (reader.position < 0) return -1;
    if (index === 0) {
      if (!line.readName(block, end, 7)) return -1;
    } else if (index <= STATIC_ENTRIES) {
      line.setName(staticNames[index]!, staticKinds[index]!);
    } else {
      const slot = this.#slot(index);
      if (slot < 0) return this.#fail('index beyond the tables');
      line.setName(this.#table.names[slot]!, this.#table.kinds[slot]!);
    }
    if (!line.readValue(block, end)) return -1;
    const { name, value, kind, size } = line;
    if (prefixBits === 6) this.#table.insert(name, value, kind, size);
    this.#add(name, value, kind, size);
    return reader.position;
  }

  /** RFC 7541 §6.3, §4.2: only before the first line, and not above what we allow. */
  #sizeUpdate(block: Uint8Array, position: number, end: number): number {
    if (this.fields.size > 0) return this.#fail('table size update after a header');
    const size = this.#line.reader.integer(block, position, end, 5);
    if (this.#line.reader.position < 0) return -1;
    if (size > this.#tableBytesMax) return this.#fail('table size above the setting');
    this.#table.setLimit(size);
    return this.#line.reader.position;
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

  /** The table's slot of a dynamic index, or -1. */
  #slot(index: number): number {
    return this.#table.slotOfAge(index - STATIC_ENTRIES - 1);
  }

  #fail(reason: string): -1 {
    return this.#line.reader.fail(reason);
  }
}
