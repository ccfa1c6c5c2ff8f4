/**
 * Walks the framing of TLS records (RFC 8446 §5.1) through any chunking of the bytes, and tells what
 * of them may be kept: headers and what is in the clear, but not what is sealed and not what are no
 * records at all, as a request sent to the wrong port with its cookies.
 */
import { TracePart } from './trace-layout.ts';

const HEADER_BYTES = 5;
const TYPE_CHANGE_CIPHER_SPEC = 20;
const TYPE_APPLICATION_DATA = 23;
/** With the largest allowance of any version (RFC 5246 §6.2.3). */
const RECORD_BYTES_MAX = 16_384 + 2_048;
/** A ClientHello as SSL 2.0 framed it (RFC 5246 §E.2), which OpenSSL still understands. */
const SSL2_LENGTH_FLAG = 0x80;
const SSL2_CLIENT_HELLO = 1;

export class RecordFraming {
  #header = 0;
  #lengthHigh = 0;
  #filled = 0;
  /** Of the record's content. */
  #remaining = 0;
  #isSealed = false;
  #isBroken = false;
  #isFirst = true;

  /**
   * Cuts the first `length` bytes into runs, each a pair in `runs`: a `TracePart`, and how many.
   * Returns how many runs; what is beyond the last that fits is for the reader to notice.
   */
  split(source: Uint8Array, length: number, runs: Int32Array): number {
    let count = 0;
    let what = -1;
    let size = 0;
    let at = 0;
    while (at < length) {
      let next: number;
      let step: number;
      if (this.#isBroken) {
        next = TracePart.framing;
        step = length - at;
      } else if (this.#remaining > 0) {
        next = this.#isSealed ? TracePart.sealed : TracePart.bytes;
        step = Math.min(this.#remaining, length - at);
        this.#remaining -= step;
      } else {
        next = TracePart.bytes;
        step = 1;
        this.#takeHeader(source[at]!);
      }
      at += step;
      if (next === what) {
        size += step;
        continue;
      }
      if (size > 0) {
        if (2 * count + 4 > runs.length) return count;
        runs[2 * count] = what;
        runs[2 * count++ + 1] = size;
      }
      what = next;
      size = step;
    }
    if (size > 0) {
      runs[2 * count] = what;
      runs[2 * count++ + 1] = size;
    }
    return count;
  }

  #takeHeader(byte: number): void {
    switch (this.#filled++) {
      case 0:
        this.#header = byte;
        return;
      case 1:
        this.#header |= byte << 8;
        return;
      case 2:
        this.#header |= byte << 16;
        return;
      case 3:
        this.#lengthHigh = byte;
        return;
      default:
        this.#endHeader((this.#lengthHigh << 8) | byte);
    }
  }

  #endHeader(length: number): void {
    const type = this.#header & 0xff;
    const second = (this.#header >> 8) & 0xff;
    const third = this.#header >> 16;
    const isFirst = this.#isFirst;
    this.#isFirst = false;
    this.#filled = 0;
    this.#remaining = length;
    this.#isSealed = type === TYPE_APPLICATION_DATA;
    const isRecord = type >= TYPE_CHANGE_CIPHER_SPEC && type <= TYPE_APPLICATION_DATA;
    if (isRecord && second === 3 && length <= RECORD_BYTES_MAX) return;
    const isSsl2 = isFirst && (type & SSL2_LENGTH_FLAG) !== 0 && third === SSL2_CLIENT_HELLO;
    const ssl2Bytes = (((type & 0x7f) << 8) | second) + 2 - HEADER_BYTES;
    if (isSsl2 && ssl2Bytes > 0) this.#remaining = ssl2Bytes;
    else this.#isBroken = true;
  }
}
