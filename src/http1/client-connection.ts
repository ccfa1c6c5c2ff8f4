/**
 * HTTP/1.1 toward an origin (RFC 9112): one exchange after another. Full duplex: a response may come,
 * and end, while the request's content is still being sent.
 */
import { assert } from '../base/assert.ts';
import { SluiceError } from '../base/errors.ts';
import type { RequestSender, ResponseHandler } from '../http/exchange.ts';
import type { FieldSection } from '../http/field-section.ts';
import type { RequestHead, ResponseHead } from '../http/message.ts';
import { Backlog } from './backlog.ts';
import { ChunkedDecoder, type ChunkReceiver } from './chunked-decoder.ts';
import { Http1ClientExchange } from './client-exchange.ts';
import { HeadReader, INCOMPLETE } from './head-reader.ts';
import { defaultHttp1Limits, type Http1Limits } from './limits.ts';
import { MessageError, refuseResponse } from './message-error.ts';
import type { Http1Output } from './output.ts';
import { parseResponse, type ReceivedResponse } from './response-head.ts';
import { fieldLines, writeText } from './serialize.ts';

export interface Http1ClientInput {
  readonly output: Http1Output;
  readonly limits?: Http1Limits;
  /** More of the request was sent, or the response is read again: for time-outs. */
  readonly onMoved?: () => void;
}

/**
 * What arrives next. `ended`: the response has been read and its handler not yet told; `idle`:
 * nothing is asked for.
 */
type Reading = 'idle' | 'head' | 'length' | 'chunked' | 'close' | 'tunnel' | 'ended' | 'closed';

export class Http1ClientConnection implements ChunkReceiver {
  readonly output: Http1Output;
  /** See `Http1ClientInput`; for the exchange, too. */
  readonly onMoved: () => void;
  readonly #limits: Http1Limits;
  readonly #reader: HeadReader;
  readonly #backlog = new Backlog();
  #reading: Reading = 'idle';
  #exchange: Http1ClientExchange | null = null;
  #handler: ResponseHandler | null = null;
  #method = '';
  #upgradeAsked = false;
  #decoder: ChunkedDecoder | null = null;
  #remaining = 0;
  #trailers: FieldSection | null = null;
  #persistent = true;
  #informational = 0;
  /** Some of the response has come: the origin is at work, and the request must not be repeated. */
  #hasReceived = false;
  /** Some of the final response has come. */
  #isAnswered = false;
  #paused = false;
  /** The connection is gone, of which the handler hears when it has what came before. */
  #lost: SluiceError | null = null;
  #processing = false;
  #inputEnded = false;
  #tunnelInputEnded = false;

  constructor(input: Http1ClientInput) {
    this.output = input.output;
    this.onMoved = input.onMoved ?? ignore;
    this.#limits = input.limits ?? defaultHttp1Limits;
    const { headBytesMax, startLineBytesMax, fieldLinesMax, blanksBeforeColonMax } = this.#limits;
    this.#reader = new HeadReader({
      kind: 'head',
      bytesMax: headBytesMax,
      startLineBytesMax,
      fieldLinesMax,
      emptyLinesMax: 0,
      startLinePrefix: STATUS_LINE_START,
      blanksBeforeColonMax,
      refuse: refuseResponse,
    });
  }

  /**
   * Whether another exchange may follow: nothing half sent, half read, or unasked for. Bytes that
   * nobody asked for would be taken for the next response (RFC 9112 §9.2).
   */
  get isReusable(): boolean {
    return (
      this.#reading === 'idle' &&
      this.#persistent &&
      !this.#inputEnded &&
      (this.#exchange === null || this.#exchange.isRequestSent)
    );
  }

  // ------------------------------------------------------------------ state, for time-outs

  /** The asker takes no more of the response for now. */
  get isHeldUp(): boolean {
    return this.#paused;
  }

  /** All of the request has been sent. */
  get isRequestSent(): boolean {
    return this.#exchange?.isRequestSent ?? true;
  }

  /** Some of the final response has come. */
  get isAnswered(): boolean {
    return this.#isAnswered;
  }

  // ------------------------------------------------------------------ the request

  /** Sends a request's head; `head.fields` are as the origin shall see them, Host included. */
  start(head: RequestHead, handler: ResponseHandler): RequestSender {
    assert(this.isReusable, 'an exchange starts on a reusable connection');
    this.#exchange?.detach();
    const exchange = new Http1ClientExchange(this, head.contentLength);
    this.#exchange = exchange;
    this.#handler = handler;
    this.#method = head.method;
    this.#upgradeAsked = head.upgrade !== '';
    this.#reading = 'head';
    this.#hasReceived = false;
    this.#isAnswered = false;
    this.#informational = 0;
    const target = head.path === '' ? head.authority.text : head.path;
    assert(!/[\0-\x20]/.test(target), 'a request target has no whitespace');
    let text = `${head.method} ${target} HTTP/1.1\r\n${fieldLines(head.fields, this.#upgradeAsked)}`;
    if (head.contentLength > 0) text += `content-length: ${head.contentLength}\r\n`;
    else if (head.contentLength < 0) text += 'transfer-encoding: chunked\r\n';
    else if (MAY_HAVE_CONTENT.has(head.method)) text += 'content-length: 0\r\n';
    writeText(this.output, `${text}\r\n`);
    return exchange;
  }

  // ------------------------------------------------------------------ from the exchange

  /** Nobody wants the response any more: what is under way makes the connection useless. */
  cancel(exchange: Http1ClientExchange): void {
    if (exchange !== this.#exchange) return;
    if (this.#reading === 'idle' && exchange.isRequestSent) return;
    this.#handler = null;
    this.#reading = 'closed';
    this.#backlog.clear();
    this.output.reset();
  }

  pause(exchange: Http1ClientExchange): void {
    if (exchange !== this.#exchange || this.#paused || this.#reading === 'idle') return;
    this.#paused = true;
    this.output.pauseReading();
  }

  resume(exchange: Http1ClientExchange): void {
    if (exchange !== this.#exchange || !this.#paused) return;
    this.#paused = false;
    this.onMoved();
    // What is being processed goes on by itself.
    if (this.#processing) {
      this.output.resumeReading();
      return;
    }
    const backlog = this.#backlog;
    while (backlog.length > 0 && !this.#isBlocked) backlog.consume(this.#process(backlog.next()));
    if (this.#reading === 'ended' && !this.#paused) this.#finish(backlog.length > 0);
    if (this.#paused || this.#reading === 'closed') return;
    if (this.#lost !== null) {
      this.#lose(this.#lost);
      return;
    }
    this.output.resumeReading();
    if (this.#inputEnded && backlog.length === 0) this.#afterInputEnd();
  }

  // ------------------------------------------------------------------ the response

  /** Bytes from the origin, valid until the return. */
  receive(bytes: Uint8Array): void {
    if (this.#processing || this.#backlog.length > 0) {
      this.#backlog.append(bytes, false);
      return;
    }
    const used = this.#process(bytes);
    if (used === bytes.length || this.#reading === 'closed') return;
    if (this.#paused) this.#backlog.append(bytes.subarray(used), false);
    // Nobody has asked for these: they must never be read as a response.
    else this.#persistent = false;
  }

  /** Returns how many bytes were used: all, or up to where it became blocked. */
  #process(bytes: Uint8Array): number {
    this.#processing = true;
    let at = 0;
    try {
      while (at < bytes.length && !this.#isBlocked) at = this.#step(bytes, at);
      if (this.#reading === 'ended' && !this.#paused) this.#finish(at < bytes.length);
    } catch (error) {
      if (!(error instanceof MessageError)) throw error;
      at = bytes.length;
      this.#fail(error);
    } finally {
      this.#processing = false;
    }
    return at;
  }

  get #isBlocked(): boolean {
    const reading = this.#reading;
    return reading === 'idle' || reading === 'ended' || reading === 'closed' || this.#paused;
  }

  #step(bytes: Uint8Array, at: number): number {
    switch (this.#reading) {
      case 'head': {
        this.#hasReceived = true;
        this.#isAnswered = true;
        const end = this.#reader.find(bytes, at);
        if (end === INCOMPLETE) return bytes.length;
        const response = parseResponse(this.#reader, this.#method);
        this.#reader.reset();
        this.#onHead(response);
        return end;
      }
      case 'length': {
        const count = Math.min(this.#remaining, bytes.length - at);
        this.#remaining -= count;
        this.#handler?.onContent(bytes.subarray(at, at + count));
        if (this.#remaining === 0 && this.#reading === 'length') this.onContentEnd(null);
        return at + count;
      }
      case 'chunked':
        return this.#decoder!.decode(bytes, at, this);
      default:
        this.#handler?.onContent(at === 0 ? bytes : bytes.subarray(at));
        return bytes.length;
    }
  }

  #onHead(response: ReceivedResponse): void {
    const { head, framing } = response;
    const { status } = head;
    if (status === 101) {
      // RFC 9110 §15.2.2: only what was asked for can be switched to.
      if (!this.#upgradeAsked) refuseResponse(502, 'unasked-upgrade', '101 without Upgrade');
      this.#becomeTunnel(head);
      return;
    }
    if (status < 200) {
      if (++this.#informational > this.#limits.informationalMax) {
        refuseResponse(502, 'too-many-informational', 'too many interim responses');
      }
      this.#isAnswered = false;
      this.#handler?.onInformational(status, head.fields);
      return;
    }
    if (this.#method === 'CONNECT' && status < 300) {
      this.#becomeTunnel(head);
      return;
    }
    if (!response.persistent) this.#persistent = false;
    if (framing === 'chunked') this.#startChunked();
    this.#remaining = framing === 'length' ? head.contentLength : 0;
    this.#trailers = null;
    this.#reading = framing === 'none' ? 'ended' : framing;
    this.#handler?.onHead(head);
  }

  #startChunked(): void {
    this.#decoder ??= new ChunkedDecoder(this.#limits, refuseResponse);
    this.#decoder.reset();
  }

  #becomeTunnel(head: ResponseHead): void {
    this.#reading = 'tunnel';
    this.#persistent = false;
    this.#exchange?.becomeTunnel();
    this.#handler?.onUpgrade(head);
  }

  // ------------------------------------------------------------------ from the chunked decoder

  get isPaused(): boolean {
    return this.#paused || this.#reading !== 'chunked';
  }

  onContent(bytes: Uint8Array): void {
    this.#handler?.onContent(bytes);
  }

  onContentEnd(trailers: FieldSection | null): void {
    // The handler has cancelled it.
    if (this.#reading === 'closed') return;
    this.#trailers = trailers;
    this.#reading = 'ended';
  }

  // ------------------------------------------------------------------ ends

  /**
   * The response is complete. `hasMore`: bytes follow it that nobody asked for; it must be known
   * before the handler is told, who may start the next exchange at once.
   */
  #finish(hasMore: boolean): void {
    const handler = this.#handler;
    this.#handler = null;
    this.#reading = 'idle';
    // A response before the end of the request: an origin that does not read it to its end would
    // take the rest for another request.
    if (hasMore || !this.#exchange!.isRequestSent) this.#persistent = false;
    handler?.onEnd(this.#trailers);
  }

  #fail(error: SluiceError): void {
    const handler = this.#handler;
    this.#handler = null;
    this.#reading = 'closed';
    this.#exchange?.detach();
    this.#backlog.clear();
    this.output.reset();
    handler?.onError(error);
  }

  onWritable(): void {
    this.#handler?.onWritable();
  }

  /** The origin sends no more. */
  onEndOfInput(): void {
    this.#inputEnded = true;
    if (this.#backlog.length === 0 && this.#reading !== 'ended') this.#afterInputEnd();
  }

  #afterInputEnd(): void {
    switch (this.#reading) {
      case 'close':
        this.onContentEnd(null);
        if (!this.#paused) this.#finish(false);
        break;
      case 'tunnel':
        if (this.#tunnelInputEnded) break;
        this.#tunnelInputEnded = true;
        this.#handler?.onEnd(null);
        break;
      case 'head':
      case 'length':
      case 'chunked':
        this.#fail(this.#brokenOff());
        break;
      default:
        break;
    }
  }

  /** The connection is gone. */
  onConnectionLost(error: SluiceError): void {
    if (this.#paused && this.#backlog.length > 0) this.#lost = error;
    else this.#lose(error);
  }

  #lose(error: SluiceError): void {
    const { length } = this.#backlog;
    const handler = this.#handler;
    const wasOpen = this.#reading !== 'idle' && this.#reading !== 'closed';
    const isComplete = this.#reading === 'ended' && length === 0;
    this.#handler = null;
    this.#reading = 'closed';
    this.#exchange?.detach();
    this.#backlog.clear();
    if (!wasOpen) return;
    // A paused handler may have the whole response without having been told of its end.
    if (isComplete) handler?.onEnd(this.#trailers);
    else handler?.onError(this.#hasReceived ? error : withRetry(error));
  }

  #brokenOff(): SluiceError {
    if (!this.#hasReceived) {
      return new SluiceError('connection-closed', 'the origin closed the connection', {
        blame: 'upstream',
        retry: 'ifReused',
      });
    }
    return new SluiceError('response-incomplete', 'the origin broke the response off', {
      blame: 'upstream',
    });
  }
}

const ignore = (): void => {};

const STATUS_LINE_START = Uint8Array.from('HTTP/1.', (c) => c.charCodeAt(0));

/** Methods whose empty content is announced (RFC 9110 §8.6). */
const MAY_HAVE_CONTENT = new Set(['POST', 'PUT', 'PATCH']);

/** Nothing of a response had come: on a reused connection the origin may just have closed it. */
function withRetry(error: SluiceError): SluiceError {
  if (error.retry !== 'never' || error.code === 'read-timeout') return error;
  return new SluiceError(error.code, error.message, {
    blame: error.blame,
    retry: 'ifReused',
    cause: error,
  });
}
