import type { OptionName } from './option-table.ts';
import type { GivenValue } from './option-values.ts';

/** Values as written on the command line or in a file, by option, in order. */
export type GivenOptions = Map<OptionName, readonly GivenValue[]>;

/** Flags override a file, option by option. */
export function overridden(file: GivenOptions, flags: GivenOptions): GivenOptions {
  return new Map([...file, ...flags]);
}
