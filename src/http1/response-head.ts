/** Status lines and how a response's content is framed (RFC 9112 §4, §6.3). */
import type { ResponseHead } from '../http/message.ts';
import { isChunked, NO_LENGTH, parseFields } from './fields.ts';
import type { HeadReader } from './head-reader.ts';
import { refuseResponse as refuse } from './message-error.ts';

/** How the content of a response ends. */
export type Framing = 'none' | 'length' | 'chunked' | 'close';

export interface ReceivedResponse {
  readonly head: ResponseHead;
  readonly framing: Framing;
  readonly persistent: boolean;
}

/** The space before an absent reason phrase is often forgotten, and nothing depends on it. */
const STATUS_LINE = /^HTTP\/1\.(\d) ([1-5]\d\d)(?: |$)/;

export function parseResponse(reader: HeadReader, method: string): ReceivedResponse {
  const text = reader.text();
  const match = STATUS_LINE.exec(text.slice(0, reader.startLineLength));
  if (match === null) return refuse(502, 'bad-status-line', 'no valid status line');
  const version = match[1] === '0' ? '1.0' : '1.1';
  const status = Number(match[2]);
  const fields = parseFields(reader, text, refuse);
  const chunked = isChunked(fields, version, refuse);
  const framing = framingOf(method, status, chunked, fields.contentLength);
  const persistent = version === '1.1' ? !fields.close : fields.keepAlive && !fields.close;
  const contentLength = announcedLength(status, chunked, fields.contentLength);
  const head: ResponseHead = { status, fields: fields.section, contentLength };
  return { head, framing, persistent: persistent && framing !== 'close' };
}

/**
 * For HEAD the length is the one that GET would have had, when it is known; likewise for 304. 1xx
 * and 204 have none, whatever they say (RFC 9110 §8.6).
 */
function announcedLength(status: number, chunked: boolean, length: number): number {
  if (status < 200 || status === 204) return 0;
  if (chunked || (length === NO_LENGTH && status !== 304)) return -1;
  return Math.max(0, length);
}

/** RFC 9112 §6.3, in its order. */
function framingOf(method: string, status: number, chunked: boolean, length: number): Framing {
  if (method === 'HEAD' || status < 200 || status === 204 || status === 304) return 'none';
  if (method === 'CONNECT' && status < 300) return 'none';
  if (chunked) return 'chunked';
  if (length === NO_LENGTH) return 'close';
  return length === 0 ? 'none' : 'length';
}
