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

const STATUS_LINE = /^HTTP\/1\.(\d) ([1-9]\d\d)(?: [\t\x20-\x7e\x80-\xff]*)?$/;

export function parseResponse(reader: HeadReader, method: string): ReceivedResponse {
  const line = reader.text.slice(reader.lineStarts[0]!, reader.lineEnds[0]!);
  const match = STATUS_LINE.exec(line);
  if (match === null) refuse(502, 'bad-status-line', 'the origin sent no valid status line');
  const [, minor, code] = match as unknown as [string, string, string];
  const version = minor === '0' ? '1.0' : '1.1';
  const status = Number(code);
  const fields = parseFields(reader, 1, refuse);
  const chunked = isChunked(fields, version, refuse);
  const framing = framingOf(method, status, chunked, fields.contentLength);
  const persistent = version === '1.1' ? !fields.close : fields.keepAlive && !fields.close;
  const contentLength = framing === 'chunked' || framing === 'close' ? -1 : fields.contentLength;
  const head: ResponseHead = {
    status,
    fields: fields.section,
    // For HEAD and 304 the length is the one that GET would have had, when it is known.
    contentLength:
      framing === 'none' && contentLength === NO_LENGTH ? noContent(method) : contentLength,
  };
  return { head, framing, persistent: persistent && framing !== 'close' };
}

/** A HEAD response without Content-Length says nothing about the length; others have none. */
function noContent(method: string): number {
  return method === 'HEAD' ? -1 : 0;
}

/** RFC 9112 §6.3, in its order. */
function framingOf(method: string, status: number, chunked: boolean, length: number): Framing {
  if (method === 'HEAD' || status < 200 || status === 204 || status === 304) return 'none';
  if (method === 'CONNECT' && status < 300) return 'none';
  if (chunked) return 'chunked';
  if (length === NO_LENGTH) return 'close';
  return length === 0 ? 'none' : 'length';
}
