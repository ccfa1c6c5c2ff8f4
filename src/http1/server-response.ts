/** One response on an HTTP/1 connection, as the answerer of the request sees it. */
import { assert } from '../base/assert.ts';
import { writeLatin1 } from '../base/bytes.ts';
import type { SluiceError } from '../base/errors.ts';
import type { PreparedResponse, ResponseSender } from '../http/exchange.ts';
import type { FieldSection } from '../http/field-section.ts';
import type { RequestHead, ResponseHead } from '../http/message.ts';
import type { Http1Output } from './output.ts';
import { fieldLines, statusLine, writeChunk, writeLastChunk, writeText } from './serialize.ts';

/** Room for what is added per answer to a stored head: Age, Connection, Alt-Svc, the empty line. */
const ADDED_BYTES_MAX = 160;

type Framing = 'none' | 'length' | 'chunked' | 'close' | 'tunnel' | 'half-closed';

/** The connection, as the response on it sees it. */
export interface ServerResponseOwner {
  readonly output: Http1Output;
  /** Alt-Svc of responses that have none (RFC 7838), as a line with its end; '' for none. */
  readonly announcedLine: string;
  noteContinueSent(): void;
  /** Takes the result of writing to the output, and returns it. */
  noteWritten(isWritable: boolean): boolean;
  mustClose(): boolean;
  closeAfterResponse(): void;
  responseEnded(): void;
  /** It began, and its end cannot come. */
  responseCut(): void;
  responseAborted(): void;
  becomeTunnel(): void;
  tunnelOutputEnded(): void;
  pause(): void;
  resume(): void;
  discardContent(): void;
}

export class ServerResponse implements ResponseSender {
  readonly #connection: ServerResponseOwner;
  readonly #request: RequestHead;
  #framing: Framing = 'none';
  #remaining = 0;
  #state: 'waiting' | 'started' | 'ended' = 'waiting';

  constructor(connection: ServerResponseOwner, request: RequestHead) {
    this.#connection = connection;
    this.#request = request;
  }

  /** The final response's head has been sent. */
  get hasStarted(): boolean {
    return this.#state !== 'waiting';
  }

  /** The connection has no more use for it: whatever is still called does nothing. */
  detach(): void {
    this.#state = 'ended';
  }

  sendInformational(status: number, fields: FieldSection): void {
    assert(status >= 100 && status < 200 && status !== 101, 'an interim status');
    if (this.#state !== 'waiting' || this.#request.version === '1.0') return;
    if (status === 100) this.#connection.noteContinueSent();
    writeText(this.#connection.output, `${statusLine(status)}${fieldLines(fields)}\r\n`);
  }

  sendHead(head: ResponseHead): void {
    if (this.#state === 'ended') return;
    assert(this.#state === 'waiting', 'a response has one head');
    this.#state = 'started';
    const { status, contentLength } = head;
    assert(status >= 200, 'a final status');
    this.#framing = this.#framingOf(status, contentLength);
    this.#remaining = this.#framing === 'length' ? contentLength : 0;
    if (this.#framing === 'close') this.#connection.closeAfterResponse();
    let text = statusLine(status) + fieldLines(head.fields);
    if (this.#framing === 'chunked') text += 'transfer-encoding: chunked\r\n';
    else if (mayHaveContent(status) && contentLength >= 0) {
      text += `content-length: ${contentLength}\r\n`;
    }
    const { output } = this.#connection;
    text += this.#announcedBeside(head.fields) + this.#connectionLine();
    this.#connection.noteWritten(writeText(output, `${text}\r\n`));
  }

  #framingOf(status: number, contentLength: number): Framing {
    if (this.#request.method === 'HEAD' || !mayHaveContent(status)) return 'none';
    if (contentLength >= 0) return 'length';
    return this.#request.version === '1.0' ? 'close' : 'chunked';
  }

  #announcedBeside(fields: FieldSection): string {
    const { announcedLine } = this.#connection;
    return announcedLine === '' || fields.has('alt-svc') ? '' : announcedLine;
  }

  #connectionLine(): string {
    if (this.#connection.mustClose()) return 'connection: close\r\n';
    return this.#request.version === '1.0' ? 'connection: keep-alive\r\n' : '';
  }

  sendContent(bytes: Uint8Array): boolean {
    if (this.#state === 'ended') return true;
    assert(this.#state === 'started', 'a head comes before content');
    const { output } = this.#connection;
    switch (this.#framing) {
      case 'none':
      case 'half-closed':
        return true;
      case 'chunked':
        return this.#connection.noteWritten(writeChunk(output, bytes));
      case 'length':
        // Bytes beyond the announced length would be read as the next response.
        assert(bytes.length <= this.#remaining, 'no more content than announced');
        this.#remaining -= bytes.length;
        return this.#connection.noteWritten(output.write(bytes));
      default:
        return this.#connection.noteWritten(output.write(bytes));
    }
  }

  get bytesAtOnce(): number {
    return this.#connection.output.bytesAtOnce;
  }

  sendEnd(trailers: FieldSection | null): void {
    if (this.#state === 'ended') return;
    assert(this.#state === 'started', 'a head comes before the end');
    if (this.#framing === 'tunnel') {
      // The other direction may go on: a tunnel is closed one half at a time.
      this.#framing = 'half-closed';
      this.#connection.tunnelOutputEnded();
    }
    if (this.#framing === 'half-closed') return;
    this.#state = 'ended';
    if (this.#framing === 'chunked') {
      this.#connection.noteWritten(writeLastChunk(this.#connection.output, trailers));
    }
    // Less than announced: only a broken connection tells the client.
    if (this.#remaining > 0) this.#connection.responseCut();
    else this.#connection.responseEnded();
  }

  sendStored(stored: PreparedResponse): void {
    if (this.#state === 'ended') return;
    assert(this.#state === 'waiting', 'a response has one head');
    this.#state = 'ended';
    const head = stored.http1Head ?? (stored.http1Head = encodeStoredHead(stored));
    const hasContent = this.#request.method !== 'HEAD' && mayHaveContent(stored.status);
    const content = hasContent ? stored.content : NO_CONTENT;
    const { output } = this.#connection;
    const added = this.#announcedBeside(stored.fields) + this.#addedLines(stored.ageSeconds);
    const at = output.reserve(head.length + ADDED_BYTES_MAX + content.length);
    if (at === -1) {
      output.write(Buffer.concat([head, Buffer.from(added, 'latin1')]));
      this.#connection.noteWritten(output.write(content));
    } else {
      const { buffer } = output;
      buffer.set(head, at);
      const end = writeLatin1(added, buffer, at + head.length);
      buffer.set(content, end);
      this.#connection.noteWritten(output.commit(end + content.length));
    }
    this.#connection.responseEnded();
  }

  #addedLines(ageSeconds: number): string {
    return ageSeconds < 0
      ? `${this.#connectionLine()}\r\n`
      : `age: ${ageSeconds}\r\n${this.#connectionLine()}\r\n`;
  }

  upgrade(status: number, fields: FieldSection): void {
    if (this.#state === 'ended') return;
    assert(this.#state === 'waiting', 'a response has one head');
    const { method, upgrade } = this.#request;
    const isAskedFor = method === 'CONNECT' ? status >= 200 && status < 300 : status === 101;
    assert(
      isAskedFor && (upgrade !== '' || method === 'CONNECT'),
      'an upgrade answers a request for one',
    );
    this.#state = 'started';
    this.#framing = 'tunnel';
    const lines = fieldLines(fields, true);
    writeText(this.#connection.output, `${statusLine(status)}${lines}\r\n`);
    this.#connection.becomeTunnel();
  }

  abort(error: SluiceError): void {
    if (this.#state === 'ended') return;
    this.#state = 'ended';
    // A reset would take along what the client has not read yet of that which had come.
    const tellsItsEnd = this.#framing === 'chunked' || this.#remaining > 0;
    if (tellsItsEnd && error.blame !== 'downstream') this.#connection.responseCut();
    else this.#connection.responseAborted();
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

const NO_CONTENT = new Uint8Array(0);

/** RFC 9110 §6.4.1, §8.6: these have no content and announce no length. */
function mayHaveContent(status: number): boolean {
  return status !== 204 && status !== 304;
}

/** Everything but Age, Connection and the empty line: the same for every answer. */
function encodeStoredHead(stored: PreparedResponse): Uint8Array {
  const { status, fields, content } = stored;
  const length = mayHaveContent(status) ? `content-length: ${content.length}\r\n` : '';
  const text = `${statusLine(status)}${fieldLines(fields)}${length}`;
  // Memory of its own: it is kept for as long as the response, and a piece of Node's pool would keep
  // all of the pool's 64 KiB with it.
  const head = Buffer.allocUnsafeSlow(text.length);
  head.write(text, 'latin1');
  return head;
}
