/**
 * A module of ours, or of a plugin, as the body of a function, so that it can be compiled as a script: the
 * code of ours is kept (`kept-modules.ts`), and that of a plugin can be forgotten, which Node's own modules
 * never are. Lines and columns stay where they are: what a stack says is true of the source.
 *
 * It takes what such modules are made of, and refuses the rest by a SyntaxError: they never lead back to
 * themselves, and wait for nothing at their top. A name that is exported is what it is when its module has
 * run.
 */

export interface ModuleText {
  /** A function of $exports, $load, $import and $meta. */
  readonly text: string;
  /** Specifiers of what has to run before, each once, in order. */
  readonly imports: readonly string[];
}

/** From plain JavaScript; comments are left out. Throws SyntaxError. */
export function moduleText(source: string): ModuleText {
  return new Translation(source).result();
}

const WORD = /[\p{ID_Start}$_][\p{ID_Continue}$]*/uy;
/** Where the stripped types and comments were, there may be any space. */
const FROM = String.raw`from\s*(?<quote>['"])(?<from>[^'"\n]+)\k<quote>(?:\s*;|(?=\s*(?:\n|$)))`;
const IMPORT = new RegExp(
  String.raw`import\s*(?:(?<alone>['"])(?<effect>[^'"\n]+)\k<alone>(?:\s*;|(?=\s*(?:\n|$)))|` +
    String.raw`(?:(?<one>[\w$]+)\s*,?\s*)?(?:\*\s*as\s+(?<all>[\w$]+)|\{(?<names>[^}]*)\})?\s*${FROM})`,
  'y',
);
const EXPORT_LIST = new RegExp(
  String.raw`export\s*\{(?<names>[^}]*)\}\s*(?:${FROM}|;|(?=\n|$))`,
  'y',
);
const EXPORT_ALL = new RegExp(String.raw`export\s*\*\s*${FROM}`, 'y');
const EXPORT_DEFAULT = /export\s+default\b/y;
const NAMED = /^(?:(?:async )?function ?\*? ?|class )(?!extends\b)(?<name>[\w$]+)/;
/** Characters of a function's or class's head in which its name is. */
const HEAD_LENGTH = 200;
const EXPORT = /export\s+(?:(?:async\s+)?function\*?|class|const|let)\s+(?<name>[\w$]+)/y;

/** A `/` after one of these begins a regular expression; after anything else it divides. */
const BEFORE_REGULAR_EXPRESSION = /(?:^|[(,=:[!&|?{};+\-*%<>~^])$/;
/** `export`: the value of `export default`. */
const WORDS_BEFORE_REGULAR_EXPRESSION = new Set(
  'export return typeof case in of delete void throw new else do await yield instanceof'.split(' '),
);
const REGULAR_EXPRESSION = /\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/[a-z]*/y;
const STRING = /'(?:\\[\s\S]|[^'\\\n])*'|"(?:\\[\s\S]|[^"\\\n])*"/y;
const COMMENT = /\/\/[^\n]*|\/\*[\s\S]*?\*\//y;

class Translation {
  readonly #source: string;
  readonly #parts: string[] = [];
  readonly #imports = new Set<string>();
  readonly #exports: string[] = [];
  #at = 0;
  /** Where what is not copied yet begins. */
  #copied = 0;
  /** Depth of brackets of all kinds. */
  #depth = 0;
  /** Depths at which each open `${` began: at its `}` the template's text goes on. */
  readonly #substitutions: number[] = [];
  /** The last word or character that is neither space nor comment. */
  #last = '';

  constructor(source: string) {
    this.#source = source;
  }

  result(): ModuleText {
    const source = this.#source;
    while (this.#at < source.length) this.#step(source[this.#at]!);
    this.#replace(source.length, '');
    const exported = this.#exports.join('');
    const head = "(function ($exports, $load, $import, $meta) {'use strict';";
    const text = `${head}${this.#parts.join('')}\n${exported}})`;
    return { text, imports: [...this.#imports] };
  }

  #step(character: string): void {
    if (/\s/.test(character)) {
      this.#at++;
      return;
    }
    if (character === '/') this.#slash();
    else if (character === "'" || character === '"') this.#pass(STRING, character);
    else if (character === '`') this.#template();
    else if (character === '}' && this.#substitutions.at(-1) === this.#depth) {
      this.#substitutions.pop();
      this.#template();
    } else this.#code(character);
  }

  #code(character: string): void {
    const at = this.#at;
    if ('([{'.includes(character)) this.#depth++;
    if (')]}'.includes(character)) this.#depth--;
    WORD.lastIndex = this.#at;
    const word = WORD.exec(this.#source)?.[0];
    if (word === undefined) this.#at++;
    else if (!/[.#]/.test(this.#last) && (word === 'import' || word === 'export'))
      this.#keyword(word);
    else this.#at += word.length;
    // What is divided, perhaps, and no sign.
    const isCount = (character === '+' || character === '-') && this.#source[at - 1] === character;
    this.#last = isCount ? ')' : (word ?? character);
  }

  #slash(): void {
    COMMENT.lastIndex = this.#at;
    const comment = COMMENT.exec(this.#source)?.[0];
    if (comment !== undefined) {
      // At the end of a line nothing stands behind it whose column could change.
      const end = this.#at + comment.length;
      const isLast = this.#source[end] === '\n' || end === this.#source.length;
      const blank = comment.replace(/[^\n]/g, isLast ? '' : ' ');
      this.#replace(end, blank);
      return;
    }
    const isExpression =
      BEFORE_REGULAR_EXPRESSION.test(this.#last) || WORDS_BEFORE_REGULAR_EXPRESSION.has(this.#last);
    if (isExpression) this.#pass(REGULAR_EXPRESSION, ')');
    else this.#at++;
    this.#last = isExpression ? ')' : '/';
  }

  #pass(pattern: RegExp, last: string): void {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#source);
    if (match === null) throw this.#fault('is never closed');
    this.#at += match[0].length;
    this.#last = last;
  }

  /** From a backtick, or the brace that ends a substitution, to the next of these. */
  #template(): void {
    const source = this.#source;
    for (let i = this.#at + 1; i < source.length; i++) {
      if (source[i] === '\\') i++;
      else if (source[i] === '`') {
        this.#at = i + 1;
        this.#last = '`';
        return;
      } else if (source[i] === '$' && source[i + 1] === '{') {
        this.#substitutions.push(this.#depth);
        this.#at = i + 2;
        this.#last = '{';
        return;
      }
    }
    throw this.#fault('is never closed');
  }

  #keyword(word: 'import' | 'export'): void {
    const rest = /^(?:import|export)\s*(\((?!\s*\))|\.\s*meta\b|:)?/.exec(
      this.#source.slice(this.#at, this.#at + 80),
    )!;
    const [whole, next] = rest;
    // The name of a property.
    if (next === ':') this.#at += word.length;
    else if (next === '(' && word === 'import') this.#replace(this.#at + word.length, '$import');
    else if (next !== undefined) this.#replace(this.#at + whole.length, '$meta');
    else if (this.#depth > 0) throw this.#fault('is not at the top');
    else if (word === 'import') this.#import();
    else this.#export();
  }

  #import(): void {
    const match = this.#match(IMPORT);
    if (match === null) throw this.#fault('is none that is known here');
    const { effect, all, names, one, from } = match.groups!;
    const specifier = this.#need(from ?? effect!);
    const bound: string[] = [];
    if (one !== undefined) bound.push(`const ${one} = $load.byDefault(${specifier});`);
    if (all !== undefined) bound.push(`const ${all} = $load(${specifier});`);
    if (names !== undefined) {
      bound.push(`const {${names.replace(/\bas\b/g, ':')}} = $load(${specifier});`);
    }
    this.#statement(match[0], bound.length === 0 ? `$load(${specifier});` : bound.join(''));
  }

  #export(): void {
    const listed = this.#match(EXPORT_LIST);
    if (listed !== null) {
      const { names, from } = listed.groups!;
      const source = from === undefined ? '' : `$load(${this.#need(from)}).`;
      for (const [, name, as] of names!.matchAll(/([\w$]+)(?:\s+as\s+([\w$]+))?/g)) {
        this.#exports.push(`$exports.${as ?? name}=${source}${name};`);
      }
      this.#statement(listed[0], from === undefined ? '' : `$load(${this.#need(from)});`);
      return;
    }
    const all = this.#match(EXPORT_ALL);
    if (all !== null) {
      const from = `$load(${this.#need(all.groups!.from!)})`;
      const copied = `for (const $n in ${from}) if ($n !== 'default') $exports[$n] = ${from}[$n];`;
      this.#statement(all[0], copied);
      return;
    }
    const byDefault = this.#match(EXPORT_DEFAULT);
    if (byDefault !== null) {
      const [words] = byDefault;
      const start = this.#at + words.length;
      const head = this.#source.slice(start, start + HEAD_LENGTH).trimStart();
      const name = NAMED.exec(head.replace(/\s+/g, ' '))?.groups?.name;
      if (name === undefined) this.#replace(this.#at + words.length, '$exports.default=');
      else {
        this.#exports.push(`$exports.default=${name};`);
        this.#replace(this.#at + words.length, words.replace(/\S/g, ' '));
      }
      return;
    }
    const match = this.#match(EXPORT);
    if (match === null) throw this.#fault('is none that is known here');
    const { name } = match.groups!;
    this.#exports.push(`$exports.${name}=${name};`);
    this.#replace(this.#at + 'export'.length, '      ');
  }

  #match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at;
    return pattern.exec(this.#source);
  }

  /** The specifier as it is written in code. */
  #need(specifier: string): string {
    this.#imports.add(specifier);
    return JSON.stringify(specifier);
  }

  /** In place of a statement; the lines behind it stay where they are. */
  #statement(statement: string, text: string): void {
    const lines = statement.split('\n').length - text.split('\n').length;
    this.#replace(this.#at + statement.length, text + '\n'.repeat(lines));
  }

  /** Copies up to here, then the text in place of what is there up to `end`. */
  #replace(end: number, text: string): void {
    this.#parts.push(this.#source.slice(this.#copied, this.#at), text);
    this.#at = this.#copied = end;
  }

  #fault(what: string): SyntaxError {
    const before = this.#source.slice(0, this.#at);
    const line = before.split('\n').length;
    const text = this.#source.slice(this.#at).split('\n', 1)[0]!;
    return new SyntaxError(`line ${line}: ${text.slice(0, 60)} ${what}`);
  }
}
