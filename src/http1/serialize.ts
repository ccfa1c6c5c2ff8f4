/** Start lines and field sections as bytes (RFC 9112 §2.1). */
import { assert } from '../base/assert.ts';
import { assertByteString } from '../base/bytes.ts';
import type { FieldSection } from '../http/field-section.ts';
import { reasonPhrase } from '../http/status.ts';
import type { Http1Output } from './output.ts';

export function statusLine(status: number): string {
  return `HTTP/1.1 ${status} ${reasonPhrase(status)}\r\n`;
}

/** Field lines of a section, without those that the connection frames itself. */
export function fieldLines(fields: FieldSection, keepConnection = false): string {
  const { names, values } = fields;
  let text = '';
  for (let i = 0; i < names.length; i++) {
    const name = names[i]!;
    if (name === 'content-length' || name === 'transfer-encoding' || name === 'te') continue;
    if (!keepConnection && (name === 'connection' || name === 'keep-alive')) continue;
    const value = values[i]!;
    // A field must not smuggle a line of its own: whoever made it is at fault, not the peer.
    assert(!value.includes('\n') && !value.includes('\r'), 'a field value has no line end');
    text += `${name}: ${value}\r\n`;
  }
  return text;
}

/** Writes a byte string, in place when there is room. */
export function writeText(output: Http1Output, text: string): boolean {
  assertByteString(text);
  const at = output.reserve(text.length);
  if (at === -1) return output.write(Buffer.from(text, 'latin1'));
  output.buffer.write(text, at, 'latin1');
  return output.commit(at + text.length);
}

/** The chunk-size line of one chunk. */
function chunkHead(length: number): string {
  return `${length.toString(16)}\r\n`;
}

const CRLF = Buffer.from('\r\n', 'latin1');

/** Writes one chunk; nothing for no bytes, which would end the content. */
export function writeChunk(output: Http1Output, bytes: Uint8Array): boolean {
  if (bytes.length === 0) return true;
  writeText(output, chunkHead(bytes.length));
  output.write(bytes);
  return output.write(CRLF);
}

/** The last chunk and the trailer section. */
export function writeLastChunk(output: Http1Output, trailers: FieldSection | null): boolean {
  const lines = trailers === null ? '' : fieldLines(trailers);
  return writeText(output, `0\r\n${lines}\r\n`);
}
