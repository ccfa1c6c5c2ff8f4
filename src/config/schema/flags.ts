/** Keys that say the same as a flag: what they mean and how they are read is in the option table. */
import { type TSchema, Type } from 'typebox';
import { type OptionName, optionNamed, optionTable } from '../option-table.ts';

/** `default`: where it differs from what the flag's says. */
export function flagKey(name: OptionName): TSchema {
  const { type, summary, details, defaultText, example, repeatable } = optionNamed(name)!;
  const words = {
    title: summary,
    description: `${details} As \`--${name}\`.`,
    default: defaultText,
    examples: [example],
  };
  const one = { type: ['string', 'integer', 'boolean'], 'x-kind': type, 'x-option': name };
  if (!repeatable) return Type.Unsafe({ ...one, ...words });
  const item = { ...one, examples: [example] };
  return Type.Unsafe({ anyOf: [item, { type: 'array', items: item }], ...words });
}

/** Those that have no section; the others may be written under the flag's name as well. */
export const flagNames: readonly OptionName[] = optionTable.map(({ name }) => name);
