/** Field lines (RFC 9112 §5), and what of them frames the message (RFC 9112 §6). */
import { internFieldName } from '../http/field-names.ts';
import { FieldSection } from '../http/field-section.ts';
import { COLON, HTAB, SP, TOKEN } from './characters.ts';
import type { HeadReader } from './head-reader.ts';
import type { Refuse } from './message-error.ts';

/** Content-Length is unknown until the message says so. */
export const NO_LENGTH = -1;

/** A field section with the facts about connection and framing found on the way. */
export class ParsedFields {
  readonly section = new FieldSection();
  contentLength = NO_LENGTH;
  /** Values of Transfer-Encoding, in order, joined. */
  transferEncoding: string | null = null;
  close = false;
  keepAlive = false;
  connectionUpgrade = false;
  upgrade = '';
  hostCount = 0;
  host = '';
  expect = '';
}

/** Parses the lines from `first` to the last of a head that was found whole. */
export function parseFields(reader: HeadReader, first: number, refuse: Refuse): ParsedFields {
  const fields = new ParsedFields();
  const { text, lineStarts, lineEnds, lineCount } = reader;
  for (let line = first; line < lineCount; line++) {
    parseLine(fields, text, lineStarts[line]!, lineEnds[line]!, refuse);
  }
  return fields;
}

function parseLine(
  fields: ParsedFields,
  text: string,
  start: number,
  end: number,
  refuse: Refuse,
): void {
  let colon = start;
  let lower = true;
  for (; colon < end; colon++) {
    const c = text.charCodeAt(colon);
    if (TOKEN[c] !== 1) break;
    if (c <= 0x5a && c >= 0x41) lower = false;
  }
  if (colon === end || text.charCodeAt(colon) !== COLON || colon === start) {
    refuseName(text, start, colon, end, refuse);
  }
  let valueStart = colon + 1;
  let valueEnd = end;
  while (valueStart < valueEnd && isBlank(text.charCodeAt(valueStart))) valueStart++;
  while (valueEnd > valueStart && isBlank(text.charCodeAt(valueEnd - 1))) valueEnd--;
  const written = text.slice(start, colon);
  const name = internFieldName(lower ? written : written.toLowerCase());
  const value = text.slice(valueStart, valueEnd);
  fields.section.append(name, value);
  // The names that matter here have 2 to 17 letters; most others differ in the first.
  switch (name) {
    case 'host':
      fields.hostCount++;
      fields.host = value;
      break;
    case 'content-length':
      noteContentLength(fields, value, refuse);
      break;
    case 'transfer-encoding':
      fields.transferEncoding =
        fields.transferEncoding === null ? value : `${fields.transferEncoding}, ${value}`;
      break;
    case 'connection':
      noteConnection(fields, value);
      break;
    case 'upgrade':
      fields.upgrade = fields.upgrade === '' ? value : `${fields.upgrade}, ${value}`;
      break;
    case 'expect':
      fields.expect = fields.expect === '' ? value : `${fields.expect}, ${value}`;
      break;
  }
}

function isBlank(c: number): boolean {
  return c === SP || c === HTAB;
}

function refuseName(text: string, start: number, at: number, end: number, refuse: Refuse): never {
  if (at === start && at < end && isBlank(text.charCodeAt(at))) {
    // RFC 9112 §5.2, §2.2.
    return refuse(400, 'obs-fold', 'a field line is folded or begins with whitespace');
  }
  if (at < end && isBlank(text.charCodeAt(at))) {
    // RFC 9112 §5.1.
    return refuse(400, 'space-before-colon', 'whitespace in or after a field name');
  }
  return refuse(400, 'bad-field-name', 'a field line without a valid name');
}

/** RFC 9112 §6.3: whatever is not one plain number is refused, equal duplicates included. */
function noteContentLength(fields: ParsedFields, value: string, refuse: Refuse): void {
  if (fields.contentLength !== NO_LENGTH) {
    refuse(400, 'duplicate-content-length', 'more than one Content-Length');
  }
  if (!/^\d{1,15}$/.test(value)) {
    refuse(400, 'bad-content-length', 'Content-Length is not a number of octets');
  }
  fields.contentLength = Number(value);
}

function noteConnection(fields: ParsedFields, value: string): void {
  for (const option of value.split(',')) {
    switch (option.trim().toLowerCase()) {
      case 'close':
        fields.close = true;
        break;
      case 'keep-alive':
        fields.keepAlive = true;
        break;
      case 'upgrade':
        fields.connectionUpgrade = true;
        break;
    }
  }
}

/**
 * Whether the content is chunked (RFC 9112 §6.1). Only `chunked` alone is understood; Content-Length
 * beside it, another coding, or HTTP/1.0 are refused rather than repaired.
 */
export function isChunked(fields: ParsedFields, version: string, refuse: Refuse): boolean {
  const coding = fields.transferEncoding;
  if (coding === null) return false;
  if (fields.contentLength !== NO_LENGTH) {
    refuse(400, 'length-and-coding', 'both Content-Length and Transfer-Encoding');
  }
  if (version === '1.0') refuse(400, 'coding-in-1.0', 'Transfer-Encoding in HTTP/1.0');
  if (coding.toLowerCase() === 'chunked') return true;
  const codings = coding.split(',').map((one) => one.trim().toLowerCase());
  if (codings.at(-1) !== 'chunked' || codings.indexOf('chunked') !== codings.length - 1) {
    refuse(400, 'chunked-not-last', 'chunked is not the last transfer coding, once');
  }
  return refuse(501, 'unknown-coding', 'a transfer coding other than chunked');
}
