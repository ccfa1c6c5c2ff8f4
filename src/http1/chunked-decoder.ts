/**
 * The chunked coding (RFC 9112 §7.1), strictly: hexadecimal digits, extensions without controls, CRLF
 * everywhere. Works in place: chunk data is handed on as views of what was given.
 */
import { fieldNameInfo } from '../http/field-names.ts';
import { FieldSection } from '../http/field-section.ts';
import { CR, LF, TEXT } from './characters.ts';
import { parseFields } from './fields.ts';
import { HeadReader, INCOMPLETE } from './head-reader.ts';
import type { Http1Limits } from './limits.ts';
import type { Refuse } from './message-error.ts';

export interface ChunkReceiver {
  onContent(bytes: Uint8Array): void;
  onContentEnd(trailers: FieldSection | null): void;
  /** Whether to stop before the next piece of content. */
  readonly isPaused: boolean;
}

const State = {
  Size: 0,
  Extension: 1,
  SizeEnd: 2,
  Data: 3,
  DataCr: 4,
  DataLf: 5,
  Trailers: 6,
} as const;
type State = (typeof State)[keyof typeof State];

/** 2^53 / 16: a size that still has room for one more digit. */
const SIZE_BEFORE_DIGIT_MAX = 2 ** 49 - 1;

export class ChunkedDecoder {
  readonly #limits: Http1Limits;
  readonly #refuse: Refuse;
  readonly #trailers: HeadReader;
  #state: State = State.Size;
  #size = 0;
  #digits = 0;
  #lineBytes = 0;
  #extensionBytes = 0;

  constructor(limits: Http1Limits, refuse: Refuse) {
    this.#limits = limits;
    this.#refuse = refuse;
    this.#trailers = new HeadReader(
      {
        ...limits,
        headBytesMax: limits.trailerBytesMax,
        startLineBytesMax: limits.trailerBytesMax,
        emptyLinesMax: 0,
      },
      refuse,
    );
  }

  /** Decodes from `offset`; returns how far it came: less than all when paused or at the end. */
  decode(bytes: Uint8Array, offset: number, receiver: ChunkReceiver): number {
    let at = offset;
    while (at < bytes.length && !receiver.isPaused) {
      switch (this.#state) {
        case State.Size:
        case State.Extension:
        case State.SizeEnd:
          at = this.#sizeLine(bytes, at);
          break;
        case State.Data: {
          const count = Math.min(this.#size, bytes.length - at);
          this.#size -= count;
          if (this.#size === 0) this.#state = State.DataCr;
          receiver.onContent(bytes.subarray(at, at + count));
          at += count;
          break;
        }
        case State.DataCr:
          if (bytes[at] !== CR) this.#refuseChunk('chunk data is longer than its size');
          this.#state = State.DataLf;
          at++;
          break;
        case State.DataLf:
          if (bytes[at] !== LF) this.#refuseChunk('chunk data does not end with CRLF');
          this.#startSize();
          at++;
          break;
        case State.Trailers: {
          const end = this.#trailerSection(bytes, at, receiver);
          if (end !== INCOMPLETE) return end;
          return bytes.length;
        }
      }
    }
    return at;
  }

  #startSize(): void {
    this.#state = State.Size;
    this.#size = 0;
    this.#digits = 0;
    this.#lineBytes = 0;
  }

  /** chunk-size [ chunk-ext ] CRLF */
  #sizeLine(bytes: Uint8Array, offset: number): number {
    let at = offset;
    while (at < bytes.length) {
      const c = bytes[at++]!;
      if (++this.#lineBytes > this.#limits.chunkLineBytesMax) {
        this.#refuseChunk('a chunk-size line is too long');
      }
      if (this.#state === State.SizeEnd) {
        if (c !== LF) this.#refuseChunk('a CR without LF in a chunk-size line');
        this.#state = this.#size === 0 ? State.Trailers : State.Data;
        return at;
      }
      if (c === CR) {
        if (this.#digits === 0) this.#refuseChunk('a chunk without a size');
        this.#state = State.SizeEnd;
      } else if (this.#state === State.Extension) {
        this.#extension(c);
      } else {
        this.#sizeOctet(c);
      }
    }
    return at;
  }

  #sizeOctet(c: number): void {
    const digit = hexDigit(c);
    if (digit >= 0) {
      if (this.#size > SIZE_BEFORE_DIGIT_MAX) this.#refuseChunk('a chunk-size is too large');
      this.#size = this.#size * 16 + digit;
      // Zeros without end are no size either.
      if (++this.#digits > 16) this.#refuseChunk('a chunk-size has too many digits');
      return;
    }
    // RFC 9112 §7.1.1 allows whitespace around ";" only as "bad whitespace": not here.
    if (c !== 0x3b || this.#digits === 0) this.#refuseChunk('not a chunk-size');
    this.#state = State.Extension;
  }

  #extension(c: number): void {
    if (TEXT[c] !== 1) this.#refuseChunk('a control in a chunk extension');
    if (++this.#extensionBytes > this.#limits.chunkExtensionBytesMax) {
      this.#refuseChunk('too many chunk extensions');
    }
  }

  #trailerSection(bytes: Uint8Array, offset: number, receiver: ChunkReceiver): number {
    const reader = this.#trailers;
    // The section may be empty: then its end is a CRLF at once, which is no line of a head.
    if (!reader.hasBegun && bytes[offset] === CR && bytes.length - offset >= 2) {
      if (bytes[offset + 1] !== LF) this.#refuseChunk('a CR without LF after the last chunk');
      receiver.onContentEnd(null);
      return offset + 2;
    }
    if (reader.hasBegun && reader.isLoneCr) {
      if (bytes[offset] !== LF) this.#refuseChunk('a CR without LF after the last chunk');
      receiver.onContentEnd(null);
      return offset + 1;
    }
    const end = reader.find(bytes, offset);
    if (end === INCOMPLETE) return INCOMPLETE;
    const { section } = parseFields(reader, 0, this.#refuse);
    receiver.onContentEnd(allowedTrailers(section));
    return end;
  }

  #refuseChunk(message: string): never {
    return this.#refuse(400, 'bad-chunk', message);
  }
}

/** Fields that must not be in trailers are dropped (RFC 9110 §6.5.1). */
function allowedTrailers(section: FieldSection): FieldSection | null {
  const allowed = new FieldSection();
  for (const [name, value] of section) {
    if (fieldNameInfo(name)?.forbiddenInTrailers !== true) allowed.append(name, value);
  }
  return allowed.length === 0 ? null : allowed;
}

function hexDigit(c: number): number {
  if (c >= 0x30 && c <= 0x39) return c - 0x30;
  const letter = c | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}
