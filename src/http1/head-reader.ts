/**
 * Reads a head (start line and field section) or a trailer section, over any number of chunks, and
 * finds its lines, names and values in one pass. Line ends are CRLF and nothing else; controls are
 * refused wherever they stand: whatever two parsers could read differently ends here (RFC 9112
 * §2.2, §11.2). Every refusal is made at the first byte that deserves it, so that it is the same
 * however the bytes were cut into chunks.
 */
import { assert } from '../base/assert.ts';
import { readLatin1 } from '../base/bytes.ts';
import { COLON, CR, isBlank, LF, TEXT, TOKEN } from './characters.ts';
import type { Refuse } from './message-error.ts';
import { findName } from './name-table.ts';

export interface HeadReaderInput {
  /** A head begins with a start line; trailers do not. */
  readonly kind: 'head' | 'trailers';
  readonly bytesMax: number;
  readonly startLineBytesMax: number;
  readonly fieldLinesMax: number;
  /** Empty lines passed over before a start line. */
  readonly emptyLinesMax: number;
  /**
   * What a start line must begin with: a peer of another protocol may never send the line end that
   * it would otherwise be judged by.
   */
  readonly startLinePrefix: Uint8Array;
  /**
   * Spaces and tabs between a name and its colon that are passed over. RFC 9112 §5.1: a server must
   * refuse any, while a proxy removes them from responses.
   */
  readonly blanksBeforeColonMax: number;
  readonly refuse: Refuse;
}

/** Result of `find`: all bytes were taken and the section goes on after them. */
export const INCOMPLETE = -1;

/** Numbers kept per field line: the name's start, its number in the table, value start and end. */
export const LINE_WORDS = 4;
const LINES_MAX = 256;

/** Lines of the section being read: shared, as nearly every section is read in one call. */
const sharedLines = new Int32Array(LINES_MAX * LINE_WORDS);

const Phase = { START_LINE: 0, NAME: 1, VALUE: 2 } as const;
type Phase = (typeof Phase)[keyof typeof Phase];

export class HeadReader {
  /** The bytes that the offsets below are about; `base` is the section's first. */
  bytes: Uint8Array = NOTHING;
  base = 0;
  /** Field lines, `LINE_WORDS` numbers each; offsets are relative to `base`. */
  lines = sharedLines;
  lineCount = 0;
  /** Bytes of the start line, exclusive of its line end. */
  startLineLength = 0;
  readonly #input: HeadReaderInput;
  readonly #firstPhase: Phase;
  #kept: Buffer | null = null;
  #keptLength = 0;
  #emptyLines = 0;
  #emptyLineCr = false;
  /** Where the scan goes on; offsets relative to `base`. */
  #phase: Phase;
  #scanned = 0;
  #lineStart = 0;

  constructor(input: HeadReaderInput) {
    assert(input.fieldLinesMax <= LINES_MAX, `at most ${LINES_MAX} lines can be read`);
    this.#input = input;
    this.#firstPhase = input.kind === 'head' ? Phase.START_LINE : Phase.NAME;
    this.#phase = this.#firstPhase;
  }

  /** Whether part of a section has arrived; empty lines before it do not count. */
  get hasBegun(): boolean {
    return this.#keptLength > 0;
  }

  /** Forgets everything; for the next section. */
  reset(): void {
    this.bytes = NOTHING;
    this.lines = sharedLines;
    this.lineCount = 0;
    this.#kept = null;
    this.#keptLength = 0;
    this.#emptyLines = 0;
    this.#emptyLineCr = false;
    this.#phase = this.#firstPhase;
    this.#scanned = 0;
    this.#lineStart = 0;
  }

  /**
   * Reads on in `bytes` from `offset`. Returns the offset after the section, with `bytes`, `base`
   * and `lines` set until `reset` or the return from the caller, or INCOMPLETE.
   */
  find(bytes: Uint8Array, offset: number): number {
    if (this.#keptLength === 0) {
      if (this.#firstPhase === Phase.START_LINE) offset = this.#skipEmptyLines(bytes, offset);
      if (offset === bytes.length) return INCOMPLETE;
      const end = this.#scan(bytes, offset, bytes.length);
      if (end === INCOMPLETE) this.#keep(bytes, offset);
      return end;
    }
    const before = this.#keptLength;
    this.#keep(bytes, offset);
    const end = this.#scan(this.#kept!, 0, this.#keptLength);
    return end === INCOMPLETE ? INCOMPLETE : offset + end - before;
  }

  /** The section as a byte string, line ends included, to be sliced by `lines`. */
  text(): string {
    const last = this.lineCount - 1;
    const length = last < 0 ? this.startLineLength : this.lines[last * LINE_WORDS + 3]!;
    return readLatin1(this.bytes, this.base, this.base + length);
  }

  /** RFC 9112 §2.2: a few empty lines before the start line are passed over. */
  #skipEmptyLines(bytes: Uint8Array, offset: number): number {
    let at = offset;
    for (; at < bytes.length; at++) {
      const c = bytes[at]!;
      if (this.#emptyLineCr) {
        if (c !== LF) this.#refuseBareCr();
        this.#emptyLineCr = false;
      } else if (c !== CR) {
        break;
      } else if (++this.#emptyLines > this.#input.emptyLinesMax) {
        this.#input.refuse(400, 'empty-lines', 'empty lines before the start line');
      } else {
        this.#emptyLineCr = true;
      }
    }
    return at;
  }

  /** Scans from where it stopped; returns the offset after the section, or INCOMPLETE. */
  #scan(bytes: Uint8Array, base: number, limit: number): number {
    const { bytesMax } = this.#input;
    const stop = Math.min(limit, base + bytesMax);
    const { lines } = this;
    const wordsMax = LINE_WORDS * this.#input.fieldLinesMax;
    let word = LINE_WORDS * this.lineCount;
    let phase = this.#phase;
    let lineStart = base + this.#lineStart;
    let i = base + this.#scanned;
    if (phase === Phase.START_LINE) {
      i = this.#scanStartLine(bytes, base, i, stop);
      if (i !== INCOMPLETE) {
        phase = Phase.NAME;
        lineStart = i;
      } else {
        return this.#stopInStartLine(stop - base);
      }
    }
    while (i < stop) {
      if (phase === Phase.NAME) {
        while (i < stop && TOKEN[bytes[i]!] !== 0) i++;
        if (i === stop) break;
        const nameEnd = i;
        if (isBlank(bytes[i]!)) {
          const colon = this.#afterBlanks(bytes, lineStart, i, stop);
          if (colon === stop) break;
          i = colon;
        }
        if (bytes[i] !== COLON || i === lineStart) {
          if (bytes[i] !== CR || i !== lineStart) this.#refuseName(bytes[i]!, i === lineStart);
          if (i + 1 === stop) break;
          if (bytes[i + 1] !== LF) this.#refuseBareCr();
          this.bytes = bytes;
          this.base = base;
          this.lineCount = word / LINE_WORDS;
          return i + 2;
        }
        if (word === wordsMax) this.#refuseCount();
        lines[word] = lineStart - base;
        lines[word + 1] = findName(bytes, lineStart, nameEnd);
        lines[word + 2] = ++i - base;
        phase = Phase.VALUE;
      }
      while (i < stop && TEXT[bytes[i]!] === 1) i++;
      if (i === stop) break;
      if (bytes[i] !== CR) this.#refuseByte(bytes[i]!);
      if (i + 1 === stop) break;
      if (bytes[i + 1] !== LF) this.#refuseBareCr();
      let start = base + lines[word + 2]!;
      let end = i;
      // RFC 9112 §5.1: whitespace around the value is no part of it.
      while (start < end && isBlank(bytes[start]!)) start++;
      while (end > start && isBlank(bytes[end - 1]!)) end--;
      lines[word + 2] = start - base;
      lines[word + 3] = end - base;
      word += LINE_WORDS;
      i += 2;
      lineStart = i;
      phase = Phase.NAME;
    }
    this.lineCount = word / LINE_WORDS;
    this.#phase = phase;
    this.#lineStart = lineStart - base;
    this.#scanned = i - base;
    if (stop - base === bytesMax) this.#refuseLength();
    return this.#suspend();
  }

  /** The offset of what follows the blanks at `i`, which stand after a name if anywhere. */
  #afterBlanks(bytes: Uint8Array, lineStart: number, i: number, stop: number): number {
    const { blanksBeforeColonMax } = this.#input;
    if (i === lineStart) this.#refuseName(bytes[i]!, true);
    let at = i;
    while (at < stop && isBlank(bytes[at]!)) {
      if (++at - i > blanksBeforeColonMax) this.#refuseName(bytes[i]!, false);
    }
    if (at < stop && bytes[at] !== COLON) this.#refuseName(bytes[i]!, false);
    return at;
  }

  /** Returns the offset after the start line, or INCOMPLETE. */
  #scanStartLine(bytes: Uint8Array, base: number, from: number, stop: number): number {
    const { startLineBytesMax, startLinePrefix } = this.#input;
    const lineStop = Math.min(stop, base + startLineBytesMax + 1);
    let i = from;
    for (; i < lineStop && i - base < startLinePrefix.length; i++) {
      if (bytes[i] !== startLinePrefix[i - base]) this.#refuseStart();
    }
    while (i < lineStop && TEXT[bytes[i]!] === 1) i++;
    if (i - base > startLineBytesMax) this.#refuseStartLine();
    this.#scanned = i - base;
    if (i === lineStop) return INCOMPLETE;
    if (bytes[i] !== CR) this.#refuseByte(bytes[i]!);
    if (i + 1 === stop) return INCOMPLETE;
    if (bytes[i + 1] !== LF) this.#refuseBareCr();
    this.startLineLength = i - base;
    return i + 2;
  }

  #stopInStartLine(length: number): number {
    if (length === this.#input.bytesMax) this.#refuseStartLine();
    return this.#suspend();
  }

  /** The scan goes on in another call: other sections will have used the shared lines by then. */
  #suspend(): number {
    // Trailers have no start line: their first phase may already have lines behind it.
    const hasLines = this.lineCount > 0 || this.#phase !== this.#firstPhase;
    if (this.lines === sharedLines && hasLines) {
      this.lines = sharedLines.slice(0, LINE_WORDS * (this.#input.fieldLinesMax + 1));
    }
    return INCOMPLETE;
  }

  #refuseCount(): never {
    return this.#input.refuse(431, 'too-many-headers', 'too many headers');
  }

  #keep(bytes: Uint8Array, offset: number): void {
    const length = bytes.length - offset;
    const needed = this.#keptLength + length;
    if (this.#kept === null || this.#kept.length < needed) {
      const grown = Buffer.allocUnsafeSlow(Math.max(KEPT_BYTES_MIN, 2 * needed));
      if (this.#kept !== null) grown.set(this.#kept.subarray(0, this.#keptLength));
      this.#kept = grown;
    }
    this.#kept.set(offset === 0 ? bytes : bytes.subarray(offset), this.#keptLength);
    this.#keptLength = needed;
  }

  #refuseName(byte: number, first: boolean): never {
    const { refuse } = this.#input;
    // RFC 9112 §5.2, §2.2: folded, or whitespace before the first field.
    if (first && isBlank(byte)) {
      return refuse(400, 'obs-fold', 'a header is folded or begins with whitespace');
    }
    // RFC 9112 §5.1.
    if (isBlank(byte)) {
      return refuse(400, 'space-before-colon', 'whitespace in or after a field name');
    }
    if (byte === LF || byte === CR || TEXT[byte] === 0) return this.#refuseByte(byte);
    return refuse(400, 'bad-header-name', 'a header without a valid name');
  }

  #refuseByte(byte: number): never {
    const { refuse } = this.#input;
    if (byte === LF) return refuse(400, 'bare-lf', 'a line that ends with LF alone');
    if (byte === CR) return refuse(400, 'bad-header-name', 'a header without a colon');
    const name = byte.toString(16).padStart(2, '0');
    return refuse(400, 'bad-byte', `the byte 0x${name} is not allowed here`);
  }

  #refuseBareCr(): never {
    return this.#input.refuse(400, 'bare-cr', 'a CR without LF');
  }

  #refuseStart(): never {
    return this.#input.refuse(400, 'bad-status-line', 'not the start of an HTTP/1 message');
  }

  #refuseStartLine(): never {
    return this.#input.refuse(414, 'start-line-too-long', 'the start line is too long');
  }

  #refuseLength(): never {
    const { kind, refuse } = this.#input;
    return refuse(431, `${kind}-too-long`, `the ${kind} section is too long`);
  }
}

const NOTHING = new Uint8Array(0);
/** A head that comes in pieces is usually shorter than this in all. */
const KEPT_BYTES_MIN = 2_048;
