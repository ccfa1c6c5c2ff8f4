/** From a file's text and flags to options: one way for start, check and reload. */
import { UsageError } from '../base/errors.ts';
import { diagnosticsError } from './document/diagnostic.ts';
import type { Source } from './document/source.ts';
import { type ExplicitOptions, overridden } from './explicit-values.ts';
import type { SluiceOptions } from './options.ts';
import { resolveOptions, type Surroundings } from './resolve.ts';

export interface ConfigurationInput extends Surroundings {
  /** Null without a file. */
  readonly source: Source | null;
  /** What flags say, over what the file says. */
  readonly flags: ExplicitOptions;
}

export interface Configuration {
  readonly options: SluiceOptions;
  /** What they came from, to compare them with others; it never leaves this process. */
  readonly source: Source | null;
}

/** With `isCheck` nothing is made or written. Throws UsageError, which holds all mistakes of a file. */
export async function loadConfiguration(input: ConfigurationInput): Promise<Configuration> {
  const { source, flags } = input;
  if (source === null) return { options: await resolveOptions(flags, input), source };
  // Loaded for files only: a start with flags alone needs no schema.
  const { compileFile } = await import('./compile/configuration.ts');
  const { given, sections: plain, plugins, diagnostics: found } = compileFile(source, input);
  const tried = (await plugins?.compile()) ?? { plugins: [], diagnostics: [] };
  const sections = { ...plain, plugins: tried.plugins };
  const diagnostics = [...found, ...tried.diagnostics];
  const all = overridden(given, flags);
  const surroundings = { ...input, file: source.file };
  if (diagnostics.length === 0) {
    return { options: await resolveOptions(all, surroundings, sections), source };
  }
  const more = await mistakesOf(() =>
    resolveOptions(all, { ...input, isCheck: true, warn() {} }, sections),
  );
  throw diagnosticsError([...diagnostics, ...more]);
}

/** Those with a place; that it has no origin may be because the key is misspelt. */
async function mistakesOf(body: () => Promise<unknown>): Promise<UsageError['diagnostics']> {
  try {
    await body();
    return [];
  } catch (error) {
    if (error instanceof UsageError) return error.diagnostics;
    throw error;
  }
}
