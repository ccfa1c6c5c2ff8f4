/**
 * A response on its way from the origin into the store. It lives on its own: the client that caused
 * it may be slow or leave, and others may be reading what has arrived.
 */
import type { SluiceError } from '../base/errors.ts';
import type { InFlightFetch } from '../cache/collapse.ts';
import type { ContentWriter, StoreHit } from '../cache/contract.ts';
import { announcedLength } from '../cache/rules/stored-response.ts';
import type { FieldSection } from '../http/field-section.ts';
import type { ResponseHead } from '../http/message.ts';
import type { FetchHandler } from './fetch.ts';
import type { OriginFetch } from './reply/encoded-fetch.ts';

/** The client that caused the fill takes the content as it passes by. */
export interface FillConsumer {
  /** Returns false when it cannot take more for now. */
  onFillContent(bytes: Uint8Array): boolean;
  onFillEnd(trailers: FieldSection | null): void;
  onFillError(error: SluiceError): void;
  /** From here on read from the store: the fill does not wait for a slow client. */
  onFillDetached(hit: StoreHit): void;
}

export interface FillObserver {
  onOriginError(error: SluiceError): void;
}

export interface FillInput {
  readonly fetch: OriginFetch;
  readonly writer: ContentWriter;
  readonly head: ResponseHead;
  /** Null for a revalidation in the background. */
  readonly consumer: FillConsumer | null;
  /** More of the request's content can be sent. */
  readonly onRequestWritable: () => void;
  /** Those who wait for this key; null when nobody may. */
  readonly inFlight: InFlightFetch | null;
  readonly observer: FillObserver;
}

/** How soon a fill that waits for its own client notices that others want to read. */
const LOOK_MS = 100;

/** Fills of unknown length that wait for the client that caused them; one timer looks at them all. */
class WaitingFills {
  readonly #fills = new Set<Fill>();
  #timer: NodeJS.Timeout | null = null;

  add(fill: Fill): void {
    this.#fills.add(fill);
    this.#timer ??= setInterval(() => this.#look(), LOOK_MS).unref();
  }

  delete(fill: Fill): void {
    this.#fills.delete(fill);
  }

  #look(): void {
    for (const fill of [...this.#fills]) fill.lookForReaders();
    if (this.#fills.size > 0 || this.#timer === null) return;
    clearInterval(this.#timer);
    this.#timer = null;
  }
}

const waitingFills = new WaitingFills();

export class Fill implements FetchHandler {
  readonly #fetch: OriginFetch;
  readonly #writer: ContentWriter;
  readonly #inFlight: InFlightFetch | null;
  readonly #observer: FillObserver;
  readonly #onRequestWritable: () => void;
  /** Bytes of content, by Content-Length or Content-Range; -1 when nothing tells. */
  readonly #announced: number;
  #received = 0;
  #consumer: FillConsumer | null;
  /** What the fetch waits for while it is paused. */
  #storeIsBehind = false;
  #clientIsBehind = false;

  constructor(input: FillInput) {
    this.#fetch = input.fetch;
    this.#writer = input.writer;
    this.#inFlight = input.inFlight;
    this.#observer = input.observer;
    this.#onRequestWritable = input.onRequestWritable;
    this.#announced = announcedLength(input.writer.hit.response);
    this.#consumer = input.consumer;
    input.fetch.handOver(this);
    input.inFlight?.share(input.writer.hit);
  }

  /** The length is known, so that what the store must hold is known to fit. */
  get #isBounded(): boolean {
    return this.#announced >= 0;
  }

  /** The consumer's client can take more. */
  consumerReady(): void {
    this.#waitNoMore();
    this.#resume();
  }

  #resume(): void {
    if (this.#storeIsBehind || this.#clientIsBehind || this.#fetch.isOver) return;
    this.#fetch.resume();
  }

  /**
   * The consumer's client has gone. What is known to fit is fetched to its end all the same, and
   * what is not for as long as others read it.
   */
  consumerGone(): void {
    this.#consumer = null;
    this.#waitNoMore();
    if (!this.#isWanted()) this.#giveUp();
    else this.#resume();
  }

  #isWanted(): boolean {
    if (this.#consumer !== null || this.#writer.hasReaders) return true;
    return this.#isBounded && !this.#writer.isDropped;
  }

  #giveUp(): void {
    this.#fetch.cancel();
    this.#writer.abort();
    this.#inFlight?.end();
  }

  // ------------------------------------------------------------------ from the fetch

  onRequestStarted(): void {}

  onRequestRestart(): void {}

  onInformational(): void {}

  onHead(): void {}

  onUpgrade(): void {}

  /** The response may be on its way before its request is complete. */
  onWritable(): void {
    this.#onRequestWritable();
  }

  onContent(bytes: Uint8Array): void {
    this.#received += bytes.length;
    // Without Content-Length more can come than Content-Range says: nobody knows what it is.
    if (this.#isBounded && this.#received > this.#announced) this.#writer.abort();
    if (!this.#writer.write(bytes)) this.#waitForStore();
    const consumer = this.#consumer;
    if (consumer === null) {
      if (!this.#isWanted()) this.#giveUp();
      return;
    }
    if (consumer.onFillContent(bytes)) return;
    if (this.#mayDetach) this.#detach(consumer);
    else {
      this.#clientIsBehind = true;
      this.#fetch.pause();
      waitingFills.add(this);
    }
  }

  /**
   * A response that may grow without end is not stored ahead of a slow client for its own sake; but
   * others do not wait for it.
   */
  get #mayDetach(): boolean {
    return !this.#writer.isDropped && (this.#isBounded || this.#writer.hasReaders);
  }

  #detach(consumer: FillConsumer): void {
    this.#consumer = null;
    consumer.onFillDetached(this.#writer.hit);
  }

  #waitNoMore(): void {
    this.#clientIsBehind = false;
    waitingFills.delete(this);
  }

  /** While the client that caused it is behind. */
  lookForReaders(): void {
    const consumer = this.#consumer;
    if (consumer === null || this.#fetch.isOver) waitingFills.delete(this);
    else if (this.#mayDetach) {
      this.#waitNoMore();
      this.#detach(consumer);
      this.#resume();
    }
  }

  /** Without this a fast origin would outrun the disk, and the response would not be stored. */
  #waitForStore(): void {
    if (this.#storeIsBehind) return;
    this.#storeIsBehind = true;
    this.#fetch.pause();
    this.#writer.whenDrained(() => {
      this.#storeIsBehind = false;
      this.#resume();
    });
  }

  onEnd(trailers: FieldSection | null): void {
    this.#writer.commit(trailers);
    this.#inFlight?.end();
    this.#consumer?.onFillEnd(trailers);
  }

  onError(error: SluiceError): void {
    this.#observer.onOriginError(error);
    this.#writer.cut();
    this.#inFlight?.end();
    this.#consumer?.onFillError(error);
  }
}
