/** Keys that say the same as a flag: what they mean and how they are read is in the option table. */
import { type TSchema, Type } from 'typebox';
import { type OptionName, optionNamed, optionTable } from '../option-table.ts';
import { ofType } from './typed-keys.ts';

export function flagKey(name: OptionName): TSchema {
  const { type, summary, details, defaultText, example, repeatable } = optionNamed(name)!;
  const asWritten = /^\d+$/.test(example) ? Number(example) : example;
  const words = {
    title: summary,
    description: `${details} As \`--${name}\`.`,
    default: defaultText,
    examples: [asWritten],
  };
  const option = { 'x-option': name };
  if (!repeatable) return ofType(type, { ...words, ...option });
  const item = ofType(type, { examples: [asWritten], ...option });
  return Type.Unsafe({ anyOf: [item, { type: 'array', items: item }], ...words });
}

/** Those that have no section; the others may be written under the flag's name as well. */
export const flagNames: readonly OptionName[] = optionTable.map(({ name }) => name);
