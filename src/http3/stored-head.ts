/**
 * The field section of a stored response, encoded once and kept with it. It refers to the static table
 * only, so that it is right on every connection and waits for nothing. Only Age is added per answer.
 */
import { mayAnnounceLength } from '../http/content-length.ts';
import type { PreparedResponse } from '../http/exchange.ts';
import { FieldBlock } from '../http/field-block.ts';
import { isUnsent } from '../http/field-policy.ts';
import { appendQpackLiteral } from './qpack/encoder.ts';
import { qpackStaticField, qpackStaticName } from './qpack/static-table.ts';

const block = new FieldBlock();
const AGE_INDEX = qpackStaticName('age');

/** The section with its prefix and without Age, encoded on first use. */
export function storedSection(stored: PreparedResponse): Uint8Array {
  return stored.http3Head ?? (stored.http3Head = encodeStored(stored));
}

function encodeStored(stored: PreparedResponse): Uint8Array {
  const { names, values } = stored.fields;
  block.length = 0;
  // No Required Insert Count, no base (RFC 9204 §4.5.1).
  block.integer(0, 8, 0);
  block.integer(0, 7, 0);
  append(':status', String(stored.status));
  if (mayAnnounceLength(stored.status)) append('content-length', String(stored.content.length));
  for (let i = 0; i < names.length; i++) {
    const name = names[i]!;
    if (name === 'age' || name === 'content-length' || isUnsent(name, values[i]!)) continue;
    append(name, values[i]!);
  }
  return block.bytes.slice(0, block.length);
}

function append(name: string, value: string): void {
  const exact = qpackStaticField(name, value);
  if (exact >= 0) block.integer(0xc0, 6, exact);
  else appendQpackLiteral(block, name, value);
}

/** Bytes that {@link writeAgeLine} will write. */
export function ageLineBytes(seconds: number): number {
  return seconds < 0 ? 0 : 2 + String(seconds).length;
}

/** A literal with the name of the static table; the value is shorter than its prefix could say. */
export function writeAgeLine(seconds: number, target: Uint8Array, offset: number): void {
  if (seconds < 0) return;
  const digits = String(seconds);
  target[offset] = 0x50 | AGE_INDEX;
  target[offset + 1] = digits.length;
  for (let i = 0; i < digits.length; i++) target[offset + 2 + i] = digits.charCodeAt(i);
}
