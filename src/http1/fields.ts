/** Field lines (RFC 9112 §5), and what of them frames the message (RFC 9112 §6). */
import { FieldSection } from '../http/field-section.ts';
import { isBlank } from './characters.ts';
import { type HeadReader, LINE_WORDS } from './head-reader.ts';
import type { Refuse } from './message-error.ts';
import { DECISIVE_COUNT, FieldId, knownNames, UNKNOWN_NAME } from './name-table.ts';

/** Content-Length is unknown until the message says so. */
export const NO_LENGTH = -1;

/** A field section with the facts about connection and framing found on the way. */
export class ParsedFields {
  section = new FieldSection();
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

  clear(): void {
    this.section = new FieldSection();
    this.contentLength = NO_LENGTH;
    this.transferEncoding = null;
    this.close = false;
    this.keepAlive = false;
    this.connectionUpgrade = false;
    this.upgrade = '';
    this.hostCount = 0;
    this.host = '';
    this.expect = '';
  }
}

/** One for all: what is kept of a message is copied from it, but for the section itself. */
const fields = new ParsedFields();

/**
 * Makes the fields of a section that was read whole. `text` is the reader's. The result is valid
 * until the next call; its `section` is the caller's.
 */
export function parseFields(reader: HeadReader, text: string, refuse: Refuse): ParsedFields {
  fields.clear();
  const { lines, lineCount } = reader;
  const { names, values } = fields.section;
  const end = lineCount * LINE_WORDS;
  for (let word = 0; word < end; word += LINE_WORDS) {
    const id = lines[word + 1]!;
    const value = text.slice(lines[word + 2]!, lines[word + 3]!);
    names.push(id === UNKNOWN_NAME ? unknownName(text, lines[word]!) : knownNames[id]!);
    values.push(value);
    if (id >= 0 && id < DECISIVE_COUNT) note(id, value, refuse);
  }
  return fields;
}

function unknownName(text: string, start: number): string {
  let end = text.indexOf(':', start);
  // In responses, blanks may stand before the colon: they are no part of the name.
  while (isBlank(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end).toLowerCase();
}

function note(id: number, value: string, refuse: Refuse): void {
  switch (id) {
    case FieldId.HOST:
      fields.hostCount++;
      fields.host = value;
      break;
    case FieldId.CONTENT_LENGTH:
      noteContentLength(value, refuse);
      break;
    case FieldId.TRANSFER_ENCODING:
      fields.transferEncoding = joined(fields.transferEncoding, value);
      break;
    case FieldId.CONNECTION:
      noteConnection(value);
      break;
    case FieldId.UPGRADE:
      fields.upgrade = joined(fields.upgrade === '' ? null : fields.upgrade, value);
      break;
    case FieldId.EXPECT:
      fields.expect = joined(fields.expect === '' ? null : fields.expect, value);
      break;
  }
}

function joined(before: string | null, value: string): string {
  return before === null ? value : `${before}, ${value}`;
}

/** RFC 9112 §6.3: whatever is not one plain number is refused, equal duplicates included. */
function noteContentLength(value: string, refuse: Refuse): void {
  if (fields.contentLength !== NO_LENGTH) {
    refuse(400, 'duplicate-content-length', 'more than one Content-Length');
  }
  if (!/^\d{1,15}$/.test(value)) {
    refuse(400, 'bad-content-length', 'Content-Length is not a number of bytes');
  }
  fields.contentLength = Number(value);
}

function noteConnection(value: string): void {
  if (value === 'keep-alive') {
    fields.keepAlive = true;
    return;
  }
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
export function isChunked(parsed: ParsedFields, version: string, refuse: Refuse): boolean {
  const coding = parsed.transferEncoding;
  if (coding === null) return false;
  if (parsed.contentLength !== NO_LENGTH) {
    refuse(400, 'length-and-transfer-encoding', 'both Content-Length and Transfer-Encoding');
  }
  if (version === '1.0') refuse(400, 'transfer-encoding-in-1.0', 'Transfer-Encoding in HTTP/1.0');
  if (coding.toLowerCase() === 'chunked') return true;
  const codings = coding.split(',').map((one) => one.trim().toLowerCase());
  if (codings.at(-1) !== 'chunked' || codings.indexOf('chunked') !== codings.length - 1) {
    refuse(400, 'chunked-not-last', 'chunked is not the last transfer encoding, once');
  }
  return refuse(501, 'unknown-transfer-encoding', 'a transfer encoding other than chunked');
}
