/**
 * HTTP/1.1 toward an origin (RFC 9112): one exchange after another. Full duplex: a response may come,
 * and end, while the request's content is still being sent.
 */
import { assert } from '../base/assert.ts';
import { SluiceError } from '../base/errors.ts';
import type { RequestSender, ResponseHandler } from '../http/exchange.ts';
import type { FieldSection } from '../http/field-section.ts';
import type { RequestHead, ResponseHead } from '../http/message.ts';
import { ChunkedDecoder, type ChunkReceiver } from './chunked-decoder.ts';
import { HeadReader, INCOMPLETE } from './head-reader.ts';
import { defaultHttp1Limits, type Http1Limits } from './limits.ts';
import { MessageError, refuseResponse } from './message-error.ts';
import type { Http1Output } from './output.ts';
import { parseResponse, type ReceivedResponse } from './response-head.ts';
import { fieldLines, writeChunk, writeLastChunk, writeText } from './serialize.ts';

export interface Http1ClientInput {
  readonly output: Http1Output;
  readonly limits?: Http1Limits;
}

type Reading = 'idle' | 'head' | 'length' | 'chunked' | 'close' | 'tunnel' | 'closed';

export class Http1ClientConnection implements RequestSender, ChunkReceiver {
  readonly #output: Http1Output;
  readonly #limits: Http1Limits;
  readonly #reader: HeadReader;
  #reading: Reading = 'idle';
  #handler: ResponseHandler | null = null;
  #method = '';
  #upgradeAsked = false;
  #chunked: ChunkedDecoder | null = null;
  #remaining = 0;
  #persistent = true;
  #informational = 0;
  /** What of the request's content is still to be sent: octets, or -1 until `sendEnd`. */
  #toSend = 0;
  #received = false;
  #paused = false;
  #backlog: Uint8Array | null = null;
  #inputEnded = false;

  constructor(input: Http1ClientInput) {
    this.#output = input.output;
    this.#limits = input.limits ?? defaultHttp1Limits;
    this.#reader = new HeadReader(this.#limits, refuseResponse);
  }

  /** Whether another exchange may follow: nothing half sent, half read, or unasked for. */
  get isReusable(): boolean {
    return (
      this.#reading === 'idle' &&
      this.#persistent &&
      this.#toSend === 0 &&
      this.#backlog === null &&
      !this.#inputEnded
    );
  }

  // ------------------------------------------------------------------ the request

  /** Sends a request's head; `head.fields` are as the origin shall see them, Host included. */
  start(head: RequestHead, handler: ResponseHandler): RequestSender {
    assert(this.isReusable, 'an exchange starts on a reusable connection');
    this.#handler = handler;
    this.#method = head.method;
    this.#upgradeAsked = head.upgrade !== '';
    this.#reading = 'head';
    this.#toSend = head.contentLength;
    this.#received = false;
    this.#informational = 0;
    this.#paused = false;
    const target = head.path === '' ? head.authority : head.path;
    let text = `${head.method} ${target} HTTP/1.1\r\n${fieldLines(head.fields, head.upgrade !== '')}`;
    if (head.contentLength > 0) text += `content-length: ${head.contentLength}\r\n`;
    else if (head.contentLength < 0) text += 'transfer-encoding: chunked\r\n';
    else if (MAY_HAVE_CONTENT.has(head.method)) text += 'content-length: 0\r\n';
    writeText(this.#output, `${text}\r\n`);
    return this;
  }

  sendContent(bytes: Uint8Array): boolean {
    if (this.#reading === 'closed') return true;
    if (this.#reading === 'tunnel') return this.#output.write(bytes);
    if (this.#toSend < 0) return writeChunk(this.#output, bytes);
    assert(bytes.length <= this.#toSend, 'no more content than announced');
    this.#toSend -= bytes.length;
    return this.#output.write(bytes);
  }

  sendEnd(trailers: FieldSection | null): void {
    if (this.#reading === 'closed') return;
    if (this.#reading === 'tunnel') {
      this.#output.end();
      return;
    }
    if (this.#toSend < 0) writeLastChunk(this.#output, trailers);
    assert(this.#toSend <= 0, 'the content is as long as announced');
    this.#toSend = 0;
  }

  cancel(): void {
    this.#handler = null;
    this.#reading = 'closed';
    this.#output.reset();
  }

  pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    this.#output.pauseReading();
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    const bytes = this.#backlog;
    this.#backlog = null;
    if (bytes !== null) this.receive(bytes);
    if (!this.#paused && this.#reading !== 'closed') this.#output.resumeReading();
    if (this.#inputEnded && this.#backlog === null) this.#afterInputEnd();
  }

  // ------------------------------------------------------------------ the response

  receive(bytes: Uint8Array): void {
    if (this.#backlog !== null) {
      this.#backlog = joined(this.#backlog, bytes);
      return;
    }
    let at = 0;
    try {
      while (at < bytes.length && !this.#isBlocked) at = this.#step(bytes, at);
    } catch (error) {
      if (!(error instanceof MessageError)) throw error;
      this.#fail(error);
      return;
    }
    if (at < bytes.length && this.#reading !== 'closed') {
      // Paused; or, when idle, octets that nobody asked for: never to be read as a response.
      this.#backlog = bytes.slice(at);
    }
  }

  get #isBlocked(): boolean {
    return this.#reading === 'idle' || this.#reading === 'closed' || this.#paused;
  }

  #step(bytes: Uint8Array, at: number): number {
    switch (this.#reading) {
      case 'head': {
        if (!this.#received) refuseOtherProtocols(bytes, at);
        this.#received = true;
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
        if (this.#remaining === 0 && this.#reading === 'length') this.#finish(null);
        return at + count;
      }
      case 'chunked':
        return this.#chunked!.decode(bytes, at, this);
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
      this.#handler?.onInformational(status, head.fields);
      return;
    }
    if (this.#method === 'CONNECT' && status < 300) {
      this.#becomeTunnel(head);
      return;
    }
    if (!response.persistent) this.#persistent = false;
    this.#remaining = Math.max(0, head.contentLength);
    this.#chunked = framing === 'chunked' ? new ChunkedDecoder(this.#limits, refuseResponse) : null;
    this.#reading = framing === 'none' ? 'head' : framing;
    this.#handler?.onHead(head);
    if (framing === 'none' && this.#reading === 'head') this.#finish(null);
  }

  #becomeTunnel(head: ResponseHead): void {
    this.#reading = 'tunnel';
    this.#persistent = false;
    this.#toSend = 0;
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
    if (this.#reading === 'chunked') this.#finish(trailers);
  }

  // ------------------------------------------------------------------ ends

  #finish(trailers: FieldSection | null): void {
    const handler = this.#handler;
    this.#handler = null;
    this.#reading = 'idle';
    // A response before the end of the request: what is left to send cannot be told from the next.
    if (this.#toSend !== 0) this.#persistent = false;
    handler?.onEnd(trailers);
  }

  #fail(error: SluiceError): void {
    const handler = this.#handler;
    this.#handler = null;
    this.#reading = 'closed';
    this.#output.reset();
    handler?.onError(error);
  }

  onWritable(): void {
    this.#handler?.onWritable();
  }

  /** The origin sends no more. */
  onEndOfInput(): void {
    this.#inputEnded = true;
    if (this.#backlog === null) this.#afterInputEnd();
  }

  #afterInputEnd(): void {
    switch (this.#reading) {
      case 'close':
        this.#finish(null);
        break;
      case 'tunnel': {
        this.#handler?.onEnd(null);
        break;
      }
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
    if (this.#reading === 'idle' || this.#reading === 'closed') {
      this.#reading = 'closed';
      return;
    }
    const handler = this.#handler;
    this.#handler = null;
    this.#reading = 'closed';
    handler?.onError(this.#received ? error : withRetry(error));
  }

  #brokenOff(): SluiceError {
    if (!this.#received) {
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

const HTTP = Buffer.from('HTTP/1.', 'latin1');

/** A peer that speaks first in another protocol may never send a line end to be judged by. */
function refuseOtherProtocols(bytes: Uint8Array, at: number): void {
  const count = Math.min(HTTP.length, bytes.length - at);
  for (let i = 0; i < count; i++) {
    if (bytes[at + i] !== HTTP[i]) {
      refuseResponse(502, 'bad-status-line', 'the origin does not answer in HTTP/1');
    }
  }
}

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

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}
