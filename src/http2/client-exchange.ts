/** One request of ours and its response. */
import type { SluiceError } from '../base/errors.ts';
import type { RequestSender, ResponseHandler } from '../http/exchange.ts';
import type { FieldSection } from '../http/field-section.ts';
import type { ResponseHead } from '../http/message.ts';
import type { Connection } from './connection.ts';
import { ErrorCode } from './protocol.ts';
import type { Stream, StreamUser } from './stream.ts';

export class Http2ClientExchange implements RequestSender, StreamUser {
  readonly #connection: Connection;
  readonly #stream: Stream;
  readonly #isHead: boolean;
  /** CONNECT, plain or extended: a successful response makes a tunnel. */
  readonly #isConnect: boolean;
  /** Null once the exchange was given up or has failed. */
  #handler: ResponseHandler | null;
  #hasEnded: boolean;
  #hasResponse = false;

  constructor(
    connection: Connection,
    stream: Stream,
    request: { readonly method: string; readonly hasContent: boolean },
    handler: ResponseHandler,
  ) {
    this.#connection = connection;
    this.#stream = stream;
    stream.hasHead = false;
    this.#isHead = request.method === 'HEAD';
    this.#isConnect = request.method === 'CONNECT';
    this.#hasEnded = !request.hasContent;
    this.#handler = handler;
  }

  // ------------------------------------------------------------------ from the stream

  /** A response's field section, final or not. False when the response is malformed. */
  onHead(head: ResponseHead, endStream: boolean): boolean {
    const { status } = head;
    if (status < 200) {
      // RFC 9113 §8.6, §8.1: 101 does not exist here, and an interim response ends nothing.
      if (status === 101 || endStream) return false;
      this.#handler?.onInformational(status, head.fields);
      return true;
    }
    this.#stream.hasHead = true;
    if (this.#isConnect && status < 300) {
      this.#handler?.onUpgrade({ ...head, contentLength: -1 });
      return true;
    }
    const hasNoContent = this.#isHead || status === 204 || status === 304;
    this.#stream.expectedBytes = hasNoContent ? 0 : head.contentLength;
    const isEmpty = endStream && !hasNoContent;
    if (isEmpty && head.contentLength > 0) return false;
    this.#handler?.onHead(isEmpty ? { ...head, contentLength: 0 } : head);
    return true;
  }

  onContent(bytes: Uint8Array): void {
    this.#handler?.onContent(bytes);
  }

  onRemoteEnd(trailers: FieldSection | null): void {
    this.#hasResponse = true;
    this.#handler?.onEnd(trailers);
  }

  onReset(error: SluiceError): void {
    const handler = this.#handler;
    this.#handler = null;
    // The rest of a request whose response is complete is of no interest to anybody.
    if (!this.#hasResponse) handler?.onError(error);
  }

  onWritable(): void {
    this.#handler?.onWritable();
  }

  // ------------------------------------------------------------------ from the asker

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

  cancel(): void {
    this.#handler = null;
    this.#connection.receiver.dropHeld(this.#stream);
    this.#connection.resetStream(this.#stream, ErrorCode.CANCEL);
  }

  pause(): void {
    this.#connection.receiver.pause(this.#stream);
  }

  resume(): void {
    this.#connection.receiver.resume(this.#stream);
    this.#connection.afterSending();
  }

  /** Monotonic milliseconds since which content has waited for the origin to take it; -1 for none. */
  get stalledSinceMs(): number {
    return this.#stream.stalledSinceMs;
  }

  #isOver(): boolean {
    return this.#hasEnded || this.#stream.isClosed;
  }
}
