import type { OptionName } from './option-table.ts';
import type { ExplicitValue } from './option-values.ts';

/** Values as written on the command line or in a file, by option, in order. */
export type ExplicitOptions = Map<OptionName, readonly ExplicitValue[]>;

/** Flags override a file, option by option. */
export function overridden(file: ExplicitOptions, flags: ExplicitOptions): ExplicitOptions {
  return new Map([...file, ...flags]);
}
