/** Fields that speak of one connection and go no further (RFC 9110 §7.6.1). */
import { fieldNameInfo } from './field-names.ts';
import type { FieldSection } from './field-section.ts';

/**
 * Fields that routing, access and caching rest on. They are meant for all recipients, so that naming
 * them in Connection is forbidden (RFC 9110 §7.6.1); doing so all the same has been used to make
 * proxies drop what the next recipient relies on. Everything else that Connection names stays here.
 */
const NEVER_DROPPED = new Set([
  'authorization',
  'cache-control',
  'content-encoding',
  'content-length',
  'content-range',
  'content-type',
  'cookie',
  'early-data',
  'forwarded',
  'host',
  'location',
  'set-cookie',
  'vary',
  'via',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-real-ip',
]);

/** Appends to `target` every field of `source` that is meant for the next recipient, too. */
export function copyEndToEndFields(source: FieldSection, target: FieldSection): void {
  const listed = connectionOptions(source);
  for (let i = 0; i < source.length; i++) {
    const name = source.names[i]!;
    if (fieldNameInfo(name)?.hopByHop || listed?.has(name)) continue;
    target.append(name, source.values[i]!);
  }
}

/**
 * Carries out what Connection says, and takes it away: what is added to the section from here on is
 * no longer the sender's to name.
 */
export function carryOutConnection(fields: FieldSection): void {
  const listed = connectionOptions(fields);
  fields.remove('connection');
  if (listed === null) return;
  for (const name of [...fields.names]) if (listed.has(name)) fields.remove(name);
}

/** The names that Connection takes away, lower-case; null for none. */
function connectionOptions(fields: FieldSection): ReadonlySet<string> | null {
  const value = fields.combined('connection');
  if (value === undefined || value === 'keep-alive' || value === 'close') return null;
  const names = new Set(value.split(',').map((option) => option.trim().toLowerCase()));
  for (const name of NEVER_DROPPED) names.delete(name);
  return names;
}
