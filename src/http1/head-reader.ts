/**
 * Finds the end of a head (start line and field section) and the lines in it, over any number of
 * chunks. Line ends are CRLF and nothing else; controls are refused wherever they stand: whatever
 * two parsers could read differently ends here (RFC 9112 §2.2, §11.2).
 */
import { CR, LF, TEXT } from './characters.ts';
import type { Http1Limits } from './limits.ts';
import type { Refuse } from './message-error.ts';

/** Lines of one head: a start line, the fields, and the empty one. */
const LINES_MAX = 512;

/** Result of `find`: the head goes on after what was given. */
export const INCOMPLETE = -1;

export class HeadReader {
  /** Where each line starts and ends (exclusive of CRLF), relative to the text's start. */
  readonly lineStarts = new Int32Array(LINES_MAX);
  readonly lineEnds = new Int32Array(LINES_MAX);
  lineCount = 0;
  /** The head's octets as a byte string, valid after `find` returned an end. */
  text = '';
  readonly #limits: Http1Limits;
  readonly #refuse: Refuse;
  /** Octets of a head that began in an earlier chunk. */
  #kept: Buffer | null = null;
  #keptLength = 0;
  /** Scan state, relative to the head's first octet. */
  #scanned = 0;
  #lineStart = 0;

  constructor(limits: Http1Limits, refuse: Refuse) {
    this.#limits = limits;
    this.#refuse = refuse;
  }

  /** Whether part of a head has arrived. */
  get hasBegun(): boolean {
    return this.#keptLength > 0;
  }

  /** Nothing but a CR has arrived. */
  get isLoneCr(): boolean {
    return this.#keptLength === 1 && this.#kept![0] === CR;
  }

  /** Forgets everything; for the next head. */
  reset(): void {
    this.#keptLength = 0;
    this.#scanned = 0;
    this.#lineStart = 0;
    this.lineCount = 0;
  }

  /**
   * Reads on in `bytes` from `offset`. Returns the offset after the head, with `text` and the lines
   * set, or INCOMPLETE when all octets were taken and the head goes on.
   */
  find(bytes: Uint8Array, offset: number): number {
    if (this.#keptLength === 0) {
      const end = this.#scan(bytes, offset, bytes.length);
      if (end !== INCOMPLETE) {
        this.text = latin1(bytes, offset, end);
        return end;
      }
      this.#keep(bytes, offset, bytes.length);
      return INCOMPLETE;
    }
    const before = this.#keptLength;
    this.#keep(bytes, offset, bytes.length);
    const kept = this.#kept!;
    const end = this.#scan(kept, 0, this.#keptLength);
    if (end === INCOMPLETE) return INCOMPLETE;
    this.text = latin1(kept, 0, end);
    return offset + end - before;
  }

  /** Scans from where it stopped; `base` is the head's first octet in `bytes`. */
  #scan(bytes: Uint8Array, base: number, limit: number): number {
    const { headBytesMax } = this.#limits;
    let lineStart = this.#lineStart + base;
    let i = this.#scanned + base;
    const stop = Math.min(limit, base + headBytesMax + 1);
    while (i < stop) {
      const c = bytes[i]!;
      if (TEXT[c] === 1) {
        i++;
        continue;
      }
      if (c !== CR) this.#refuseOctet(c);
      if (i + 1 >= limit) break;
      if (bytes[i + 1] !== LF) this.#refuse(400, 'bare-cr', 'a CR without LF in the head');
      if (this.#addLine(lineStart - base, i - base)) {
        this.#scanned = 0;
        this.#lineStart = 0;
        return i + 2;
      }
      i += 2;
      lineStart = i;
    }
    this.#scanned = i - base;
    this.#lineStart = lineStart - base;
    if (i - base > headBytesMax) this.#tooLong();
    this.#checkStartLine(i - base);
    return INCOMPLETE;
  }

  /** Returns true when the line is the empty one that ends the head. */
  #addLine(start: number, end: number): boolean {
    const { emptyLinesMax, fieldLinesMax, startLineBytesMax } = this.#limits;
    if (end === start) {
      // RFC 9112 §2.2: a few empty lines before the start line are passed over.
      if (this.lineCount > 0) return true;
      if (end >= 2 * emptyLinesMax) this.#refuse(400, 'empty-lines', 'too many empty lines');
      return false;
    }
    if (this.lineCount === 0 && end - start > startLineBytesMax) this.#startLineTooLong();
    if (this.lineCount > fieldLinesMax) {
      this.#refuse(431, 'too-many-fields', 'too many field lines');
    }
    this.lineStarts[this.lineCount] = start;
    this.lineEnds[this.lineCount] = end;
    this.lineCount++;
    return false;
  }

  #checkStartLine(length: number): void {
    if (this.lineCount > 0) return;
    if (length - this.#lineStart > this.#limits.startLineBytesMax) this.#startLineTooLong();
  }

  #startLineTooLong(): never {
    return this.#refuse(414, 'start-line-too-long', 'the start line is too long');
  }

  #tooLong(): never {
    if (this.lineCount === 0) this.#startLineTooLong();
    return this.#refuse(431, 'head-too-long', 'the field section is too long');
  }

  #refuseOctet(octet: number): never {
    if (octet === LF) return this.#refuse(400, 'bare-lf', 'an LF without CR in the head');
    const name = octet.toString(16).padStart(2, '0');
    return this.#refuse(400, 'bad-octet', `the octet 0x${name} is not allowed in a head`);
  }

  #keep(bytes: Uint8Array, start: number, end: number): void {
    const length = end - start;
    const needed = this.#keptLength + length;
    if (this.#kept === null || this.#kept.length < needed) {
      const grown = Buffer.allocUnsafeSlow(Math.max(4096, 2 ** Math.ceil(Math.log2(needed))));
      if (this.#kept !== null) grown.set(this.#kept.subarray(0, this.#keptLength));
      this.#kept = grown;
    }
    this.#kept.set(bytes.subarray(start, end), this.#keptLength);
    this.#keptLength = needed;
  }
}

/** One character per octet. `bytes` is a Buffer wherever it comes from our own sockets. */
export function latin1(bytes: Uint8Array, start: number, end: number): string {
  const buffer = Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return buffer.toString('latin1', start, end);
}
