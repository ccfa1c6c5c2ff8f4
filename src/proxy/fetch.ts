/**
 * One request on its way to a group of origins: waits for a connection, sends, and tries again where
 * that is safe and allowed: on another connection when a reused one broke before it answered
 * (RFC 9110 §9.2.2, RFC 9112 §9.3.1) or the origin refused the request unprocessed (RFC 9113 §8.7),
 * on another origin when this one failed. It does not know who asked: a client, a fill of the cache,
 * a revalidation.
 */
import { assert } from '../base/assert.ts';
import type { SluiceError } from '../base/errors.ts';
import type { ClientFacts } from '../http/client-facts.ts';
import type { RequestSender, ResponseHandler } from '../http/exchange.ts';
import type { FieldSection } from '../http/field-section.ts';
import type { RequestHead, ResponseHead } from '../http/message.ts';
import { isIdempotentMethod, isSafeMethod } from '../http/methods.ts';
import type { PaceWatch } from '../upstream/content-pace.ts';
import { Attempts, type GroupRequest, type OriginGroup } from '../upstream/contract.ts';
import { HELD_CONTENT_BYTES_MAX, HeldContent } from '../upstream/held-content.ts';
import type { GivenConnection } from '../upstream/pool.ts';
import type { OriginNotes } from './exchange-record.ts';

export interface FetchHandler extends ResponseHandler {
  /** The request's head has gone out: its content may follow now. */
  onRequestStarted(): void;
  /**
   * It will go out once more: no content until `onRequestStarted` comes again, and then what follows
   * what was sent before.
   */
  onRequestRestart(): void;
}

export class Fetch implements GroupRequest, ResponseHandler {
  readonly head: RequestHead;
  readonly client: ClientFacts | null;
  readonly attempts = new Attempts();
  /** To switch protocols, or because the origin has said HTTP_1_1_REQUIRED (RFC 9113 §7). */
  needsHttp1: boolean;
  /** RFC 8470 §4: only what is safe. */
  mayBeEarly: boolean;
  readonly #origin: OriginGroup;
  #handler: FetchHandler;
  #sender: RequestSender | null = null;
  #held: HeldContent | null;
  /** A fresh connection to the same origin has been asked for: once is enough. */
  #hasTriedAgain = false;
  #reused = false;
  #sentEarly = false;
  /** The response says 425 to what was early data: it is read to its end, and asked for again. */
  #isTooEarly = false;
  #contentSent = false;
  /**
   * Short content is taken before a connection to the origin is: slow clients would take them all.
   * Not where an origin is to say first whether it wants any (RFC 9110 §10.1.1).
   */
  #isGathering: boolean;
  /** All of the request is here. */
  #isGathered: boolean;
  #answered = false;
  #over = false;
  #paused = false;
  readonly #pace: PaceWatch;
  /** Hears of the answer before anybody else; null for nobody. */
  notes: OriginNotes | null = null;

  /** `head` is as the origin shall receive it; `client` is null for requests of our own. */
  constructor(
    origin: OriginGroup,
    head: RequestHead,
    handler: FetchHandler,
    client: ClientFacts | null,
  ) {
    this.#origin = origin;
    this.#pace = origin.watchPace();
    this.head = head;
    this.client = client;
    this.needsHttp1 = head.upgrade !== '';
    this.mayBeEarly = head.contentLength === 0 && head.upgrade === '' && isSafeMethod(head.method);
    this.#handler = handler;
    // Whatever the method: a request that was refused unprocessed may be sent again.
    this.#held = head.contentLength !== 0 ? new HeldContent() : null;
    const isShort = head.contentLength > 0 && head.contentLength <= HELD_CONTENT_BYTES_MAX;
    this.#isGathered = head.contentLength === 0;
    this.#isGathering = isShort && head.upgrade === '' && !head.expectContinue;
  }

  get isOver(): boolean {
    return this.#over;
  }

  get isOpenEnded(): boolean {
    return !this.#isGathered || this.head.upgrade !== '';
  }

  start(): void {
    if (this.#isGathering) this.#handler.onRequestStarted();
    else this.#origin.start(this);
  }

  /** Gives the response to another handler from here on. */
  handOver(handler: FetchHandler): void {
    this.#handler = handler;
  }

  sendContent(bytes: Uint8Array): boolean {
    if (this.#isGathering) {
      this.#held!.add(bytes);
      return true;
    }
    assert(this.#sender !== null, 'content follows onRequestStarted');
    this.#contentSent = true;
    this.#held?.add(bytes);
    return this.#sender.sendContent(bytes);
  }

  sendEnd(trailers: FieldSection | null): void {
    this.#isGathered = true;
    if (this.#isGathering) {
      // It comes once more, when there is a connection; the content is here.
      this.#isGathering = false;
      this.#handler.onRequestRestart();
      this.#origin.start(this);
      return;
    }
    assert(this.#sender !== null, 'the end follows onRequestStarted');
    this.#sender.sendEnd(trailers);
    if (!this.isOpenEnded && !this.#over) this.#origin.gathered(this);
  }

  pause(): void {
    this.#paused = true;
    this.#pace.pause();
    this.#sender?.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#pace.resume();
    this.#sender?.resume();
  }

  /** Gives up; no call follows. */
  cancel(): void {
    if (this.#over) return;
    this.#over = true;
    if (this.#sender === null) this.#origin.withdraw(this);
    else this.#sender.cancel();
    this.#origin.ended(this);
  }

  // ------------------------------------------------------------------ from the group

  onConnection(connection: GivenConnection, reused: boolean): void {
    this.#reused = reused;
    this.#sentEarly = connection.isEarly;
    const sender = connection.start(this.head, this);
    this.#sender = sender;
    if (this.#paused) sender.pause();
    this.#held?.replay(sender);
    this.#handler.onRequestStarted();
  }

  /** Nothing has been sent: whatever the method, another origin may be asked. */
  onConnectionFailure(error: SluiceError): void {
    this.#origin.failed(this, error);
    if (this.#origin.moveOn(this, false)) this.#origin.goOn(this);
    else this.#fail(error);
  }

  // ------------------------------------------------------------------ from the connection

  onInformational(status: number, fields: FieldSection): void {
    this.#handler.onInformational(status, fields);
  }

  onHead(head: ResponseHead): void {
    this.notes?.originHead(head);
    if (head.status === 425 && this.#sentEarly) {
      this.#isTooEarly = true;
      return;
    }
    this.#origin.answered(this, head.status);
    const retried = this.#origin.retriedStatuses;
    if (retried.length > 0 && retried.includes(head.status) && this.#isRepeatable) {
      const sender = this.#sender!;
      if (this.#origin.moveOn(this, true)) {
        sender.cancel();
        this.#restart(false);
        return;
      }
    }
    this.#answered = true;
    this.#held = null;
    this.#pace.begin(this.#paused);
    this.#handler.onHead(head);
  }

  onContent(bytes: Uint8Array): void {
    if (this.#isTooEarly) return;
    this.#pace.bytes += bytes.length;
    this.notes?.originContent(bytes);
    this.#handler.onContent(bytes);
  }

  onEnd(trailers: FieldSection | null): void {
    if (this.#isTooEarly) {
      this.#askAgainLate();
      return;
    }
    this.#over = true;
    this.notes?.originEnd();
    this.#origin.completed(this, this.#pace.end());
    this.#origin.ended(this);
    this.#handler.onEnd(trailers);
  }

  onUpgrade(head: ResponseHead): void {
    this.#answered = true;
    this.#held = null;
    this.#origin.answered(this, head.status);
    this.#origin.completed(this, null);
    this.#handler.onUpgrade(head);
  }

  onWritable(): void {
    this.#handler.onWritable();
  }

  onError(error: SluiceError): void {
    if (this.#over) return;
    this.#sender = null;
    if (this.#sentEarly && !this.#answered) {
      this.#askAgainLate();
      return;
    }
    if (error.code === 'http2-http-1-1-required') this.needsHttp1 = true;
    if (this.#mayTryAgain(error)) {
      this.#hasTriedAgain = true;
      this.#restart(true);
      return;
    }
    this.#origin.failed(this, error);
    const isUntouched = this.#isUntouched(error);
    // Whatever is wrong with this server, also what it says: another need not have it.
    const isItsFault = error.blame === 'upstream' && !this.#answered;
    const mayMove = isUntouched || (isItsFault && this.#isRepeatable);
    if (mayMove && this.#origin.moveOn(this, !isUntouched)) this.#restart(false);
    else this.#fail(error);
  }

  /**
   * RFC 8470 §5.2: after a 425 the request is sent again when the handshake is complete. So it is
   * when the connection broke: the origin may have stumbled over early data.
   */
  #askAgainLate(): void {
    this.#isTooEarly = false;
    this.#sentEarly = false;
    this.mayBeEarly = false;
    this.#restart(false);
  }

  /** What another origin receives is all of the request, and does no harm if this one got it too. */
  get #isRepeatable(): boolean {
    return isIdempotentMethod(this.head.method) && this.#hasAllThatWasSent;
  }

  get #hasAllThatWasSent(): boolean {
    return !this.#contentSent || (this.#held?.isWhole ?? false);
  }

  /** Nothing was done with it, so that it may be sent again whatever its method (RFC 9113 §8.7). */
  #isUntouched(error: SluiceError): boolean {
    const isRefused = error.retry === 'always' || error.code === 'http2-http-1-1-required';
    return isRefused && !this.#answered && this.#hasAllThatWasSent;
  }

  /** Whether the same origin is asked once more, because the connection is to blame and not it. */
  #mayTryAgain(error: SluiceError): boolean {
    if (this.#answered || this.#hasTriedAgain) return false;
    if (this.#isUntouched(error)) return true;
    // Handlers close no idle connection: it has ended with its thread, perhaps by this request.
    if (this.#origin.isHandler) return false;
    return error.retry === 'ifReused' && this.#reused && this.#isRepeatable;
  }

  #restart(fresh: boolean): void {
    this.#sender = null;
    this.#handler.onRequestRestart();
    if (fresh) this.#origin.again(this);
    else this.#origin.goOn(this);
  }

  #fail(error: SluiceError): void {
    this.#over = true;
    this.#origin.ended(this);
    this.#handler.onError(error);
  }
}
