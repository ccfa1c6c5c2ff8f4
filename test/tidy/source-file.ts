/** What the tidy rules read: a file's text with the parts blanked that a rule must not look at. */
export interface SourceFile {
  /** Relative to the project's root, with forward slashes. */
  readonly path: string;
  readonly text: string;
  /** As `text`, with every character of a comment made a space. */
  readonly withoutComments: string;
  /** As `withoutComments`, with the inside of strings, templates and regular expressions blanked. */
  readonly code: string;
  readonly imports: readonly string[];
  /** Its literals of regular expressions, as they stand there. */
  readonly patterns: readonly Pattern[];
}

export interface Pattern {
  readonly source: string;
  readonly flags: string;
  /** Where it begins in the text. */
  readonly index: number;
}

export function sourceFile(path: string, text: string): SourceFile {
  const { withoutComments, code, patterns } = blank(text);
  return { path, text, withoutComments, code, imports: importsOf(withoutComments, code), patterns };
}

/** Module specifiers of static and dynamic imports, re-exports, and modules started by URL. */
function importsOf(text: string, code: string): string[] {
  const patterns = [
    /\b(?:import|export)\b[^;'"`()]*?\bfrom\s*['"]([^'"]+)['"]/g,
    /\bimport\s*['"]([^'"]+)['"]/g,
    /\bimport\(\s*['"]([^'"]+)['"]/g,
    /\bnew URL\(\s*['"](\.[^'"]+\.(?:ts|js|mjs))['"],\s*import\.meta\.url/g,
    /\bimport\.meta\.resolve\(\s*['"](\.[^'"]+)['"]/g,
  ];
  // A file of ours that is run as a process: cli/entry-point.ts.
  const started = [...text.matchAll(/\bentryPoint\(\s*'([^']+)'/g)].map((m) => `../${m[1]}.ts`);
  const imported = patterns.flatMap((pattern) =>
    [...text.matchAll(pattern)]
      // An import that is written inside a string is none.
      .filter((match) => code[match.index] === text[match.index])
      .map((match) => match[1]!),
  );
  return [...imported, ...started];
}

/** Matches, at a position, whatever is not plain code. */
const NOT_CODE =
  /\/\/[^\n]*|\/\*[\s\S]*?\*\/|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[*])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])*\/[a-z]*/y;

/** A `/` after one of these begins a regular expression; after anything else it divides. */
const BEFORE_REGULAR_EXPRESSION =
  /(?:^|[(,=:[!&|?{};+\-*%<>~^]|\b(?:return|typeof|case|in|of))\s*$/;

function blank(text: string): Pick<SourceFile, 'withoutComments' | 'code' | 'patterns'> {
  const patterns: Pattern[] = [];
  const withoutComments = [...text];
  const code = [...text];
  /** Depth of braces at which each open `${` began: at its `}` the template's text goes on. */
  const substitutions: number[] = [];
  let depth = 0;
  let i = 0;
  const blankRange = (target: string[], start: number, end: number) => {
    for (let k = start; k < end; k++) if (target[k] !== '\n') target[k] = ' ';
  };
  while (i < text.length) {
    const c = text[i]!;
    if (c === '`' || (c === '}' && substitutions.at(-1) === depth)) {
      if (c === '}') substitutions.pop();
      const end = templateTextEnd(text, i + 1);
      blankRange(code, i + 1, end);
      if (text[end] === '$') substitutions.push(depth);
      i = text[end] === '$' ? end + 2 : end + 1;
      continue;
    }
    NOT_CODE.lastIndex = i;
    const match = `/'"`.includes(c) ? NOT_CODE.exec(text)?.[0] : undefined;
    if (match !== undefined && isLiteral(match, code, i)) {
      const isComment = match.startsWith('//') || match.startsWith('/*');
      if (isComment) blankRange(withoutComments, i, i + match.length);
      else if (c === '/') patterns.push(patternOf(match, i));
      blankRange(code, isComment ? i : i + 1, isComment ? i + match.length : i + match.length - 1);
      i += match.length;
      continue;
    }
    if (c === '{') depth++;
    if (c === '}') depth--;
    i++;
  }
  return { withoutComments: withoutComments.join(''), code: code.join(''), patterns };
}

function patternOf(literal: string, index: number): Pattern {
  const end = literal.lastIndexOf('/');
  return { source: literal.slice(1, end), flags: literal.slice(end + 1), index };
}

function isLiteral(match: string, codeSoFar: readonly string[], index: number): boolean {
  if (match[0] !== '/' || match[1] === '/' || match[1] === '*') return true;
  const before = codeSoFar.slice(Math.max(0, index - 40), index).join('');
  return BEFORE_REGULAR_EXPRESSION.test(before);
}

/** The index of the back-tick or of the `${` that ends a template's text. */
function templateTextEnd(text: string, start: number): number {
  let i = start;
  while (i < text.length && text[i] !== '`' && !text.startsWith('${', i)) {
    i += text[i] === '\\' ? 2 : 1;
  }
  return i;
}

/** The 1-based line of an index. */
export function lineAt(text: string, index: number): number {
  return text.slice(0, index).split('\n').length;
}
