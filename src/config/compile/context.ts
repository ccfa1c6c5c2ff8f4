/** What functions that make options of a section get beside its values. */
import type { Warn } from '../../base/errors.ts';
import { type Diagnostic, type KeyPath, keyText } from '../document/diagnostic.ts';
import { explicitValue } from '../document/reader.ts';
import type { ParsedSource } from '../document/source.ts';
import type { ExplicitValue } from '../option-values.ts';
import type { HostOptions } from '../options.ts';

/** What a whole compilation shares. */
export interface Compilation {
  readonly parsed: ParsedSource;
  readonly diagnostics: Diagnostic[];
  readonly warn: Warn;
  readonly nowMs: number;
  readonly hostsInUse?: readonly HostOptions[];
}

export class CompileContext {
  readonly #compilation: Compilation;
  readonly #path: KeyPath;

  /** `path`: the section's. All other paths count from there. */
  constructor(compilation: Compilation, path: KeyPath) {
    this.#compilation = compilation;
    this.#path = path;
  }

  get directory(): string {
    return this.#compilation.parsed.source.directory;
  }

  get nowMs(): number {
    return this.#compilation.nowMs;
  }

  get hostsInUse(): readonly HostOptions[] {
    return this.#compilation.hostsInUse ?? [];
  }

  below(...path: KeyPath): CompileContext {
    return new CompileContext(this.#compilation, [...this.#path, ...path]);
  }

  /** Notes a mistake; all of them are told together. */
  refuse(path: KeyPath, problem: string, remedy: string): void {
    const whole = [...this.#path, ...path];
    const position = this.#compilation.parsed.positionOf(whole);
    this.#compilation.diagnostics.push({ ...position, key: keyText(whole), problem, remedy });
  }

  /** Notes what a function that reads one value had to say. */
  note(diagnostics: readonly Diagnostic[]): void {
    this.#compilation.diagnostics.push(...diagnostics);
  }

  warn(path: KeyPath, message: string): void {
    const whole = [...this.#path, ...path];
    const { file, line, column } = this.#compilation.parsed.positionOf(whole);
    const key = keyText(whole);
    const text = `${file}:${line}:${column}: ${key}: ${message}`;
    this.#compilation.warn(text, { file, line, column, key, problem: message });
  }

  /** A value as written, for functions that read text. */
  given(path: KeyPath, text: string): ExplicitValue {
    return explicitValue(this.#compilation.parsed, [...this.#path, ...path], text);
  }
}
