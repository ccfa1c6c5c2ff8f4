/**
 * The language of nginx's files: directives with arguments and blocks, quotes and escapes as nginx's
 * own reader has them, and files that are included.
 */
import { globSync, readFileSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, relative, resolve } from 'node:path';
import { UsageError } from '../../base/errors.ts';
import type { SourcePlace } from '../report.ts';

export interface Directive extends SourcePlace {
  readonly name: string;
  readonly args: readonly string[];
  /** Null for what ends with `;`. Files that are included stand in place of their `include`. */
  readonly block: readonly Directive[] | null;
}

/** What an argument `name=value` says. */
export function optionIn({ args }: Pick<Directive, 'args'>, name: string): string | undefined {
  return args.find((arg) => arg.startsWith(`${name}=`))?.slice(name.length + 1);
}

export interface NginxFiles {
  readonly directives: readonly Directive[];
  /** Files that are named and are not there. */
  readonly missing: readonly Directive[];
  /** `include` with what was read for it. */
  readonly included: readonly Directive[];
}

/** Longer files are no configuration. */
const FILE_BYTES_MAX = 16 * 1024 * 1024;
/** All files together: an include may name itself. */
const FILES_MAX = 4096;
const INCLUDE_DEPTH_MAX = 32;
const TEXT_CHARACTERS_MAX = 100;

/** Throws UsageError for what is no configuration of nginx, with file and line. */
export function readNginx(path: string): NginxFiles {
  return new Reader(path).read();
}

class Reader {
  readonly #main: string;
  readonly #root: string;
  readonly #missing: Directive[] = [];
  readonly #included: Directive[] = [];
  #files = 0;

  constructor(path: string) {
    this.#main = resolve(path);
    this.#root = dirname(this.#main);
  }

  read(): NginxFiles {
    const directives = this.#file(this.#main, 0);
    return { directives, missing: this.#missing, included: this.#included };
  }

  #file(path: string, depth: number): Directive[] {
    if (++this.#files > FILES_MAX || depth > INCLUDE_DEPTH_MAX) {
      throw new UsageError(
        `${path}: too many files include each other`,
        'does one include itself?',
      );
    }
    const name = path === this.#main ? basename(path) : relative(this.#root, path);
    const text = textOf(path);
    return this.#expanded(new Parser(name.startsWith('..') ? path : name, text).parse(), depth);
  }

  /** With what is included in place of each `include`. */
  #expanded(directives: readonly Directive[], depth: number): Directive[] {
    return directives.flatMap((directive) => {
      if (directive.name === 'include' && directive.block === null) {
        return this.#include(directive, depth);
      }
      if (directive.block === null || isRaw(directive.name)) return [directive];
      // In place: rows of the report are found by the object.
      (directive as { block: readonly Directive[] }).block = this.#expanded(directive.block, depth);
      return [directive];
    });
  }

  #include(directive: Directive, depth: number): Directive[] {
    const [pattern = ''] = directive.args;
    const found = this.#find(pattern);
    const isPattern = /[*?[]/.test(pattern);
    if (found.length === 0) {
      this.#missing.push(directive);
      return [];
    }
    this.#included.push(directive);
    // Types of files are nginx's own business.
    if (!isPattern && basename(pattern) === 'mime.types') return [];
    return found.flatMap((file) => this.#file(file, depth + 1));
  }

  /**
   * Where nginx would look, and, for files that were copied from another machine, beside the first
   * file: `/etc/nginx/conf.d/*.conf` is also `conf.d/*.conf` there.
   */
  #find(pattern: string): string[] {
    const places = isAbsolute(pattern)
      ? [pattern, ...nextTo(this.#root, pattern)]
      : [join(this.#root, pattern)];
    for (const place of places) {
      const files = globSync(place.replaceAll('\\', '/')).sort();
      if (files.length > 0) return files;
    }
    return [];
  }
}

function nextTo(root: string, pattern: string): string[] {
  const inside = /^\/(?:etc|usr\/local\/etc|usr\/local|opt)\/(?:nginx|openresty)\/(.+)$/.exec(
    pattern,
  );
  return inside === null ? [] : [join(root, inside[1]!.replace(/^conf\//, ''))];
}

function textOf(path: string): string {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    throw new UsageError(
      `${path}: cannot be read (${code})`,
      'name a file that this user may read',
    );
  }
  if (bytes.length <= FILE_BYTES_MAX) return bytes.toString('utf8');
  throw new UsageError(`${path}: too large for a configuration`, 'name the nginx.conf');
}

/** Their blocks are code in another language. */
function isRaw(name: string): boolean {
  return /_by_lua_block$/.test(name);
}

interface Token {
  readonly kind: 'word' | ';' | '{' | '}' | 'end';
  readonly text: string;
  readonly line: number;
}

class Parser {
  readonly #file: string;
  readonly #text: string;
  #at = 0;
  #line = 1;
  /** Right after a quoted word, where nginx lets `)` follow. */
  #afterQuote = false;

  constructor(file: string, text: string) {
    this.#file = file;
    this.#text = text.replace(/^\ufeff/, '');
  }

  parse(): Directive[] {
    const found: Directive[] = [];
    for (;;) {
      const directive = this.#directive();
      if (directive === 'end') return found;
      if (directive === '}') throw this.#mistake('a } without its {', this.#line);
      found.push(directive);
    }
  }

  #directive(): Directive | '}' | 'end' {
    const first = this.#token();
    if (first.kind === 'end') return 'end';
    if (first.kind === '}') return '}';
    if (first.kind !== 'word') throw this.#mistake(`unexpected ${first.text}`, first.line);
    const args: string[] = [];
    for (;;) {
      const token = this.#token();
      if (token.kind === 'word') {
        args.push(token.text);
        continue;
      }
      const head = { file: this.#file, line: first.line, name: first.text, args };
      const text = shownText(first.text, args);
      if (token.kind === ';') return { ...head, text, block: null };
      if (token.kind !== '{') throw this.#mistake(`${first.text} has no end: ; or {`, first.line);
      return { ...head, text, block: isRaw(first.text) ? this.#rawBlock() : this.#block(first) };
    }
  }

  #block(first: Token): Directive[] {
    const found: Directive[] = [];
    for (;;) {
      const directive = this.#directive();
      if (directive === '}') return found;
      if (directive === 'end') throw this.#mistake(`the { of ${first.text} has no }`, first.line);
      found.push(directive);
    }
  }

  /** Up to the brace that closes it. */
  #rawBlock(): Directive[] {
    let depth = 1;
    while (depth > 0) {
      const character = this.#next();
      if (character === '') throw this.#mistake('a block of code has no }', this.#line);
      if (character === '{') depth++;
      if (character === '}') depth--;
    }
    return [];
  }

  #next(): string {
    const character = this.#text[this.#at++] ?? '';
    if (character === '\n') this.#line++;
    return character;
  }

  #token(): Token {
    this.#skip();
    const line = this.#line;
    const character = this.#text[this.#at] ?? '';
    if (character === '') return { kind: 'end', text: 'the end', line };
    if (character === ';' || character === '{' || character === '}') {
      this.#at++;
      this.#afterQuote = false;
      return { kind: character, text: character, line };
    }
    if (character === '"' || character === "'") return this.#quoted(character, line);
    return this.#bare(line);
  }

  #skip(): void {
    const before = this.#at;
    for (;;) {
      const character = this.#text[this.#at];
      if (character === '#' && !(this.#afterQuote && this.#at === before)) {
        while (this.#at < this.#text.length && this.#text[this.#at] !== '\n') this.#at++;
      } else if (character !== undefined && /\s/.test(character)) this.#next();
      else break;
    }
    const isJoined = this.#afterQuote && this.#at === before;
    this.#afterQuote = false;
    if (!isJoined || /[;{)]/.test(this.#text[this.#at] ?? ';')) return;
    throw this.#mistake('a quote is closed in the middle of a word', this.#line);
  }

  #quoted(quote: string, line: number): Token {
    this.#at++;
    let text = '';
    for (;;) {
      const character = this.#next();
      if (character === '') throw this.#mistake(`a ${quote} is not closed`, line);
      if (character === quote) break;
      text += character === '\\' ? this.#escape() : character;
    }
    this.#afterQuote = true;
    return { kind: 'word', text, line };
  }

  #bare(line: number): Token {
    let text = '';
    for (;;) {
      const character = this.#text[this.#at] ?? '';
      if (character === '' || /[\s;]/.test(character)) break;
      if (character === '{' && !text.endsWith('$')) break;
      this.#next();
      text += character === '\\' ? this.#escape() : character;
    }
    return { kind: 'word', text, line };
  }

  /** What a backslash and the next character mean; of most it is both. */
  #escape(): string {
    const next = this.#next();
    const known: Record<string, string> = {
      '"': '"',
      "'": "'",
      '\\': '\\',
      t: '\t',
      r: '\r',
      n: '\n',
    };
    return known[next] ?? `\\${next}`;
  }

  #mistake(problem: string, line: number): UsageError {
    return new UsageError(`${this.#file}:${line}: ${problem}`, 'nginx -t says more about it');
  }
}

/** On one line, without what may be a secret. */
function shownText(name: string, args: readonly string[]): string {
  const isSecret = /authorization|cookie|token|secret|password|api[-_]?key/i;
  const shown = args.map((arg, i) =>
    i > 0 && isSecret.test(args[0]!) && arg !== '' ? '…' : quoted(arg),
  );
  const text = [name, ...shown].join(' ');
  return text.length <= TEXT_CHARACTERS_MAX ? text : `${text.slice(0, TEXT_CHARACTERS_MAX - 1)}…`;
}

function quoted(arg: string): string {
  return arg === '' || /[\s;{}"']/.test(arg) ? `"${arg.replaceAll('"', '\\"')}"` : arg;
}
