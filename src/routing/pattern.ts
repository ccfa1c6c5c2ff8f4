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
export function compilePattern(text: string): RegExp {
  if (text.length > PATTERN_CHARACTERS_MAX) {
    throw new SyntaxError(`a pattern has at most ${PATTERN_CHARACTERS_MAX} characters`);
  }
  const flags = /^\(\?[a-z]+\)/.exec(text)?.[0];
  if (flags !== undefined) {
    const letters = '[Aa]pi for api, whatever its first letter';
    throw new SyntaxError(`${flags}: a pattern has no flags: write both letters, as in ${letters}`);
  }
  // In its own engine first: whoever has made an ordinary mistake gets the ordinary words.
  new RegExp(text);
  if (!enabled) setFlagsFromString('--enable-experimental-regexp-engine');
  enabled = true;
  try {
    return new RegExp(text, 'l');
  } catch {
    throw new SyntaxError(
      'this cannot be matched in linear time: leave out back-references, look-ahead, inline flags ' +
        'and large {n,m}',
    );
  }
}
