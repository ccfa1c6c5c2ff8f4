/**
 * The field block of a stored response, encoded once and kept with it. It is made of the static
 * table and of literals that are not indexed, so that it is right on every connection, whatever its
 * dynamic tables hold (RFC 7541 §6.1, §6.2.2). Only Age is added per answer.
 */

import { mayAnnounceLength } from '../http/content-length.ts';
import type { PreparedResponse } from '../http/exchange.ts';
import { FieldBlock } from '../http/field-block.ts';
import { isUnsent } from '../http/field-policy.ts';
import { appendLiteral } from './hpack-encoder.ts';
import { staticNameIndex } from './static-table.ts';

const block = new FieldBlock();
const AGE_INDEX = staticNameIndex('age');

/** The block without Age, encoded on first use. */
export function storedHead(stored: PreparedResponse): Uint8Array {
  return stored.http2Head ?? (stored.http2Head = encodeStoredHead(stored));
}

function encodeStoredHead(stored: PreparedResponse): Uint8Array {
  const { names, values } = stored.fields;
  block.length = 0;
  appendLiteral(block, ':status', String(stored.status));
  if (mayAnnounceLength(stored.status)) {
    appendLiteral(block, 'content-length', String(stored.content.length));
  }
  for (let i = 0; i < names.length; i++) {
    const name = names[i]!;
    if (name === 'age' || name === 'content-length' || isUnsent(name, values[i]!)) continue;
    appendLiteral(block, name, values[i]!);
  }
  return block.bytes.slice(0, block.length);
}

/** An Age field line: at most 2 bytes of index, 1 of length, 16 digits. */
export const ageLine = new Uint8Array(20);
let ageLineSeconds = -1;
let ageLineLength = 0;

/** Writes the field line into {@link ageLine} and returns its length; 0 for no Age. */
export function encodeAge(seconds: number): number {
  if (seconds < 0) return 0;
  if (seconds === ageLineSeconds) return ageLineLength;
  const digits = String(seconds);
  // Literal without indexing, indexed name: a prefix of four ones, then the rest of the index.
  ageLine[0] = 0x0f;
  ageLine[1] = AGE_INDEX - 15;
  ageLine[2] = digits.length;
  for (let i = 0; i < digits.length; i++) ageLine[3 + i] = digits.charCodeAt(i);
  ageLineSeconds = seconds;
  ageLineLength = 3 + digits.length;
  return ageLineLength;
}
