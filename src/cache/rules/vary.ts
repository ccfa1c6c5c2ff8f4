/**
 * Which stored response a request selects (RFC 9111 §4.1).
 *
 * Field values are compared in a normal form that changes nothing of their meaning: several lines
 * become one, optional whitespace around commas goes, and for the fields of proactive negotiation
 * whose order and case mean nothing (RFC 9110 §12.5), both go too. The form is computed when a
 * response is stored, and for a request only when the plain values differ.
 */
import { ownText } from '../../base/bounded-map.ts';
import type { FieldSection } from '../../http/field-section.ts';
import type { StoredResponse } from '../contract.ts';

export type VaryFields = StoredResponse['varyFields'];

export const NO_VARY: VaryFields = Object.freeze([]);

/** Header names that one Vary may list: more than this is treated as `*`. */
export const VARY_NAMES_MAX = 32;

/** A field name (RFC 9110 §5.1), but for `*`, which is no part of any that is in use. */
const FIELD_NAME = /^[a-z0-9!#$%&'+.^_`|~-]+$/;

/**
 * The names in Vary, lower-case and sorted; null for `*`, which no later request matches. What is no
 * name (`accept-encoding; user-agent`) is read so, too: nobody knows what the origin has looked at.
 */
export function varyNames(fields: FieldSection): readonly string[] | null {
  const value = fields.combined('vary');
  if (value === undefined) return [];
  const names = new Set<string>();
  for (const member of value.split(',')) {
    const name = member.trim().toLowerCase();
    if (name === '') continue;
    // RFC 9110 §12.5.5: `*` anywhere in the list makes the whole of it so.
    if (!FIELD_NAME.test(name)) return null;
    names.add(name);
  }
  if (names.size > VARY_NAMES_MAX) return null;
  return [...names].sort();
}

/** The request's values of the fields that Vary names, in normal form. */
export function varyFieldsOf(names: readonly string[], request: FieldSection): VaryFields {
  if (names.length === 0) return NO_VARY;
  return names.map((name) => {
    const value = normalFieldValue(name, request.combined(name));
    // Of its own: a value that is part of a request's head would keep the whole of it with what is stored.
    return [name, value === undefined ? undefined : ownText(value)] as const;
  });
}

/** Whether the request has the values that the stored response was chosen by. */
export function matchesVary(varyFields: VaryFields, request: FieldSection): boolean {
  for (let i = 0; i < varyFields.length; i++) {
    const [name, stored] = varyFields[i]!;
    const presented = request.combined(name);
    if (presented === stored) continue;
    // RFC 9111 §4.1: absent matches only absent.
    if (presented === undefined || stored === undefined) return false;
    if (normalFieldValue(name, presented) !== stored) return false;
  }
  return true;
}

export function sameVaryFields(a: VaryFields, b: VaryFields): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) {
    if (a[i]![0] !== b[i]![0] || a[i]![1] !== b[i]![1]) return false;
  }
  return true;
}

/** One line that is the same for every variant that cannot be told apart: a key for indexes. */
export function variantKey(varyFields: VaryFields): string {
  let key = '';
  for (const [name, value] of varyFields) {
    // Neither a field name nor a field value can contain CR or LF.
    key += value === undefined ? `${name}\r` : `${name}\n${value}\r`;
  }
  return key;
}

export function normalFieldValue(name: string, value: string): string;
export function normalFieldValue(name: string, value: string | undefined): string | undefined;
export function normalFieldValue(name: string, value: string | undefined): string | undefined {
  if (value === undefined) return undefined;
  switch (name) {
    case 'accept-encoding':
      return weightedList(value, true);
    case 'accept-language':
    case 'accept-charset':
      return weightedList(value, false);
    default:
      return withoutListSpaces(value);
  }
}

/**
 * A list of weighted members (RFC 9110 §12.4.2), lower-case, without duplicates, most wanted first;
 * among equals by name, since order says nothing.
 */
function weightedList(value: string, isEncoding: boolean): string {
  const members = new Map<string, string>();
  for (const member of value.toLowerCase().split(',')) {
    const [rawName, ...parameters] = member.split(';');
    let name = rawName!.trim();
    if (name === '') continue;
    // RFC 9110 §8.4.1: the x- names are the same codings.
    if (isEncoding && (name === 'x-gzip' || name === 'x-compress')) name = name.slice(2);
    let weight = '1';
    for (const parameter of parameters) {
      const match = /^\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*$/.exec(parameter);
      if (match !== null) weight = String(Number(match[1]));
    }
    if (!members.has(name)) members.set(name, weight);
  }
  const sorted = [...members].sort(
    ([nameA, a], [nameB, b]) => Number(b) - Number(a) || (nameA < nameB ? -1 : 1),
  );
  return sorted.map(([name, weight]) => (weight === '1' ? name : `${name};q=${weight}`)).join();
}

/**
 * Optional whitespace around commas goes (RFC 9110 §5.6.1); quoted strings stay as they are. By one
 * walk: a pattern for blanks around a comma tries every run of blanks from each of its places.
 */
function withoutListSpaces(value: string): string {
  if (!value.includes(',')) return value;
  let result = '';
  let start = 0;
  let isQuoted = false;
  for (let at = 0; at < value.length; at++) {
    const code = value.charCodeAt(at);
    if (code === QUOTE) isQuoted = !isQuoted;
    else if (isQuoted && code === BACKSLASH) at++;
    else if (!isQuoted && code === COMMA) {
      result += `${withoutBlanks(value, start, at)},`;
      start = at + 1;
    }
  }
  return result + withoutBlanks(value, start, value.length);
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;

function withoutBlanks(text: string, start: number, end: number): string {
  let from = start;
  let to = end;
  while (from < to && isBlank(text.charCodeAt(from))) from++;
  while (to > from && isBlank(text.charCodeAt(to - 1))) to--;
  return text.slice(from, to);
}

/** RFC 9110 §5.6.3. */
function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}

/**
 * Whether a stored response that varies by Accept-Language alone is in the one language that the
 * request wants most. The origin, asked again, could only choose the same (RFC 9110 §12.5.4).
 */
export function matchesPreferredLanguage(response: StoredResponse, request: FieldSection): boolean {
  const { varyFields } = response;
  if (varyFields.length !== 1 || varyFields[0]![0] !== 'accept-language') return false;
  const language = response.fields.combined('content-language')?.toLowerCase();
  const wanted = request.combined('accept-language');
  if (language === undefined || wanted === undefined || language.includes(',')) return false;
  const [first, second] = weightedList(wanted, false).split(',');
  if (first !== language) return false;
  return second?.includes(';q=') ?? true;
}
