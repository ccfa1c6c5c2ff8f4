/**
 * What both roles of an HTTP/2 connection share (RFC 9113): frames in and out, settings, streams'
 * states, flow control, limits, and the ways a connection ends. What a field section means is the
 * role's business: server-connection.ts, client-connection.ts.
 *
 * Long because a connection is one state machine; frames are read in stream-frames.ts and
 * control-frames.ts.
 */
import type { Blame, SluiceError } from '../base/errors.ts';
import { AbuseBudgets } from '../http/abuse-budgets.ts';
import type { ContentLimits } from '../http/content-watch.ts';
import { FieldBlock } from '../http/field-block.ts';
import type { FieldSection } from '../http/field-section.ts';
import type { Priority } from '../http/priority.ts';
import { ContentReceiver } from './content-receiver.ts';
import { ContentSender } from './content-sender.ts';
import { ControlFrames, PingPurpose } from './control-frames.ts';
import type { FrameConnection, RoleHandler } from './frame-connection.ts';
import { FrameReader } from './frame-reader.ts';
import { FrameWriter, type Http2Output } from './frame-writer.ts';
import { HpackDecoder } from './hpack-decoder.ts';
import { HpackEncoder } from './hpack-encoder.ts';
import type { AbuseKind, Http2Abuse, Http2Limits } from './limits.ts';
import {
  ErrorCode,
  errorCodeName,
  FRAME_SIZE_MIN,
  FrameType,
  STREAM_ID_MAX,
  WINDOW_SIZE_INITIAL,
} from './protocol.ts';
import { http2Error } from './protocol-error.ts';
import { PeerSettings } from './settings.ts';
import { Stream, StreamTable } from './stream.ts';
import { StreamFrames } from './stream-frames.ts';
import { StreamState } from './stream-state.ts';

export interface Http2ConnectionOptions {
  readonly role: 'server' | 'client';
  readonly output: Http2Output;
  readonly limits: Http2Limits;
  readonly monotonicMs: () => number;
  /** Settings to announce: identifiers and values in turn. */
  readonly settings: readonly number[];
  /** What is sent before the settings: the client's preface. */
  readonly preface: Uint8Array;
  /** What must come before the peer's settings: the client's preface. */
  readonly expectedPreface: Uint8Array;
  readonly onAbuse: (kind: Http2Abuse) => void;
  /** The peer broke a rule, and a stream or the connection ended for it. */
  readonly onRefused: (error: SluiceError) => void;
}

/** Shared by all connections: a block is copied into frames before another is begun. */
const sharedBlock = new FieldBlock();

export class Connection implements FrameConnection {
  readonly writer: FrameWriter;
  readonly encoder: HpackEncoder;
  readonly decoder: HpackDecoder;
  readonly receiver: ContentReceiver;
  readonly sender: ContentSender;
  readonly streams = new StreamTable();
  readonly peer = new PeerSettings();
  readonly limits: Http2Limits;
  readonly role: 'server' | 'client';
  readonly monotonicMs: () => number;
  /** The highest odd identifier used, by whoever may use them: the client. */
  lastStreamId = 0;
  /** Nothing more is sent or received. */
  isClosed = false;
  /** We have begun to close in order: GOAWAY with the highest identifier possible was sent. */
  isDraining = false;
  /** The peer takes no new streams, and will make none. */
  hasPeerGoaway = false;
  /** Streams above this one are not taken any more: our final GOAWAY. */
  goawayLimit = STREAM_ID_MAX;

  readonly #options: Http2ConnectionOptions;
  readonly #role: RoleHandler;
  readonly #reader: FrameReader;
  readonly #budgets: AbuseBudgets<AbuseKind>;
  readonly #onStreams: StreamFrames;
  readonly #control: ControlFrames;
  #prefaceLength = 0;
  #isStarted = false;
  #isReceiving = false;
  #isFlushRequested = false;
  #isReadingPaused = false;
  #hasSentFinalGoaway = false;
  #blockedControlFrames = 0;
  /** Whose response has ended before their request: streams, or identifiers of refused ones. */
  #unwanted: (Stream | number)[] = [];

  constructor(handler: RoleHandler, options: Http2ConnectionOptions) {
    const { limits, monotonicMs } = options;
    this.#options = options;
    this.#role = handler;
    this.limits = limits;
    this.role = options.role;
    this.monotonicMs = monotonicMs;
    this.writer = new FrameWriter(options.output);
    this.encoder = new HpackEncoder(sharedBlock, limits.tableBytesMax);
    this.decoder = new HpackDecoder(limits);
    this.receiver = new ContentReceiver(this, this.writer, limits);
    this.sender = new ContentSender({
      owner: this,
      writer: this.writer,
      encoder: this.encoder,
      limits,
      monotonicMs,
    });
    this.#reader = new FrameReader(this, FRAME_SIZE_MIN);
    this.#budgets = new AbuseBudgets(limits.budgets, monotonicMs);
    this.#onStreams = new StreamFrames(this, handler, this.#budgets);
    this.#control = new ControlFrames(this, handler);
  }

  // ------------------------------------------------------------------ from the driver

  /** Sends our preface and settings. Done by the first `receive` if not before. */
  start(): void {
    if (this.#isStarted || this.isClosed) return;
    this.#isStarted = true;
    this.writer.raw(this.#options.preface);
    this.writer.settings(this.#options.settings);
    this.receiver.start();
    this.afterSending();
  }

  receive(bytes: Uint8Array, early: boolean): void {
    if (this.isClosed) return;
    this.#isReceiving = true;
    this.start();
    const start = this.#matchPreface(bytes);
    if (start >= 0) this.#reader.receive(bytes, start, early);
    this.#isReceiving = false;
    if (this.isClosed) return;
    this.flush();
    if (this.streams.size === 0) this.#reader.shrink();
  }

  /** Sends what windows allow and hands what has been written to the output. */
  flush(): void {
    if (this.isClosed) return;
    this.#isFlushRequested = false;
    this.sender.pump();
    this.writer.flush();
    if (this.#unwanted.length > 0) this.#stopUnwantedLater();
    if (this.#isReadingPaused) return;
    if (this.writer.isBlocked && this.writer.blockedBytes > this.limits.blockedBytesMax) {
      this.#isReadingPaused = true;
      this.#options.output.pauseReading();
    }
  }

  onWritable(): void {
    if (this.isClosed) return;
    this.writer.isBlocked = false;
    this.writer.blockedBytes = 0;
    this.#blockedControlFrames = 0;
    this.flush();
    if (!this.writer.isBlocked) this.sender.wakeSenders(this.streams.list());
    if (this.#isReadingPaused && !this.writer.isBlocked && !this.isClosed) {
      this.#isReadingPaused = false;
      this.#options.output.resumeReading();
    }
  }

  /** The peer sends no more; streams that wait for nothing from it may finish. */
  onEndOfInput(): void {
    if (this.isClosed) return;
    this.hasPeerGoaway = true;
    const error = http2Error(
      ErrorCode.CANCEL,
      this.hasPeerSettings
        ? 'the connection ended inside a message'
        : 'the connection ended before its first frame: the peer may not speak HTTP/2',
      this.peerBlame(),
      'ifReused',
    );
    for (const stream of this.streams.list()) {
      if (!stream.isRemoteEnded) this.closeStream(stream, StreamState.CLOSED_BY_PEER_RESET, error);
    }
    this.#endWhenDone();
  }

  /** Nothing can be sent or received any more. */
  onConnectionLost(error: SluiceError): void {
    if (this.isClosed) return;
    this.#close(error);
  }

  /**
   * Closes in order (RFC 9113 §6.8): announces it, lets requests that are on their way arrive, then
   * says which was the last. Called again, it does not wait for the peer's answer; after that,
   * calls do nothing.
   */
  shutdown(): void {
    if (this.isClosed || this.#hasSentFinalGoaway) return;
    this.start();
    if (this.isDraining || this.role === 'client') {
      this.isDraining = true;
      this.#sendFinalGoaway();
      return;
    }
    this.isDraining = true;
    this.writer.goaway(STREAM_ID_MAX, ErrorCode.NO_ERROR, '');
    this.#control.sendPing(PingPurpose.SHUTDOWN);
    this.afterSending();
  }

  /** The peer has seen our first GOAWAY: every request that it sent before has arrived. */
  onShutdownAck(): void {
    if (this.isDraining && this.goawayLimit === STREAM_ID_MAX) this.#sendFinalGoaway();
  }

  /** RFC 9113 §6.8: the peer takes no streams of ours above the last one it names. */
  onPeerGoaway(lastStreamId: number, errorCode: number): void {
    // It will close when what it has asked for, or was asked for, is done; so do we.
    this.hasPeerGoaway = true;
    if (this.role === 'client') {
      const message = `the origin closes the connection: ${errorCodeName(errorCode)}`;
      for (const stream of this.streams.list()) {
        if (stream.id <= lastStreamId) continue;
        const error = http2Error(ErrorCode.REFUSED_STREAM, message, 'upstream', 'always');
        this.closeStream(stream, StreamState.CLOSED_BY_PEER_RESET, error);
      }
    }
    this.#role.onCapacityChange();
    this.#endWhenDone();
  }

  /** Asks the peer for a sign of life: `RoleHandler.onPong`. */
  ping(): void {
    if (this.isClosed) return;
    this.#control.sendPing(PingPurpose.KEEPALIVE);
    this.afterSending();
  }

  /**
   * How long the stream has waited whose content has waited longest for the peer's window or for
   * the peer to read, in milliseconds; 0 when none waits.
   */
  oldestStalledMs(nowMs: number): number {
    if (this.streams.size === 0) return 0;
    let oldestMs = 0;
    for (const stream of this.streams.list()) {
      if (stream.stalledSinceMs < 0) continue;
      oldestMs = Math.max(oldestMs, nowMs - stream.stalledSinceMs);
    }
    return oldestMs;
  }

  /**
   * Ends streams that the peer keeps waiting: those of which it has taken nothing for `sendMs` (slow
   * windows), and requests of whose content nothing came for `contentMs` while it was expected and
   * no answer had begun. The others, and the connection, go on: a client may well leave one response
   * unread for long while it uses the rest. Call now and then; the second time-out is late by as much
   * as the calls are apart.
   */
  expireStreams(nowMs: number, sendMs: number, contentMs: number, pace?: ContentLimits): void {
    if (this.isClosed || this.streams.size === 0) return;
    for (const stream of this.streams.list()) {
      const isStalled = stream.stalledSinceMs >= 0 && nowMs - stream.stalledSinceMs >= sendMs;
      if (isStalled) this.#expire(stream, 'the peer took nothing of a stream for too long');
      else if (stream.silentMs(nowMs) >= contentMs) {
        this.#expire(stream, 'the peer sent nothing of its body for too long');
      } else if (pace !== undefined && stream.isTooSlow(pace)) {
        this.#expire(stream, 'the peer sent its body too slowly');
      }
    }
    this.afterSending();
  }

  #expire(stream: Stream, message: string): void {
    const error = http2Error(ErrorCode.CANCEL, message, this.peerBlame());
    this.#options.onRefused(error);
    this.#sendReset(stream.id, ErrorCode.CANCEL);
    this.closeStream(stream, StreamState.CLOSED_BY_OUR_RESET, error);
  }

  /** RFC 9113 §6.5.3: the peer has not acknowledged our settings in a reasonable time. */
  failForSettings(): void {
    this.fail(ErrorCode.SETTINGS_TIMEOUT, 'SETTINGS were not acknowledged in time');
  }

  /** The peer's first settings have come. */
  get hasPeerSettings(): boolean {
    return this.#control.hasPeerSettings;
  }

  get hasSettingsAck(): boolean {
    return this.#control.hasSettingsAck;
  }

  /** The peer has begun a frame other than DATA, or a field block, and not ended it. */
  get isInsideFrame(): boolean {
    return this.#reader.isInsideFrame || this.#onStreams.openBlockStreamId !== 0;
  }

  // ------------------------------------------------------------------ for the role

  openStream(streamId: number, priority: Priority): Stream {
    const { streamWindowBytes } = this.limits;
    const { initialWindowBytes } = this.peer;
    const stream = new Stream(streamId, initialWindowBytes, streamWindowBytes, priority);
    // Until the peer has acknowledged our settings it may go by the initial window (§6.9.2).
    if (!this.hasSettingsAck) {
      stream.excessAllowed = Math.max(0, WINDOW_SIZE_INITIAL - streamWindowBytes);
    }
    this.streams.add(stream);
    return stream;
  }

  /** Call after anything was sent: it leaves now, or with all else that this turn brings. */
  afterSending(): void {
    if (this.#isReceiving || this.#isFlushRequested) return;
    const { output } = this.#options;
    if (output.requestFlush === undefined) this.flush();
    else {
      this.#isFlushRequested = true;
      output.requestFlush();
    }
  }

  /** Ends a stream for the peer's fault (RFC 9113 §5.4.2); counted, see CVE-2025-8671. */
  streamError(streamId: number, errorCode: number, message: string): void {
    const error = http2Error(errorCode, message, this.peerBlame());
    this.#options.onRefused(error);
    if (!this.spend('stream-errors')) return;
    const stream = this.streams.get(streamId);
    this.#sendReset(streamId, errorCode);
    if (stream === undefined) {
      this.streams.recordClosed(streamId, StreamState.CLOSED_BY_OUR_RESET);
    } else this.closeStream(stream, StreamState.CLOSED_BY_OUR_RESET, error);
  }

  /** Ends a stream because its user wants that; the user is not told. */
  resetStream(stream: Stream, errorCode: number): void {
    if (stream.isClosed) return;
    this.#sendReset(stream.id, errorCode);
    this.closeStream(stream, StreamState.CLOSED_BY_OUR_RESET, null);
    this.afterSending();
  }

  /** Ends a stream before it was opened, without blame. */
  refuseStream(streamId: number, errorCode: number): void {
    this.#sendReset(streamId, errorCode);
    this.streams.recordClosed(streamId, StreamState.CLOSED_BY_OUR_RESET);
  }

  /** The same for one that has been answered: the answer leaves first. */
  refuseAnswered(streamId: number): void {
    this.#unwanted.push(streamId);
    this.streams.recordClosed(streamId, StreamState.CLOSED_BY_OUR_RESET);
  }

  /**
   * RFC 9113 §8.1: after a complete response the client is asked to send no more, if it has more to
   * send. In a later write than the response's end: clients that find both in one segment take the
   * response for broken (curl 7.88).
   */
  stopUnwantedContent(stream: Stream): void {
    if (this.role !== 'server' || stream.isClosed || !stream.isDiscarding) return;
    if (stream.isLocalEnded && !stream.isRemoteEnded) this.#unwanted.push(stream);
  }

  #stopUnwantedLater(): void {
    const unwanted = this.#unwanted;
    this.#unwanted = [];
    const stop = () => this.#stopUnwanted(unwanted);
    const { output } = this.#options;
    if (output.requestLater === undefined) stop();
    else output.requestLater(stop);
  }

  #stopUnwanted(unwanted: readonly (Stream | number)[]): void {
    for (const one of unwanted) {
      if (this.isClosed) return;
      if (typeof one === 'number') this.#sendReset(one, ErrorCode.NO_ERROR);
      else this.resetStream(one, ErrorCode.NO_ERROR);
    }
    this.flush();
  }

  /** The peer's END_STREAM, with its trailer section if there was one. */
  remoteEnd(stream: Stream, trailers: FieldSection | null): void {
    this.receiver.end(stream, trailers);
    this.#closeIfEnded(stream);
  }

  /** Our END_STREAM has been written. */
  onLocalEnd(stream: Stream): void {
    this.stopUnwantedContent(stream);
    this.#closeIfEnded(stream);
  }

  /** What waited to be sent of a stream that is to be reset after it has gone. */
  onDrained(stream: Stream): void {
    this.resetStream(stream, stream.resetWhenDrained);
  }

  /** Takes one token of the peer's. False when it had none left: the connection is over. */
  spend(kind: AbuseKind): boolean {
    return this.#budgets.spend(kind) || this.abuse(kind);
  }

  /** Ends the connection of a peer that does something too often or too large. */
  abuse(kind: Http2Abuse): false {
    this.#options.onAbuse(kind);
    return this.fail(ErrorCode.ENHANCE_YOUR_CALM, `too much: ${kind}`);
  }

  /** A connection error (RFC 9113 §5.4.1). Always false, for the caller to return. */
  fail(errorCode: number, message: string): false {
    if (this.isClosed) return false;
    const error = http2Error(errorCode, message, this.peerBlame());
    this.#options.onRefused(error);
    const last = this.role === 'server' ? this.lastStreamId : 0;
    this.writer.goaway(last, errorCode, message);
    this.writer.flush();
    this.#close(error);
    this.#options.output.end();
    return false;
  }

  /** Frames made in answer to a peer that does not read them (CVE-2019-9512 and others). */
  countControlFrame(): boolean {
    if (!this.writer.isBlocked) return true;
    this.#blockedControlFrames++;
    if (this.#blockedControlFrames <= this.limits.blockedControlFramesMax) return true;
    return this.abuse('unread-control-frames');
  }

  measureRoundTrip(): void {
    this.#control.sendPing(PingPurpose.ROUND_TRIP);
  }

  // ------------------------------------------------------------------ frames

  onFrame(
    type: number,
    flags: number,
    streamId: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    early: boolean,
  ): boolean {
    if (this.#onStreams.openBlockStreamId !== 0 && type !== FrameType.CONTINUATION) {
      return this.fail(ErrorCode.PROTOCOL_ERROR, 'another frame inside a field block');
    }
    if (!this.#control.hasPeerSettings && !this.#control.mayBeFirst(type, flags)) {
      return this.fail(ErrorCode.PROTOCOL_ERROR, 'the first frame is not SETTINGS');
    }
    switch (type) {
      case FrameType.HEADERS:
        return this.#onStreams.onHeaders(flags, streamId, bytes, start, end, early);
      case FrameType.DATA:
        return this.#onStreams.onData(flags, streamId, bytes, start, end);
      case FrameType.WINDOW_UPDATE:
        return this.#onStreams.onWindowUpdate(streamId, bytes, start, end);
      case FrameType.RST_STREAM:
        return this.#onStreams.onRstStream(streamId, bytes, start, end);
      case FrameType.CONTINUATION:
        return this.#onStreams.onContinuation(flags, streamId, bytes, start, end);
      default:
        return this.#control.onFrame(type, flags, streamId, bytes, start, end);
    }
  }

  onFrameTooLarge(length: number): void {
    this.fail(ErrorCode.FRAME_SIZE_ERROR, `a frame of ${length} bytes`);
  }

  // ------------------------------------------------------------------ inside

  /** Returns where frames begin in `bytes`, or -1 when the preface is wrong. */
  #matchPreface(bytes: Uint8Array): number {
    const { expectedPreface } = this.#options;
    if (this.#prefaceLength === expectedPreface.length) return 0;
    let position = 0;
    while (position < bytes.length && this.#prefaceLength < expectedPreface.length) {
      if (bytes[position] !== expectedPreface[this.#prefaceLength]) {
        this.fail(ErrorCode.PROTOCOL_ERROR, 'the connection preface is wrong');
        return -1;
      }
      position++;
      this.#prefaceLength++;
    }
    return position;
  }

  #sendReset(streamId: number, errorCode: number): void {
    this.writer.rstStream(streamId, errorCode);
    this.countControlFrame();
  }

  #sendFinalGoaway(): void {
    this.#hasSentFinalGoaway = true;
    const isServer = this.role === 'server';
    if (isServer) this.goawayLimit = this.lastStreamId;
    this.writer.goaway(isServer ? this.lastStreamId : 0, ErrorCode.NO_ERROR, '');
    this.afterSending();
    this.#endWhenDone();
  }

  #closeIfEnded(stream: Stream): void {
    if (stream.isLocalEnded && stream.isRemoteEnded) {
      this.closeStream(stream, StreamState.CLOSED_BY_END, null);
    }
  }

  /** `error` is for the user; null when it knows. */
  closeStream(stream: Stream, state: number, error: SluiceError | null): void {
    if (stream.isClosed) return;
    stream.isClosed = true;
    this.streams.close(stream, state);
    if (state !== StreamState.CLOSED_BY_END) this.#breakOff(stream, error);
    this.#role.onCapacityChange();
    if (this.isDraining || this.hasPeerGoaway) this.#endWhenDone();
  }

  #breakOff(stream: Stream, error: SluiceError | null): void {
    this.sender.drop(stream);
    // What has come of a response is its user's, whatever became of the stream or the connection.
    if (error !== null && this.role === 'client' && this.receiver.failAfterHeld(stream, error)) {
      return;
    }
    const { user } = stream;
    stream.user = null;
    this.receiver.dropHeld(stream);
    if (error !== null) user?.onReset(error);
  }

  /** Closes the transport when nothing is left to do on a connection that takes nothing new. */
  #endWhenDone(): void {
    if (this.isClosed || this.streams.size > 0) return;
    const isFinal = this.goawayLimit !== STREAM_ID_MAX || this.role === 'client';
    if (!this.hasPeerGoaway && !(this.isDraining && isFinal)) return;
    this.writer.flush();
    this.isClosed = true;
    this.#reader.stop();
    this.#options.output.end();
  }

  #close(error: SluiceError): void {
    this.isClosed = true;
    this.#reader.stop();
    for (const stream of this.streams.list()) {
      this.closeStream(stream, StreamState.CLOSED_BY_OUR_RESET, error);
    }
  }

  /** RFC 9113 §4.2. As `fail`. */
  wrongLength(frame: string): false {
    return this.fail(ErrorCode.FRAME_SIZE_ERROR, `${frame} of a wrong length`);
  }

  /** Whose fault it is when the other end breaks a rule. */
  peerBlame(): Blame {
    return this.role === 'server' ? 'downstream' : 'upstream';
  }
}
