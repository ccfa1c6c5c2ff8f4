/** Reads the literals of a field block: names and values as texts, with what they are to HTTP. */
import { readLatin1 } from '../base/bytes.ts';
import { lineSize } from './decoder-table.ts';
import {
  BAD_VALUE,
  FieldKind,
  isFieldValueBytes,
  kindOfName,
  kindWithValue,
  normalizeValue,
} from './field-kind.ts';
import { internFieldName } from './field-names.ts';
import { PrefixReader } from './prefix-reader.ts';

export class FieldLineReader {
  readonly reader: PrefixReader;
  /** The line read last; a {@link FieldKind} with BAD_VALUE added when the value is malformed. */
  name = '';
  value = '';
  kind = 0;
  /** Bytes as tables and limits count them. */
  size = 0;

  constructor(integerMax: number) {
    this.reader = new PrefixReader(integerMax);
  }

  /** A literal name at the reader's position. */
  readName(block: Uint8Array, end: number, prefixBits: number): boolean {
    const { reader } = this;
    if (!reader.string(block, end, prefixBits)) return false;
    this.name = internFieldName(readLatin1(reader.bytes, reader.start, reader.end));
    this.kind = kindOfName(this.name);
    return true;
  }

  /** A name out of a table; `kind` is that of the entry. */
  setName(name: string, kind: number): void {
    this.name = name;
    this.kind = kind & ~BAD_VALUE;
  }

  /** The value at the reader's position, after the name. */
  readValue(block: Uint8Array, end: number): boolean {
    const { reader } = this;
    if (!reader.string(block, end, 7)) return false;
    const isValue = isFieldValueBytes(reader.bytes, reader.start, reader.end);
    this.value = readLatin1(reader.bytes, reader.start, reader.end);
    this.size = lineSize(this.name, this.value);
    if (!isValue) this.kind |= BAD_VALUE;
    else if (this.kind !== FieldKind.REGULAR) {
      this.kind = kindWithValue(this.kind, this.value);
      this.value = normalizeValue(this.kind, this.value);
    }
    return true;
  }
}
