/**
 * HTTP/1 toward a client (RFC 9112): bytes in, requests out to the sink, responses back as bytes.
 * One request at a time: a pipelined one is parsed when the response before it has ended and the
 * content before it was read, which keeps order and bounds memory.
 *
 * Long because a connection is one state machine: its transitions are read side by side.
 */
import { SluiceError } from '../base/errors.ts';
import type { RequestFacts, RequestHandler, RequestSink } from '../http/exchange.ts';
import type { FieldSection } from '../http/field-section.ts';
import { Backlog } from './backlog.ts';
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
  /** Facts for a request whose first byte came as early data, or did not. */
  readonly factsFor: (early: boolean) => RequestFacts;
  /** A message that broke the rules was refused: for counting and logging. */
  readonly onRefused: (error: MessageError) => void;
  /** What was refused never became a request: nothing else tells of it. */
  readonly onBadRequest?: (code: string, status: number, contentBytes: number) => void;
  /** Date of refusals (RFC 9110 §6.6.1); absent: they have none. */
  readonly dateNow?: () => string;
  /** Alt-Svc of responses that have none (RFC 7838); null or absent: none. */
  readonly announced?: string | null;
  readonly limits?: Http1Limits;
}

/**
 * What arrives next. `nothing`: the request is complete and its response is not. `drain`: our side
 * has closed, and what still comes is dropped.
 */
type Reading = 'head' | 'content' | 'nothing' | 'tunnel' | 'drain' | 'closed';

export class Http1ServerConnection implements ChunkReceiver {
  readonly output: Http1Output;
  readonly announcedLine: string;
  readonly #input: Http1ServerInput;
  readonly #limits: Http1Limits;
  readonly #reader: HeadReader;
  readonly #backlog = new Backlog();
  #reading: Reading = 'head';
  #handler: RequestHandler | null = null;
  #response: ServerResponse | null = null;
  /** Made for the first chunked request, then used again. */
  #decoder: ChunkedDecoder | null = null;
  #chunked = false;
  /** Bytes of Content-Length still to come. */
  #remaining = 0;
  #headIsEarly = false;
  /** 100 (Continue) is expected and was not sent: the content may never come (RFC 9110 §10.1.1). */
  #awaitsContinue = false;
  #paused = false;
  /** The client does not take what it has asked for: it gets no more until it does. */
  #congested = false;
  #discarding = false;
  #drained = 0;
  #closing = false;
  /** The next response is to be the last. */
  #isLastResponse = false;
  #processing = false;
  #readingPaused = false;
  #inputEnded = false;
  #tunnelInputEnded = false;
  #tunnelOutputEnded = false;

  constructor(input: Http1ServerInput) {
    this.#input = input;
    this.output = input.output;
    const { announced = null } = input;
    this.announcedLine = announced === null ? '' : `alt-svc: ${announced}\r\n`;
    this.#limits = input.limits ?? defaultHttp1Limits;
    const { headBytesMax, startLineBytesMax, fieldLinesMax, emptyLinesMax } = this.#limits;
    this.#reader = new HeadReader({
      kind: 'head',
      bytesMax: headBytesMax,
      startLineBytesMax,
      fieldLinesMax,
      emptyLinesMax,
      startLinePrefix: ANY_METHOD,
      blanksBeforeColonMax: 0,
      refuse: refuseRequest,
    });
  }

  // ------------------------------------------------------------------ state, for deadlines

  /** Between requests, with nothing of the next one here. */
  get isIdle(): boolean {
    return this.#reading === 'head' && !this.#reader.hasBegun && this.#backlog.length === 0;
  }

  get isReadingHead(): boolean {
    return this.#reading === 'head' && this.#reader.hasBegun;
  }

  /** Bytes are expected and we would take them; or only the client's close is awaited. */
  get isReadingContent(): boolean {
    if (this.#reading === 'drain') return true;
    if (this.#reading === 'tunnel') return this.#tunnelOutputEnded;
    return this.#reading === 'content' && !this.#paused;
  }

  /** Requests so far. */
  requestCount = 0;

  /** The response has begun: whether more of the request comes is then between client and origin. */
  get isAnswered(): boolean {
    return this.#response?.hasStarted ?? false;
  }

  /**
   * The next response says that the connection closes, and it does (graceful drain). One that has
   * begun without saying so does not end it: the client may count on it, and ask already.
   */
  closeAfterResponse(): void {
    this.#isLastResponse = true;
  }

  /**
   * A deadline of the driver's has passed. A request that is not complete, and has no response yet,
   * is answered 408 (RFC 9110 §15.5.9); otherwise the connection is broken off.
   */
  timeOut(): void {
    const isWaiting = this.isReadingHead || this.#reading === 'content';
    if (isWaiting) this.#refuse(refusal(408, 'request-timeout', 'the request took too long'));
    else this.#breakOff();
  }

  // ------------------------------------------------------------------ input

  /**
   * Bytes from the client, valid until the return; `early` marks TLS early data. What cannot be
   * processed yet is copied, and beyond a limit reading is paused.
   */
  receive(bytes: Uint8Array, early: boolean): void {
    if (this.#processing || this.#backlog.length > 0) {
      this.#append(bytes, early);
      return;
    }
    const used = this.#process(bytes, early);
    if (used < bytes.length) this.#append(used === 0 ? bytes : bytes.subarray(used), early);
  }

  /** Returns how many bytes were used: all, or up to where it became blocked. */
  #process(bytes: Uint8Array, early: boolean): number {
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
    return at;
  }

  get #isBlocked(): boolean {
    if (this.#reading === 'head') return this.#congested;
    return this.#reading === 'nothing' || this.#paused;
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
    this.requestCount++;
    const { head, chunked } = request;
    // After CONNECT a client may send what is for the tunnel without waiting for the answer: if there
    // is no tunnel it must not be read as a request (RFC 9110 §9.3.6).
    if (!request.persistent || head.method === 'CONNECT') this.#closing = true;
    this.#discarding = false;
    this.#drained = 0;
    this.#awaitsContinue = head.expectContinue;
    this.#chunked = chunked;
    if (chunked) this.#startChunked();
    this.#remaining = Math.max(0, head.contentLength);
    const hasContent = head.contentLength !== 0;
    this.#reading = hasContent ? 'content' : 'nothing';
    const response = new ServerResponse(this, head);
    this.#response = response;
    const facts = this.#input.factsFor(this.#headIsEarly);
    const handler = this.#input.sink.onRequest(head, response, facts);
    // It may have been answered, or broken off, before the call returned.
    if (this.#response !== response) return;
    this.#handler = handler;
    if (!hasContent && this.#reading === 'nothing') handler.onEnd(null);
  }

  #startChunked(): void {
    this.#decoder ??= new ChunkedDecoder(this.#limits, refuseRequest);
    this.#decoder.reset();
  }

  #readContent(bytes: Uint8Array, at: number): number {
    this.#awaitsContinue = false;
    if (this.#chunked) return this.#decoder!.decode(bytes, at, this);
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
    if (this.#response === null && this.#reading === 'nothing') this.#next();
  }

  // ------------------------------------------------------------------ from the response

  noteContinueSent(): void {
    this.#awaitsContinue = false;
  }

  /**
   * Takes the result of writing to the output, and returns it. Pipelined requests for stored
   * responses would otherwise put any amount of output into memory with a few bytes each.
   */
  noteWritten(isWritable: boolean): boolean {
    if (!isWritable) this.#congested = true;
    return isWritable;
  }

  /**
   * Whether the response whose head is about to be sent is the connection's last. A client that
   * gets a final status where it expected 100 may send the content or leave it out, and only the
   * close tells the two apart (RFC 9110 §10.1.1).
   */
  mustClose(): boolean {
    if (this.#isLastResponse) this.#closing = true;
    if (this.#awaitsContinue && this.#reading === 'content') this.#closing = true;
    return this.#closing;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#goOn();
  }

  discardContent(): void {
    this.#discarding = true;
    this.resume();
  }

  becomeTunnel(): void {
    this.#reading = 'tunnel';
    this.#closing = true;
    this.#goOn();
  }

  tunnelOutputEnded(): void {
    this.#tunnelOutputEnded = true;
    this.output.end();
    if (this.#tunnelInputEnded) this.#endTunnel();
  }

  /** The response is complete. */
  responseEnded(): void {
    this.#response = null;
    this.#handler = null;
    this.#paused = false;
    if (this.#reading === 'content') {
      // The client still sends what nobody wants: a little of it is read, so that the response is
      // not lost to a reset, and so that a small rest does not cost the connection.
      this.#discarding = true;
      if (this.#closing || this.#remaining > this.#limits.drainBytesMax) this.#close();
      else this.#goOn();
    } else if (this.#reading === 'nothing') {
      this.#next();
    }
  }

  /** The response ends before its end, which its framing lets the client tell: FIN will do. */
  responseCut(): void {
    this.#response = null;
    this.#handler = null;
    this.#closing = true;
    this.#close();
  }

  /** The response was broken off: the client must be able to tell. */
  responseAborted(): void {
    this.#response = null;
    this.#handler = null;
    this.#breakOff();
  }

  #next(): void {
    if (this.#closing) {
      this.#close();
      return;
    }
    this.#reading = 'head';
    this.#goOn();
  }

  /** Half-closes, then drops what still comes, up to a limit (RFC 9112 §9.6). */
  #close(): void {
    this.#reading = 'drain';
    this.#paused = false;
    this.#drained = 0;
    this.#backlog.clear();
    this.output.end();
    this.#allowReading();
  }

  #drain(count: number): void {
    this.#drained += count;
    if (this.#drained <= this.#limits.drainBytesMax) return;
    if (this.#reading === 'content') this.#close();
    else this.#breakOff();
  }

  #breakOff(): void {
    this.#reading = 'closed';
    this.#backlog.clear();
    this.#lose(null);
    this.output.reset();
  }

  // ------------------------------------------------------------------ backlog

  #append(bytes: Uint8Array, early: boolean): void {
    if (this.#reading === 'closed' || this.#reading === 'drain') return;
    this.#backlog.append(bytes, early);
    if (this.#backlog.length <= this.#limits.backlogBytesMax || this.#readingPaused) return;
    this.#readingPaused = true;
    this.output.pauseReading();
  }

  /** Something that blocked has ended. */
  #goOn(): void {
    // What is being processed goes on by itself.
    if (this.#processing) return;
    const backlog = this.#backlog;
    while (backlog.length > 0 && !this.#isBlocked) {
      const { isEarly } = backlog;
      backlog.consume(this.#process(backlog.next(), isEarly));
    }
    if (backlog.length > 0) return;
    this.#allowReading();
    if (this.#inputEnded && !this.#isBlocked) this.#afterInputEnd();
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
    if (this.#backlog.length === 0) this.#afterInputEnd();
  }

  #afterInputEnd(): void {
    switch (this.#reading) {
      case 'head':
        if (this.#reader.hasBegun) this.#refuse(incomplete());
        else this.#close();
        break;
      case 'content':
        this.#refuse(incomplete());
        break;
      case 'nothing':
        this.#closing = true;
        break;
      case 'tunnel':
        if (this.#tunnelInputEnded) break;
        this.#tunnelInputEnded = true;
        this.#handler?.onEnd(null);
        if (this.#tunnelOutputEnded) this.#endTunnel();
        break;
      default:
        break;
    }
  }

  #endTunnel(): void {
    this.#reading = 'closed';
    this.#response?.detach();
    this.#response = null;
    this.#handler = null;
  }

  /** The connection is gone. */
  onConnectionLost(error: SluiceError | null): void {
    this.#reading = 'closed';
    this.#backlog.clear();
    this.#lose(error);
  }

  onWritable(): void {
    const wasCongested = this.#congested;
    this.#congested = false;
    this.#handler?.onWritable();
    if (wasCongested && this.#reading === 'head') this.#goOn();
  }

  /** An error is costly to make, and nobody hears of one when a connection ends between requests. */
  #lose(error: SluiceError | null): void {
    const handler = this.#handler;
    this.#handler = null;
    this.#response?.detach();
    this.#response = null;
    handler?.onAbort(error ?? closedError());
  }

  /** Answers a message that breaks the rules, and closes: what follows cannot be trusted. */
  #refuse(error: MessageError): void {
    this.#input.onRefused(error);
    const hasStarted = this.#response?.hasStarted ?? false;
    const isAnswered = this.#reading === 'content' && this.#response === null;
    if (this.#handler === null && !isAnswered) {
      this.#input.onBadRequest?.(error.code, error.status, contentOf(error).length);
    }
    this.#reading = 'closed';
    this.#lose(error);
    if (hasStarted) {
      this.output.reset();
      return;
    }
    // A request that has had its response must not get a second one.
    if (!isAnswered) this.#answerRefusal(error);
    this.#close();
  }

  #answerRefusal(error: MessageError): void {
    const content = contentOf(error);
    const now = this.#input.dateNow?.();
    const date = now === undefined ? '' : `date: ${now}\r\n`;
    writeText(
      this.output,
      `${statusLine(error.status)}${date}content-type: text/plain; charset=utf-8\r\n` +
        `content-length: ${content.length}\r\nconnection: close\r\n\r\n${content}`,
    );
  }
}

const ANY_METHOD = new Uint8Array(0);

/** As Latin-1: a character is a byte. */
function contentOf({ status, code, message }: MessageError): string {
  return `${status} ${code}: ${message}\n`;
}

function refusal(status: number, code: string, message: string): MessageError {
  return new MessageError(status, code, message, 'downstream');
}

function incomplete(): MessageError {
  return refusal(400, 'request-incomplete', 'the request broke off');
}

function closedError(): SluiceError {
  return new SluiceError('connection-closed', 'the connection was closed', {
    blame: 'downstream',
  });
}
