/**
 * One request on its way to the origin: waits for a connection, sends, and tries once more on
 * another connection when the first was a reused one that broke before it answered (RFC 9110 §9.2.2,
 * RFC 9112 §9.3.1), or when the origin refused the request unprocessed (RFC 9113 §8.7). It does not
 * know who asked: a client, a fill of the cache, a revalidation.
 */
import { assert } from '../base/assert.ts';
import type { SluiceError } from '../base/errors.ts';
import type { RequestSender, ResponseHandler } from '../http/exchange.ts';
import type { FieldSection } from '../http/field-section.ts';
import type { RequestHead, ResponseHead } from '../http/message.ts';
import { isIdempotentMethod } from '../http/methods.ts';
import type { OriginConnection } from './upstream/connection.ts';
import type { OriginGroup } from './upstream/group.ts';
import type { ConnectionWaiter } from './upstream/pool.ts';

/** Attempts in all: one, and one more on a fresh connection. */
const ATTEMPTS_MAX = 2;

export interface FetchHandler extends ResponseHandler {
  /** The request's head has gone out: its content may follow now. */
  onRequestStarted(): void;
  /** It will go out once more: no content until then. */
  onRequestRestart(): void;
}

export class Fetch implements ConnectionWaiter, ResponseHandler {
  readonly #origin: OriginGroup;
  readonly #head: RequestHead;
  #handler: FetchHandler;
  #sender: RequestSender | null = null;
  #attempts = 0;
  #reused = false;
  #contentSent = false;
  #answered = false;
  #over = false;
  #paused = false;
  /** The origin has said HTTP_1_1_REQUIRED (RFC 9113 §7). */
  #needsHttp1 = false;

  /** `head` is as the origin shall receive it. */
  constructor(origin: OriginGroup, head: RequestHead, handler: FetchHandler) {
    this.#origin = origin;
    this.#head = head;
    this.#handler = handler;
  }

  /** Whether the last attempt used a connection that had been used before. */
  get reusedConnection(): boolean {
    return this.#reused;
  }

  get isOver(): boolean {
    return this.#over;
  }

  start(): void {
    this.#attempts++;
    const fresh = this.#attempts > 1;
    if (this.#needsHttp1 || this.#head.upgrade !== '') this.#origin.acquireHttp1(this, fresh);
    else this.#origin.acquire(this, fresh);
  }

  /** Gives the response to another handler from here on. */
  handOver(handler: FetchHandler): void {
    this.#handler = handler;
  }

  sendContent(bytes: Uint8Array): boolean {
    assert(this.#sender !== null, 'content follows onRequestStarted');
    this.#contentSent = true;
    return this.#sender.sendContent(bytes);
  }

  sendEnd(trailers: FieldSection | null): void {
    assert(this.#sender !== null, 'the end follows onRequestStarted');
    this.#sender.sendEnd(trailers);
  }

  pause(): void {
    this.#paused = true;
    this.#sender?.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#sender?.resume();
  }

  /** Gives up; no call follows. */
  cancel(): void {
    if (this.#over) return;
    this.#over = true;
    if (this.#sender === null) this.#origin.withdraw(this);
    else this.#sender.cancel();
  }

  // ------------------------------------------------------------------ from the pool

  onConnection(connection: OriginConnection, reused: boolean): void {
    this.#reused = reused;
    this.#sender = connection.start(this.#head, this);
    if (this.#paused) this.#sender.pause();
    this.#handler.onRequestStarted();
  }

  onConnectionFailure(error: SluiceError): void {
    this.#fail(error);
  }

  // ------------------------------------------------------------------ from the connection

  onInformational(status: number, fields: FieldSection): void {
    this.#handler.onInformational(status, fields);
  }

  onHead(head: ResponseHead): void {
    this.#answered = true;
    this.#handler.onHead(head);
  }

  onContent(bytes: Uint8Array): void {
    this.#handler.onContent(bytes);
  }

  onEnd(trailers: FieldSection | null): void {
    this.#over = true;
    this.#handler.onEnd(trailers);
  }

  onUpgrade(head: ResponseHead): void {
    this.#answered = true;
    this.#handler.onUpgrade(head);
  }

  onWritable(): void {
    this.#handler.onWritable();
  }

  onError(error: SluiceError): void {
    if (this.#over) return;
    this.#sender = null;
    if (error.code === 'http2-http-1-1-required') this.#needsHttp1 = true;
    if (!this.#mayRetry(error)) {
      this.#fail(error);
      return;
    }
    this.#handler.onRequestRestart();
    this.start();
  }

  #mayRetry(error: SluiceError): boolean {
    if (this.#answered || this.#contentSent || this.#attempts >= ATTEMPTS_MAX) return false;
    // Nothing was done with it, whatever its method (RFC 9113 §8.7).
    if (error.retry === 'always' || this.#needsHttp1) return true;
    if (this.#head.contentLength !== 0) return false;
    return error.retry === 'ifReused' && this.#reused && isIdempotentMethod(this.#head.method);
  }

  #fail(error: SluiceError): void {
    this.#over = true;
    this.#handler.onError(error);
  }
}
