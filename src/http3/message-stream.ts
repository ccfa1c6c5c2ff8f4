/**
 * A stream for one request and its response (RFC 9114 §4.1): frames in, in the order that is allowed;
 * what was held while somebody waited; and the end, in either direction, by fault or not. What a field
 * section means is the role's business.
 */
import type { Blame, SluiceError } from '../base/errors.ts';
import { hasLengthFault } from '../http/content-length.ts';
import { ContentSilence } from '../http/content-silence.ts';
import type { ContentLimits } from '../http/content-watch.ts';
import type { FieldSection } from '../http/field-section.ts';
import type { QuicStream, QuicStreamHandler } from '../quic/application.ts';
import { FrameMode, type FrameSink, Http3FrameReader, Step } from './frame-reader.ts';
import { HeldBytes } from './held-bytes.ts';
import type { Http3AbuseKind, Http3Limits } from './limits.ts';
import { Http3ErrorCode, Http3FrameType, isForbiddenFrame } from './protocol.ts';
import { type QpackDecoder, SectionResult } from './qpack/decoder.ts';

/** Who is told what happens to a stream. One object per exchange, never used for another. */
export interface MessageUser {
  onContent(bytes: Uint8Array): void;
  /** The peer's last byte or trailer section has come. */
  onRemoteEnd(trailers: FieldSection | null): void;
  /** The stream was broken off, by the peer or for the peer's fault. The last call. */
  onReset(error: SluiceError): void;
  onWritable(): void;
}

/** What a stream asks of its connection. */
export interface MessageConnection {
  readonly limits: Http3Limits;
  /** Decodes one section: a SectionResult; when it is FAILED the connection is over. */
  decodeSection(streamId: number, payload: Uint8Array): number;
  /** The first section, or another one before content, lies decoded. */
  onHead(stream: MessageStream): void;
  /** The one after that. Null when they are none, or malformed, and then the stream is over. */
  readTrailers(stream: MessageStream): FieldSection | null;
  /** A HEADERS frame longer than the limit. */
  onSectionTooLong(stream: MessageStream, isTrailers: boolean): void;
  /** The head that waits for the end of the turn need not wait: more has come. */
  takeWaitingHead(stream: MessageStream): void;
  onPeerReset(stream: MessageStream, errorCode: number, how: 'reset' | 'stopped'): void;
  closeIfEnded(stream: MessageStream): void;
  resetStream(stream: MessageStream, errorCode: number): void;
  onStreamGone(stream: MessageStream): void;
  cancelSections(streamId: number): void;
  /** A malformed message, or whatever else ends one stream (RFC 9114 §8). */
  streamError(stream: MessageStream, message: string, errorCode?: number): void;
  /** A connection error. Always false, for the caller to return. */
  fail(errorCode: number, message: string): false;
  /** Takes one token of the peer's. False when it had none left: the connection is over. */
  spend(kind: Http3AbuseKind): boolean;
  /** Sends what QPACK has to say. */
  afterReceiving(): void;
}

/** What the server's and the client's side of a connection do in ways of their own. */
export interface Http3Role {
  readonly blame: Blame;
  /** The decoder holds a section before any content. */
  onHead(stream: MessageStream, decoder: QpackDecoder): void;
  onHeadTooLong(stream: MessageStream): void;
  takeWaitingHead(stream: MessageStream): void;
  onPriorityUpdate(streamId: number, value: string): void;
  /** The peer's GOAWAY; a client is told from which request on nothing was looked at. */
  onGoaway(id: number): void;
  /** A stream is over: there may be room for another. */
  onCapacityChange(): void;
}

/** What of a message has come. */
const Part = { NOTHING: 0, HEAD: 1, TRAILERS: 2, TUNNEL: 3 } as const;

/** A stream has moved on when this many bytes of its content were sent, or all of it. */
const PROGRESS_BYTES = 1_024;

export class MessageStream implements QuicStreamHandler, FrameSink {
  readonly quic: QuicStream;
  user: MessageUser | null = null;
  isLocalEnded = false;
  isRemoteEnded = false;
  isClosed = false;
  /** Bytes announced by Content-Length, or -1; and received. */
  expectedBytes = -1;
  receivedBytes = 0;
  /** A response has begun: whether more of the request comes is then between client and answerer. */
  isAnswered = false;
  isPaused = false;
  isDiscarding = false;
  /** The head was read and waits for the end of the turn: whether the message ends with it. */
  isHeadWaiting = false;
  /** Any of the message's first section came as early data. */
  isEarly = false;
  /** The frame that is handed up is the last of what has come so far; and of the stream. */
  isAtEnd = false;
  isAtFin = false;
  /** Code with which the stream is reset when what was written has been sent, or -1. */
  resetWhenSent = -1;
  readonly #connection: MessageConnection;
  readonly #reader = new Http3FrameReader(this);
  #part: number = Part.NOTHING;
  /** An encoded section that waits for instructions of QPACK. */
  #blocked: Uint8Array | null = null;
  /** What came while something was waited for, and is not read yet. */
  #held: HeldBytes | null = null;
  #isReading = false;
  /** Of the chunk that is read: how long it is, and whether the end comes with it. */
  #chunkBytes = 0;
  #isFinComing = false;
  #trailers: FieldSection | null = null;
  #hasSectionsLeft = true;
  readonly #silence = new ContentSilence();
  #writtenBytes = 0;
  #progressBytes = 0;
  #progressMs = -1;

  constructor(connection: MessageConnection, quic: QuicStream) {
    this.#connection = connection;
    this.quic = quic;
  }

  get id(): number {
    return this.quic.id;
  }

  /** After this DATA carries what is no message's content (RFC 9114 §4.4). */
  beginTunnel(): void {
    this.#part = Part.TUNNEL;
    this.expectedBytes = -1;
  }

  /** A final head has come, or is known to: DATA has a place. */
  takeContent(): void {
    this.#part = Part.HEAD;
  }

  // ------------------------------------------------------------------ from QUIC

  onData(bytes: Uint8Array, isFin: boolean, isEarly: boolean): void {
    if (this.isRemoteEnded) {
      this.quic.consumed(bytes.length);
      return;
    }
    if (isEarly && this.#part === Part.NOTHING) this.isEarly = true;
    if (this.isHeadWaiting) {
      this.isAtFin = isFin && bytes.length === 0;
      this.#connection.takeWaitingHead(this);
    }
    if (this.#isHolding() || this.#held !== null) this.#hold(bytes, isFin);
    else this.#read(bytes, isFin);
    this.#connection.afterReceiving();
  }

  onReset(errorCode: number): void {
    // Also the answer to our own request that it send no more.
    if (this.isRemoteEnded) return;
    this.#connection.onPeerReset(this, errorCode, 'reset');
    this.#connection.afterReceiving();
  }

  onStopSending(errorCode: number): void {
    if (this.isLocalEnded) return;
    this.#connection.onPeerReset(this, errorCode, 'stopped');
    this.#connection.afterReceiving();
  }

  onWritable(): void {
    if (this.resetWhenSent >= 0) this.#resetIfSent();
    else if (!this.isClosed) this.user?.onWritable();
  }

  onClosed(): void {
    this.#connection.onStreamGone(this);
  }

  // ------------------------------------------------------------------ for the role and the user

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
    this.goOn();
  }

  /** From here on content is dropped as it comes. */
  discard(): void {
    this.isDiscarding = true;
    this.isPaused = false;
    this.goOn();
  }

  /** Reads on, as far as nothing is waited for any more. */
  goOn(): void {
    if (this.#isReading || this.#isHolding()) return;
    while (this.#held !== null && !this.#isHolding() && !this.isRemoteEnded) {
      const held = this.#held;
      const chunk = held.take();
      const isLast = held.length === 0;
      if (isLast) this.#held = null;
      this.#read(chunk, isLast && held.hasFin);
    }
  }

  /** The instructions have come that a section waited for. */
  unblock(): void {
    const section = this.#blocked;
    if (section === null || this.isRemoteEnded) return;
    this.#blocked = null;
    this.isAtEnd = this.#held === null || this.#held.length === 0;
    this.isAtFin = this.isAtEnd && (this.#held?.hasFin ?? false);
    if (this.#onSection(section) === Step.STOP) return;
    this.goOn();
  }

  /** Writes parts, which must never change afterwards. False: stop until `onWritable`. */
  write(parts: readonly Uint8Array[], isFin: boolean): boolean {
    for (const part of parts) this.#writtenBytes += part.length;
    return this.quic.write(parts, isFin);
  }

  /** The peer is not to send any more; whatever it has sent is dropped. */
  stopReading(errorCode: number): void {
    if (this.isRemoteEnded) return;
    this.isRemoteEnded = true;
    this.#dropHeld();
    this.quic.stopSending(errorCode);
    this.#cancelSections();
  }

  /** Ends both directions abruptly. */
  reset(errorCode: number): void {
    this.stopReading(errorCode);
    if (!this.isLocalEnded) {
      this.isLocalEnded = true;
      this.quic.reset(errorCode);
    }
  }

  /** The peer has ended its direction abruptly: nothing of it will be read any more. */
  endRemote(): void {
    if (this.isRemoteEnded) return;
    this.isRemoteEnded = true;
    this.#dropHeld();
    this.#cancelSections();
  }

  /** Resets our direction with {@link resetWhenSent} once what was written has left. */
  resetLater(errorCode: number): void {
    this.resetWhenSent = errorCode;
    this.#resetIfSent();
  }

  #resetIfSent(): void {
    if (this.quic.unsentBytes > 0 || this.isClosed) return;
    this.#connection.resetStream(this, this.resetWhenSent);
  }

  /** Looked at now and then: since when nothing was sent of what waits; 0 when nothing waits. */
  stalledMs(nowMs: number): number {
    if (this.resetWhenSent >= 0) this.#resetIfSent();
    const { unsentBytes } = this.quic;
    const sent = this.#writtenBytes - unsentBytes;
    if (unsentBytes === 0 || this.#progressMs < 0 || sent >= this.#progressBytes + PROGRESS_BYTES) {
      this.#progressMs = unsentBytes === 0 ? -1 : nowMs;
      this.#progressBytes = sent;
    }
    return this.#progressMs < 0 ? 0 : nowMs - this.#progressMs;
  }

  silentMs(nowMs: number): number {
    return this.#silence.look(nowMs, this.#isContentExpected(), this.receivedBytes);
  }

  isTooSlow(limits: ContentLimits): boolean {
    return this.#isContentExpected() && this.#silence.isTooSlow(limits);
  }

  #isContentExpected(): boolean {
    return !this.isRemoteEnded && !this.isPaused && !this.isAnswered;
  }

  // ------------------------------------------------------------------ reading

  #isHolding(): boolean {
    return this.#blocked !== null || this.isHeadWaiting || (this.isPaused && !this.isDiscarding);
  }

  /** They are not given back to QUIC, so that its window bounds them. */
  #hold(bytes: Uint8Array, isFin: boolean): void {
    this.#held ??= new HeldBytes();
    this.#held.append(bytes);
    if (isFin) this.#held.hasFin = true;
  }

  #dropHeld(): void {
    const bytes = this.#held?.length ?? 0;
    this.#held = null;
    this.#blocked = null;
    if (bytes > 0) this.quic.consumed(bytes);
  }

  #read(bytes: Uint8Array, isFin: boolean): void {
    this.#isReading = true;
    this.#isFinComing = isFin;
    this.#chunkBytes = bytes.length;
    const end = this.#reader.read(bytes, 0);
    this.#isReading = false;
    if (end < 0 || this.isRemoteEnded) {
      this.quic.consumed(bytes.length);
      return;
    }
    this.quic.consumed(end);
    if (end < bytes.length || (isFin && this.#isHolding())) {
      this.#held ??= new HeldBytes();
      this.#held.putBack(bytes.subarray(end));
      if (isFin) this.#held.hasFin = true;
      // Whoever held may have let go again meanwhile.
      this.goOn();
    } else if (isFin) this.#onFin();
  }

  onFrameBegin(type: number, length: number): number {
    const connection = this.#connection;
    switch (type) {
      case Http3FrameType.DATA:
        if (this.#part === Part.NOTHING || this.#part === Part.TRAILERS) {
          return this.#unexpected('DATA');
        }
        if (length === 0 && !connection.spend('empty-frames')) return FrameMode.STOP;
        return FrameMode.STREAM;
      case Http3FrameType.HEADERS:
        if (this.#part >= Part.TRAILERS) return this.#unexpected('HEADERS');
        if (length <= connection.limits.fieldBlockBytesMax) return FrameMode.COLLECT;
        connection.onSectionTooLong(this, this.#part !== Part.NOTHING);
        return FrameMode.STOP;
      case Http3FrameType.CANCEL_PUSH:
      case Http3FrameType.SETTINGS:
      case Http3FrameType.PUSH_PROMISE:
      case Http3FrameType.GOAWAY:
      case Http3FrameType.MAX_PUSH_ID:
      case Http3FrameType.PRIORITY_UPDATE:
      case Http3FrameType.PRIORITY_UPDATE_PUSH:
        return this.#unexpected(`frame ${type}`);
      default:
        if (isForbiddenFrame(type)) return this.#unexpected(`frame ${type} of HTTP/2`);
        // RFC 9114 §9: what we do not know means nothing.
        return connection.spend('empty-frames') ? FrameMode.SKIP : FrameMode.STOP;
    }
  }

  #unexpected(what: string): number {
    const code = Http3ErrorCode.FRAME_UNEXPECTED;
    this.#connection.fail(code, `${what} where it has no place on a stream`);
    return FrameMode.STOP;
  }

  onFrame(_type: number, payload: Uint8Array): number {
    this.isAtEnd = this.#reader.pieceEnd === this.#chunkBytes;
    this.isAtFin = this.isAtEnd && this.#isFinComing;
    return this.#onSection(payload);
  }

  #onSection(payload: Uint8Array): number {
    const connection = this.#connection;
    const result = connection.decodeSection(this.id, payload);
    if (result === SectionResult.FAILED) return Step.STOP;
    if (result === SectionResult.BLOCKED) {
      this.#blocked = new Uint8Array(payload);
      return Step.HOLD;
    }
    if (this.#part === Part.NOTHING) connection.onHead(this);
    else {
      this.#part = Part.TRAILERS;
      this.#trailers = connection.readTrailers(this);
    }
    if (this.isRemoteEnded) return Step.STOP;
    return this.#isHolding() ? Step.HOLD : Step.GO_ON;
  }

  onPiece(bytes: Uint8Array): number {
    this.receivedBytes += bytes.length;
    // Before anything is handed on: what is too much must not reach the next recipient.
    if (hasLengthFault(this, false)) {
      this.#connection.streamError(this, 'content of a length not announced');
      return Step.STOP;
    }
    if (!this.isDiscarding) this.user?.onContent(bytes);
    if (this.isRemoteEnded) return Step.STOP;
    return this.#isHolding() ? Step.HOLD : Step.GO_ON;
  }

  /** RFC 9114 §4.1, §7.1: what a stream may end with. */
  #onFin(): void {
    const connection = this.#connection;
    this.#hasSectionsLeft = false;
    if (this.#reader.isInsideFrame) {
      connection.fail(Http3ErrorCode.FRAME_ERROR, 'a stream that ends inside a frame');
    } else if (this.#part === Part.NOTHING) {
      connection.streamError(
        this,
        'a stream without a whole head',
        Http3ErrorCode.REQUEST_INCOMPLETE,
      );
    } else if (hasLengthFault(this, true)) {
      connection.streamError(this, 'content of a length not announced');
    } else {
      this.isRemoteEnded = true;
      this.user?.onRemoteEnd(this.#trailers);
      connection.closeIfEnded(this);
    }
  }

  /** RFC 9204 §2.2.2.2: the peer's encoder must not wait for sections that we will not read. */
  #cancelSections(): void {
    if (!this.#hasSectionsLeft) return;
    this.#hasSectionsLeft = false;
    this.#connection.cancelSections(this.id);
  }
}
