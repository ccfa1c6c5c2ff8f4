/**
 * What a path means, for rules about paths. A rule that looks at the path as it was sent is passed
 * by writing the path another way, so that rules look at it as all kinds of origin would read it:
 *
 * - `normal`: by RFC 3986 §6.2.2: unreserved characters decoded, dot segments removed;
 * - `others`: whatever comes of it by the steps that origins take, in any order: decoding, `\` for
 *   `/`, path parameters (`;x`) gone, cut off at an encoded `?`, `#` or NUL, doubled slashes merged,
 *   dot segments removed.
 *
 * A request whose readings lead to different routes is refused; one that any reading denies is
 * denied. What goes to the origin is the path as it was sent: a gateway that rewrites what it
 * was not asked to changes what `%2F` means to an origin that tells it from `/`.
 */
export interface PathReadings {
  readonly normal: string;
  /**
   * Without the normal one: empty for the usual path, which can be read in one way only; null when
   * there are too many, which is a reason to refuse.
   */
  readonly others: readonly string[] | null;
}

const PERCENT = 0x25;
const SEMICOLON = 0x3b;
const BACKSLASH = 0x5c;
const SLASH = 0x2f;
const DOT = 0x2e;
const QUESTION_MARK = 0x3f;

/** Readings looked at. What people send has two or three; attacks that have more are refused. */
const READINGS_MAX = 48;
/** Characters of all readings together: what an attack may cost, a millisecond or two. */
const READING_CHARACTERS_MAX = 65_536;

/** `target` is a path with or without a query, which is left out; no core lets a fragment through. */
export function readPath(target: string): PathReadings {
  const length = target.length;
  let previous = 0;
  for (let i = 0; i < length; i++) {
    const code = target.charCodeAt(i);
    if (code === QUESTION_MARK) return plain(target.slice(0, i));
    if (code === PERCENT || code === SEMICOLON || code === BACKSLASH) return unusual(target);
    if (previous === SLASH && (code === SLASH || code === DOT)) return unusual(target);
    previous = code;
  }
  return plain(target);
}

const NO_OTHERS: readonly string[] = [];

function plain(path: string): PathReadings {
  return { normal: path, others: NO_OTHERS };
}

function unusual(target: string): PathReadings {
  const mark = target.indexOf('?');
  const path = decodeUnreserved(mark === -1 ? target : target.slice(0, mark));
  const normal = removeDotSegments(path);
  // Grows while it is gone through.
  const readings = new Set([path]);
  let characters = 0;
  for (const reading of readings) {
    characters += reading.length;
    if (characters > READING_CHARACTERS_MAX) return { normal, others: null };
    for (const step of STEPS) readings.add(step(reading));
    if (readings.size > READINGS_MAX) return { normal, others: null };
  }
  readings.delete(normal);
  return { normal, others: readings.size === 0 ? NO_OTHERS : [...readings] };
}

/** What origins do with a path, some of it, in one order or another. */
const STEPS: readonly ((path: string) => string)[] = [
  removeDotSegments,
  decodeAll,
  (path) => (path.includes(';') ? path.replace(/;[^/]*/g, '') : path),
  (path) => (path.includes('\\') ? path.replaceAll('\\', '/') : path),
  (path) => (path.includes('//') ? path.replace(/\/{2,}/g, '/') : path),
  (path) => path.split(/[#?\0]/, 1)[0]!,
];

const UNRESERVED = /[A-Za-z0-9\-._~]/;

/** RFC 3986 §6.2.2.1 and §6.2.2.2. */
function decodeUnreserved(text: string): string {
  if (!text.includes('%')) return text;
  return text.replace(/%[0-9a-fA-F]{2}/g, (encoded) => {
    const character = String.fromCharCode(Number.parseInt(encoded.slice(1), 16));
    return UNRESERVED.test(character) ? character : encoded.toUpperCase();
  });
}

/** RFC 3986 §5.2.4, for a path that begins with `/`. */
function removeDotSegments(path: string): string {
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

function decodeAll(text: string): string {
  if (!text.includes('%')) return text;
  return text.replace(/%([0-9a-fA-F]{2})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  );
}

/** A path in a rule, in the forms that the normal and the other readings are compared with. */
export interface PathRule {
  readonly normal: string;
  readonly decoded: string;
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
    decoded: removeDotSegments(decodeAll(path)).replace(/\/{2,}/g, '/'),
    kind: isPrefix ? 'prefix' : 'tree',
  };
}

export function isUnder(path: string, rule: string, kind: PathRule['kind']): boolean {
  if (!path.startsWith(rule)) return false;
  if (kind === 'prefix' || path.length === rule.length) return true;
  return rule.endsWith('/') || path.charCodeAt(rule.length) === SLASH;
}

/** Whether any reading of the path comes under the rule. */
export function anyReadingUnder({ normal, others }: PathReadings, rule: PathRule): boolean {
  if (isUnder(normal, rule.normal, rule.kind) || others === null) return true;
  return others.some((other) => isUnder(other, rule.decoded, rule.kind));
}

/** Whether every reading of the path comes under the rule. */
export function everyReadingUnder({ normal, others }: PathReadings, rule: PathRule): boolean {
  if (!isUnder(normal, rule.normal, rule.kind) || others === null) return false;
  return others.every((other) => isUnder(other, rule.decoded, rule.kind));
}
