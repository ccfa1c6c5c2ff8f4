/** One request and its response: what the answerer sends goes to the stream from here. */
import type { SluiceError } from '../base/errors.ts';
import {
  contentLengthToSend,
  isWithoutContent,
  mayAnnounceLength,
} from '../http/content-length.ts';
import type { PreparedResponse, RequestHandler, ResponseSender } from '../http/exchange.ts';
import type { FieldSection } from '../http/field-section.ts';
import type { ResponseHead } from '../http/message.ts';
import { type Priority, parsePriority } from '../http/priority.ts';
import { varintBytes } from '../quic/wire/varint.ts';
import type { Http3Connection } from './connection.ts';
import { frameHeader, frameOf } from './frame-bytes.ts';
import type { MessageStream, MessageUser } from './message-stream.ts';
import { Http3ErrorCode, Http3FrameType } from './protocol.ts';
import { ageLineBytes, storedSection, writeAgeLine } from './stored-head.ts';

/** One DATA frame's worth: small enough that a stream of more urgency soon gets its turn. */
const BYTES_AT_ONCE = 65_536;

export class Http3ServerExchange implements ResponseSender, MessageUser {
  readonly bytesAtOnce = BYTES_AT_ONCE;
  readonly #connection: Http3Connection;
  readonly #stream: MessageStream;
  readonly #isHead: boolean;
  #priority: Priority;
  #handler: RequestHandler | null = null;
  #hasSentHead = false;
  #isTunnel = false;
  /** Our direction has ended or will: whatever else is sent is dropped. */
  #hasEnded = false;
  /** The stream broke before the handler was known: it is told at once. */
  #resetBefore: SluiceError | null = null;

  constructor(
    connection: Http3Connection,
    stream: MessageStream,
    isHead: boolean,
    priority: Priority,
  ) {
    this.#connection = connection;
    this.#stream = stream;
    this.#isHead = isHead;
    this.#priority = priority;
  }

  /** The answer may have been sent before the sink has returned its handler. */
  begin(handler: RequestHandler): void {
    this.#handler = handler;
    if (this.#resetBefore !== null) handler.onAbort(this.#resetBefore);
  }

  /** The client asks for another priority (RFC 9218 §7). */
  reprioritize(priority: Priority): void {
    this.#priority = priority;
    prioritize(this.#stream, priority);
  }

  // ------------------------------------------------------------------ from the stream

  onContent(bytes: Uint8Array): void {
    this.#handler?.onContent(bytes);
  }

  onRemoteEnd(trailers: FieldSection | null): void {
    this.#handler?.onEnd(trailers);
  }

  onReset(error: SluiceError): void {
    this.#hasEnded = true;
    if (this.#handler === null) this.#resetBefore = error;
    else this.#handler.onAbort(error);
  }

  onWritable(): void {
    this.#handler?.onWritable();
  }

  // ------------------------------------------------------------------ from the answerer

  sendInformational(status: number, fields: FieldSection): void {
    if (this.#isOver() || this.#hasSentHead) return;
    // RFC 9114 §4.5: 101 has no meaning here.
    if (status < 100 || status >= 200 || status === 101) return;
    this.#sendFields(status, fields, -1, false);
  }

  sendHead(head: ResponseHead): void {
    if (this.#isOver() || this.#hasSentHead) return;
    this.#hasSentHead = true;
    this.#stream.isAnswered = true;
    this.#mergePriority(head.fields);
    const isAll = isWithoutContent(head, this.#isHead);
    this.#sendFields(head.status, head.fields, contentLengthToSend(head), isAll);
    if (isAll) this.#endNow();
  }

  sendContent(bytes: Uint8Array): boolean {
    if (this.#isOver() || bytes.length === 0) return true;
    // One piece with its frame's header: it is the caller's, and QUIC keeps what it is given.
    return this.#stream.write([frameOf(Http3FrameType.DATA, bytes)], false);
  }

  sendEnd(trailers: FieldSection | null): void {
    if (this.#isOver()) return;
    const { encoder } = this.#connection;
    // RFC 9114 §4.4: nothing but DATA goes through a tunnel.
    if (trailers === null || trailers.length === 0 || this.#isTunnel) this.#stream.write([], true);
    else {
      encoder.begin(this.#stream.id);
      encoder.section(trailers, '');
      this.#stream.write([this.#connection.headersFrame()], true);
    }
    this.#endNow();
  }

  sendStored(stored: PreparedResponse): void {
    if (this.#isOver() || this.#hasSentHead) return;
    this.#hasSentHead = true;
    const stream = this.#stream;
    stream.isAnswered = true;
    this.#mergePriority(stored.fields);
    const section = storedSection(stored);
    const ageBytes = ageLineBytes(stored.ageSeconds);
    const content = this.#isHead || !mayAnnounceLength(stored.status) ? NO_BYTES : stored.content;
    const head = frameHeader(Http3FrameType.HEADERS, section.length + ageBytes);
    const dataBytes = content.length === 0 ? 0 : 1 + varintBytes(content.length);
    const between = new Uint8Array(ageBytes + dataBytes);
    writeAgeLine(stored.ageSeconds, between, 0);
    if (dataBytes > 0) between.set(frameHeader(Http3FrameType.DATA, content.length), ageBytes);
    stream.write([head, section, between, content], true);
    this.#endNow();
  }

  upgrade(status: number, fields: FieldSection): void {
    if (this.#isOver() || this.#hasSentHead) return;
    this.#hasSentHead = true;
    this.#isTunnel = true;
    this.#stream.isAnswered = true;
    this.#stream.beginTunnel();
    // Where HTTP/1.1 has 101, HTTP/3 has 200 (RFC 9220 §3, RFC 8441 §5).
    this.#sendFields(status === 101 ? 200 : status, fields, -1, false);
  }

  /** What was sent before reaches the client, as far as it is not to blame. */
  abort(error: SluiceError): void {
    const stream = this.#stream;
    if (stream.isClosed) return;
    this.#hasEnded = true;
    stream.user = null;
    if (error.blame === 'downstream') {
      this.#connection.resetStream(stream, Http3ErrorCode.REQUEST_CANCELLED);
      return;
    }
    stream.discard();
    const { CONNECT_ERROR, INTERNAL_ERROR } = Http3ErrorCode;
    stream.resetLater(this.#isTunnel ? CONNECT_ERROR : INTERNAL_ERROR);
  }

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
    this.#connection.afterReceiving();
  }

  discardContent(): void {
    this.#stream.discard();
    this.#stopUnwanted();
    this.#connection.afterReceiving();
  }

  // ------------------------------------------------------------------ inside

  #isOver(): boolean {
    return this.#hasEnded || this.#stream.isClosed;
  }

  /** RFC 9218 §8: the origin may know better than the client what matters. */
  #mergePriority(fields: FieldSection): void {
    const value = fields.combined('priority');
    if (value !== undefined) this.reprioritize(parsePriority(value, this.#priority));
  }

  #endNow(): void {
    this.#hasEnded = true;
    this.#connection.onLocalEnd(this.#stream);
    this.#stopUnwanted();
  }

  /** RFC 9114 §4.1: after a complete response the client is asked to send no more. */
  #stopUnwanted(): void {
    const stream = this.#stream;
    const isUnwanted = stream.isDiscarding && stream.isLocalEnded && !stream.isRemoteEnded;
    if (!isUnwanted || stream.isAtFin) return;
    stream.stopReading(Http3ErrorCode.NO_ERROR);
    this.#connection.closeIfEnded(stream);
  }

  #sendFields(status: number, fields: FieldSection, contentLength: number, isFin: boolean): void {
    const { encoder } = this.#connection;
    encoder.begin(this.#stream.id);
    encoder.field(':status', String(status));
    encoder.section(fields, 'content-length');
    if (contentLength >= 0) encoder.field('content-length', String(contentLength));
    this.#stream.write([this.#connection.headersFrame()], isFin);
  }
}

/** Bit 3 is incremental, the rest urgency: see http/priority.ts. */
export function prioritize(stream: MessageStream, priority: Priority): void {
  stream.quic.setPriority(priority & 7, priority >= 8);
}

const NO_BYTES = new Uint8Array(0);
