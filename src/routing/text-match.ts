/** How a value is compared: whole, by a part of it, or by a pattern; with case or without. */
import { compilePattern, PATTERN_PATH_CHARACTERS_MAX } from './pattern.ts';

export interface TextMatch {
  /** `any`: whatever it is, as long as it is there. */
  readonly kind: 'any' | 'exact' | 'prefix' | 'suffix' | 'contains' | 'pattern';
  /** '' for `any`. */
  readonly text: string;
  readonly ignoreCase: boolean;
}

export type TextTest = (value: string) => boolean;

/** Throws SyntaxError for a pattern that is none. */
export function compileTextMatch({ kind, text, ignoreCase }: TextMatch): TextTest {
  if (kind === 'any') return () => true;
  if (kind === 'pattern') {
    const pattern = compilePattern(text, { ignoreCase });
    // Where it decides about access, longer ones are refused before: see `patternedFields`.
    return (value) => value.length <= PATTERN_PATH_CHARACTERS_MAX && pattern.test(value);
  }
  const test = COMPARISONS[kind];
  if (!ignoreCase) return (value) => test(value, text);
  const wanted = text.toLowerCase();
  return (value) => test(value.toLowerCase(), wanted);
}

const COMPARISONS: Record<
  Exclude<TextMatch['kind'], 'any' | 'pattern'>,
  (value: string, text: string) => boolean
> = {
  exact: (value, text) => value === text,
  prefix: (value, text) => value.startsWith(text),
  suffix: (value, text) => value.endsWith(text),
  contains: (value, text) => value.includes(text),
};
