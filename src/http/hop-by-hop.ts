/** Fields that speak of one connection and go no further (RFC 9110 §7.6.1). */
import { fieldNameInfo } from './field-names.ts';
import type { FieldSection } from './field-section.ts';

const NONE: readonly string[] = [];

/**
 * Appends to `target` every field of `source` that is meant for the next recipient, too.
 *
 * What Connection names goes no further, but for fields that are defined for all recipients: naming
 * those is forbidden (RFC 9110 §7.6.1), and doing so all the same has been used to make proxies drop
 * Authorization, Cookie, X-Forwarded-For or Early-Data, which the next recipient relies on.
 */
export function copyEndToEndFields(source: FieldSection, target: FieldSection): void {
  const listed = connectionOptions(source);
  for (let i = 0; i < source.length; i++) {
    const name = source.names[i]!;
    const known = fieldNameInfo(name);
    const staysHere = known === undefined ? listed.includes(name) : known.hopByHop;
    if (!staysHere) target.append(name, source.values[i]!);
  }
}

/** The names that Connection lists, lower-case. */
function connectionOptions(fields: FieldSection): readonly string[] {
  const value = fields.combined('connection');
  if (value === undefined || value === 'keep-alive' || value === 'close') return NONE;
  return value.split(',').map((option) => option.trim().toLowerCase());
}
