/** Byte strings: one byte per char code (latin1), as HTTP/1 carries them. */
import { assert } from './assert.ts';

interface ByteText {
  latin1Slice(this: Uint8Array, start: number, end: number): string;
  latin1Write(this: Uint8Array, text: string, offset: number, length: number): number;
}

// Called on any Uint8Array: cheaper than making a Buffer of it, or than toString with an encoding.
const { latin1Slice, latin1Write } = Buffer.prototype as unknown as ByteText;

/** The bytes from `start` to `end` (exclusive) as a byte string. */
export function readLatin1(bytes: Uint8Array, start: number, end: number): string {
  return start === end ? '' : latin1Slice.call(bytes, start, end);
}

/**
 * A byte string is ours to make: a larger character would lose its high byte in silence, and what is
 * left may be a line end.
 */
export function assertByteString(text: string): void {
  assert(!/[^\0-\xff]/.test(text), 'a byte string has no character beyond U+00FF');
}

/** Below this a loop in JavaScript is faster than a call into C++. */
const LOOP_LENGTH_MAX = 16;

/** Writes every char code as one byte; there must be room. Returns the offset after the last. */
export function writeLatin1(text: string, target: Uint8Array, offset: number): number {
  assertByteString(text);
  const length = text.length;
  if (length > LOOP_LENGTH_MAX) {
    latin1Write.call(target, text, offset, length);
    return offset + length;
  }
  for (let i = 0; i < length; i++) target[offset + i] = text.charCodeAt(i);
  return offset + length;
}

/** A copy of bytes. `slice` of a Buffer, which any Uint8Array may be, is a view of the same memory. */
export function copyOfBytes(bytes: Uint8Array, start = 0, end = bytes.length): Uint8Array {
  return new Uint8Array(bytes.subarray(start, end));
}

/** A plain comparison: for what is secret its time would tell too much. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
