/** One exchange of an HTTP/2 connection to an origin: passes both directions on, and keeps time. */
import type { SluiceError } from '../base/errors.ts';
import type { RequestSender, ResponseHandler } from '../http/exchange.ts';
import type { FieldSection } from '../http/field-section.ts';
import type { RequestHead, ResponseHead } from '../http/message.ts';
import type { Http2ClientExchange } from '../http2/client-exchange.ts';
import { silentClientError, silentOriginError } from './exchange-time.ts';

/** Milliseconds; see `UpstreamLimits`. */
export interface ExchangeTimes {
  readonly responseTimeoutMs: number;
  readonly readTimeoutMs: number;
  readonly duplexTimeoutMs: number;
}

/** The session, as its exchange sees it. */
export interface Http2ExchangeOwner {
  readonly monotonicMs: () => number;
  exchangeEnded(exchange: Http2Exchange): void;
}

export class Http2Exchange implements ResponseHandler, RequestSender {
  readonly #session: Http2ExchangeOwner;
  readonly #handler: ResponseHandler;
  #sender: Http2ClientExchange | null = null;
  #hasSentAll: boolean;
  #isPaused = false;
  #isOver = false;
  /** The client waits for a 100 (Continue) before it sends its content (RFC 9110 §10.1.1). */
  #awaitsContinue: boolean;
  /** Something of the final response has come. */
  #isAnswered = false;
  /** When a byte of the exchange last moved in either direction. */
  #movedMs: number;

  constructor(session: Http2ExchangeOwner, head: RequestHead, handler: ResponseHandler) {
    this.#session = session;
    this.#handler = handler;
    this.#hasSentAll = head.contentLength === 0;
    this.#awaitsContinue = head.expectContinue;
    this.#movedMs = session.monotonicMs();
  }

  begin(sender: Http2ClientExchange): void {
    this.#sender = sender;
  }

  /** Fails an exchange whose origin has been silent for too long while it owed us something. */
  expire(nowMs: number, times: ExchangeTimes): void {
    // What the client does not take, nobody reads: the origin need not send.
    if (this.#isOver || this.#isPaused) return;
    const { responseTimeoutMs, readTimeoutMs, duplexTimeoutMs } = times;
    const stalledSinceMs = this.#sender?.stalledSinceMs ?? -1;
    const stillMs = nowMs - Math.max(this.#movedMs, stalledSinceMs);
    const isClientsTurn = !this.#hasSentAll && stalledSinceMs < 0 && !this.#awaitsContinue;
    if (isClientsTurn) {
      // The client's own time-outs end what has no response yet.
      if (this.#isAnswered && stillMs >= Math.max(readTimeoutMs, duplexTimeoutMs)) {
        this.#fail(silentClientError());
      }
    } else if (stillMs >= (this.#isAnswered ? readTimeoutMs : responseTimeoutMs)) {
      this.#fail(silentOriginError());
    }
  }

  #fail(error: SluiceError): void {
    this.#sender?.cancel();
    this.onError(error);
  }

  #end(): void {
    this.#isOver = true;
    this.#session.exchangeEnded(this);
  }

  // ------------------------------------------------------------------ from the origin

  onInformational(status: number, fields: FieldSection): void {
    this.#awaitsContinue = false;
    this.#movedMs = this.#session.monotonicMs();
    this.#handler.onInformational(status, fields);
  }

  onHead(head: ResponseHead): void {
    this.#isAnswered = true;
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
    this.#awaitsContinue = false;
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
