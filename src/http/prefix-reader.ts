/** Reads the integers and strings of HPACK and QPACK (RFC 7541 §5, RFC 9204 §4.1). */
import { decodeHuffman, huffmanDecodedMax } from './huffman.ts';

/** Reused for every string that is decoded; nothing reads it later than the string's making. */
let scratch = new Uint8Array(4_096);

export class PrefixReader {
  /** The byte after the last integer or string read; -1 when that failed. */
  position = 0;
  /** Why the last one could not be read. */
  failure = '';
  /** The string read last, in `bytes` from `start` to `end`. */
  bytes: Uint8Array = scratch;
  start = 0;
  end = 0;
  readonly #integerMax: number;
  readonly #shiftMax: number;

  /** Integers above `integerMax` are refused: a limit that RFC 7541 §5.1 asks for. */
  constructor(integerMax: number) {
    this.#integerMax = integerMax;
    // Seven bits a byte, and as many bytes as the largest integer needs.
    this.#shiftMax = Math.floor(Math.log2(integerMax) / 7) * 7 + 7;
  }

  /** RFC 7541 §5.1. Sets `position`. */
  integer(block: Uint8Array, position: number, end: number, prefixBits: number): number {
    const limit = (1 << prefixBits) - 1;
    let value = block[position++]! & limit;
    if (value < limit) {
      this.position = position;
      return value;
    }
    for (let shift = 0; shift <= this.#shiftMax; shift += 7) {
      if (position === end) {
        this.position = this.fail('an integer is cut off');
        return 0;
      }
      const byte = block[position++]!;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) {
        if (value > this.#integerMax) break;
        this.position = position;
        return value;
      }
    }
    this.position = this.fail('an integer is too large');
    return 0;
  }

  /**
   * RFC 7541 §5.2, from `position`; the bit above the prefix tells of Huffman code. Sets `bytes`,
   * `start`, `end` and `position`.
   */
  string(block: Uint8Array, end: number, prefixBits: number): boolean {
    let position = this.position;
    if (position === end) {
      this.fail('a string is missing');
      return false;
    }
    const isHuffman = (block[position]! & (1 << prefixBits)) !== 0;
    const length = this.integer(block, position, end, prefixBits);
    position = this.position;
    if (position < 0) return false;
    if (length > end - position) {
      this.fail('a string is cut off');
      return false;
    }
    this.position = position + length;
    if (!isHuffman) {
      this.bytes = block;
      this.start = position;
      this.end = position + length;
      return true;
    }
    const decodedMax = huffmanDecodedMax(length);
    if (decodedMax > scratch.length) scratch = new Uint8Array(decodedMax);
    const decoded = decodeHuffman(block, position, position + length, scratch);
    if (decoded < 0) {
      this.fail('wrong Huffman code');
      return false;
    }
    this.bytes = scratch;
    this.start = 0;
    this.end = decoded;
    return true;
  }

  fail(reason: string): -1 {
    this.failure = reason;
    this.position = -1;
    return -1;
  }
}
