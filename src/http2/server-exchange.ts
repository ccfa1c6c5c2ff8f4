/** One request and its response: what the answerer sends goes to the stream from here. */
import type { SluiceError } from '../base/errors.ts';
import {
  contentLengthToSend,
  isWithoutContent,
  mayAnnounceLength,
} from '../http/content-length.ts';
import type { PreparedResponse, RequestHandler, ResponseSender } from '../http/exchange.ts';
import type { FieldSection } from '../http/field-section.ts';
import type { ResponseHead } from '../http/message.ts';
import { parsePriority } from '../http/priority.ts';
import type { Connection } from './connection.ts';
import { ErrorCode, FRAME_SIZE_MIN } from './protocol.ts';
import { addedLines, encodeAdded, storedHead } from './stored-head.ts';
import type { Stream, StreamUser } from './stream.ts';

export class ServerExchange implements ResponseSender, StreamUser {
  readonly #connection: Connection;
  readonly #stream: Stream;
  readonly #isHead: boolean;
  readonly #announced: string | null;
  #handler: RequestHandler | null = null;
  #hasSentHead = false;
  /** END_STREAM is sent or will be: whatever else is sent is dropped. */
  #hasEnded = false;
  /** The stream broke before the handler was known: it is told at once. */
  #resetBefore: SluiceError | null = null;

  /** `announced`: Alt-Svc of a response that has none itself; null for none. */
  constructor(connection: Connection, stream: Stream, isHead: boolean, announced: string | null) {
    this.#connection = connection;
    this.#stream = stream;
    this.#isHead = isHead;
    this.#announced = announced;
  }

  /** The answer may have been sent before the sink has returned its handler. */
  begin(handler: RequestHandler): void {
    this.#handler = handler;
    if (this.#resetBefore !== null) handler.onAbort(this.#resetBefore);
  }

  // ------------------------------------------------------------------ from the stream

  onContent(bytes: Uint8Array): void {
    this.#handler?.onContent(bytes);
  }

  onRemoteEnd(trailers: FieldSection | null): void {
    this.#handler?.onEnd(trailers);
  }

  onReset(error: SluiceError): void {
    if (this.#handler === null) this.#resetBefore = error;
    else this.#handler.onAbort(error);
  }

  onWritable(): void {
    this.#handler?.onWritable();
  }

  // ------------------------------------------------------------------ from the answerer

  sendInformational(status: number, fields: FieldSection): void {
    if (this.#isOver() || this.#hasSentHead) return;
    // RFC 9113 §8.6: 101 has no meaning here.
    if (status < 100 || status >= 200 || status === 101) return;
    this.#beginFields(status, fields);
    this.#sendBlock(false);
    this.#connection.afterSending();
  }

  sendHead(head: ResponseHead): void {
    if (this.#isOver() || this.#hasSentHead) return;
    this.#hasSentHead = true;
    this.#stream.isAnswered = true;
    this.#mergePriority(head.fields);
    const isAll = isWithoutContent(head, this.#isHead);
    const encoder = this.#beginFields(head.status, head.fields);
    const contentLength = contentLengthToSend(head);
    if (contentLength >= 0) encoder.field('content-length', String(contentLength));
    const announced = this.#announcedBeside(head.fields);
    if (announced !== null) encoder.field('alt-svc', announced);
    this.#sendBlock(isAll);
    if (isAll) this.#endNow();
    this.#connection.afterSending();
  }

  sendContent(bytes: Uint8Array): boolean {
    if (this.#isOver() || bytes.length === 0) return true;
    const mayGoOn = this.#connection.sender.send(this.#stream, bytes, false);
    this.#connection.afterSending();
    return mayGoOn;
  }

  sendEnd(trailers: FieldSection | null): void {
    if (this.#isOver()) return;
    this.#hasEnded = true;
    this.#connection.sender.end(this.#stream, trailers);
    this.#connection.afterSending();
  }

  sendStored(stored: PreparedResponse): void {
    if (this.#isOver() || this.#hasSentHead) return;
    this.#hasSentHead = true;
    const connection = this.#connection;
    const stream = this.#stream;
    stream.isAnswered = true;
    const block = storedHead(stored);
    const addedLength = encodeAdded(stored.ageSeconds, this.#announcedBeside(stored.fields));
    const content = this.#isHead || !mayAnnounceLength(stored.status) ? NO_BYTES : stored.content;
    const fits =
      block.length + addedLength <= FRAME_SIZE_MIN && !connection.encoder.hasPendingUpdate;
    if (fits && connection.sender.canSendNow(stream, content.length)) {
      connection.writer.storedResponse(stream.id, block, addedLines, addedLength, content);
      connection.sender.onSent(stream, content.length);
      this.#endNow();
    } else {
      this.#mergePriority(stored.fields);
      this.#sendStoredSlowly(block, addedLength, content);
    }
    connection.afterSending();
  }

  upgrade(status: number, fields: FieldSection): void {
    if (this.#isOver() || this.#hasSentHead) return;
    this.#hasSentHead = true;
    this.#stream.isAnswered = true;
    this.#stream.expectedBytes = -1;
    // Where HTTP/1.1 has 101, HTTP/2 has 200 (RFC 8441 §5).
    this.#beginFields(status === 101 ? 200 : status, fields);
    this.#sendBlock(false);
    this.#connection.afterSending();
  }

  /** What was sent before reaches the client, as far as it is not to blame. */
  abort(error: SluiceError): void {
    const stream = this.#stream;
    if (stream.isClosed) return;
    this.#hasEnded = true;
    if (error.blame === 'downstream') {
      this.#connection.resetStream(stream, ErrorCode.CANCEL);
    } else if (stream.queue !== null && stream.queue.length > 0) {
      stream.resetWhenDrained = ErrorCode.INTERNAL_ERROR;
      this.#connection.receiver.discard(stream);
      this.#connection.afterSending();
    } else this.#connection.resetStream(stream, ErrorCode.INTERNAL_ERROR);
  }

  pause(): void {
    this.#connection.receiver.pause(this.#stream);
  }

  resume(): void {
    this.#connection.receiver.resume(this.#stream);
    this.#connection.afterSending();
  }

  discardContent(): void {
    this.#connection.receiver.discard(this.#stream);
    this.#connection.stopUnwantedContent(this.#stream);
    this.#connection.afterSending();
  }

  // ------------------------------------------------------------------ inside

  #isOver(): boolean {
    return this.#hasEnded || this.#stream.isClosed;
  }

  /** RFC 9218 §8: the origin may know better than the client what matters. */
  #mergePriority(fields: FieldSection): void {
    const value = fields.combined('priority');
    if (value === undefined) return;
    const stream = this.#stream;
    const priority = parsePriority(value, stream.priority);
    this.#connection.sender.schedule.reprioritize(stream, priority);
  }

  #announcedBeside(fields: FieldSection): string | null {
    return this.#announced === null || fields.has('alt-svc') ? null : this.#announced;
  }

  #endNow(): void {
    this.#hasEnded = true;
    this.#stream.isLocalEnded = true;
    this.#connection.onLocalEnd(this.#stream);
  }

  #beginFields(status: number, fields: FieldSection): Connection['encoder'] {
    const { encoder } = this.#connection;
    encoder.begin();
    encoder.field(':status', String(status));
    encoder.section(fields, 'content-length');
    return encoder;
  }

  #sendBlock(endStream: boolean): void {
    const { encoder, writer } = this.#connection;
    writer.headers(this.#stream.id, encoder.block.bytes, encoder.block.length, endStream);
  }

  /** Fields or content beyond one frame, or beyond what may be sent at once. */
  #sendStoredSlowly(block: Uint8Array, addedLength: number, content: Uint8Array): void {
    const connection = this.#connection;
    const stream = this.#stream;
    const target = connection.encoder.block;
    connection.encoder.begin();
    target.append(block, block.length);
    target.append(addedLines, addedLength);
    connection.writer.headers(stream.id, target.bytes, target.length, content.length === 0);
    if (content.length === 0) {
      this.#endNow();
      return;
    }
    this.#hasEnded = true;
    connection.sender.send(stream, content, true);
    connection.sender.end(stream, null);
  }
}

const NO_BYTES = new Uint8Array(0);
