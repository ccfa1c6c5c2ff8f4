/**
 * Instructions of an encoder or decoder stream come in pieces. What is not whole yet is kept, so that
 * an instruction is only read when all of it is there: nothing is decoded twice.
 */
import { FieldBlock } from '../../http/field-block.ts';

export class InstructionBuffer {
  #kept: FieldBlock | null = null;

  /** What was kept and `bytes` behind it. Valid until `keep`. */
  join(bytes: Uint8Array): Uint8Array {
    const kept = this.#kept;
    if (kept === null) return bytes;
    kept.append(bytes, bytes.length);
    return kept.bytes.subarray(0, kept.length);
  }

  /** Keeps what has not been read, of the bytes that `join` gave. */
  keep(joined: Uint8Array, from: number): void {
    const left = joined.length - from;
    if (left === 0) this.#kept = null;
    else if (this.#kept === null) {
      this.#kept = new FieldBlock(0);
      this.#kept.append(joined.subarray(from), left);
    } else {
      this.#kept.bytes.copyWithin(0, from, joined.length);
      this.#kept.length = left;
    }
  }
}

/** {@link skipInteger} and {@link skipString}: what they would skip is not all there yet. */
export const CUT_OFF = -1;
/** It is longer than the limit. */
export const TOO_LONG = -2;

/** The most bytes of an integer: RFC 9204 §4.1.1 has 62 bits, seven in each byte after the first. */
const INTEGER_BYTES_MAX = 10;

/** The position after an integer with a prefix. */
export function skipInteger(bytes: Uint8Array, position: number, prefixBits: number): number {
  const limit = (1 << prefixBits) - 1;
  if (position >= bytes.length) return CUT_OFF;
  if ((bytes[position]! & limit) < limit) return position + 1;
  for (let count = 1; count < INTEGER_BYTES_MAX; count++) {
    if (position + count >= bytes.length) return CUT_OFF;
    if (bytes[position + count]! < 0x80) return position + count + 1;
  }
  return TOO_LONG;
}

/** The position after a string whose encoded bytes are at most `bytesMax`. */
export function skipString(
  bytes: Uint8Array,
  position: number,
  prefixBits: number,
  bytesMax: number,
): number {
  const start = skipInteger(bytes, position, prefixBits);
  if (start < 0) return start;
  let length = bytes[position]! & ((1 << prefixBits) - 1);
  for (let i = position + 1, unit = 1; i < start; i++, unit *= 0x80) {
    length += (bytes[i]! & 0x7f) * unit;
  }
  if (length > bytesMax) return TOO_LONG;
  return start + length > bytes.length ? CUT_OFF : start + length;
}
