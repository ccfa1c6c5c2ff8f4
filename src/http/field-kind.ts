/**
 * What a decoded field line is to HTTP/2 (RFC 9113 §8.2, §8.3) and HTTP/3 (RFC 9114 §4.2, §4.3), found
 * once when its text is read and kept in the dynamic table beside it: a field that is only an index
 * later costs no second look.
 */

import { isAuthority, parseAuthority } from './authority.ts';
import { knownFieldNames } from './field-names.ts';
import { isToken } from './made-text.ts';

export const FieldKind = {
  REGULAR: 0,
  METHOD: 1,
  SCHEME: 2,
  AUTHORITY: 3,
  PATH: 4,
  PROTOCOL: 5,
  STATUS: 6,
  UNKNOWN_PSEUDO: 7,
  /** Connection-specific (RFC 9113 §8.2.2). */
  CONNECTION: 8,
  TE: 9,
  CONTENT_LENGTH: 10,
  COOKIE: 11,
  HOST: 12,
  EXPECT: 13,
  PRIORITY: 14,
  /** The name is not lower-case or holds a character that a name cannot (RFC 9113 §8.2.1). */
  BAD_NAME: 15,
} as const;

/**
 * The field lines of the block decoded last; reused for every block of a connection. The arrays may
 * be longer than `count`.
 */
export interface DecodedFields {
  readonly names: string[];
  readonly values: string[];
  /** A {@link FieldKind}, with {@link BAD_VALUE} added when the value is malformed. */
  readonly kinds: number[];
  count: number;
  /** Bytes as SETTINGS_MAX_HEADER_LIST_SIZE counts them, of all lines (RFC 9113 §6.5.2). */
  size: number;
}

/** Set on a kind whose value breaks the rules for it. */
export const BAD_VALUE = 0x10;

const kinds = new Map<string, number>();
for (const name of knownFieldNames) kinds.set(name, FieldKind.REGULAR);
for (const [name, kind] of [
  [':method', FieldKind.METHOD],
  [':scheme', FieldKind.SCHEME],
  [':authority', FieldKind.AUTHORITY],
  [':path', FieldKind.PATH],
  [':protocol', FieldKind.PROTOCOL],
  [':status', FieldKind.STATUS],
  ['connection', FieldKind.CONNECTION],
  ['keep-alive', FieldKind.CONNECTION],
  ['proxy-connection', FieldKind.CONNECTION],
  ['transfer-encoding', FieldKind.CONNECTION],
  ['upgrade', FieldKind.CONNECTION],
  ['te', FieldKind.TE],
  ['content-length', FieldKind.CONTENT_LENGTH],
  ['cookie', FieldKind.COOKIE],
  ['host', FieldKind.HOST],
  ['expect', FieldKind.EXPECT],
  ['priority', FieldKind.PRIORITY],
] as const) {
  kinds.set(name, kind);
}

/** RFC 9110 §5.6.2: tchar, without upper-case letters (RFC 9113 §8.2.1). */
const nameCharacters = new Uint8Array(256);
for (const character of "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz") {
  nameCharacters[character.charCodeAt(0)] = 1;
}

const SCHEME = /^[a-z][a-z0-9+\-.]*$/i;
/** Bytes above 0x7f are passed on as they are, as HTTP/1 servers do; a fragment never is. */
const PATH = /^(?:\/[!"$-~\x80-\xff]*|\*)$/;
const STATUS = /^[1-9][0-9][0-9]$/;
const CONTENT_LENGTH = /^[0-9]{1,15}$/;

/** The kind of a name alone. */
export function kindOfName(name: string): number {
  const known = kinds.get(name);
  if (known !== undefined) return known;
  if (name.length === 0) return FieldKind.BAD_NAME;
  if (name.charCodeAt(0) === 0x3a) return FieldKind.UNKNOWN_PSEUDO;
  for (let i = 0; i < name.length; i++) {
    if (nameCharacters[name.charCodeAt(i)] !== 1) return FieldKind.BAD_NAME;
  }
  return FieldKind.REGULAR;
}

/**
 * Whether the bytes may be a field value: no control character but HTAB, and no white space at
 * either end. RFC 9113 §8.2.1 demands this of NUL, CR and LF only; the other controls are refused
 * because they break recipients further on (RFC 9110 §5.5 allows either).
 */
export function isFieldValueBytes(bytes: Uint8Array, start: number, end: number): boolean {
  if (start === end) return true;
  for (let i = start; i < end; i++) {
    const byte = bytes[i]!;
    if (byte < 0x20 ? byte !== 0x09 : byte === 0x7f) return false;
  }
  const first = bytes[start]!;
  const last = bytes[end - 1]!;
  return first !== 0x20 && first !== 0x09 && last !== 0x20 && last !== 0x09;
}

/** The kind with {@link BAD_VALUE} added when the value is not one that the name allows. */
export function kindWithValue(kind: number, value: string): number {
  return isAllowed(kind, value) ? kind : kind | BAD_VALUE;
}

function isAllowed(kind: number, value: string): boolean {
  switch (kind) {
    case FieldKind.METHOD:
    case FieldKind.PROTOCOL:
      return isToken(value);
    case FieldKind.SCHEME:
      return SCHEME.test(value);
    case FieldKind.AUTHORITY:
    case FieldKind.HOST:
      return isAuthority(value);
    case FieldKind.PATH:
      return PATH.test(value);
    case FieldKind.STATUS:
      return STATUS.test(value);
    case FieldKind.CONTENT_LENGTH:
      return CONTENT_LENGTH.test(value);
    case FieldKind.TE:
      // RFC 9113 §8.2.2: TE may be present only with the value "trailers".
      return value.toLowerCase() === 'trailers';
    default:
      return true;
  }
}

/** The value as it is handed up: hosts and schemes have a normal form (RFC 3986 §6.2.2.1). */
export function normalizeValue(kind: number, value: string): string {
  switch (kind) {
    case FieldKind.SCHEME:
    case FieldKind.PROTOCOL:
      return value.toLowerCase();
    case FieldKind.AUTHORITY:
    case FieldKind.HOST:
      return parseAuthority(value)?.text ?? value;
    default:
      return value;
  }
}
