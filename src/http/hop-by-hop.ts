/** Fields that speak of one connection and go no further (RFC 9110 §7.6.1). */
import { fieldNameInfo } from './field-names.ts';
import type { FieldSection } from './field-section.ts';

/** Appends to `target` every field of `source` that is meant for the next recipient, too. */
export function copyEndToEndFields(source: FieldSection, target: FieldSection): void {
  const listed = connectionOptions(source);
  for (let i = 0; i < source.length; i++) {
    const name = source.names[i]!;
    if (fieldNameInfo(name)?.hopByHop || listed.includes(name)) continue;
    target.append(name, source.values[i]!);
  }
}

/** The names that Connection lists, lower-case. */
export function connectionOptions(fields: FieldSection): readonly string[] {
  const value = fields.combined('connection');
  if (value === undefined) return [];
  return value.split(',').map((option) => option.trim().toLowerCase());
}
