/**
 * Regular expressions of other servers (PCRE) as patterns of ours. What would mean something else here
 * is refused, never guessed: a pattern may be what keeps somebody out.
 */
import { compilePattern } from '../routing/pattern.ts';

export interface Pattern {
  readonly text: string;
  /** Numbers of the groups that have names. */
  readonly names: ReadonlyMap<string, number>;
}

/** Why a pattern cannot be one of ours. */
export class PatternProblem extends Error {}

interface PatternOptions {
  readonly ignoreCase?: boolean;
  /** Characters that no path has as they are, such as a blank, also match their %-encoded form. */
  readonly ofPath?: boolean;
}

/** Escapes that mean the same in both languages. */
const SAME_ESCAPES = /[dDwWsSbB]/;

/** Throws PatternProblem. */
export function importedPattern(written: string, options: PatternOptions = {}): Pattern {
  const flags = /^\(\?(i)\)/.exec(written);
  const source = flags === null ? written : written.slice(flags[0].length);
  const ignoreCase = options.ignoreCase === true || flags !== null;
  const translator = new Translator(source, ignoreCase, options.ofPath === true);
  const text = translator.translate();
  try {
    compilePattern(text);
  } catch (error) {
    throw new PatternProblem((error as Error).message);
  }
  return { text, names: translator.names };
}

/** A pattern that matches exactly this text. */
export function escapedPattern(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}

class Translator {
  readonly names = new Map<string, number>();
  readonly #source: string;
  readonly #ignoreCase: boolean;
  readonly #ofPath: boolean;
  #at = 0;
  #groups = 0;

  constructor(source: string, ignoreCase: boolean, ofPath: boolean) {
    this.#source = source;
    this.#ignoreCase = ignoreCase;
    this.#ofPath = ofPath;
  }

  translate(): string {
    let text = '';
    while (this.#at < this.#source.length) text += this.#piece();
    return text;
  }

  #piece(): string {
    const character = String.fromCodePoint(this.#source.codePointAt(this.#at)!);
    if (character === '\\') return this.#escape(false);
    if (character === '(') return this.#group();
    if (character === '[') return this.#class();
    this.#at += character.length;
    if (/[*+?}]/.test(character) && this.#source[this.#at] === '+') {
      throw new PatternProblem('possessive quantifiers are not to be had');
    }
    return /[.^$|)*+?{}]/.test(character) ? character : this.#literal(character);
  }

  #group(): string {
    const rest = this.#source.slice(this.#at);
    const named = /^\(\?(?:P?<([A-Za-z_]\w*)>|'([A-Za-z_]\w*)')/.exec(rest);
    if (named !== null) {
      this.#at += named[0].length;
      this.names.set(named[1] ?? named[2]!, ++this.#groups);
      return '(';
    }
    if (rest.startsWith('(?:')) {
      this.#at += 3;
      return '(?:';
    }
    if (rest.startsWith('(?!')) return this.#without(rest);
    if (/^\([?*]/.test(rest)) {
      throw new PatternProblem(`${rest.slice(0, 4)}… is not to be had`);
    }
    this.#at++;
    this.#groups++;
    return '(';
  }

  /** `(?!word)` at the end of an expression: what is there and does not begin with the word. */
  #without(rest: string): string {
    const match = /^\(\?!((?:[\w/-]|\\[./-]|\|)+)\)(?:\.\*)?\$?$/.exec(rest);
    if (match === null)
      throw new PatternProblem('look-ahead is to be had for words at the end only');
    this.#at = this.#source.length;
    const words = match[1]!.split('|').map((word) => word.replaceAll('\\', ''));
    return this.#noneOf(words);
  }

  #noneOf(words: readonly string[]): string {
    const firsts = [
      ...new Set(words.map((word) => (this.#ignoreCase ? word[0]!.toLowerCase() : word[0]!))),
    ];
    const letters = (one: string) => {
      const both = this.#ignoreCase ? new Set([one, one.toUpperCase()]) : [one];
      return [...both].map((letter) => letter.replace(/[\]\\^-]/, '\\$&')).join('');
    };
    const ways = ['$', `[^${firsts.map(letters).join('')}]`];
    for (const first of firsts) {
      const tails = words
        .filter((word) => letters(first).includes(word[0]!))
        .map((word) => word.slice(1));
      if (!tails.includes('')) ways.push(`[${letters(first)}]${this.#noneOf(tails)}`);
    }
    return `(?:${ways.join('|')})`;
  }

  #escape(inClass: boolean): string {
    const next = this.#source[this.#at + 1] ?? '';
    this.#at += 2;
    const hex = /^[0-9a-fA-F]{2}/.exec(this.#source.slice(this.#at))?.[0];
    if (next === 'x' && hex !== undefined) {
      this.#at += 2;
      return `\\x${hex}`;
    }
    if (!inClass && next === 'A') return '^';
    if (!inClass && (next === 'z' || next === 'Z')) return '$';
    if (next === 'h') return inClass ? ' \\t' : '[ \\t]';
    if (/[tnrf]/.test(next) || SAME_ESCAPES.test(next)) return `\\${next}`;
    if (next === '' || /[A-Za-z0-9]/.test(next)) {
      throw new PatternProblem(`\\${next} is not to be had`);
    }
    if (inClass) return `\\${next}`;
    return /[\\^$.*+?()[\]{}|/]/.test(next) ? `\\${next}` : this.#literal(next);
  }

  #class(): string {
    let text = '[';
    this.#at++;
    if (this.#source[this.#at] === '^') {
      text += '^';
      this.#at++;
    }
    // The first ] is a member in PCRE, and an end here.
    if (this.#source[this.#at] === ']') {
      text += '\\]';
      this.#at++;
    }
    for (;;) {
      const character = this.#source[this.#at];
      if (character === undefined) throw new PatternProblem('a [ has no ]');
      if (character === ']') break;
      if (/^\[[:.=]/.test(this.#source.slice(this.#at))) {
        throw new PatternProblem('[:classes:] are not to be had');
      }
      if (character === '\\') text += this.#escape(true);
      else text += this.#member(character);
    }
    this.#at++;
    return `${text}]`;
  }

  #member(character: string): string {
    if (character > '\x7f') throw new PatternProblem('a [class] with letters beyond ASCII');
    const range = /^([A-Za-z0-9])-([A-Za-z0-9])/.exec(this.#source.slice(this.#at));
    if (range !== null) {
      this.#at += 3;
      const [whole = '', from = '', to = ''] = range;
      if (!this.#ignoreCase) return whole;
      const others = otherCase(from, to);
      return others === '' ? whole : `${whole}${others}`;
    }
    this.#at++;
    if (!this.#ignoreCase || !/[A-Za-z]/.test(character)) {
      return character === '[' ? '\\[' : character;
    }
    return `${character.toLowerCase()}${character.toUpperCase()}`;
  }

  #literal(character: string): string {
    if (this.#ignoreCase && /[A-Za-z]/.test(character)) {
      return `[${character.toUpperCase()}${character.toLowerCase()}]`;
    }
    const escaped = escapedPattern(character);
    if (!this.#ofPath || /[!-~]/.test(character)) return escaped;
    // In a path as it is sent such a character is encoded, in one that is decoded it is bytes.
    const bytes = [...Buffer.from(character)];
    const hex = (byte: number) => byte.toString(16).toUpperCase().padStart(2, '0');
    const encoded = bytes.map((byte) => `%${hex(byte)}`).join('');
    return `(?:${encoded}|${bytes.map((byte) => `\\x${hex(byte)}`).join('')})`;
  }
}

/** The same letters in the other case; '' for what is no range of letters. */
function otherCase(from: string, to: string): string {
  if (/[a-z]/.test(from) && /[a-z]/.test(to)) return `${from.toUpperCase()}-${to.toUpperCase()}`;
  if (/[A-Z]/.test(from) && /[A-Z]/.test(to)) return `${from.toLowerCase()}-${to.toLowerCase()}`;
  if (/[0-9]/.test(from) && /[0-9]/.test(to)) return '';
  throw new PatternProblem('a range over digits and letters of both cases');
}
