/**
 * The cache key: the target URI (RFC 9111 §2) in a normal form, plus what a route's rules add.
 *
 * Normalised: the authority (http/authority.ts), a default port, an empty path (RFC 9110 §4.2.3). **Not**
 * normalised by default: percent-encoding and the query. `%2f` and `/`, or `?a&b` and `?b&a`, are
 * different resources for many origins, and a key that merges what the origin tells apart serves
 * one user another's content; rules may say so where it is known to be safe.
 *
 * The method is no part of it: only GET (and HEAD from a GET) is answered from the cache.
 */
import { type Authority, configuredAuthority } from '../../http/authority.ts';
import type { FieldSection } from '../../http/field-section.ts';
import type { RequestHead } from '../../http/message.ts';

export interface KeyRules {
  /** `all`: as sent; `none`: without a query; else the parameters to keep, or to leave out. */
  readonly query: 'all' | 'none' | { readonly keep: readonly string[] } | QueryWithout;
  /** Sorts query parameters by name, keeping the order of those of one name. */
  readonly sortQuery: boolean;
  /** Unifies `%7e` and `%7E` and decodes unreserved characters (RFC 3986 §6.2.2). */
  readonly normalisePercentEncoding: boolean;
  /** Request fields whose values are part of the key, lower-case. */
  readonly headers: readonly string[];
  /** Cookies whose values are part of the key. */
  readonly cookies: readonly string[];
}

interface QueryWithout {
  /** Names left out; `utm_*` leaves out every name that starts with `utm_`. */
  readonly without: readonly string[];
}

export const defaultKeyRules: KeyRules = {
  query: 'all',
  sortQuery: false,
  normalisePercentEncoding: false,
  headers: [],
  cookies: [],
};

/** The key of the resource that a request is for. */
export function cacheKey(head: RequestHead, rules: KeyRules = defaultKeyRules): string {
  const uri = keyOf(head.scheme, head.authority, head.path, rules);
  if (rules.headers.length === 0 && rules.cookies.length === 0) return uri;
  return uri + addedToKey(head.fields, rules);
}

/**
 * The key of the target alone: without what rules or slices have added to it after a line feed, which
 * no target can contain.
 */
export function targetOfKey(key: string): string {
  const end = key.indexOf('\n');
  return end === -1 ? key : key.slice(0, end);
}

/** The key of a target URI, without fields and cookies. */
export function keyOf(
  scheme: string,
  authority: Authority,
  path: string,
  rules: KeyRules = defaultKeyRules,
): string {
  const target = isPathAsSent(rules) ? path : pathByRules(path, rules);
  return `${scheme}://${authority.inScheme(scheme)}${target === '' ? '/' : target}`;
}

/** The same for an authority as it was written: one that is none has a key that nothing is under. */
export function targetKey(
  scheme: string,
  authority: string,
  path: string,
  rules: KeyRules = defaultKeyRules,
): string {
  return keyOf(scheme, configuredAuthority(authority), path, rules);
}

/** Told by the rules' content: rules that came from another process are not the same object. */
function isPathAsSent(rules: KeyRules): boolean {
  return rules.query === 'all' && !rules.sortQuery && !rules.normalisePercentEncoding;
}

function pathByRules(target: string, rules: KeyRules): string {
  const mark = target.indexOf('?');
  let path = mark === -1 ? target : target.slice(0, mark);
  let query = mark === -1 ? undefined : target.slice(mark + 1);
  if (rules.normalisePercentEncoding) {
    path = normalPercentEncoding(path);
    if (query !== undefined) query = normalPercentEncoding(query);
  }
  if (query === undefined || rules.query === 'none') return path;
  if (rules.query === 'all' && !rules.sortQuery) return `${path}?${query}`;
  let parameters = query.split('&');
  if (typeof rules.query === 'object') {
    const keeps = queryFilter(rules.query);
    parameters = parameters.filter((parameter) => keeps(parameterName(parameter)));
  }
  if (rules.sortQuery) {
    parameters.sort((a, b) => {
      const [nameA, nameB] = [parameterName(a), parameterName(b)];
      return nameA < nameB ? -1 : nameA > nameB ? 1 : 0;
    });
  }
  return parameters.length === 0 ? path : `${path}?${parameters.join('&')}`;
}

function queryFilter(rule: Exclude<KeyRules['query'], string>): (name: string) => boolean {
  if ('keep' in rule) return (name) => rule.keep.some((pattern) => matches(pattern, name));
  return (name) => !rule.without.some((pattern) => matches(pattern, name));
}

function matches(pattern: string, name: string): boolean {
  return pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
}

/** The name of a parameter of a query as origins read it: `%75tm_x=1` is one of `utm_x`. */
export function parameterName(parameter: string): string {
  return decoded(parameter.split('=', 1)[0]!);
}

/** The same of its value; '' for none. */
export function parameterValue(parameter: string): string {
  const equals = parameter.indexOf('=');
  return equals === -1 ? '' : decoded(parameter.slice(equals + 1));
}

function decoded(encoded: string): string {
  const text = encoded.replaceAll('+', ' ');
  if (!text.includes('%')) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** RFC 3986 §6.2.2.1 and §6.2.2.2. */
function normalPercentEncoding(text: string): string {
  return text.replace(/%[0-9a-fA-F]{2}/g, (encoded) => {
    const character = String.fromCharCode(Number.parseInt(encoded.slice(1), 16));
    return /[A-Za-z0-9\-._~]/.test(character) ? character : encoded.toUpperCase();
  });
}

function addedToKey(fields: FieldSection, rules: KeyRules): string {
  let added = '';
  for (const name of rules.headers) added += `\n${name}: ${fields.combined(name) ?? '\r'}`;
  if (rules.cookies.length === 0) return added;
  const cookies = cookieValues(fields);
  for (const name of rules.cookies) added += `\ncookie ${name}=${cookies.get(name) ?? '\r'}`;
  return added;
}

/** RFC 6265 §4.2: the first cookie of a name counts. */
function cookieValues(fields: FieldSection): Map<string, string> {
  const cookies = new Map<string, string>();
  for (const line of fields.all('cookie')) {
    for (const pair of line.split(';')) {
      const equals = pair.indexOf('=');
      if (equals === -1) continue;
      const name = pair.slice(0, equals).trim();
      if (!cookies.has(name)) cookies.set(name, pair.slice(equals + 1).trim());
    }
  }
  return cookies;
}
