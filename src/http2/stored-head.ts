/**
 * The field block of a stored response, encoded once and kept with it. It is made of the static
 * table and of literals that are not indexed, so that it is right on every connection, whatever its
 * dynamic tables hold (RFC 7541 §6.1, §6.2.2). Only Age is added per answer.
 */

import { writeLatin1 } from '../base/bytes.ts';
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
const AGE_LINE_BYTES_MAX = 20;
/** An Alt-Svc line with its name, and a value that a prefix of a byte can tell the length of. */
const ANNOUNCED_LINE_BYTES_MAX = 140;

/** What is added to an answer: see {@link encodeAdded}. */
export const addedLines = new Uint8Array(AGE_LINE_BYTES_MAX + ANNOUNCED_LINE_BYTES_MAX);
let addedSeconds = -1;
let addedAnnounced: string | null = null;
let addedLength = 0;
/** Alt-Svc as it was encoded last: a listener has one value. */
let announcedValue = '';
let announcedLine: Uint8Array = new Uint8Array(0);

/**
 * Writes Age (unless negative) and Alt-Svc (unless null) into {@link addedLines}; returns how many bytes.
 */
export function encodeAdded(seconds: number, announced: string | null): number {
  if (seconds === addedSeconds && announced === addedAnnounced) return addedLength;
  addedLength = encodeAge(seconds);
  if (announced !== null) {
    if (announced !== announcedValue) encodeAnnounced(announced);
    addedLines.set(announcedLine, addedLength);
    addedLength += announcedLine.length;
  }
  addedSeconds = seconds;
  addedAnnounced = announced;
  return addedLength;
}

function encodeAge(seconds: number): number {
  if (seconds < 0) return 0;
  const digits = String(seconds);
  // Literal without indexing, indexed name: a prefix of four ones, then the rest of the index.
  addedLines[0] = 0x0f;
  addedLines[1] = AGE_INDEX - 15;
  addedLines[2] = digits.length;
  return writeLatin1(digits, addedLines, 3);
}

function encodeAnnounced(value: string): void {
  block.length = 0;
  appendLiteral(block, 'alt-svc', value);
  announcedLine = block.bytes.slice(0, block.length);
  announcedValue = value;
}
