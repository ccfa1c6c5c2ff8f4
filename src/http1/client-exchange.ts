/** The sending half of one exchange with an origin. */
import { assert } from '../base/assert.ts';
import type { RequestSender } from '../http/exchange.ts';
import type { FieldSection } from '../http/field-section.ts';
import type { Http1Output } from './output.ts';
import { writeChunk, writeLastChunk } from './serialize.ts';

/** The connection, as its exchange sees it. */
export interface Http1ClientExchangeOwner {
  readonly output: Http1Output;
  /** Bytes move: the exchange is not idle. */
  onMoved(): void;
  cancel(exchange: Http1ClientExchange): void;
  pause(exchange: Http1ClientExchange): void;
  resume(exchange: Http1ClientExchange): void;
}

/**
 * It outlives its response: an origin may answer early, and the rest of the content is still sent,
 * as long as the connection's owner keeps it open. Once the exchange is over its calls do nothing,
 * so a late one cannot touch the next exchange of the connection.
 */
export class Http1ClientExchange implements RequestSender {
  readonly #connection: Http1ClientExchangeOwner;
  /** Bytes of content still to be sent; -1 for chunked content until its end. */
  #toSend: number;
  #mode: 'content' | 'tunnel' | 'over' = 'content';

  constructor(connection: Http1ClientExchangeOwner, contentLength: number) {
    this.#connection = connection;
    this.#toSend = contentLength;
  }

  /** All of the request's content has been sent. */
  get isRequestSent(): boolean {
    return this.#toSend === 0;
  }

  becomeTunnel(): void {
    this.#mode = 'tunnel';
    this.#toSend = 0;
  }

  /** The connection is lost, or its next exchange begins. */
  detach(): void {
    this.#mode = 'over';
  }

  sendContent(bytes: Uint8Array): boolean {
    if (this.#mode === 'over') return true;
    const { output } = this.#connection;
    this.#connection.onMoved();
    if (this.#mode === 'tunnel') return output.write(bytes);
    if (this.#toSend < 0) return writeChunk(output, bytes);
    assert(bytes.length <= this.#toSend, 'no more content than announced');
    this.#toSend -= bytes.length;
    return output.write(bytes);
  }

  sendEnd(trailers: FieldSection | null): void {
    if (this.#mode === 'over') return;
    if (this.#mode === 'tunnel') {
      this.#connection.output.end();
      return;
    }
    this.#connection.onMoved();
    assert(this.#toSend <= 0, 'the content is as long as announced');
    if (this.#toSend < 0) writeLastChunk(this.#connection.output, trailers);
    this.#toSend = 0;
  }

  cancel(): void {
    if (this.#mode === 'over') return;
    this.#mode = 'over';
    this.#connection.cancel(this);
  }

  pause(): void {
    if (this.#mode !== 'over') this.#connection.pause(this);
  }

  resume(): void {
    if (this.#mode !== 'over') this.#connection.resume(this);
  }
}
