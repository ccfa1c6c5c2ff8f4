/** What a stored response costs in memory besides its content. Measured by bench/micro/cache.ts. */
import type { FieldSection } from '../../http/field-section.ts';
import type { StoredResponse } from '../contract.ts';

/**
 * Objects of one stored response: entry, link, response, freshness, directives, field arrays, map
 * slot, buffer header. An upper bound of what was measured on Node 26 (about 1,600 bytes).
 */
export const ENTRY_OVERHEAD_BYTES = 1_792;

/**
 * What is kept once a response has been served, besides its fields: a field section, and its encoded
 * forms for HTTP/1.1 and HTTP/2, with our own fields. An upper bound of what was measured.
 */
const PREPARED_OVERHEAD_BYTES = 512;

/** A string's header and its slot in an array. */
const STRING_OVERHEAD_BYTES = 28;

/** A slot in the map of targets, and a set with one member. */
const EXTENDED_OVERHEAD_BYTES = 256;

function fieldSectionBytes(fields: FieldSection): number {
  let bytes = 0;
  for (let i = 0; i < fields.length; i++) {
    // Known names are shared; counting each keeps the estimate on the safe side for the others.
    bytes += fields.names[i]!.length + fields.values[i]!.length + 2 * STRING_OVERHEAD_BYTES;
  }
  return bytes;
}

export function responseBytes(key: string, response: StoredResponse): number {
  let bytes = ENTRY_OVERHEAD_BYTES + key.length + STRING_OVERHEAD_BYTES;
  // Keys that rules have added to are listed under their target, too.
  if (key.includes('\n')) bytes += key.length + EXTENDED_OVERHEAD_BYTES;
  bytes += fieldSectionBytes(response.fields);
  for (const [name, value] of response.varyFields) {
    bytes += name.length + (value?.length ?? 0) + 3 * STRING_OVERHEAD_BYTES;
  }
  return bytes;
}

/** What more a response takes once it has been served. */
export function preparedBytes(response: StoredResponse): number {
  return PREPARED_OVERHEAD_BYTES + 2 * fieldSectionBytes(response.fields);
}
