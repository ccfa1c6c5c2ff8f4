/** Paths of nginx in our words: which ones a route is for, and what the origin is asked for. */
import { Draft } from '../draft.ts';
import { escapedPattern, importedPattern, PatternProblem } from '../regular-expressions.ts';
import type { Location } from './locations.ts';
import { uriText } from './variables.ts';

/** Which paths: below a prefix and matched by a pattern; '' for all. */
export interface PathMatch {
  readonly prefix: string;
  readonly pattern: string;
  /** Names of the pattern's groups. */
  readonly groups: ReadonlyMap<string, number>;
}

const NO_GROUPS: ReadonlyMap<string, number> = new Map();

export const EVERY_PATH: PathMatch = { prefix: '', pattern: '', groups: NO_GROUPS };

/** Null when both cannot hold; throws PatternProblem when both have a pattern. */
export function bothPaths(a: PathMatch, b: PathMatch): PathMatch | null {
  const [short, long] = a.prefix.length <= b.prefix.length ? [a, b] : [b, a];
  if (!long.prefix.startsWith(short.prefix)) return null;
  if (a.pattern !== '' && b.pattern !== '' && a.pattern !== b.pattern) {
    throw new PatternProblem('two regular expressions for one path');
  }
  const { pattern, groups } = a.pattern === '' ? b : a;
  return { prefix: long.prefix, pattern, groups };
}

/** Throws PatternProblem. */
export function pathOfLocation(location: Location): PathMatch {
  const { kind, text, ignoreCase } = location;
  if (kind === 'named') throw new PatternProblem('a name is no path');
  if (kind === 'regex') {
    const { text: pattern, names } = importedPattern(text, { ignoreCase, ofPath: true });
    return { prefix: '', pattern, groups: names };
  }
  if (!text.startsWith('/')) throw new PatternProblem('no path of a request');
  if (kind === 'exact') return exactPath(text);
  // `*` has a meaning for us, and none for nginx.
  if (text.includes('*')) return patternPath(`^${escapedPattern(uriText(text))}`);
  return { prefix: text, pattern: '', groups: NO_GROUPS };
}

export function exactPath(path: string): PathMatch {
  return patternPath(`${importedPattern(`^${escapedPattern(path)}$`, { ofPath: true }).text}`);
}

export function patternPath(pattern: string, groups = NO_GROUPS): PathMatch {
  return { prefix: '', pattern, groups };
}

/** nginx's `/api` is also for `/apix`. */
export function prefixKey(prefix: string): string {
  const text = uriText(prefix).replace(/[?#]/g, (mark) => (mark === '?' ? '%3F' : '%23'));
  return text.endsWith('/') ? text : `${text}*`;
}

/** A pattern that takes in the whole path, with the same groups. */
export function wholePath(pattern: string): string {
  const isWhole = pattern.startsWith('^') && /[^\\]\$$/.test(pattern) && !pattern.includes('|');
  return isWhole ? pattern : `^.*?(?:${pattern}).*$`;
}

/** What `rewrite.replace` puts in: `$1` stays, another `$` is one. */
function replacement(text: string): string {
  return uriText(text).replace(/\$(?![1-9])/g, '$$$$');
}

/** What `proxy_pass` with a path makes of a request's, for a location that is a path itself. */
export function prefixRewrite(location: Location, uri: string): Draft | null {
  const { kind, text } = location;
  if (/[?#]/.test(uri)) return null;
  if (kind === 'exact') {
    return Draft.of({ replace: replaceBy(exactPath(text).pattern, uri) });
  }
  if (kind !== 'prefix') return null;
  if (text.endsWith('/') && uri.endsWith('/')) {
    const draft = new Draft();
    const plain = uriText(text);
    if (plain !== '/') draft.set('strip-prefix', plain.slice(0, -1));
    if (uri !== '/') draft.set('add-prefix', uriText(uri));
    return draft;
  }
  return Draft.of({ replace: replaceBy(`^${escapedPattern(uriText(text))}`, uri) });
}

export function replaceBy(pattern: string, text: string): Draft {
  return Draft.of({ pattern, with: replacement(text) });
}
