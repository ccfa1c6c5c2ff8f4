/**
 * The encoder of RFC 9204: field lines in, encoded field sections out, and instructions for the peer's
 * decoder, which must be sent before the section that they were made for.
 */
import { lineSize } from '../../http/decoder-table.ts';
import { FieldBlock } from '../../http/field-block.ts';
import {
  isSensitive,
  isUnsent,
  SELDOM_REPEATED,
  TABLE_ENTRY_OVERHEAD_BYTES,
} from '../../http/field-policy.ts';
import type { FieldSection } from '../../http/field-section.ts';
import { PrefixReader } from '../../http/prefix-reader.ts';
import { EncoderTable, NO_ENTRY } from './encoder-table.ts';
import { CUT_OFF, InstructionBuffer, skipInteger } from './instruction-buffer.ts';
import { qpackStaticField, qpackStaticName } from './static-table.ts';

export interface QpackEncoderLimits {
  /** What we keep at most, whatever the peer would allow. */
  readonly tableBytesMax: number;
  /** Streams that we let wait for a lost instruction, whatever the peer would allow. */
  readonly blockedStreamsMax: number;
  /** Sections of which the peer has not said that it has them; more refer to nothing. */
  readonly unacknowledgedSectionsMax: number;
}

/** A section that refers to the dynamic table and was not acknowledged. */
interface SentSection {
  readonly oldest: number;
  readonly requiredInserts: number;
}

export class QpackEncoder {
  /** The section that is encoded: `prefix` and then `lines`. Shared with other connections. */
  readonly prefix: FieldBlock;
  readonly lines: FieldBlock;
  /** For the encoder stream: written by us, taken and emptied by the connection before a section. */
  readonly instructions = new FieldBlock(0);
  /** The encoder stream is held up: nothing is inserted (RFC 9204 §2.1.3). */
  isHeldUp = false;
  failure = '';
  readonly #limits: QpackEncoderLimits;
  readonly #table = new EncoderTable();
  readonly #partial = new InstructionBuffer();
  readonly #reader = new PrefixReader(Number.MAX_SAFE_INTEGER);
  /** By stream, oldest first. */
  readonly #sent = new Map<number, SentSection[]>();
  #sentCount = 0;
  #peerTableBytesMax = 0;
  #peerBlockedStreamsMax = 0;

  // Of the section that is encoded.
  #streamId = 0;
  #base = 0;
  #oldest = NO_ENTRY;
  #requiredInserts = 0;
  #usesTable = false;
  #mayBlock = false;

  constructor(blocks: { prefix: FieldBlock; lines: FieldBlock }, limits: QpackEncoderLimits) {
    this.prefix = blocks.prefix;
    this.lines = blocks.lines;
    this.#limits = limits;
  }

  get tableBytes(): number {
    return this.#table.bytes;
  }

  get insertCount(): number {
    return this.#table.insertCount;
  }

  get unacknowledgedSections(): number {
    return this.#sentCount;
  }

  /** The peer's SETTINGS_QPACK_MAX_TABLE_CAPACITY and SETTINGS_QPACK_BLOCKED_STREAMS, once. */
  setPeerLimits(tableBytesMax: number, blockedStreamsMax: number): void {
    this.#peerTableBytesMax = tableBytesMax;
    this.#peerBlockedStreamsMax = Math.min(blockedStreamsMax, this.#limits.blockedStreamsMax);
    const bytes = Math.min(tableBytesMax, this.#limits.tableBytesMax);
    if (bytes < TABLE_ENTRY_OVERHEAD_BYTES) return;
    this.#table.setLimit(bytes);
    // RFC 9204 §4.3.1.
    this.instructions.integer(0x20, 5, bytes);
  }

  // ------------------------------------------------------------------ sections

  /** Begins a section on a stream; `end` finishes it. */
  begin(streamId: number): void {
    this.lines.length = 0;
    this.#streamId = streamId;
    this.#base = this.#table.insertCount;
    this.#oldest = NO_ENTRY;
    this.#requiredInserts = 0;
    this.#usesTable =
      this.#table.bytesLimit > 0 && this.#sentCount < this.#limits.unacknowledgedSectionsMax;
    this.#mayBlock = this.#usesTable && this.#mayStreamBlock(streamId);
  }

  /** Every line that may be sent; `except` names one that the caller writes itself. */
  section(fields: FieldSection, except: string): void {
    const { names, values } = fields;
    for (let i = 0; i < names.length; i++) {
      const name = names[i]!;
      if (name !== except && !isUnsent(name, values[i]!)) this.field(name, values[i]!);
    }
  }

  field(name: string, value: string): void {
    const { lines } = this;
    const exact = qpackStaticField(name, value);
    if (exact >= 0) {
      lines.integer(0xc0, 6, exact);
      return;
    }
    if (isSensitive(name, value)) appendQpackLiteral(lines, name, value, true);
    else if (!this.#usesTable) appendQpackLiteral(lines, name, value);
    else this.#dynamicField(name, value);
  }

  /** Writes `prefix` (RFC 9204 §4.5.1) and remembers what the section refers to. */
  end(): void {
    const { prefix } = this;
    prefix.length = 0;
    const required = this.#requiredInserts;
    if (required === 0) {
      prefix.integer(0, 8, 0);
      prefix.integer(0, 7, 0);
      return;
    }
    const entriesMax = Math.floor(this.#peerTableBytesMax / TABLE_ENTRY_OVERHEAD_BYTES);
    prefix.integer(0, 8, (required % (2 * entriesMax)) + 1);
    if (this.#base >= required) prefix.integer(0, 7, this.#base - required);
    else prefix.integer(0x80, 7, required - this.#base - 1);
    this.#table.hold(this.#oldest);
    this.#sentCount++;
    const section = { oldest: this.#oldest, requiredInserts: required };
    const sections = this.#sent.get(this.#streamId);
    if (sections === undefined) this.#sent.set(this.#streamId, [section]);
    else sections.push(section);
  }

  /** RFC 9204 §2.1.2: a stream waits for inserts that the decoder may not have yet. */
  #mayStreamBlock(streamId: number): boolean {
    let waiting = 0;
    for (const [id, sections] of this.#sent) {
      if (!sections.some((one) => one.requiredInserts > this.#table.knownInserts)) continue;
      if (id === streamId) return true;
      waiting++;
    }
    return waiting < this.#peerBlockedStreamsMax;
  }

  #dynamicField(name: string, value: string): void {
    const table = this.#table;
    const found = table.find(name, value);
    if (found !== NO_ENTRY && !table.isDraining(found) && this.#mayRefer(found)) {
      this.#indexed(found);
      return;
    }
    const inserted = this.#insert(name, value, found);
    if (inserted !== NO_ENTRY && this.#mayRefer(inserted)) this.#indexed(inserted);
    else this.#literal(name, value);
  }

  #mayRefer(number: number): boolean {
    return number < this.#table.knownInserts || this.#mayBlock;
  }

  #refer(number: number): void {
    if (this.#oldest === NO_ENTRY || number < this.#oldest) this.#oldest = number;
    if (number >= this.#requiredInserts) this.#requiredInserts = number + 1;
  }

  /** RFC 9204 §4.5.2, §4.5.3. */
  #indexed(number: number): void {
    this.#refer(number);
    if (number < this.#base) this.lines.integer(0x80, 6, this.#base - 1 - number);
    else this.lines.integer(0x10, 4, number - this.#base);
  }

  /** RFC 9204 §4.5.4, §4.5.5, §4.5.6. */
  #literal(name: string, value: string): void {
    const { lines } = this;
    const number = qpackStaticName(name) >= 0 ? NO_ENTRY : this.#table.findName(name);
    if (number === NO_ENTRY || this.#table.isDraining(number) || !this.#mayRefer(number)) {
      appendQpackLiteral(lines, name, value);
      return;
    }
    this.#refer(number);
    if (number < this.#base) lines.integer(0x40, 4, this.#base - 1 - number);
    else lines.integer(0, 3, number - this.#base);
    lines.string(value);
  }

  /** RFC 9204 §4.3.2 to §4.3.4. `found`: an entry that says the same, or NO_ENTRY. */
  #insert(name: string, value: string, found: number): number {
    const table = this.#table;
    // An entry of more than half the table would push out more than it can save.
    if (this.isHeldUp || SELDOM_REPEATED.has(name)) return NO_ENTRY;
    if (lineSize(name, value) * 2 > table.bytesLimit) return NO_ENTRY;
    // There already, but the decoder may not have it yet, and this section may not wait for it.
    if (found !== NO_ENTRY && !table.isDraining(found)) return NO_ENTRY;
    const before = table.insertCount;
    const named = table.findName(name);
    // What this section refers to is not held yet: it must not be evicted for its own next line.
    const isHolding = this.#oldest !== NO_ENTRY;
    if (isHolding) table.hold(this.#oldest);
    // The instruction names an entry as it is before the insertion: that may evict it all the same.
    const number = table.insert(name, value);
    if (isHolding) table.release(this.#oldest);
    if (number === NO_ENTRY) return NO_ENTRY;
    const { instructions } = this;
    const staticName = qpackStaticName(name);
    if (found !== NO_ENTRY) instructions.integer(0, 5, before - 1 - found);
    else {
      if (staticName >= 0) instructions.integer(0xc0, 6, staticName);
      else if (named !== NO_ENTRY) instructions.integer(0x80, 6, before - 1 - named);
      else instructions.string(name, 0x40, 5);
      instructions.string(value);
    }
    return number;
  }

  // ------------------------------------------------------------------ the decoder stream

  /** Bytes of the peer's decoder stream. False for QPACK_DECODER_STREAM_ERROR: `failure` says why. */
  receive(bytes: Uint8Array): boolean {
    const joined = this.#partial.join(bytes);
    let position = 0;
    while (position < joined.length) {
      const byte = joined[position]!;
      const prefixBits = byte >= 0x80 ? 7 : 6;
      const end = skipInteger(joined, position, prefixBits);
      if (end === CUT_OFF) break;
      const value = this.#reader.integer(joined, position, joined.length, prefixBits);
      if (this.#reader.position < 0 || end < 0) return this.#wrong('an integer is too large');
      if (byte >= 0x80) {
        if (!this.#onAcknowledged(value)) return false;
      } else if (byte >= 0x40) this.#onCancelled(value);
      else if (!this.#onIncrement(value)) return false;
      position = end;
    }
    this.#partial.keep(joined, position);
    return true;
  }

  /** RFC 9204 §4.4.1. */
  #onAcknowledged(streamId: number): boolean {
    const sections = this.#sent.get(streamId);
    const section = sections?.shift();
    if (section === undefined) return this.#wrong('an acknowledgement of nothing');
    if (sections!.length === 0) this.#sent.delete(streamId);
    this.#forget(section);
    if (section.requiredInserts > this.#table.knownInserts) {
      this.#table.knownInserts = section.requiredInserts;
    }
    return true;
  }

  /** RFC 9204 §4.4.2. */
  #onCancelled(streamId: number): void {
    const sections = this.#sent.get(streamId);
    if (sections === undefined) return;
    this.#sent.delete(streamId);
    for (const section of sections) this.#forget(section);
  }

  /** RFC 9204 §4.4.3. */
  #onIncrement(increment: number): boolean {
    const known = this.#table.knownInserts + increment;
    if (increment === 0 || known > this.#table.insertCount) {
      return this.#wrong('an increment beyond what was inserted');
    }
    this.#table.knownInserts = known;
    return true;
  }

  #forget(section: SentSection): void {
    this.#sentCount--;
    this.#table.release(section.oldest);
  }

  #wrong(reason: string): false {
    this.failure = reason;
    return false;
  }
}

/**
 * A line that does not depend on, nor change, the dynamic table (RFC 9204 §4.5.2, §4.5.4, §4.5.6).
 * `isNever`: no intermediary may index it (RFC 9204 §7.1.3).
 */
export function appendQpackLiteral(
  lines: FieldBlock,
  name: string,
  value: string,
  isNever = false,
): void {
  const index = qpackStaticName(name);
  if (index >= 0) lines.integer(isNever ? 0x70 : 0x50, 4, index);
  else lines.string(name, isNever ? 0x30 : 0x20, 3);
  lines.string(value);
}
