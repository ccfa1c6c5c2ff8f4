/**
 * Integers and strings of a field block as HPACK and QPACK write them (RFC 7541 §5, RFC 9204 §4.1).
 * What the bits above a prefix mean is theirs.
 */
import { writeLatin1 } from '../base/bytes.ts';
import { encodeHuffman, huffmanLength } from './huffman.ts';

/** The least that is made room for. */
const BYTES_MIN = 64;

const NOTHING = new Uint8Array(0);

/** A field block under construction. Shared by all connections: it is copied into frames at once. */
export class FieldBlock {
  bytes: Uint8Array;
  length = 0;

  /** `bytes`: room to begin with; there is always room for more. */
  constructor(bytes = 4_096) {
    this.bytes = bytes === 0 ? NOTHING : new Uint8Array(bytes);
  }

  /** Makes sure that `count` more bytes have room. */
  reserve(count: number): void {
    if (this.length + count <= this.bytes.length) return;
    const larger = new Uint8Array(Math.max(this.bytes.length * 2, this.length + count, BYTES_MIN));
    larger.set(this.bytes.subarray(0, this.length));
    this.bytes = larger;
  }

  /** Bytes that are encoded already. */
  append(bytes: Uint8Array, length: number): void {
    this.reserve(length);
    this.bytes.set(length === bytes.length ? bytes : bytes.subarray(0, length), this.length);
    this.length += length;
  }

  /** RFC 7541 §5.1; `pattern` holds the bits above the prefix. */
  integer(pattern: number, prefixBits: number, value: number): void {
    this.reserve(9);
    const limit = (1 << prefixBits) - 1;
    if (value < limit) {
      this.bytes[this.length++] = pattern | value;
      return;
    }
    this.bytes[this.length++] = pattern | limit;
    value -= limit;
    while (value >= 0x80) {
      this.bytes[this.length++] = (value & 0x7f) | 0x80;
      value = Math.floor(value / 0x80);
    }
    this.bytes[this.length++] = value;
  }

  /**
   * RFC 7541 §5.2, RFC 9204 §4.1.2; in Huffman code, which the bit above the prefix tells, when that
   * is shorter. `pattern` holds the bits above that one.
   */
  string(text: string, pattern = 0, prefixBits = 7): void {
    const coded = huffmanLength(text);
    if (coded < text.length) {
      this.integer(pattern | (1 << prefixBits), prefixBits, coded);
      this.reserve(coded);
      this.length = encodeHuffman(text, this.bytes, this.length);
      return;
    }
    this.integer(pattern, prefixBits, text.length);
    this.reserve(text.length);
    this.length = writeLatin1(text, this.bytes, this.length);
  }
}
