/** Byte strings: HTTP's strings hold one byte per char code (latin1). */
import { assertByteString } from '../base/bytes.ts';

interface ByteText {
  latin1Slice(this: Uint8Array, start: number, end: number): string;
  latin1Write(this: Uint8Array, text: string, offset: number, length: number): number;
}

const { latin1Slice, latin1Write } = Buffer.prototype as unknown as ByteText;

/** Below this a loop in JavaScript is faster than a call into C++. */
const LOOP_LENGTH_MAX = 16;

export function readLatin1(bytes: Uint8Array, start: number, end: number): string {
  return start === end ? '' : latin1Slice.call(bytes, start, end);
}

/** Writes every char code as one byte; returns the offset after the last. */
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
