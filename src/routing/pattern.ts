/**
 * Patterns for paths, matched in linear time: V8 runs them on its engine that never backtracks, so
 * that no path can make a pattern slow. What cannot be matched so (back-references, look-ahead,
 * `{2,}` of more than a few) is refused when the configuration is read.
 */
import { setFlagsFromString } from 'node:v8';

/** Longer paths are not matched: the request is refused. Linear time is still time. */
export const PATTERN_PATH_CHARACTERS_MAX = 8_192;

/** Longest pattern: what a person can still read. */
export const PATTERN_CHARACTERS_MAX = 1_024;

let enabled = false;

/** Throws SyntaxError with words for the one who wrote the pattern. */
export function compilePattern(
  text: string,
  { ignoreCase = false }: { readonly ignoreCase?: boolean } = {},
): RegExp {
  if (text.length > PATTERN_CHARACTERS_MAX) {
    throw new SyntaxError(`a pattern has at most ${PATTERN_CHARACTERS_MAX} characters`);
  }
  const flags = /^\(\?[a-z]+\)/.exec(text)?.[0];
  if (flags !== undefined) {
    const remedy = 'write ignore-case: on beside it, or both letters, as in [Aa]pi';
    throw new SyntaxError(`${flags}: a pattern has no flags: ${remedy}`);
  }
  // In its own engine first: whoever has made an ordinary mistake gets the ordinary words.
  new RegExp(text);
  if (!enabled) setFlagsFromString('--enable-experimental-regexp-engine');
  enabled = true;
  try {
    return new RegExp(ignoreCase ? withBothCases(text) : text, 'l');
  } catch {
    throw new SyntaxError(
      'this cannot be matched in linear time: leave out back-references, look-ahead, inline flags ' +
        'and large {n,m}',
    );
  }
}

/** What is one thing, whatever letters it has: groups' names, escapes, bounds; else one character. */
const PIECE =
  /\(\?<[A-Za-z_$][\w$]*>|\\(?:x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|c[A-Za-z]|k<[^>]*>|[\s\S])|\{\d+(?:,\d*)?\}|[\s\S]/g;
const RANGE = /([A-Za-z])-([A-Za-z])/g;

/** The engine that never backtracks knows no flag for it: letters of ASCII stand for both of theirs. */
function withBothCases(text: string): string {
  let isClass = false;
  let result = '';
  let members: string[] = [];
  for (const [piece] of text.matchAll(PIECE)) {
    if (isClass && piece === ']') {
      // A last hyphen stays the last.
      const end = members.at(-1) === '-' ? members.pop() : '';
      const all = members.join('');
      result += `${all}${otherCases(all)}${end}]`;
      isClass = false;
    } else if (isClass) {
      members.push(piece);
    } else if (piece === '[') {
      isClass = true;
      members = [];
      result += piece;
    } else {
      result += /^[A-Za-z]$/.test(piece) ? `[${piece}${swapped(piece)}]` : piece;
    }
  }
  return result;
}

/** What is added to a class: after all that it has, so that `^` stays the first. */
function otherCases(members: string): string {
  const plain = members.replace(/\\(?:x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|c[A-Za-z]|[\s\S])/g, '');
  let added = '';
  for (const [, from = '', to = ''] of plain.matchAll(RANGE)) {
    for (let code = from.charCodeAt(0); code <= to.charCodeAt(0); code++) {
      added += swapped(String.fromCharCode(code));
    }
  }
  for (const letter of plain.replace(RANGE, '')) added += swapped(letter);
  return added;
}

/** '' for what is no letter of ASCII. */
function swapped(letter: string): string {
  if (!/^[A-Za-z]$/.test(letter)) return '';
  const lower = letter.toLowerCase();
  return letter === lower ? letter.toUpperCase() : lower;
}
