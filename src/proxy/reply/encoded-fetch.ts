/**
 * A fetch whose response is compressed before anybody sees it: the store keeps, and the client gets,
 * what a route's compression makes of it.
 */
import { SluiceError } from '../../base/errors.ts';
import type { FieldSection } from '../../http/field-section.ts';
import type { RequestHead, ResponseHead } from '../../http/message.ts';
import type { Compression } from '../../routing/compression.ts';
import type { Fetch, FetchHandler } from '../fetch.ts';
import { Encoder, type EncoderOwner } from './encoder.ts';

/** What a fetch is to those who own one. */
export type OriginFetch = Pick<
  Fetch,
  'start' | 'handOver' | 'sendContent' | 'sendEnd' | 'pause' | 'resume' | 'cancel' | 'isOver'
>;

export interface EncodedFetchInput {
  readonly compression: Compression;
  /** The client's request, as `Compression.prepare` left it. */
  readonly head: RequestHead;
  /** Fields of the stored response that is being validated. */
  readonly stored: FieldSection | undefined;
  /** Makes the fetch itself. */
  readonly fetch: (handler: FetchHandler) => OriginFetch;
}

export class EncodedFetch implements OriginFetch, FetchHandler, EncoderOwner {
  readonly #input: EncodedFetchInput;
  readonly #inner: OriginFetch;
  #handler: FetchHandler;
  #encoder: Encoder | null = null;
  /** Of the message, for when the compressor has ended. */
  #trailers: FieldSection | null = null;
  #over = false;

  constructor(input: EncodedFetchInput, handler: FetchHandler) {
    this.#input = input;
    this.#handler = handler;
    this.#inner = input.fetch(this);
  }

  get isOver(): boolean {
    return this.#over;
  }

  start(): void {
    this.#inner.start();
  }

  handOver(handler: FetchHandler): void {
    this.#handler = handler;
  }

  sendContent(bytes: Uint8Array): boolean {
    return this.#inner.sendContent(bytes);
  }

  sendEnd(trailers: FieldSection | null): void {
    this.#inner.sendEnd(trailers);
  }

  pause(): void {
    if (this.#encoder === null) this.#inner.pause();
    else this.#encoder.pause();
  }

  resume(): void {
    if (this.#encoder === null) this.#inner.resume();
    else this.#encoder.resume();
  }

  cancel(): void {
    if (this.#over) return;
    this.#over = true;
    this.#encoder?.destroy();
    this.#inner.cancel();
  }

  // ------------------------------------------------------------------ from the fetch

  onRequestStarted(): void {
    this.#handler.onRequestStarted();
  }

  onRequestRestart(): void {
    this.#handler.onRequestRestart();
  }

  onWritable(): void {
    this.#handler.onWritable();
  }

  onInformational(status: number, fields: FieldSection): void {
    this.#handler.onInformational(status, fields);
  }

  onHead(response: ResponseHead): void {
    const { compression, head, stored } = this.#input;
    if (response.status === 304) {
      this.#handler.onHead(compression.applyToNotModified(head, response, stored));
      return;
    }
    let plan = compression.plan(head, response);
    if (plan !== 'leave' && plan !== 'vary' && head.method !== 'HEAD') {
      const type = response.fields.first('content-type') ?? '';
      const isEventStream = type.toLowerCase().startsWith('text/event-stream');
      this.#encoder = Encoder.begin(plan, response.contentLength, isEventStream, this);
      if (this.#encoder === null) plan = 'vary';
    }
    this.#handler.onHead(compression.apply(plan, response));
  }

  onContent(bytes: Uint8Array): void {
    if (this.#encoder === null) this.#handler.onContent(bytes);
    else if (!this.#encoder.write(bytes)) this.#inner.pause();
  }

  onEnd(trailers: FieldSection | null): void {
    if (this.#encoder === null) {
      this.#over = true;
      this.#handler.onEnd(trailers);
      return;
    }
    this.#trailers = trailers;
    this.#encoder.end();
  }

  onUpgrade(head: ResponseHead): void {
    this.#handler.onUpgrade(head);
  }

  onError(error: SluiceError): void {
    if (this.#over) return;
    this.#over = true;
    this.#encoder?.destroy();
    this.#handler.onError(error);
  }

  // ------------------------------------------------------------------ from the encoder

  onEncoded(bytes: Uint8Array): void {
    if (!this.#over) this.#handler.onContent(bytes);
  }

  onEncodedEnd(): void {
    if (this.#over) return;
    this.#over = true;
    const trailers = this.#trailers;
    // Digests of bytes that were never sent (RFC 9530).
    trailers?.remove('content-digest');
    trailers?.remove('repr-digest');
    this.#handler.onEnd(trailers);
  }

  onEncoderReady(): void {
    if (!this.#over && !this.#inner.isOver) this.#inner.resume();
  }

  onEncoderError(cause: Error): void {
    if (this.#over) return;
    this.#over = true;
    this.#inner.cancel();
    this.#handler.onError(
      new SluiceError('compression-failed', cause.message, { blame: 'internal', cause }),
    );
  }
}
