/**
 * Cache-Control for requests and responses (RFC 9111 §5.2), the RFC 5861 extensions, targeted
 * fields (RFC 9213), and the older Surrogate-Control and Pragma.
 *
 * Deltas are whole seconds, {@link ABSENT} when the directive is not there. What is malformed is
 * read in the direction that serves less from the cache: an invalid lifetime is 0 (RFC 9111 §4.2.1,
 * "considered stale"), of duplicates the most restrictive counts, and a member that is not of the
 * grammar (`private; max-age=30`) forbids whatever a word in it could forbid, and permits nothing.
 */
import type { FieldSection } from '../../http/field-section.ts';

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
  /**
   * Something in it is not of the grammar: nobody knows what was meant, so that nothing is guessed,
   * and what it permits beyond the usual (RFC 9111 §3.5, §5.2.2.3) is not permitted.
   */
  readonly isMalformed: boolean;
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
  forEachMember(value, (name, argument, text) => {
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
      case '':
        if (MAX_AGE.test(text.toLowerCase())) result.maxAge = 0;
        break;
    }
    restrict(result, name === '' ? text : mistakable(name, argument, text));
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

const PLAIN_NAME = /^[a-z0-9_-]+$/;

function readResponseDirectives(value: string): ResponseDirectives {
  const result = emptyResponse();
  forEachMember(value, (name, argument, text) => {
    const isKnown = setResponseDirective(result, name, argument);
    // `public.max-age=0` is of the grammar, and yet no directive that anybody has thought of.
    if (isKnown || PLAIN_NAME.test(name)) {
      forbid(result, mistakable(isKnown ? '' : name, argument, text));
      return;
    }
    result.isMalformed = true;
    forbid(result, text);
    forbidLifetime(result, text);
  });
  return result;
}

/**
 * What of a well-formed member may be a directive behind the wrong delimiter: a name that is none of
 * a directive (`private.`), and an argument, unless it is quoted.
 */
function mistakable(unknownName: string, argument: string | undefined, text: string): string {
  if (argument === undefined || text.includes('"')) return unknownName;
  return `${unknownName} ${argument}`;
}

/** Returns false for a name that is none of a directive. */
function setResponseDirective(
  result: Mutable<ResponseDirectives>,
  name: string,
  argument: string | undefined,
): boolean {
  switch (name) {
    case 'max-age':
      result.maxAge = least(result.maxAge, statedLifetime(result, argument));
      return true;
    case 's-maxage':
      result.sMaxage = least(result.sMaxage, statedLifetime(result, argument));
      return true;
    case 'stale-while-revalidate':
      result.staleWhileRevalidate = least(result.staleWhileRevalidate, lifetime(argument));
      return true;
    case 'stale-if-error':
      result.staleIfError = least(result.staleIfError, lifetime(argument));
      return true;
    case 'no-cache': {
      const names = qualifyingFields(argument);
      if (names.length === 0) result.noCache = true;
      else result.noCacheFields = [...result.noCacheFields, ...names];
      return true;
    }
    case 'private': {
      const names = qualifyingFields(argument);
      if (names.length === 0) result.private = true;
      else result.privateFields = [...result.privateFields, ...names];
      return true;
    }
    default:
      if (!setResponseFlag(result, name)) return false;
      // It takes no argument (RFC 9111 §5.2.2).
      if (argument !== undefined) result.isMalformed = true;
      return true;
  }
}

/** Whether it is the name of a directive of responses, in lower case. */
export function isDirective(name: string): boolean {
  return setResponseDirective(emptyResponse(), name, undefined);
}

function statedLifetime(result: Mutable<ResponseDirectives>, argument: string | undefined): number {
  if (deltaSeconds(argument) === ABSENT) result.isMalformed = true;
  return lifetime(argument);
}

function setResponseFlag(result: Mutable<ResponseDirectives>, name: string): boolean {
  switch (name) {
    case 'no-store':
      result.noStore = true;
      return true;
    case 'public':
      result.public = true;
      return true;
    case 'must-revalidate':
      result.mustRevalidate = true;
      return true;
    case 'proxy-revalidate':
      result.proxyRevalidate = true;
      return true;
    case 'must-understand':
      result.mustUnderstand = true;
      return true;
    case 'no-transform':
      result.noTransform = true;
      return true;
    case 'immutable':
      result.immutable = true;
      return true;
    default:
      return false;
  }
}

/** What a word forbids, however it is spelt, and whatever stands before and behind it. */
const NO_STORE = wordLike('no[^a-z0-9]{0,4}store');
const NO_CACHE = wordLike('no[^a-z0-9]{0,4}cache');
const PRIVATE = wordLike('private');
const MUST_REVALIDATE = wordLike('must[^a-z0-9]{0,4}revalidate');
const PROXY_REVALIDATE = wordLike('proxy[^a-z0-9]{0,4}revalidate');
const MUST_UNDERSTAND = wordLike('must[^a-z0-9]{0,4}understand');
const NO_TRANSFORM = wordLike('no[^a-z0-9]{0,4}transform');
const MAX_AGE = wordLike('max[^a-z0-9]{0,4}age');
const S_MAXAGE = wordLike('s[^a-z0-9]{0,4}max[^a-z0-9]{0,4}age');

/** Not as a part of a longer word: `x-private` is somebody's own directive. */
function wordLike(pattern: string): RegExp {
  return new RegExp(`(?<![a-z0-9][-_]?)${pattern}(?![-_]?[a-z0-9])`);
}

/** Reads text that is not of the grammar, or a name that nobody knows, for what it may forbid. */
function forbid(result: Mutable<ResponseDirectives>, text: string): void {
  if (text === '') return;
  restrict(result, text);
  const words = text.toLowerCase();
  if (PRIVATE.test(words)) result.private = true;
  if (MUST_REVALIDATE.test(words)) result.mustRevalidate = true;
  if (PROXY_REVALIDATE.test(words)) result.proxyRevalidate = true;
  if (MUST_UNDERSTAND.test(words)) result.mustUnderstand = true;
}

/** What requests and responses may forbid alike. */
function restrict(
  result: { noStore: boolean; noCache: boolean; noTransform: boolean },
  text: string,
): void {
  const words = text.toLowerCase();
  if (NO_STORE.test(words)) result.noStore = true;
  if (NO_CACHE.test(words)) result.noCache = true;
  if (NO_TRANSFORM.test(words)) result.noTransform = true;
}

function forbidLifetime(result: Mutable<ResponseDirectives>, text: string): void {
  const words = text.toLowerCase();
  if (MAX_AGE.test(words)) result.maxAge = 0;
  if (S_MAXAGE.test(words)) result.sMaxage = 0;
}

/** The same directives, with what text forbids that is not of the grammar it should be of. */
export function restrictedBy(directives: ResponseDirectives, text: string): ResponseDirectives {
  const forbidden = emptyResponse();
  forbid(forbidden, text);
  const names = FORBIDDING.filter((name) => forbidden[name]);
  if (names.length === 0) return directives;
  const result = { ...directives, isMalformed: true };
  for (const name of names) result[name] = true;
  return result;
}

const FORBIDDING = [
  'noStore',
  'noCache',
  'private',
  'mustRevalidate',
  'proxyRevalidate',
  'mustUnderstand',
  'noTransform',
] as const;

/** RFC 9111 §5.2: a member with what follows it up to the next; RFC 9110 §5.6.2, §5.6.4. */
const MEMBER =
  /([!#$%&'*+\-.^_`|~0-9A-Za-z]+)(?:=([!#$%&'*+\-.^_`|~0-9A-Za-z]+|"(?:[^"\\]|\\.)*"))?[ \t]*(?:,|$)/y;

/**
 * Calls back for each member with its lower-case name, its argument, unquoted (undefined when it has
 * none), and its text. The name is empty when the member is not of the grammar: whitespace around
 * `=`, an argument that is not there, or anything but a comma behind it.
 */
function forEachMember(
  value: string,
  onMember: (name: string, argument: string | undefined, text: string) => void,
): void {
  const { length } = value;
  let at = 0;
  while (at < length) {
    if (isSeparator(value.charCodeAt(at))) {
      at++;
      continue;
    }
    MEMBER.lastIndex = at;
    const match = MEMBER.exec(value);
    if (match !== null) {
      const [text, name, argument] = match;
      at += text.length;
      onMember(name!.toLowerCase(), argument?.startsWith('"') ? unquote(argument) : argument, text);
      continue;
    }
    const end = malformedEnd(value, at);
    onMember('', undefined, value.slice(at, end));
    at = end;
  }
}

function isSeparator(code: number): boolean {
  return code === 0x2c || code === 0x20 || code === 0x09;
}

/** The comma that ends it; the end of the text when a quote is not closed. */
function malformedEnd(value: string, start: number): number {
  let at = start;
  while (at < value.length && value[at] !== ',') {
    if (value[at] !== '"') {
      at++;
      continue;
    }
    at++;
    while (at < value.length && value[at] !== '"') at += value[at] === '\\' ? 2 : 1;
    at++;
  }
  return Math.min(at, value.length);
}

function unquote(quoted: string): string {
  return quoted.slice(1, -1).replace(/\\(.)/g, '$1');
}

/** What stands in place of a field name where somebody means the directive as a whole. */
const NO_FIELD_NAME =
  /^(?:\d+|true|false|yes|no|on|off|all|\*|public|max-age|s-maxage|immutable|no-.*|must-.*|proxy-revalidate|private|stale-.*)$/;
const FIELD_NAME = /^[a-z0-9!#$%&+.^_|~*-]+$/;

/**
 * The field names of a qualified no-cache or private (RFC 9111 §5.2.2.4, §5.2.2.7), lower-case. None
 * when the argument is anything but field names: then the directive is about all of the response.
 */
export function qualifyingFields(argument: string | undefined): readonly string[] {
  if (argument === undefined) return NO_NAMES;
  const names = argument.split(',').map((name) => name.trim().toLowerCase());
  const given = names.filter((name) => name !== '');
  return given.every((name) => FIELD_NAME.test(name) && !NO_FIELD_NAME.test(name))
    ? given
    : NO_NAMES;
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

/** Of a request, or of a response, where nothing says what it means and everybody knows. */
export function hasNoCache(pragma: string): boolean {
  return NO_CACHE.test(pragma.toLowerCase());
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
    isMalformed: false,
  };
}
