/**
 * A plain HTTP/1.1 reader for tests, written apart from src/http1/ so that one does not vouch for
 * the other. Bytes are characters (latin1).
 */

export interface Fields {
  /** Names in lower case; in the order received. */
  readonly lines: readonly (readonly [name: string, value: string])[];
  /** All lines of a name, joined with `, `; undefined without any. */
  get(name: string): string | undefined;
}

export interface Message {
  /** The start line. */
  readonly start: string;
  readonly fields: Fields;
  readonly content: string;
  readonly trailers: Fields;
  /** Where the next message begins. */
  readonly end: number;
}

export interface Response extends Message {
  readonly status: number;
}

export function fieldsOf(text: string): Fields {
  const lines = text
    .split('\r\n')
    .filter((line) => line !== '')
    .map((line) => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const;
    });
  return {
    lines,
    get(name) {
      const values = lines.filter((line) => line[0] === name).map((line) => line[1]);
      return values.length === 0 ? undefined : values.join(', ');
    },
  };
}

/**
 * Reads one message from `offset`, or undefined while some of it is missing. `closed`: no more will
 * come. `contentless`: a response to HEAD.
 */
export function readMessage(
  text: string,
  offset: number,
  closed: boolean,
  contentless = false,
): Message | undefined {
  const headEnd = text.indexOf('\r\n\r\n', offset);
  if (headEnd === -1) return undefined;
  const startEnd = text.indexOf('\r\n', offset);
  const start = text.slice(offset, startEnd);
  const fields = fieldsOf(text.slice(startEnd + 2, headEnd + 2));
  const from = headEnd + 4;
  const none = fieldsOf('');
  const status = statusOf(start);
  if (contentless || status === 204 || status === 304 || (status >= 100 && status < 200)) {
    return { start, fields, content: '', trailers: none, end: from };
  }
  if (/\bchunked\b/i.test(fields.get('transfer-encoding') ?? '')) {
    const body = readChunked(text, from);
    return body && { start, fields, ...body };
  }
  const announced = fields.get('content-length');
  if (announced === undefined && status !== 0) {
    return closed
      ? { start, fields, content: text.slice(from), trailers: none, end: text.length }
      : undefined;
  }
  const end = from + Number(announced ?? 0);
  if (text.length < end) return undefined;
  return { start, fields, content: text.slice(from, end), trailers: none, end };
}

/** 0 for a request line. */
function statusOf(start: string): number {
  return Number(/^HTTP\/1\.[01] (\d{3})\b/.exec(start)?.[1] ?? 0);
}

function readChunked(text: string, offset: number) {
  let content = '';
  let at = offset;
  for (;;) {
    const lineEnd = text.indexOf('\r\n', at);
    if (lineEnd === -1) return undefined;
    const size = Number.parseInt(text.slice(at, lineEnd), 16);
    if (Number.isNaN(size)) throw new Error(`bad chunk size: ${text.slice(at, lineEnd)}`);
    at = lineEnd + 2;
    if (size === 0) break;
    if (text.length < at + size + 2) return undefined;
    content += text.slice(at, at + size);
    at += size + 2;
  }
  if (text.startsWith('\r\n', at)) return { content, trailers: fieldsOf(''), end: at + 2 };
  const trailersEnd = text.indexOf('\r\n\r\n', at);
  if (trailersEnd === -1) return undefined;
  return { content, trailers: fieldsOf(text.slice(at, trailersEnd + 2)), end: trailersEnd + 4 };
}

export function asResponse(message: Message): Response {
  return { ...message, status: statusOf(message.start) };
}
