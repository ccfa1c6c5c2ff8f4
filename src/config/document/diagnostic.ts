/** What is wrong in a configuration file, and where: all of it is told at once. */
import { type FileDiagnostic, UsageError } from '../../base/errors.ts';

/** Where something is written. Lines and columns count from 1. */
export interface Position {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** From the root of the file: `['routes', 0, 'cache', 'lifetime']`. */
export type KeyPath = readonly (string | number)[];

export type Diagnostic = FileDiagnostic;

export function keyText(path: KeyPath): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else text += text === '' ? part : `.${part}`;
  }
  return text;
}

/** `sluice.yaml:3:5: routes[0].origin: no origin is called ap; did you mean app?` */
export function diagnosticText({ file, line, column, key, problem, remedy }: Diagnostic): string {
  return `${file}:${line}:${column}: ${keyAndProblem(key, problem)}; ${remedy}`;
}

/** A problem that begins with the value in quotes follows the key as its value does. */
export function keyAndProblem(key: string, problem: string): string {
  if (key === '') return problem;
  return problem.startsWith('"') ? `${key} ${problem}` : `${key}: ${problem}`;
}

/** One error of all of them; there is at least one. */
export function diagnosticsError(diagnostics: readonly Diagnostic[]): UsageError {
  const ordered = inOrder(diagnostics);
  const [first] = ordered;
  if (ordered.length === 1) {
    const { file, line, column, key, problem, remedy } = first!;
    const message = `${file}:${line}:${column}: ${keyAndProblem(key, problem)}`;
    return new UsageError(message, remedy, ordered);
  }
  const lines = ordered.map((mistake) => `  ${diagnosticText(mistake)}`).join('\n');
  const message = `${ordered.length} mistakes in ${first!.file}:\n${lines}\n`;
  return new UsageError(message, 'mend them, and see sluice check', ordered);
}

/** In the order of the file, each once. */
function inOrder(diagnostics: readonly Diagnostic[]): Diagnostic[] {
  const known = new Map(diagnostics.map((mistake) => [diagnosticText(mistake), mistake]));
  return [...known.values()].sort((a, b) => a.line - b.line || a.column - b.column);
}
