/** One exchange of an HTTP/2 connection to an origin: passes both directions on, and keeps time. */
import { SluiceError } from '../../base/errors.ts';
import type { RequestSender, ResponseHandler } from '../../http/exchange.ts';
import type { FieldSection } from '../../http/field-section.ts';
import type { ResponseHead } from '../../http/message.ts';
import type { Http2Session } from './http2-session.ts';

export class Http2Exchange implements ResponseHandler, RequestSender {
  readonly #session: Http2Session;
  readonly #handler: ResponseHandler;
  #sender: RequestSender | null = null;
  #hasSentAll: boolean;
  #isPaused = false;
  #isOver = false;
  /** Something of the response has come. */
  isAnswered = false;
  /** When an octet of the exchange last moved in either direction. */
  #movedMs: number;

  constructor(session: Http2Session, hasSentAll: boolean, handler: ResponseHandler) {
    this.#session = session;
    this.#handler = handler;
    this.#hasSentAll = hasSentAll;
    this.#movedMs = session.monotonicMs();
  }

  begin(sender: RequestSender): void {
    this.#sender = sender;
  }

  /** Fails an exchange whose origin has been silent for too long while it owed us something. */
  expire(nowMs: number, limitMs: number): void {
    if (this.#isOver || this.#isPaused || nowMs - this.#movedMs < limitMs) return;
    this.#sender?.cancel();
    this.onError(
      new SluiceError('read-timeout', 'the origin sent nothing for too long', {
        blame: 'upstream',
      }),
    );
  }

  #end(): void {
    this.#isOver = true;
    this.#session.exchangeEnded(this);
  }

  // ------------------------------------------------------------------ from the origin

  onInformational(status: number, fields: FieldSection): void {
    this.isAnswered = true;
    this.#movedMs = this.#session.monotonicMs();
    this.#handler.onInformational(status, fields);
  }

  onHead(head: ResponseHead): void {
    this.isAnswered = true;
    this.#movedMs = this.#session.monotonicMs();
    this.#handler.onHead(head);
  }

  onContent(bytes: Uint8Array): void {
    this.#movedMs = this.#session.monotonicMs();
    this.#handler.onContent(bytes);
  }

  onEnd(trailers: FieldSection | null): void {
    this.#end();
    this.#handler.onEnd(trailers);
    // RFC 9113 §8.1: what is left of the request is of no use to anybody.
    if (!this.#hasSentAll) this.#sender?.cancel();
  }

  onUpgrade(head: ResponseHead): void {
    this.#handler.onUpgrade(head);
  }

  onWritable(): void {
    this.#movedMs = this.#session.monotonicMs();
    this.#handler.onWritable();
  }

  onError(error: SluiceError): void {
    if (this.#isOver) return;
    this.#end();
    this.#handler.onError(error);
  }

  // ------------------------------------------------------------------ from the asker

  sendContent(bytes: Uint8Array): boolean {
    if (this.#isOver) return true;
    this.#movedMs = this.#session.monotonicMs();
    return this.#sender!.sendContent(bytes);
  }

  sendEnd(trailers: FieldSection | null): void {
    if (this.#isOver || this.#hasSentAll) return;
    this.#hasSentAll = true;
    this.#movedMs = this.#session.monotonicMs();
    this.#sender!.sendEnd(trailers);
  }

  cancel(): void {
    if (this.#isOver) return;
    this.#end();
    this.#sender!.cancel();
  }

  pause(): void {
    this.#isPaused = true;
    this.#sender!.pause();
  }

  resume(): void {
    this.#isPaused = false;
    this.#movedMs = this.#session.monotonicMs();
    this.#sender!.resume();
  }
}
