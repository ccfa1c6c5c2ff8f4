/**
 * The decoder of RFC 9204: instructions of the peer's encoder and field sections in, field lines with
 * their kinds out, and instructions for the peer's encoder.
 */
import { DecoderTable, lineSize } from '../../http/decoder-table.ts';
import { FieldBlock } from '../../http/field-block.ts';
import type { DecodedFields } from '../../http/field-kind.ts';
import { FieldLineReader } from '../../http/field-line-reader.ts';
import { TABLE_ENTRY_OVERHEAD_BYTES } from '../../http/field-policy.ts';
import { CUT_OFF, InstructionBuffer, skipInteger, skipString } from './instruction-buffer.ts';
import {
  QPACK_STATIC_ENTRIES,
  qpackStaticKinds,
  qpackStaticNames,
  qpackStaticValues,
} from './static-table.ts';

/** RFC 9204 §4.1.1 wants 62 bits; what a double cannot count is no honest value. */
const INTEGER_MAX = Number.MAX_SAFE_INTEGER;

/** A byte of Huffman code is at most 30 bits long: the most encoded bytes of one byte of text. */
const ENCODED_FACTOR = 4;

export interface QpackDecoderLimits {
  /** Bytes of decoded lines; what is beyond is not decoded. */
  readonly fieldSectionBytesMax: number;
  /** SETTINGS_QPACK_MAX_TABLE_CAPACITY. */
  readonly tableBytesMax: number;
  /** SETTINGS_QPACK_BLOCKED_STREAMS. */
  readonly blockedStreamsMax: number;
}

/** What came of a field section. */
export const SectionResult = {
  DONE: 0,
  /** It needs entries that have not come: try again when `takeUnblocked` names its stream. */
  BLOCKED: 1,
  /** `failure` says why; the connection does not survive it (QPACK_DECOMPRESSION_FAILED). */
  FAILED: 2,
} as const;

export class QpackDecoder {
  readonly fields: DecodedFields = { names: [], values: [], kinds: [], count: 0, size: 0 };
  /** For the decoder stream: written by us, taken and emptied by the connection. */
  readonly instructions = new FieldBlock(0);
  readonly #limits: QpackDecoderLimits;
  readonly #table: DecoderTable;
  readonly #line = new FieldLineReader(INTEGER_MAX);
  readonly #partial = new InstructionBuffer();
  /** Streams that wait for inserts, and for how many in all. */
  readonly #blocked = new Map<number, number>();
  /** Of the section that is read. */
  #base = 0;
  #requiredInserts = 0;
  /** Inserts of which the peer's encoder knows that we have them. */
  #announcedInserts = 0;

  constructor(limits: QpackDecoderLimits) {
    this.#limits = limits;
    // RFC 9204 §3.2.3: the capacity is 0 until the encoder sets it.
    this.#table = new DecoderTable(0);
  }

  /** Why an instruction or a section could not be read. */
  get failure(): string {
    return this.#line.reader.failure;
  }

  /** True when the section decoded last was larger than the limit, so that lines are missing. */
  get isTooLarge(): boolean {
    return this.fields.size > this.#limits.fieldSectionBytesMax;
  }

  get tableBytes(): number {
    return this.#table.bytes;
  }

  get insertCount(): number {
    return this.#table.insertCount;
  }

  get blockedStreams(): number {
    return this.#blocked.size;
  }

  // ------------------------------------------------------------------ the encoder stream

  /** Bytes of the peer's encoder stream. False for QPACK_ENCODER_STREAM_ERROR. */
  receive(bytes: Uint8Array): boolean {
    const joined = this.#partial.join(bytes);
    let position = 0;
    while (position < joined.length) {
      const end = this.#instructionEnd(joined, position);
      if (end === CUT_OFF) break;
      if (end < 0) return this.#wrong('an instruction beyond the table');
      if (!this.#instruction(joined, position, end)) return false;
      position = end;
    }
    this.#partial.keep(joined, position);
    this.#announceInserts();
    return true;
  }

  /** RFC 9204 §4.3: where the instruction ends that begins here; negative as of skipString. */
  #instructionEnd(bytes: Uint8Array, position: number): number {
    const stringMax = this.#limits.tableBytesMax * ENCODED_FACTOR;
    const byte = bytes[position]!;
    if (byte >= 0x80) {
      const value = skipInteger(bytes, position, 6);
      return value < 0 ? value : skipString(bytes, value, 7, stringMax);
    }
    if (byte >= 0x40) {
      const value = skipString(bytes, position, 5, stringMax);
      return value < 0 ? value : skipString(bytes, value, 7, stringMax);
    }
    return skipInteger(bytes, position, 5);
  }

  #instruction(bytes: Uint8Array, position: number, end: number): boolean {
    const byte = bytes[position]!;
    const line = this.#line;
    const { reader } = line;
    if (byte >= 0x40) {
      if (byte < 0x80) {
        reader.position = position;
        if (!line.readName(bytes, end, 5)) return false;
      } else {
        const index = reader.integer(bytes, position, end, 6);
        if (reader.position < 0) return false;
        if ((byte & 0x40) === 0) {
          const slot = this.#table.slotOfAge(index);
          if (slot < 0) return this.#wrong('an entry named after one that is not there');
          line.setName(this.#table.names[slot]!, this.#table.kinds[slot]!);
        } else if (index >= QPACK_STATIC_ENTRIES) return this.#wrong('no such static entry');
        else line.setName(qpackStaticNames[index]!, qpackStaticKinds[index]!);
      }
      if (!line.readValue(bytes, end)) return false;
      return this.#insert(line.name, line.value, line.kind, line.size);
    }
    const value = reader.integer(bytes, position, end, 5);
    if (reader.position < 0) return false;
    if (byte >= 0x20) return this.#setCapacity(value);
    const slot = this.#table.slotOfAge(value);
    if (slot < 0) return this.#wrong('a duplicate of an entry that is not there');
    const { names, values, kinds, sizes } = this.#table;
    return this.#insert(names[slot]!, values[slot]!, kinds[slot]!, sizes[slot]!);
  }

  /** RFC 9204 §3.2.2: an entry larger than the table is an error here. */
  #insert(name: string, value: string, kind: number, size: number): boolean {
    if (size > this.#table.bytesLimit) return this.#wrong('an entry larger than the table');
    this.#table.insert(name, value, kind, size);
    return true;
  }

  #setCapacity(bytes: number): boolean {
    if (bytes > this.#limits.tableBytesMax) return this.#wrong('a table above the setting');
    this.#table.setLimit(bytes);
    return true;
  }

  /** RFC 9204 §4.4.3: at once, so that the encoder may refer to all that we have. */
  #announceInserts(): void {
    const increment = this.#table.insertCount - this.#announcedInserts;
    if (increment === 0) return;
    this.#announcedInserts = this.#table.insertCount;
    this.instructions.integer(0, 6, increment);
  }

  /** Streams whose section can be decoded now; they are not blocked any more. */
  takeUnblocked(): number[] {
    if (this.#blocked.size === 0) return [];
    const ready: number[] = [];
    for (const [streamId, required] of this.#blocked) {
      if (required <= this.#table.insertCount) ready.push(streamId);
    }
    for (const streamId of ready) this.#blocked.delete(streamId);
    return ready;
  }

  /** A stream of which no (further) section will be decoded was reset (RFC 9204 §2.2.2.2, §4.4.2). */
  cancel(streamId: number): void {
    this.#blocked.delete(streamId);
    if (this.#limits.tableBytesMax > 0) this.instructions.integer(0x40, 6, streamId);
  }

  // ------------------------------------------------------------------ field sections

  /** Decodes one whole encoded field section into `fields`. Returns a {@link SectionResult}. */
  decode(streamId: number, block: Uint8Array, start: number, end: number): number {
    const { fields } = this;
    fields.count = 0;
    fields.size = 0;
    let position = this.#prefix(block, start, end);
    if (position < 0) return SectionResult.FAILED;
    if (this.#requiredInserts > this.#table.insertCount) return this.#block(streamId);
    while (position < end && !this.isTooLarge) {
      const byte = block[position]!;
      if (byte >= 0x80) position = this.#indexed(block, position, end, (byte & 0x40) !== 0);
      else if (byte >= 0x20) position = this.#literal(block, position, end);
      else position = this.#postBase(block, position, end);
      if (position < 0) return SectionResult.FAILED;
    }
    // RFC 9204 §4.4.1.
    if (this.#requiredInserts > 0) this.instructions.integer(0x80, 7, streamId);
    return SectionResult.DONE;
  }

  /** RFC 9204 §2.1.2: a peer that blocks more than we allow has not kept to our settings. */
  #block(streamId: number): number {
    if (this.#blocked.size >= this.#limits.blockedStreamsMax && !this.#blocked.has(streamId)) {
      this.#wrong('too many blocked streams');
      return SectionResult.FAILED;
    }
    this.#blocked.set(streamId, this.#requiredInserts);
    return SectionResult.BLOCKED;
  }

  /** RFC 9204 §4.5.1. Returns the position after it, or -1. */
  #prefix(block: Uint8Array, start: number, end: number): number {
    const { reader } = this.#line;
    if (start === end) return reader.fail('headers without their prefix');
    const encoded = reader.integer(block, start, end, 8);
    if (reader.position < 0) return -1;
    this.#requiredInserts = this.#insertsOf(encoded);
    if (this.#requiredInserts < 0) return reader.fail('a wrong Required Insert Count');
    const { position } = reader;
    if (position === end) return reader.fail('headers without their base');
    const isNegative = block[position]! >= 0x80;
    const delta = reader.integer(block, position, end, 7);
    if (reader.position < 0) return -1;
    this.#base = isNegative ? this.#requiredInserts - delta - 1 : this.#requiredInserts + delta;
    return this.#base < 0 ? reader.fail('a negative base') : reader.position;
  }

  /** RFC 9204 §4.5.1.1; -1 for what no encoder makes. */
  #insertsOf(encoded: number): number {
    if (encoded === 0) return 0;
    const entriesMax = Math.floor(this.#limits.tableBytesMax / TABLE_ENTRY_OVERHEAD_BYTES);
    const range = 2 * entriesMax;
    if (encoded > range) return -1;
    const valueMax = this.#table.insertCount + entriesMax;
    let value = Math.floor(valueMax / range) * range + encoded - 1;
    if (value > valueMax) {
      if (value <= range) return -1;
      value -= range;
    }
    return value === 0 ? -1 : value;
  }

  /** RFC 9204 §4.5.2. */
  #indexed(block: Uint8Array, position: number, end: number, isStatic: boolean): number {
    const { reader } = this.#line;
    const index = reader.integer(block, position, end, 6);
    if (reader.position < 0) return -1;
    return isStatic ? this.#addStatic(index) : this.#addDynamic(this.#base - 1 - index);
  }

  /** RFC 9204 §4.5.4, §4.5.6. */
  #literal(block: Uint8Array, position: number, end: number): number {
    const byte = block[position]!;
    const line = this.#line;
    const { reader } = line;
    if (byte < 0x40) {
      reader.position = position;
      if (!line.readName(block, end, 3)) return -1;
      return this.#literalValue(block, end);
    }
    const index = reader.integer(block, position, end, 4);
    if (reader.position < 0) return -1;
    if ((byte & 0x10) === 0) {
      if (!this.#nameOf(this.#base - 1 - index)) return -1;
    } else if (index >= QPACK_STATIC_ENTRIES) return reader.fail('no such static entry');
    else line.setName(qpackStaticNames[index]!, qpackStaticKinds[index]!);
    return this.#literalValue(block, end);
  }

  /** RFC 9204 §4.5.3, §4.5.5. */
  #postBase(block: Uint8Array, position: number, end: number): number {
    const { reader } = this.#line;
    const isIndexed = block[position]! >= 0x10;
    const index = reader.integer(block, position, end, isIndexed ? 4 : 3);
    if (reader.position < 0) return -1;
    if (isIndexed) return this.#addDynamic(this.#base + index);
    return this.#nameOf(this.#base + index) ? this.#literalValue(block, end) : -1;
  }

  #literalValue(block: Uint8Array, end: number): number {
    const line = this.#line;
    if (!line.readValue(block, end)) return -1;
    this.#add(line.name, line.value, line.kind, line.size);
    return line.reader.position;
  }

  #addStatic(index: number): number {
    const { reader } = this.#line;
    if (index >= QPACK_STATIC_ENTRIES) return reader.fail('no such static entry');
    const name = qpackStaticNames[index]!;
    const value = qpackStaticValues[index]!;
    this.#add(name, value, qpackStaticKinds[index]!, lineSize(name, value));
    return reader.position;
  }

  #addDynamic(index: number): number {
    const slot = this.#slotOf(index);
    if (slot < 0) return -1;
    const { names, values, kinds, sizes } = this.#table;
    this.#add(names[slot]!, values[slot]!, kinds[slot]!, sizes[slot]!);
    return this.#line.reader.position;
  }

  #nameOf(index: number): boolean {
    const slot = this.#slotOf(index);
    if (slot < 0) return false;
    this.#line.setName(this.#table.names[slot]!, this.#table.kinds[slot]!);
    return true;
  }

  /** RFC 9204 §2.2.3: only what the Required Insert Count covers and is still there. */
  #slotOf(index: number): number {
    if (index < 0 || index >= this.#requiredInserts) {
      return this.#line.reader.fail('an index beyond the Required Insert Count');
    }
    const slot = this.#table.slotOfAge(this.#table.insertCount - 1 - index);
    return slot < 0 ? this.#line.reader.fail('an entry that was evicted') : slot;
  }

  #add(name: string, value: string, kind: number, size: number): void {
    const { fields } = this;
    fields.size += size;
    if (this.isTooLarge) return;
    const { count } = fields;
    fields.names[count] = name;
    fields.values[count] = value;
    fields.kinds[count] = kind;
    fields.count = count + 1;
  }

  #wrong(reason: string): false {
    this.#line.reader.fail(reason);
    return false;
  }
}
