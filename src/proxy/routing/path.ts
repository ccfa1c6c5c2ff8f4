/**
 * What a path means, for rules about paths. A rule that looks at the path as it was sent is passed
 * by writing the path another way, so that rules look at it as three kinds of origin would read it:
 *
 * - `normal`: by RFC 3986 §6.2.2: unreserved characters decoded, dot segments removed;
 * - `literal`: everything decoded (repeatedly), `\` for `/`, path parameters (`;x`) and doubled
 *   slashes gone, but dot segments kept, as by origins that compare strings;
 * - `lenient`: the same with dot segments removed, as by origins that map paths to files.
 *
 * A request whose readings lead to different routes is refused; one that any reading denies is
 * denied. What goes to the origin is the path as it was sent: a gateway that rewrites what it
 * was not asked to changes what `%2F` means to an origin that tells it from `/`.
 */
export interface PathReadings {
  readonly normal: string;
  readonly literal: string;
  readonly lenient: string;
  /** All three are the same text. */
  readonly isPlain: boolean;
}

const PERCENT = 0x25;
const SEMICOLON = 0x3b;
const BACKSLASH = 0x5c;
const SLASH = 0x2f;
const DOT = 0x2e;
const QUESTION_MARK = 0x3f;
const NUMBER_SIGN = 0x23;

/** Decodings of a lenient origin behind a lenient proxy behind …: more are not looked for. */
const DECODINGS_MAX = 4;

/** `target` is a path with or without a query, which is left out. */
export function readPath(target: string): PathReadings {
  const length = target.length;
  let previous = 0;
  for (let i = 0; i < length; i++) {
    const code = target.charCodeAt(i);
    if (code === QUESTION_MARK) return plain(target.slice(0, i));
    if (code === PERCENT || code === SEMICOLON || code === BACKSLASH || code === NUMBER_SIGN) {
      return unusual(target);
    }
    if (previous === SLASH && (code === SLASH || code === DOT)) return unusual(target);
    previous = code;
  }
  return plain(target);
}

function plain(path: string): PathReadings {
  return { normal: path, literal: path, lenient: path, isPlain: true };
}

function unusual(target: string): PathReadings {
  const mark = target.indexOf('?');
  const path = mark === -1 ? target : target.slice(0, mark);
  const normal = removeDotSegments(decodeUnreserved(path));
  const literal = decodedPath(path);
  const lenient = removeDotSegments(literal);
  return { normal, literal, lenient, isPlain: normal === literal && normal === lenient };
}

const UNRESERVED = /[A-Za-z0-9\-._~]/;

/** RFC 3986 §6.2.2.1 and §6.2.2.2. */
export function decodeUnreserved(text: string): string {
  if (!text.includes('%')) return text;
  return text.replace(/%[0-9a-fA-F]{2}/g, (encoded) => {
    const character = String.fromCharCode(Number.parseInt(encoded.slice(1), 16));
    return UNRESERVED.test(character) ? character : encoded.toUpperCase();
  });
}

/** RFC 3986 §5.2.4, for a path that begins with `/`. */
export function removeDotSegments(path: string): string {
  if (!path.includes('/.')) return path;
  const segments = path.split('/');
  const kept: string[] = [];
  for (const [i, segment] of segments.entries()) {
    if (segment === '..') {
      if (kept.length > 1) kept.pop();
    } else if (segment !== '.') {
      kept.push(segment);
      continue;
    }
    if (i === segments.length - 1) kept.push('');
  }
  return kept.length === 1 ? '/' : kept.join('/');
}

/** As the most forgiving of origins would read it, before dot segments. */
function decodedPath(path: string): string {
  let text = path;
  for (let i = 0; i < DECODINGS_MAX && text.includes('%'); i++) {
    const decoded = decodeAll(text);
    if (decoded === text) break;
    text = decoded;
  }
  text = text.replaceAll('\\', '/').replace(/[#?\0].*$/s, '');
  return text.replace(/;[^/]*/g, '').replace(/\/{2,}/g, '/');
}

function decodeAll(text: string): string {
  return text.replace(/%([0-9a-fA-F]{2})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  );
}

/** A path in a rule, in the forms that the normal and the other readings are compared with. */
export interface PathRule {
  readonly normal: string;
  readonly lenient: string;
  /** The path itself and what lies below it, or all that begins with it. */
  readonly kind: 'tree' | 'prefix';
}

/**
 * `/admin` is that path and everything below; `/admin/` only what is below; `/admin*` everything
 * that begins so, `/administrator` included.
 */
export function pathRule(text: string): PathRule {
  const isPrefix = text.endsWith('*');
  const path = isPrefix ? text.slice(0, -1) : text;
  return {
    normal: removeDotSegments(decodeUnreserved(path)),
    lenient: removeDotSegments(decodedPath(path)),
    kind: isPrefix ? 'prefix' : 'tree',
  };
}

export function isUnder(path: string, rule: string, kind: PathRule['kind']): boolean {
  if (!path.startsWith(rule)) return false;
  if (kind === 'prefix' || path.length === rule.length) return true;
  return rule.endsWith('/') || path.charCodeAt(rule.length) === SLASH;
}

/** Whether any reading of the path comes under the rule. */
export function anyReadingUnder(readings: PathReadings, rule: PathRule): boolean {
  const { normal, lenient, kind } = rule;
  if (isUnder(readings.normal, normal, kind)) return true;
  if (readings.isPlain) return false;
  return isUnder(readings.literal, lenient, kind) || isUnder(readings.lenient, lenient, kind);
}

/** Whether every reading of the path comes under the rule. */
export function everyReadingUnder(readings: PathReadings, rule: PathRule): boolean {
  const { normal, lenient, kind } = rule;
  if (!isUnder(readings.normal, normal, kind)) return false;
  if (readings.isPlain) return true;
  return isUnder(readings.literal, lenient, kind) && isUnder(readings.lenient, lenient, kind);
}
