/**
 * Targeted Cache-Control fields (RFC 9213): directives for one class of caches, which replace
 * Cache-Control and Expires for it. Unlike Cache-Control they are Structured Fields (RFC 9651): a
 * Dictionary, and one syntax error makes the whole field void: it permits nothing. What it would
 * forbid, read by anybody who is less strict, is forbidden all the same.
 */
import type { FieldSection } from '../../http/field-section.ts';
import {
  ABSENT,
  DELTA_SECONDS_MAX,
  isDirective,
  NO_RESPONSE_DIRECTIVES,
  parseResponseDirectives,
  qualifyingFields,
  type ResponseDirectives,
  restrictedBy,
} from './cache-control.ts';

/** What the origin says to this cache, and where it says so. */
export interface EffectiveControl {
  readonly directives: ResponseDirectives;
  /** The name of the targeted field that decided, or '' when Cache-Control did. */
  readonly targetedBy: string;
}

const NOTHING: EffectiveControl = { directives: NO_RESPONSE_DIRECTIVES, targetedBy: '' };

/**
 * The first targeted field of `targets` that is valid and not empty, else Cache-Control (RFC 9213
 * §2.2). `surrogate-control` (Edge Architecture, 2001) has Cache-Control's own grammar.
 */
export function effectiveControl(
  fields: FieldSection,
  targets: readonly string[],
): EffectiveControl {
  let voided = '';
  for (const name of targets) {
    const value = fields.combined(name);
    if (value === undefined) continue;
    const directives =
      name === 'surrogate-control'
        ? parseResponseDirectives(value.replace(/max-age=(\d+)\+\d+/, 'max-age=$1'))
        : parseTargetedControl(value);
    if (directives !== undefined) {
      return { directives: withVoided(directives, voided), targetedBy: name };
    }
    voided += ` ; ${value}`;
  }
  const value = fields.combined('cache-control');
  if (value === undefined && voided === '') return NOTHING;
  const directives = value === undefined ? NO_RESPONSE_DIRECTIVES : parseResponseDirectives(value);
  return { directives: withVoided(directives, voided), targetedBy: '' };
}

function withVoided(directives: ResponseDirectives, voided: string): ResponseDirectives {
  return voided === '' ? directives : restrictedBy(directives, voided);
}

type Bare = number | string | boolean | null;

const DELTAS = ['max-age', 's-maxage', 'stale-while-revalidate', 'stale-if-error'] as const;

/**
 * The directives; undefined when the field is empty, not a valid Dictionary, or has a delta that is
 * no integer: guessing what such a field wanted could store what Cache-Control forbids.
 */
export function parseTargetedControl(value: string): ResponseDirectives | undefined {
  const dictionary = parseDictionary(value);
  if (dictionary === undefined || dictionary.members.size === 0) return undefined;
  const { members, aside } = dictionary;
  for (const name of DELTAS) {
    const argument = members.get(name);
    if (argument !== undefined && !Number.isInteger(argument)) return undefined;
  }
  const flag = (name: string): boolean => (members.get(name) ?? false) !== false;
  const names = (name: string): readonly string[] => {
    const argument = members.get(name);
    return qualifyingFields(typeof argument === 'string' ? argument : undefined);
  };
  const seconds = (name: (typeof DELTAS)[number]): number => {
    const argument = members.get(name);
    if (typeof argument !== 'number') return ABSENT;
    return argument < 0 ? 0 : Math.min(argument, DELTA_SECONDS_MAX);
  };
  const noCacheFields = names('no-cache');
  const privateFields = names('private');
  const directives = {
    maxAge: seconds('max-age'),
    sMaxage: seconds('s-maxage'),
    staleWhileRevalidate: seconds('stale-while-revalidate'),
    staleIfError: seconds('stale-if-error'),
    noCache: flag('no-cache') && noCacheFields.length === 0,
    noCacheFields,
    noStore: flag('no-store'),
    private: flag('private') && privateFields.length === 0,
    privateFields,
    public: flag('public'),
    mustRevalidate: flag('must-revalidate'),
    proxyRevalidate: flag('proxy-revalidate'),
    mustUnderstand: flag('must-understand'),
    noTransform: flag('no-transform'),
    immutable: flag('immutable'),
    isMalformed: false,
  };
  return aside === '' ? directives : restrictedBy(directives, aside);
}

const KEY = /[a-z*][a-z0-9_\-.*]*/y;
const INTEGER_OR_DECIMAL = /-?(?:\d{1,12}\.\d{1,3}(?![\d.])|\d{1,15}(?![\d.]))/y;
const STRING = /"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"/y;
const TOKEN = /[A-Za-z*][!#$%&'*+\-.^_`|~0-9A-Za-z:/]*/y;
const BYTES = /:[A-Za-z0-9+/]*={0,2}:/y;
const BOOLEAN = /\?([01])/y;
const SPACE_AND_TAB = /[ \t]*/y;
const SPACES = / */y;

/**
 * RFC 9651 §4.2.2, as far as directives need values: inner lists and byte sequences are checked and
 * kept as null. Undefined on any error.
 */
function parseDictionary(text: string): Dictionary | undefined {
  const scanner = { text, at: 0, aside: '' };
  const members = new Map<string, Bare>();
  take(scanner, SPACES);
  while (scanner.at < text.length) {
    const key = take(scanner, KEY);
    if (key === undefined) return undefined;
    let value: Bare | undefined = true;
    if (text[scanner.at] === '=') {
      scanner.at++;
      value = text[scanner.at] === '(' ? parseInnerList(scanner) : parseBareItem(scanner);
    }
    if (value === undefined || !skipParameters(scanner)) return undefined;
    // RFC 9651 §4.2.2: of members with one key the last counts.
    if ((members.get(key) ?? false) !== false) scanner.aside += ` ${key}`;
    if (!isDirective(key)) scanner.aside += ` ${key}`;
    members.set(key, value);
    take(scanner, SPACE_AND_TAB);
    if (scanner.at === text.length) return { members, aside: scanner.aside };
    if (text[scanner.at] !== ',') return undefined;
    scanner.at++;
    take(scanner, SPACE_AND_TAB);
    if (scanner.at === text.length) return undefined;
  }
  return { members, aside: scanner.aside };
}

interface Dictionary {
  readonly members: ReadonlyMap<string, Bare>;
  /**
   * Names of parameters, of members that others have taken the place of, and such as are none of a
   * directive (`no-store.`): what they forbid is forbidden, for it is a directive behind the wrong
   * delimiter, or one of two that disagree.
   */
  readonly aside: string;
}

interface Scanner {
  readonly text: string;
  at: number;
  aside: string;
}

function take(scanner: Scanner, pattern: RegExp): string | undefined {
  pattern.lastIndex = scanner.at;
  const match = pattern.exec(scanner.text);
  if (match === null) return undefined;
  scanner.at = pattern.lastIndex;
  return match[0];
}

function parseBareItem(scanner: Scanner): Bare | undefined {
  const number = take(scanner, INTEGER_OR_DECIMAL);
  if (number !== undefined) return Number(number);
  const string = take(scanner, STRING);
  if (string !== undefined) return string.slice(1, -1).replace(/\\(.)/g, '$1');
  const token = take(scanner, TOKEN);
  if (token !== undefined) return token;
  const boolean = take(scanner, BOOLEAN);
  if (boolean !== undefined) return boolean === '?1';
  return take(scanner, BYTES) === undefined ? undefined : null;
}

function parseInnerList(scanner: Scanner): null | undefined {
  scanner.at++;
  for (;;) {
    take(scanner, SPACES);
    const next = scanner.text[scanner.at];
    if (next === ')') {
      scanner.at++;
      return null;
    }
    if (next === undefined) return undefined;
    if (parseBareItem(scanner) === undefined || !skipParameters(scanner)) return undefined;
    const after = scanner.text[scanner.at];
    if (after !== ' ' && after !== ')') return undefined;
  }
}

function skipParameters(scanner: Scanner): boolean {
  while (scanner.text[scanner.at] === ';') {
    scanner.at++;
    take(scanner, SPACES);
    const key = take(scanner, KEY);
    if (key === undefined) return false;
    scanner.aside += ` ${key}`;
    if (scanner.text[scanner.at] !== '=') continue;
    scanner.at++;
    if (parseBareItem(scanner) === undefined) return false;
  }
  return true;
}
