/**
 * The chunked coding (RFC 9112 §7.1), strictly: hexadecimal digits, well-formed extensions, CRLF
 * everywhere. Works in place: chunk data is handed on as views of what was given. Extensions are
 * read and dropped (RFC 9112 §7.1.1): content is forwarded in chunks of our own making.
 */
import { fieldNameInfo } from '../http/field-names.ts';
import { FieldSection } from '../http/field-section.ts';
import { CR, isBlank, LF, TEXT, TOKEN } from './characters.ts';
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
  /** chunk-ext = *( BWS ";" BWS name [ BWS "=" BWS value ] ) */
  ExtensionNameStart: 1,
  ExtensionName: 2,
  AfterName: 3,
  ValueStart: 4,
  TokenValue: 5,
  QuotedValue: 6,
  QuotedPair: 7,
  AfterValue: 8,
  SizeEnd: 9,
  Data: 10,
  DataCr: 11,
  DataLf: 12,
  Trailers: 13,
  Done: 14,
} as const;
type State = (typeof State)[keyof typeof State];

/** (2^53 - 1) / 16: a size that still has room for one more digit. */
const SIZE_BEFORE_DIGIT_MAX = 2 ** 49 - 1;
/** Zeros without end are no size either: 2^53 - 1 has 14 digits. */
const SIZE_DIGITS_MAX = 16;

const NO_PREFIX = new Uint8Array(0);

const SEMICOLON = 0x3b;
const EQUALS = 0x3d;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

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
    this.#trailers = new HeadReader({
      kind: 'trailers',
      bytesMax: limits.trailerBytesMax,
      startLineBytesMax: 0,
      fieldLinesMax: limits.trailerLinesMax,
      emptyLinesMax: 0,
      startLinePrefix: NO_PREFIX,
      blanksBeforeColonMax: 0,
      refuse,
    });
  }

  /** Makes it ready for the content of another message. */
  reset(): void {
    this.#trailers.reset();
    this.#extensionBytes = 0;
    this.#startSize();
  }

  /** Decodes from `offset`; returns how far it came: less than all when paused or at the end. */
  decode(bytes: Uint8Array, offset: number, receiver: ChunkReceiver): number {
    let at = offset;
    while (at < bytes.length && !receiver.isPaused) {
      switch (this.#state) {
        case State.Data: {
          const count = Math.min(this.#size, bytes.length - at);
          this.#size -= count;
          if (this.#size === 0) this.#state = State.DataCr;
          receiver.onContent(bytes.subarray(at, at + count));
          at += count;
          break;
        }
        case State.DataCr:
          if (bytes[at] !== CR) this.#refuseChunk('chunk data is not as long as its size');
          this.#state = State.DataLf;
          at++;
          break;
        case State.DataLf:
          if (bytes[at] !== LF) this.#refuseChunk('chunk data does not end with CRLF');
          this.#startSize();
          at++;
          break;
        case State.Trailers: {
          const end = this.#trailers.find(bytes, at);
          if (end === INCOMPLETE) return bytes.length;
          this.#state = State.Done;
          receiver.onContentEnd(this.#trailerSection());
          return end;
        }
        case State.Done:
          return at;
        default:
          at = this.#sizeLine(bytes, at);
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
      if (this.#state === State.Size) {
        this.#sizeByte(c);
      } else if (this.#state === State.SizeEnd) {
        if (c !== LF) this.#refuseChunk('a CR without LF in a chunk-size line');
        this.#state = this.#size === 0 ? State.Trailers : State.Data;
        return at;
      } else {
        this.#extensionByte(c);
      }
    }
    return at;
  }

  #sizeByte(c: number): void {
    const digit = hexDigit(c);
    if (digit >= 0) {
      if (this.#size > SIZE_BEFORE_DIGIT_MAX) this.#refuseChunk('a chunk-size is too large');
      this.#size = this.#size * 16 + digit;
      if (++this.#digits > SIZE_DIGITS_MAX) this.#refuseChunk('a chunk-size has too many digits');
      return;
    }
    if (this.#digits === 0) this.#refuseChunk('not a chunk-size');
    if (c === CR) this.#state = State.SizeEnd;
    // RFC 9112 §7.1.1 has recipients accept "bad whitespace" before ";", too. Some take what stands
    // before it for the end of the size and some do not, and nobody sends it: refused.
    else if (c === SEMICOLON) this.#state = State.ExtensionNameStart;
    else this.#refuseChunk('not a chunk-size');
  }

  #extensionByte(c: number): void {
    if (++this.#extensionBytes > this.#limits.chunkExtensionBytesMax) {
      this.#refuseChunk('too many chunk extensions');
    }
    const next = nextExtensionState(this.#state, c);
    if (next === State.Size) this.#refuseChunk('not a chunk extension');
    this.#state = next;
  }

  /** Fields that must not be in trailers are dropped (RFC 9110 §6.5.1). */
  #trailerSection(): FieldSection | null {
    const reader = this.#trailers;
    if (reader.lineCount === 0) return null;
    const { section } = parseFields(reader, reader.text(), this.#refuse);
    const allowed = new FieldSection();
    for (const [name, value] of section) {
      if (fieldNameInfo(name)?.forbiddenInTrailers !== true) allowed.append(name, value);
    }
    return allowed.length === 0 ? null : allowed;
  }

  #refuseChunk(message: string): never {
    return this.#refuse(400, 'bad-chunk', message);
  }
}

/** State.Size stands for a byte that has no place there. */
function nextExtensionState(state: State, c: number): State {
  const isToken = TOKEN[c] !== 0;
  switch (state) {
    case State.ExtensionNameStart:
      if (isToken) return State.ExtensionName;
      return isBlank(c) ? state : State.Size;
    case State.ExtensionName:
      if (isToken) return state;
      if (c === EQUALS) return State.ValueStart;
      return isBlank(c) ? State.AfterName : endOfExtension(c);
    case State.AfterName:
      if (c === EQUALS) return State.ValueStart;
      // Whitespace belongs to what follows it; before the line end it is an error.
      if (c === SEMICOLON) return State.ExtensionNameStart;
      return isBlank(c) ? state : State.Size;
    case State.ValueStart:
      if (isToken) return State.TokenValue;
      if (c === QUOTE) return State.QuotedValue;
      return isBlank(c) ? state : State.Size;
    case State.TokenValue:
      return isToken ? state : isBlank(c) ? State.AfterValue : endOfExtension(c);
    case State.QuotedValue:
      if (c === QUOTE) return State.AfterValue;
      if (c === BACKSLASH) return State.QuotedPair;
      return TEXT[c] === 1 ? state : State.Size;
    case State.QuotedPair:
      return TEXT[c] === 1 ? State.QuotedValue : State.Size;
    default:
      return isBlank(c) ? State.AfterValue : endOfExtension(c);
  }
}

function endOfExtension(c: number): State {
  if (c === CR) return State.SizeEnd;
  return c === SEMICOLON ? State.ExtensionNameStart : State.Size;
}

function hexDigit(c: number): number {
  if (c >= 0x30 && c <= 0x39) return c - 0x30;
  const letter = c | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}
