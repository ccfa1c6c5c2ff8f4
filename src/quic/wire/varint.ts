/**
 * Variable-length integers (RFC 9000 §16), read and written at a position that moves. A value of up to 62
 * bits is a number here: beyond 2^53 it is rounded up, which is harmless because no such value is ever a
 * legal offset or identifier at our limits, a limit is as good, and error codes are only reported.
 */
import { assert } from '../../base/assert.ts';

/** The largest value that is exact as a number. */
export const EXACT_MAX = Number.MAX_SAFE_INTEGER;

/** Bytes of the encoding of a value. */
export function varintBytes(value: number): number {
  if (value < 0x40) return 1;
  if (value < 0x4000) return 2;
  return value < 0x4000_0000 ? 4 : 8;
}

/** Reads within `at` and `end`. What does not fit sets `hasFailed`, gives 0 and reads no further. */
export class WireReader {
  bytes: Uint8Array = EMPTY;
  at = 0;
  end = 0;
  hasFailed = false;

  set(bytes: Uint8Array, start: number, end: number): this {
    this.bytes = bytes;
    this.at = start;
    this.end = end;
    this.hasFailed = false;
    return this;
  }

  get left(): number {
    return this.end - this.at;
  }

  #fail(): number {
    this.hasFailed = true;
    this.at = this.end;
    return 0;
  }

  byte(): number {
    return this.at < this.end ? this.bytes[this.at++]! : this.#fail();
  }

  uint32(): number {
    const { at, bytes } = this;
    if (this.end - at < 4) return this.#fail();
    this.at += 4;
    return (
      ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0
    );
  }

  varint(): number {
    const { at, bytes } = this;
    if (at >= this.end) return this.#fail();
    const first = bytes[at]!;
    const length = 1 << (first >> 6);
    if (length === 1) {
      this.at++;
      return first;
    }
    if (this.end - at < length) return this.#fail();
    this.at += length;
    if (length === 2) return ((first & 0x3f) << 8) | bytes[at + 1]!;
    const high =
      ((first & 0x3f) << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
    if (length === 4) return high;
    const low =
      ((bytes[at + 4]! << 24) | (bytes[at + 5]! << 16) | (bytes[at + 6]! << 8) | bytes[at + 7]!) >>>
      0;
    const value = high * 0x1_0000_0000 + low;
    return value <= EXACT_MAX || low === 0 ? value : (high + 1) * 0x1_0000_0000;
  }

  /** The next `length` bytes, as a view. Empty when there are not as many. */
  view(length: number): Uint8Array {
    if (length > this.end - this.at) {
      this.#fail();
      return EMPTY;
    }
    const { at } = this;
    this.at += length;
    return this.bytes.subarray(at, this.at);
  }

  /** A view of bytes whose number is told before them as a varint. */
  viewOfTold(): Uint8Array {
    return this.view(this.varint());
  }

  skip(length: number): void {
    if (length > this.end - this.at) this.#fail();
    else this.at += length;
  }
}

const EMPTY = new Uint8Array(0);

/** Writes from `at` on. Whoever writes has looked that there is room before. */
export class WireWriter {
  bytes: Uint8Array = EMPTY;
  at = 0;
  end = 0;

  set(bytes: Uint8Array, start: number, end: number): this {
    this.bytes = bytes;
    this.at = start;
    this.end = end;
    return this;
  }

  get left(): number {
    return this.end - this.at;
  }

  byte(value: number): void {
    assert(this.at < this.end, 'there is room for a byte');
    this.bytes[this.at++] = value;
  }

  uint32(value: number): void {
    assert(this.end - this.at >= 4, 'there is room for four bytes');
    const { bytes } = this;
    bytes[this.at++] = value >>> 24;
    bytes[this.at++] = (value >>> 16) & 0xff;
    bytes[this.at++] = (value >>> 8) & 0xff;
    bytes[this.at++] = value & 0xff;
  }

  varint(value: number): void {
    this.varintOf(value, varintBytes(value));
  }

  /** In an encoding of exactly `length` bytes, which may be longer than needed. */
  varintOf(value: number, length: number): void {
    assert(value >= 0 && value <= EXACT_MAX, 'a value to write is exact');
    assert(this.end - this.at >= length, 'there is room for an integer');
    const { bytes } = this;
    if (length === 1) {
      bytes[this.at++] = value;
    } else if (length === 2) {
      bytes[this.at++] = 0x40 | (value >>> 8);
      bytes[this.at++] = value & 0xff;
    } else if (length === 4) {
      this.uint32((value | 0x8000_0000) >>> 0);
    } else {
      this.uint32((Math.floor(value / 0x1_0000_0000) | 0xc000_0000) >>> 0);
      this.uint32(value % 0x1_0000_0000);
    }
  }

  put(from: Uint8Array): void {
    assert(this.end - this.at >= from.length, 'there is room for the bytes');
    this.bytes.set(from, this.at);
    this.at += from.length;
  }

  /** Bytes after their number. */
  putTold(from: Uint8Array): void {
    this.varint(from.length);
    this.put(from);
  }
}
