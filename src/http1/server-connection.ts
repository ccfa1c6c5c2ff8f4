/**
 * HTTP/1 toward a client (RFC 9112): octets in, requests out to the sink, responses back as octets.
 * One request at a time: a pipelined one is parsed when the response before it has ended and the
 * content before it was read, which keeps order and bounds memory.
 */
import { SluiceError } from '../base/errors.ts';
import type { RequestFacts, RequestHandler, RequestSink } from '../http/exchange.ts';
import type { FieldSection } from '../http/field-section.ts';
import { ChunkedDecoder, type ChunkReceiver } from './chunked-decoder.ts';
import { HeadReader, INCOMPLETE } from './head-reader.ts';
import { defaultHttp1Limits, type Http1Limits } from './limits.ts';
import { MessageError, refuseRequest } from './message-error.ts';
import type { Http1Output } from './output.ts';
import { parseRequest, type ReceivedRequest } from './request-head.ts';
import { statusLine, writeText } from './serialize.ts';
import { ServerResponse } from './server-response.ts';

export interface Http1ServerInput {
  readonly sink: RequestSink;
  readonly output: Http1Output;
  readonly scheme: 'http' | 'https';
  /** Facts for a request whose first octet came as early data, or did not. */
  readonly factsFor: (early: boolean) => RequestFacts;
  /** A message that broke the rules was refused: for counting and logging. */
  readonly onRefused: (error: MessageError) => void;
  readonly limits?: Http1Limits;
}

/** What arrives next. */
type Reading = 'head' | 'content' | 'nothing' | 'tunnel' | 'drain' | 'closed';

export class Http1ServerConnection implements ChunkReceiver {
  readonly output: Http1Output;
  readonly #input: Http1ServerInput;
  readonly #limits: Http1Limits;
  readonly #reader: HeadReader;
  #reading: Reading = 'head';
  #handler: RequestHandler | null = null;
  #response: ServerResponse | null = null;
  #chunked: ChunkedDecoder | null = null;
  /** Octets of Content-Length still to come. */
  #remaining = 0;
  #headIsEarly = false;
  #paused = false;
  #discarding = false;
  #drained = 0;
  #closing = false;
  #processing = false;
  /** Octets that arrived while they could not be processed. */
  #backlog: Uint8Array | null = null;
  #backlogEarly = false;
  #readingPaused = false;
  #inputEnded = false;

  constructor(input: Http1ServerInput) {
    this.#input = input;
    this.output = input.output;
    this.#limits = input.limits ?? defaultHttp1Limits;
    this.#reader = new HeadReader(this.#limits, refuseRequest);
  }

  // ------------------------------------------------------------------ state, for deadlines

  /** Between requests, with nothing of the next one here. */
  get isIdle(): boolean {
    return this.#reading === 'head' && !this.#reader.hasBegun && this.#backlog === null;
  }

  get isReadingHead(): boolean {
    return this.#reading === 'head' && this.#reader.hasBegun;
  }

  /** Request content is expected and we would take it. */
  get isReadingContent(): boolean {
    if (this.#reading === 'drain') return true;
    return this.#reading === 'content' && !this.#paused;
  }

  /** From the next response on the connection closes (graceful drain). */
  closeAfterResponse(): void {
    this.#closing = true;
  }

  /** Whether the response under way must say that the connection closes. */
  get isClosing(): boolean {
    return this.#closing;
  }

  // ------------------------------------------------------------------ input

  /** `early` marks octets of TLS early data. */
  receive(bytes: Uint8Array, early: boolean): void {
    if (this.#backlog !== null) {
      this.#append(bytes, early);
      return;
    }
    this.#process(bytes, early);
  }

  #process(bytes: Uint8Array, early: boolean): void {
    if (this.#processing) {
      this.#append(bytes, early);
      return;
    }
    this.#processing = true;
    let at = 0;
    try {
      while (at < bytes.length && !this.#isBlocked) at = this.#step(bytes, at, early);
    } catch (error) {
      if (!(error instanceof MessageError)) throw error;
      at = bytes.length;
      this.#refuse(error);
    } finally {
      this.#processing = false;
    }
    if (at < bytes.length) {
      this.#append(at === 0 ? bytes : bytes.subarray(at), early);
    } else if (this.#inputEnded) {
      this.#afterInputEnd();
    }
  }

  get #isBlocked(): boolean {
    return this.#reading === 'nothing' || (this.#paused && this.#reading !== 'head');
  }

  #step(bytes: Uint8Array, at: number, early: boolean): number {
    switch (this.#reading) {
      case 'head':
        return this.#readHead(bytes, at, early);
      case 'content':
        return this.#readContent(bytes, at);
      case 'tunnel':
        this.#handler?.onContent(at === 0 ? bytes : bytes.subarray(at));
        return bytes.length;
      case 'drain':
        this.#drain(bytes.length - at);
        return bytes.length;
      default:
        return bytes.length;
    }
  }

  #readHead(bytes: Uint8Array, at: number, early: boolean): number {
    if (!this.#reader.hasBegun) this.#headIsEarly = early;
    const end = this.#reader.find(bytes, at);
    if (end === INCOMPLETE) return bytes.length;
    const request = parseRequest(this.#reader, this.#input.scheme);
    this.#reader.reset();
    this.#begin(request);
    return end;
  }

  #begin(request: ReceivedRequest): void {
    const { head, chunked } = request;
    if (!request.persistent) this.#closing = true;
    this.#paused = false;
    this.#discarding = false;
    this.#drained = 0;
    this.#chunked = chunked ? new ChunkedDecoder(this.#limits, refuseRequest) : null;
    this.#remaining = Math.max(0, head.contentLength);
    const hasContent = chunked || this.#remaining > 0;
    this.#reading = hasContent ? 'content' : 'nothing';
    const response = new ServerResponse(this, head);
    this.#response = response;
    const facts = this.#input.factsFor(this.#headIsEarly);
    const handler = this.#input.sink.onRequest(head, response, facts);
    if (this.#response !== response) return;
    this.#handler = handler;
    if (!hasContent) handler.onEnd(null);
  }

  #readContent(bytes: Uint8Array, at: number): number {
    if (this.#chunked !== null) return this.#chunked.decode(bytes, at, this);
    const count = Math.min(this.#remaining, bytes.length - at);
    this.#remaining -= count;
    this.onContent(bytes.subarray(at, at + count));
    if (this.#remaining === 0 && this.#reading === 'content') this.onContentEnd(null);
    return at + count;
  }

  // ------------------------------------------------------------------ from the chunked decoder

  get isPaused(): boolean {
    return this.#paused || this.#reading !== 'content';
  }

  onContent(bytes: Uint8Array): void {
    if (!this.#discarding) this.#handler?.onContent(bytes);
    else if (this.#response === null) this.#drain(bytes.length);
  }

  onContentEnd(trailers: FieldSection | null): void {
    if (this.#reading !== 'content') return;
    this.#reading = 'nothing';
    this.#handler?.onEnd(trailers);
    if (this.#response === null) this.#next();
  }

  // ------------------------------------------------------------------ from the response

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#drainBacklog();
  }

  discardContent(): void {
    this.#discarding = true;
    this.resume();
  }

  becomeTunnel(): void {
    this.#reading = 'tunnel';
  }

  /** The response is complete. `mayPersist` is false when only the close ends it. */
  responseEnded(mayPersist: boolean): void {
    const hadTunnel = this.#reading === 'tunnel';
    this.#response = null;
    this.#handler = null;
    if (hadTunnel) {
      this.#reading = 'drain';
      this.output.end();
      return;
    }
    if (!mayPersist) this.#closing = true;
    if (this.#reading === 'content') {
      // The client still sends what nobody wants: read a little of it, so that the response is not
      // lost to a reset (RFC 9112 §9.6), then close.
      this.#discarding = true;
      if (this.#closing || this.#remaining > this.#limits.drainBytesMax) this.#close();
      else this.resume();
      return;
    }
    this.#next();
  }

  /** The response was broken off: the client must be able to tell. */
  responseAborted(): void {
    this.#response = null;
    this.#handler = null;
    this.#reading = 'closed';
    this.output.reset();
  }

  #next(): void {
    if (this.#closing) {
      this.#close();
      return;
    }
    this.#reading = 'head';
    if (!this.#processing) this.#drainBacklog();
  }

  /** Half-closes, then drops what still comes for a while. */
  #close(): void {
    this.#reading = 'drain';
    this.#backlog = null;
    this.output.end();
    this.#allowReading();
  }

  #drain(count: number): void {
    this.#drained += count;
    if (this.#drained <= this.#limits.drainBytesMax) return;
    this.#reading = 'closed';
    this.output.reset();
  }

  // ------------------------------------------------------------------ backlog

  #append(bytes: Uint8Array, early: boolean): void {
    if (this.#reading === 'closed') return;
    const before = this.#backlog;
    const length = (before?.length ?? 0) + bytes.length;
    const joined = new Uint8Array(length);
    if (before !== null) joined.set(before);
    else this.#backlogEarly = early;
    joined.set(bytes, length - bytes.length);
    this.#backlog = joined;
    if (length <= this.#limits.backlogBytesMax || this.#readingPaused) return;
    this.#readingPaused = true;
    this.output.pauseReading();
  }

  #drainBacklog(): void {
    if (this.#processing) return;
    const bytes = this.#backlog;
    this.#backlog = null;
    if (bytes !== null) this.#process(bytes, this.#backlogEarly);
    else if (this.#inputEnded) this.#afterInputEnd();
    if (this.#backlog === null) this.#allowReading();
  }

  #allowReading(): void {
    if (!this.#readingPaused) return;
    this.#readingPaused = false;
    this.output.resumeReading();
  }

  // ------------------------------------------------------------------ ends

  /** The client sends no more; it may still want its response. */
  onEndOfInput(): void {
    this.#inputEnded = true;
    if (this.#backlog === null) this.#afterInputEnd();
  }

  #afterInputEnd(): void {
    switch (this.#reading) {
      case 'head':
        if (this.#reader.hasBegun) this.#refuse(incomplete());
        else this.#close();
        break;
      case 'content':
        this.#lose(incomplete());
        this.#reading = 'closed';
        this.output.reset();
        break;
      case 'nothing':
        this.#closing = true;
        break;
      case 'tunnel':
        this.#inputEnded = false;
        this.#handler?.onEnd(null);
        break;
      default:
        break;
    }
  }

  /** The connection is gone. */
  onConnectionLost(error: SluiceError | null): void {
    this.#reading = 'closed';
    this.#backlog = null;
    this.#lose(error ?? closedError());
  }

  onWritable(): void {
    this.#handler?.onWritable();
  }

  #lose(error: SluiceError): void {
    const handler = this.#handler;
    this.#handler = null;
    this.#response = null;
    handler?.onAbort(error);
  }

  /** Answers a message that breaks the rules, and closes: what follows cannot be trusted. */
  #refuse(error: MessageError): void {
    this.#input.onRefused(error);
    this.#reader.reset();
    const started = this.#response?.hasStarted ?? false;
    if (this.#response === null || !started) {
      this.#lose(error);
      this.#answerRefusal(error);
      this.#closing = true;
      this.#close();
    } else {
      this.#lose(error);
      this.#reading = 'closed';
      this.output.reset();
    }
  }

  #answerRefusal(error: MessageError): void {
    const content = `${error.status} ${error.code}: ${error.message}\n`;
    writeText(
      this.output,
      `${statusLine(error.status)}content-type: text/plain; charset=utf-8\r\n` +
        `content-length: ${content.length}\r\nconnection: close\r\n\r\n${content}`,
    );
  }
}

function incomplete(): MessageError {
  return new MessageError(400, 'request-incomplete', 'the request broke off', 'downstream');
}

function closedError(): SluiceError {
  return new SluiceError('connection-closed', 'the client closed the connection', {
    blame: 'downstream',
  });
}
