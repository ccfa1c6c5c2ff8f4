/** One response on an HTTP/1 connection, as the answerer of the request sees it. */
import { assert } from '../base/assert.ts';
import type { SluiceError } from '../base/errors.ts';
import type { PreparedResponse, ResponseSender } from '../http/exchange.ts';
import type { FieldSection } from '../http/field-section.ts';
import type { RequestHead, ResponseHead } from '../http/message.ts';
import { fieldLines, statusLine, writeChunk, writeLastChunk, writeText } from './serialize.ts';
import type { Http1ServerConnection } from './server-connection.ts';

/** Room for what is added per answer to a stored head: Age, Connection, the empty line. */
const ADDED_BYTES_MAX = 64;

type Framing = 'none' | 'length' | 'chunked' | 'close' | 'tunnel';

export class ServerResponse implements ResponseSender {
  readonly #connection: Http1ServerConnection;
  readonly #request: RequestHead;
  #framing: Framing = 'none';
  #remaining = 0;
  #state: 'waiting' | 'started' | 'ended' = 'waiting';

  constructor(connection: Http1ServerConnection, request: RequestHead) {
    this.#connection = connection;
    this.#request = request;
  }

  /** The final response's head has been sent. */
  get hasStarted(): boolean {
    return this.#state !== 'waiting';
  }

  sendInformational(status: number, fields: FieldSection): void {
    if (this.#state !== 'waiting' || this.#request.version === '1.0') return;
    writeText(this.#connection.output, `${statusLine(status)}${fieldLines(fields)}\r\n`);
  }

  sendHead(head: ResponseHead): void {
    assert(this.#state === 'waiting', 'a response has one head');
    this.#state = 'started';
    const { status, contentLength } = head;
    this.#framing = this.#framingOf(status, contentLength);
    this.#remaining = this.#framing === 'length' ? contentLength : 0;
    if (this.#framing === 'close') this.#connection.closeAfterResponse();
    let text = statusLine(status) + fieldLines(head.fields);
    if (this.#framing === 'chunked') text += 'transfer-encoding: chunked\r\n';
    else if (hasLength(status) && contentLength >= 0)
      text += `content-length: ${contentLength}\r\n`;
    writeText(this.#connection.output, `${text}${this.#connectionLine()}\r\n`);
  }

  #framingOf(status: number, contentLength: number): Framing {
    if (this.#request.method === 'HEAD' || status === 204 || status === 304) return 'none';
    if (contentLength >= 0) return contentLength === 0 ? 'none' : 'length';
    return this.#request.version === '1.0' ? 'close' : 'chunked';
  }

  #connectionLine(): string {
    if (this.#connection.isClosing) return 'connection: close\r\n';
    return this.#request.version === '1.0' ? 'connection: keep-alive\r\n' : '';
  }

  sendContent(bytes: Uint8Array): boolean {
    const { output } = this.#connection;
    switch (this.#framing) {
      case 'none':
        return true;
      case 'chunked':
        return this.#state === 'ended' || writeChunk(output, bytes);
      case 'length':
        // Octets beyond the announced length would be read as the next response.
        assert(bytes.length <= this.#remaining, 'no more content than announced');
        this.#remaining -= bytes.length;
        return output.write(bytes);
      default:
        return output.write(bytes);
    }
  }

  sendEnd(trailers: FieldSection | null): void {
    if (this.#state === 'ended') return;
    this.#state = 'ended';
    if (this.#framing === 'chunked') writeLastChunk(this.#connection.output, trailers);
    if (this.#framing === 'length' && this.#remaining > 0) {
      this.#connection.responseAborted();
      return;
    }
    this.#connection.responseEnded(this.#framing !== 'close');
  }

  sendStored(stored: PreparedResponse): void {
    assert(this.#state === 'waiting', 'a response has one head');
    this.#state = 'ended';
    stored.http1Head ??= encodeStoredHead(stored);
    const head = stored.http1Head;
    const content = this.#request.method === 'HEAD' ? EMPTY : stored.content;
    const { output } = this.#connection;
    const room = head.length + ADDED_BYTES_MAX + content.length;
    const at = output.reserve(room);
    if (at === -1) {
      output.write(Buffer.concat([head, Buffer.from(this.#addedLines(stored), 'latin1')]));
      output.write(content);
    } else {
      const { buffer } = output;
      buffer.set(head, at);
      let end = at + head.length;
      end += buffer.write(this.#addedLines(stored), end, 'latin1');
      buffer.set(content, end);
      output.commit(end + content.length);
    }
    this.#connection.responseEnded(true);
  }

  #addedLines(stored: PreparedResponse): string {
    const age = stored.ageSeconds < 0 ? '' : `age: ${stored.ageSeconds}\r\n`;
    return `${age}${this.#connectionLine()}\r\n`;
  }

  upgrade(status: number, fields: FieldSection): void {
    assert(this.#state === 'waiting', 'a response has one head');
    this.#state = 'started';
    this.#framing = 'tunnel';
    writeText(this.#connection.output, `${statusLine(status)}${fieldLines(fields, true)}\r\n`);
    this.#connection.becomeTunnel();
  }

  abort(_error: SluiceError): void {
    if (this.#state === 'ended') return;
    this.#state = 'ended';
    this.#connection.responseAborted();
  }

  pause(): void {
    if (this.#state !== 'ended') this.#connection.pause();
  }

  resume(): void {
    if (this.#state !== 'ended') this.#connection.resume();
  }

  discardContent(): void {
    if (this.#state !== 'ended') this.#connection.discardContent();
  }
}

const EMPTY = new Uint8Array(0);

function hasLength(status: number): boolean {
  return status !== 204;
}

/** Everything but Age, Connection and the empty line: the same for every answer. */
function encodeStoredHead(stored: PreparedResponse): Uint8Array {
  const { status, fields, content } = stored;
  const length = hasLength(status) && status !== 304 ? `content-length: ${content.length}\r\n` : '';
  return Buffer.from(`${statusLine(status)}${fieldLines(fields)}${length}`, 'latin1');
}
