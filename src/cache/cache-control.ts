/**
 * Cache-Control for requests and responses (RFC 9111 §5.2), the RFC 5861 extensions, targeted
 * fields (RFC 9213), and the older Surrogate-Control and Pragma.
 *
 * Deltas are whole seconds, {@link ABSENT} when the directive is not there. What is malformed is
 * read in the direction that serves less from the cache: an invalid lifetime is 0 (RFC 9111 §4.2.1,
 * "considered stale"), and of duplicates the most restrictive counts.
 */
import type { FieldSection } from '../http/field-section.ts';

export const ABSENT = -1;

/** RFC 9111 §1.2.2: a larger value is read as this one (in seconds, 68 years). */
export const DELTA_SECONDS_MAX = 2_147_483_648;

export interface ResponseDirectives {
  readonly maxAge: number;
  readonly sMaxage: number;
  readonly staleWhileRevalidate: number;
  readonly staleIfError: number;
  readonly noCache: boolean;
  /** Field names of a qualified no-cache (RFC 9111 §5.2.2.4), lower-case. */
  readonly noCacheFields: readonly string[];
  readonly noStore: boolean;
  readonly private: boolean;
  /** Field names of a qualified private (RFC 9111 §5.2.2.7), lower-case. */
  readonly privateFields: readonly string[];
  readonly public: boolean;
  readonly mustRevalidate: boolean;
  readonly proxyRevalidate: boolean;
  readonly mustUnderstand: boolean;
  readonly noTransform: boolean;
  readonly immutable: boolean;
}

export interface RequestDirectives {
  readonly maxAge: number;
  /** Infinity for max-stale without an argument (RFC 9111 §5.2.1.2). */
  readonly maxStale: number;
  readonly minFresh: number;
  /** RFC 5861 §4 lets the client ask for it too. */
  readonly staleIfError: number;
  readonly noCache: boolean;
  readonly noStore: boolean;
  readonly noTransform: boolean;
  readonly onlyIfCached: boolean;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const NO_NAMES: readonly string[] = [];

/** The directives of a request that has none: shared, so that usual requests allocate nothing. */
export const NO_REQUEST_DIRECTIVES: RequestDirectives = Object.freeze(emptyRequest());

export const NO_RESPONSE_DIRECTIVES: ResponseDirectives = Object.freeze(emptyResponse());

/** Cache-Control of a request; Pragma: no-cache counts when there is no Cache-Control. */
export function requestDirectives(fields: FieldSection): RequestDirectives {
  const value = fields.combined('cache-control');
  if (value !== undefined) return parseRequestDirectives(value);
  // RFC 9111 §5.4: Pragma is for requests of HTTP/1.0 clients only.
  const pragma = fields.combined('pragma');
  if (pragma === undefined || !hasNoCache(pragma)) return NO_REQUEST_DIRECTIVES;
  return { ...NO_REQUEST_DIRECTIVES, noCache: true };
}

export function parseRequestDirectives(value: string): RequestDirectives {
  const result = emptyRequest();
  forEachDirective(value, (name, argument) => {
    switch (name) {
      case 'max-age':
        result.maxAge = least(result.maxAge, lifetime(argument));
        break;
      case 'max-stale':
        result.maxStale = least(result.maxStale, staleAllowance(argument));
        break;
      case 'min-fresh':
        result.minFresh = Math.max(result.minFresh, deltaSeconds(argument));
        break;
      case 'stale-if-error':
        result.staleIfError = least(result.staleIfError, deltaSeconds(argument));
        break;
      case 'no-cache':
        result.noCache = true;
        break;
      case 'no-store':
        result.noStore = true;
        break;
      case 'no-transform':
        result.noTransform = true;
        break;
      case 'only-if-cached':
        result.onlyIfCached = true;
        break;
    }
  });
  return result;
}

/** Values parsed lately: origins send few different ones, and stored responses share the result. */
const parsedResponses = new Map<string, ResponseDirectives>();
const PARSED_KEPT_MAX = 1_024;
const PARSED_LENGTH_MAX = 256;

export function parseResponseDirectives(value: string): ResponseDirectives {
  if (value.length > PARSED_LENGTH_MAX) return readResponseDirectives(value);
  let directives = parsedResponses.get(value);
  if (directives === undefined) {
    directives = Object.freeze(readResponseDirectives(value));
    if (parsedResponses.size >= PARSED_KEPT_MAX) parsedResponses.clear();
    parsedResponses.set(value, directives);
  }
  return directives;
}

function readResponseDirectives(value: string): ResponseDirectives {
  const result = emptyResponse();
  forEachDirective(value, (name, argument) => setResponseDirective(result, name, argument));
  return result;
}

function setResponseDirective(
  result: Mutable<ResponseDirectives>,
  name: string,
  argument: string | undefined,
): void {
  switch (name) {
    case 'max-age':
      result.maxAge = least(result.maxAge, lifetime(argument));
      break;
    case 's-maxage':
      result.sMaxage = least(result.sMaxage, lifetime(argument));
      break;
    case 'stale-while-revalidate':
      result.staleWhileRevalidate = least(result.staleWhileRevalidate, lifetime(argument));
      break;
    case 'stale-if-error':
      result.staleIfError = least(result.staleIfError, lifetime(argument));
      break;
    case 'no-cache': {
      const names = fieldNames(argument);
      if (names.length === 0) result.noCache = true;
      else result.noCacheFields = [...result.noCacheFields, ...names];
      break;
    }
    case 'private': {
      const names = fieldNames(argument);
      if (names.length === 0) result.private = true;
      else result.privateFields = [...result.privateFields, ...names];
      break;
    }
    default:
      setResponseFlag(result, name);
  }
}

function setResponseFlag(result: Mutable<ResponseDirectives>, name: string): void {
  switch (name) {
    case 'no-store':
      result.noStore = true;
      break;
    case 'public':
      result.public = true;
      break;
    case 'must-revalidate':
      result.mustRevalidate = true;
      break;
    case 'proxy-revalidate':
      result.proxyRevalidate = true;
      break;
    case 'must-understand':
      result.mustUnderstand = true;
      break;
    case 'no-transform':
      result.noTransform = true;
      break;
    case 'immutable':
      result.immutable = true;
      break;
  }
}

/**
 * Calls back for each directive with its lower-case name and its argument, unquoted; undefined when
 * it has none. Whitespace around `=` is no part of the grammar: `max-age =1` has the argument
 * `' =1'`, which no delta accepts, so the lifetime is invalid and not merely ignored.
 */
function forEachDirective(
  value: string,
  onDirective: (name: string, argument: string | undefined) => void,
): void {
  const length = value.length;
  let i = 0;
  while (i < length) {
    while (i < length && isSeparator(value.charCodeAt(i))) i++;
    const start = i;
    while (i < length && isTokenCode(value.charCodeAt(i))) i++;
    const name = value.slice(start, i).toLowerCase();
    const argumentStart = i;
    let argument: string | undefined;
    if (i < length && value[i] === '=') {
      i++;
      if (value[i] === '"') {
        const end = quotedEnd(value, i);
        argument = unquote(value.slice(i, end));
        i = end;
      }
    }
    const rest = i;
    while (i < length && value[i] !== ',') i = value[i] === '"' ? quotedEnd(value, i) : i + 1;
    const tail = value.slice(rest, i).trimEnd();
    if (argument === undefined) {
      if (rest > argumentStart) argument = tail;
      else if (tail !== '') argument = value.slice(argumentStart, i).trimEnd();
    } else if (tail !== '') {
      argument += tail;
    }
    if (name !== '') onDirective(name, argument);
  }
}

function isSeparator(code: number): boolean {
  return code === 0x2c || code === 0x20 || code === 0x09;
}

/** RFC 9110 §5.6.2 tchar. */
function isTokenCode(code: number): boolean {
  if (code >= 0x61 && code <= 0x7a) return true;
  if (code === 0x2d || (code >= 0x41 && code <= 0x5a) || (code >= 0x30 && code <= 0x39))
    return true;
  return "!#$%&'*+.^_`|~".includes(String.fromCharCode(code));
}

/** The index after the closing quote; the end of the text when it is missing. */
function quotedEnd(value: string, open: number): number {
  let i = open + 1;
  while (i < value.length && value[i] !== '"') i += value[i] === '\\' ? 2 : 1;
  return Math.min(i + 1, value.length);
}

function unquote(quoted: string): string {
  const end = quoted.length > 1 && quoted.endsWith('"') ? quoted.length - 1 : quoted.length;
  return quoted.slice(1, end).replace(/\\(.)/g, '$1');
}

function fieldNames(argument: string | undefined): readonly string[] {
  if (argument === undefined) return NO_NAMES;
  const names = argument.split(',').map((name) => name.trim().toLowerCase());
  return names.filter((name) => name !== '');
}

/** RFC 9111 §1.2.2 delta-seconds; ABSENT when it is not one. */
export function deltaSeconds(text: string | undefined): number {
  if (text === undefined || text === '') return ABSENT;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x30 || code > 0x39) return ABSENT;
  }
  const value = Number(text);
  return Math.min(value, DELTA_SECONDS_MAX);
}

/** An invalid lifetime makes the response stale (RFC 9111 §4.2.1). */
function lifetime(argument: string | undefined): number {
  const value = deltaSeconds(argument);
  return value === ABSENT ? 0 : value;
}

function staleAllowance(argument: string | undefined): number {
  return argument === undefined ? Number.POSITIVE_INFINITY : lifetime(argument);
}

function least(a: number, b: number): number {
  if (a === ABSENT) return b;
  if (b === ABSENT) return a;
  return Math.min(a, b);
}

function hasNoCache(pragma: string): boolean {
  let found = false;
  forEachDirective(pragma, (name) => {
    if (name === 'no-cache') found = true;
  });
  return found;
}

function emptyRequest(): Mutable<RequestDirectives> {
  return {
    maxAge: ABSENT,
    maxStale: ABSENT,
    minFresh: ABSENT,
    staleIfError: ABSENT,
    noCache: false,
    noStore: false,
    noTransform: false,
    onlyIfCached: false,
  };
}

function emptyResponse(): Mutable<ResponseDirectives> {
  return {
    maxAge: ABSENT,
    sMaxage: ABSENT,
    staleWhileRevalidate: ABSENT,
    staleIfError: ABSENT,
    noCache: false,
    noCacheFields: NO_NAMES,
    noStore: false,
    private: false,
    privateFields: NO_NAMES,
    public: false,
    mustRevalidate: false,
    proxyRevalidate: false,
    mustUnderstand: false,
    noTransform: false,
    immutable: false,
  };
}
