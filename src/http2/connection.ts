/**
 * What both roles of an HTTP/2 connection share (RFC 9113): frames in and out, settings, streams'
 * states, flow control, limits, and the ways a connection ends. What a field section means is the
 * endpoint's business: server-connection.ts, client-connection.ts.
 */
import type { Blame, SluiceError } from '../base/errors.ts';
import type { FieldSection } from '../http/field-section.ts';
import { AbuseBudgets } from './abuse.ts';
import { ContentReceiver, lengthFault } from './content-receiver.ts';
import { ContentSender } from './content-sender.ts';
import { FieldBlockAssembly } from './field-block-assembly.ts';
import { FrameReader } from './frame-reader.ts';
import { FrameWriter, type Http2Output } from './frame-writer.ts';
import { HpackDecoder } from './hpack-decoder.ts';
import { FieldBlock, HpackEncoder } from './hpack-encoder.ts';
import {
  type AbuseKind,
  FIELD_SECTION_ABUSE_FACTOR,
  type Http2Abuse,
  type Http2Limits,
} from './limits.ts';
import type { Priority } from './priority.ts';
import {
  ErrorCode,
  errorCodeName,
  Flag,
  FRAME_SIZE_MIN,
  FrameType,
  STREAM_ID_MAX,
} from './protocol.ts';
import { http2Error } from './protocol-error.ts';
import { PeerSettings } from './settings.ts';
import { Stream, StreamTable } from './stream.ts';
import { Reception, receptionOf, StreamState } from './stream-state.ts';

/** The role on top of a connection. */
export interface Endpoint {
  /** A field section, in `decoder.fields`, that opens a stream. Only a server's peer does that. */
  onOpen(streamId: number, endStream: boolean, early: boolean): void;
  /** A field section on an open stream: a response's, or trailers. */
  onFieldSection(stream: Stream, endStream: boolean): void;
  onStreamClosed(stream: Stream): void;
  onGoaway(lastStreamId: number, errorCode: number): void;
  onPriorityUpdate(streamId: number, value: Uint8Array): void;
  /** The peer's settings have come, or changed. */
  onSettings(): void;
  onPong(): void;
}

export interface ConnectionOptions {
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

/** What a PING of ours was sent for: its first octet. */
const PingPurpose = { ROUND_TRIP: 1, SHUTDOWN: 2, KEEPALIVE: 3 } as const;
const pingPayload = new Uint8Array(8);

/** Shared by all connections: a block is copied into frames before another is begun. */
const sharedBlock = new FieldBlock();

export class Connection {
  readonly writer: FrameWriter;
  readonly encoder: HpackEncoder;
  readonly decoder: HpackDecoder;
  readonly receiver: ContentReceiver;
  readonly sender: ContentSender;
  readonly streams = new StreamTable();
  readonly peer = new PeerSettings();
  readonly limits: Http2Limits;
  readonly monotonicMs: () => number;
  /** The highest odd identifier used, by whoever may use them: the client. */
  lastStreamId = 0;
  /** Nothing more is sent or received. */
  isClosed = false;
  hasPeerSettings = false;
  hasSettingsAck = false;
  /** We have begun to close in order: GOAWAY with the highest identifier possible was sent. */
  isDraining = false;
  /** Streams above this one are not taken any more: our final GOAWAY. */
  goawayLimit = STREAM_ID_MAX;

  readonly #options: ConnectionOptions;
  readonly #endpoint: Endpoint;
  readonly #reader: FrameReader;
  readonly #budgets: AbuseBudgets;
  readonly #assembly: FieldBlockAssembly;
  #prefaceLength = 0;
  #isStarted = false;
  #isReceiving = false;
  #isFlushRequested = false;
  #isReadingPaused = false;
  #blockedControlFrames = 0;
  #creditedDataFrames = 0;
  #hasPeerEnded = false;

  constructor(endpoint: Endpoint, options: ConnectionOptions) {
    const { limits, monotonicMs } = options;
    this.#options = options;
    this.#endpoint = endpoint;
    this.limits = limits;
    this.monotonicMs = monotonicMs;
    this.writer = new FrameWriter(options.output);
    this.encoder = new HpackEncoder(sharedBlock, limits.tableBytesMax);
    this.decoder = new HpackDecoder(limits);
    this.receiver = new ContentReceiver(this, this.writer, limits);
    this.sender = new ContentSender(this, this.writer, this.encoder, limits, monotonicMs);
    this.#reader = new FrameReader(this, FRAME_SIZE_MIN);
    this.#budgets = new AbuseBudgets(limits.budgets, monotonicMs);
    this.#assembly = new FieldBlockAssembly(limits);
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
    this.#hasPeerEnded = true;
    const error = http2Error(
      ErrorCode.CANCEL,
      'the connection ended inside a message',
      this.#peerBlame(),
      'ifReused',
    );
    for (const stream of this.streams.list()) {
      if (!stream.isRemoteEnded) this.#closeStream(stream, StreamState.CLOSED_BY_PEER_RESET, error);
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
   * says which was the last. Called again, it does not wait for the peer's answer.
   */
  shutdown(): void {
    if (this.isClosed) return;
    this.start();
    if (this.isDraining || this.#options.role === 'client') {
      this.isDraining = true;
      this.#sendFinalGoaway();
      return;
    }
    this.isDraining = true;
    this.writer.goaway(STREAM_ID_MAX, ErrorCode.NO_ERROR, '');
    this.#sendPing(PingPurpose.SHUTDOWN);
    this.afterSending();
  }

  /** Asks the peer for a sign of life: `Endpoint.onPong`. */
  ping(): void {
    if (this.isClosed) return;
    this.#sendPing(PingPurpose.KEEPALIVE);
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

  /** The peer has begun a frame or a field block and not ended it. */
  get isInsideFrame(): boolean {
    return this.#reader.isInsideFrame || this.#assembly.streamId !== 0;
  }

  // ------------------------------------------------------------------ for the endpoint

  openStream(streamId: number, priority: Priority): Stream {
    const { initialWindowBytes } = this.peer;
    const stream = new Stream(
      streamId,
      initialWindowBytes,
      this.limits.streamWindowBytes,
      priority,
    );
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
    const error = http2Error(errorCode, message, this.#peerBlame());
    this.#options.onRefused(error);
    if (!this.spend('stream-errors')) return;
    const stream = this.streams.get(streamId);
    this.#sendReset(streamId, errorCode);
    if (stream === undefined) {
      this.streams.recordClosed(streamId, StreamState.CLOSED_BY_OUR_RESET);
    } else this.#closeStream(stream, StreamState.CLOSED_BY_OUR_RESET, error);
  }

  /** Ends a stream because its user wants that; the user is not told. */
  resetStream(stream: Stream, errorCode: number): void {
    if (stream.isClosed) return;
    this.#sendReset(stream.id, errorCode);
    this.#closeStream(stream, StreamState.CLOSED_BY_OUR_RESET, null);
    this.afterSending();
  }

  /** Ends a stream before it was opened, without blame. */
  refuseStream(streamId: number, errorCode: number): void {
    this.#sendReset(streamId, errorCode);
    this.streams.recordClosed(streamId, StreamState.CLOSED_BY_OUR_RESET);
  }

  /** The peer's END_STREAM, with its trailer section if there was one. */
  remoteEnd(stream: Stream, trailers: FieldSection | null): void {
    this.receiver.end(stream, trailers);
    this.#closeIfEnded(stream);
  }

  /** Our END_STREAM has been written. */
  onLocalEnd(stream: Stream): void {
    this.#closeIfEnded(stream);
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
    const error = http2Error(errorCode, message, this.#peerBlame());
    this.#options.onRefused(error);
    const last = this.#options.role === 'server' ? this.lastStreamId : 0;
    this.writer.goaway(last, errorCode, message);
    this.writer.flush();
    this.#close(error);
    this.#options.output.end();
    return false;
  }

  measureRoundTrip(): void {
    this.#sendPing(PingPurpose.ROUND_TRIP);
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
    if (this.#assembly.streamId !== 0 && type !== FrameType.CONTINUATION) {
      return this.fail(ErrorCode.PROTOCOL_ERROR, 'another frame inside a field block');
    }
    if (!this.hasPeerSettings && (type !== FrameType.SETTINGS || (flags & Flag.ACK) !== 0)) {
      return this.fail(ErrorCode.PROTOCOL_ERROR, 'the first frame is not SETTINGS');
    }
    switch (type) {
      case FrameType.HEADERS:
        return this.#onHeaders(flags, streamId, bytes, start, end, early);
      case FrameType.DATA:
        return this.#onData(flags, streamId, bytes, start, end);
      case FrameType.WINDOW_UPDATE:
        return this.#onWindowUpdate(streamId, bytes, start, end);
      case FrameType.RST_STREAM:
        return this.#onRstStream(streamId, bytes, start, end);
      case FrameType.CONTINUATION:
        return this.#onContinuation(flags, streamId, bytes, start, end);
      case FrameType.SETTINGS:
        return this.#onSettings(flags, streamId, bytes, start, end);
      case FrameType.PING:
        return this.#onPing(flags, streamId, bytes, start, end);
      case FrameType.GOAWAY:
        return this.#onGoaway(streamId, bytes, start, end);
      case FrameType.PRIORITY:
        return this.#onPriority(streamId, bytes, start, end);
      case FrameType.PRIORITY_UPDATE:
        return this.#onPriorityUpdate(streamId, bytes, start, end);
      case FrameType.PUSH_PROMISE:
        return this.fail(ErrorCode.PROTOCOL_ERROR, 'PUSH_PROMISE, and pushes are not enabled');
      default:
        // Frames of unknown types are discarded (RFC 9113 §5.5), though not without end.
        return end > start || this.spend('empty-frames');
    }
  }

  onFrameTooLarge(length: number): void {
    this.fail(ErrorCode.FRAME_SIZE_ERROR, `a frame of ${length} octets`);
  }

  /** RFC 9113 §6.2. */
  #onHeaders(
    flags: number,
    streamId: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    early: boolean,
  ): boolean {
    if (streamId === 0) return this.fail(ErrorCode.PROTOCOL_ERROR, 'HEADERS on stream 0');
    let padding = 0;
    if ((flags & Flag.PADDED) !== 0) {
      if (start === end) return this.#shortFrame('HEADERS');
      padding = bytes[start++]!;
    }
    let dependsOnItself = false;
    if ((flags & Flag.PRIORITY) !== 0) {
      if (end - start < 5) return this.#shortFrame('HEADERS');
      dependsOnItself = streamDependency(bytes, start) === streamId;
      start += 5;
    }
    end -= padding;
    if (start > end) return this.fail(ErrorCode.PROTOCOL_ERROR, 'HEADERS with too much padding');
    const endStream = (flags & Flag.END_STREAM) !== 0;
    if ((flags & Flag.END_HEADERS) !== 0) {
      return this.#onFieldBlock(streamId, endStream, early, dependsOnItself, bytes, start, end);
    }
    this.#assembly.begin(streamId, endStream, early, dependsOnItself);
    return this.#assembly.add(bytes, start, end, false) || this.abuse('continuation');
  }

  /** RFC 9113 §6.10. */
  #onContinuation(
    flags: number,
    streamId: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): boolean {
    const assembly = this.#assembly;
    if (assembly.streamId === 0 || assembly.streamId !== streamId) {
      return this.fail(ErrorCode.PROTOCOL_ERROR, 'CONTINUATION without its HEADERS');
    }
    if (!assembly.add(bytes, start, end, true)) return this.abuse('continuation');
    if ((flags & Flag.END_HEADERS) === 0) return true;
    const { endStream, early, dependsOnItself, length } = assembly;
    const block = assembly.bytes;
    assembly.end();
    return this.#onFieldBlock(streamId, endStream, early, dependsOnItself, block, 0, length);
  }

  #onFieldBlock(
    streamId: number,
    endStream: boolean,
    early: boolean,
    dependsOnItself: boolean,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): boolean {
    const stream = this.streams.get(streamId);
    const state = stream === undefined ? this.#stateWithoutStream(streamId) : stream.state;
    const reception = receptionOf(state, FrameType.HEADERS);
    if (reception >= Reception.CONNECTION_ERROR_STREAM_CLOSED) {
      return this.#failReception(reception, 'HEADERS', state);
    }
    // Decoded in any case: the peer's and our dynamic tables must stay in step (RFC 9113 §4.3).
    const { decoder } = this;
    if (!decoder.decode(bytes, start, end)) {
      return this.fail(ErrorCode.COMPRESSION_ERROR, decoder.failure);
    }
    if (decoder.fields.size > this.limits.fieldSectionBytesMax * FIELD_SECTION_ABUSE_FACTOR) {
      return this.abuse('field-section-size');
    }
    if (reception === Reception.STREAM_ERROR_STREAM_CLOSED) {
      this.streamError(streamId, ErrorCode.STREAM_CLOSED, 'HEADERS after the end of the stream');
    } else if (reception === Reception.IGNORE) {
      return this.spend('stream-errors');
    } else if (stream === undefined) {
      return this.#onNewStream(streamId, endStream, early, dependsOnItself);
    } else if (dependsOnItself) {
      this.streamError(streamId, ErrorCode.PROTOCOL_ERROR, 'a stream that depends on itself');
    } else this.#endpoint.onFieldSection(stream, endStream);
    return !this.isClosed;
  }

  /** RFC 9113 §5.1.1 and §5.1.2. */
  #onNewStream(
    streamId: number,
    endStream: boolean,
    early: boolean,
    dependsOnItself: boolean,
  ): boolean {
    if (this.#options.role === 'client' || (streamId & 1) === 0) {
      return this.fail(ErrorCode.PROTOCOL_ERROR, 'HEADERS on a stream that the peer cannot open');
    }
    this.lastStreamId = streamId;
    if (streamId > this.goawayLimit) {
      this.streams.recordClosed(streamId, StreamState.CLOSED_BY_OUR_RESET);
      return true;
    }
    if (this.streams.size >= this.limits.streamsConcurrentMax) {
      this.refuseStream(streamId, ErrorCode.REFUSED_STREAM);
      // A peer that has not seen our settings yet cannot know better.
      return !this.hasSettingsAck || this.spend('stream-errors');
    }
    if (dependsOnItself) {
      this.streamError(streamId, ErrorCode.PROTOCOL_ERROR, 'a stream that depends on itself');
    } else this.#endpoint.onOpen(streamId, endStream, early);
    return !this.isClosed;
  }

  /** RFC 9113 §6.1. */
  #onData(flags: number, streamId: number, bytes: Uint8Array, start: number, end: number): boolean {
    if (streamId === 0) return this.fail(ErrorCode.PROTOCOL_ERROR, 'DATA on stream 0');
    const length = end - start;
    if (!this.receiver.admit(length)) {
      return this.fail(ErrorCode.FLOW_CONTROL_ERROR, 'DATA beyond the connection window');
    }
    let padding = 0;
    if ((flags & Flag.PADDED) !== 0) {
      if (length === 0) return this.#shortFrame('DATA');
      padding = bytes[start]! + 1;
      if (padding > length) {
        return this.fail(ErrorCode.PROTOCOL_ERROR, 'DATA with too much padding');
      }
      start++;
      end -= padding - 1;
    }
    const stream = this.streams.get(streamId);
    const state = stream === undefined ? this.#stateWithoutStream(streamId) : stream.state;
    const reception = receptionOf(state, FrameType.DATA);
    if (stream === undefined || reception !== Reception.PROCESS) {
      return this.#onUnwantedData(streamId, reception, state, length);
    }
    const endStream = (flags & Flag.END_STREAM) !== 0;
    if (start === end && !endStream && !this.spend('empty-frames')) return false;
    stream.receiveWindow -= length;
    if (stream.receiveWindow < 0) {
      this.receiver.release(length);
      this.streamError(streamId, ErrorCode.FLOW_CONTROL_ERROR, 'DATA beyond the stream window');
      return !this.isClosed;
    }
    this.receiver.content(stream, bytes, start, end, padding);
    if (stream.isClosed) return !this.isClosed;
    if (lengthFault(stream, endStream)) {
      this.streamError(
        streamId,
        ErrorCode.PROTOCOL_ERROR,
        'content of another length than announced',
      );
    } else if (endStream) this.remoteEnd(stream, null);
    return !this.isClosed;
  }

  #onUnwantedData(streamId: number, reception: number, state: number, length: number): boolean {
    if (reception >= Reception.CONNECTION_ERROR_STREAM_CLOSED) {
      return this.#failReception(reception, 'DATA', state);
    }
    this.receiver.release(length);
    if (reception === Reception.IGNORE) return length > 0 || this.spend('empty-frames');
    this.streamError(streamId, ErrorCode.STREAM_CLOSED, 'DATA after the end of the stream');
    return !this.isClosed;
  }

  /** RFC 9113 §6.9. */
  #onWindowUpdate(streamId: number, bytes: Uint8Array, start: number, end: number): boolean {
    if (end - start !== 4) return this.#shortFrame('WINDOW_UPDATE');
    const { dataFrames } = this.writer;
    this.#budgets.credit('window-update', (dataFrames - this.#creditedDataFrames) * 2);
    this.#creditedDataFrames = dataFrames;
    if (!this.spend('window-update')) return false;
    const increment = uint31(bytes, start);
    if (streamId === 0) {
      if (increment === 0) return this.fail(ErrorCode.PROTOCOL_ERROR, 'WINDOW_UPDATE of 0');
      if (this.sender.growWindow(increment)) return true;
      return this.fail(ErrorCode.FLOW_CONTROL_ERROR, 'the connection window overflows');
    }
    const stream = this.streams.get(streamId);
    if (stream === undefined) {
      const state = this.#stateWithoutStream(streamId);
      const reception = receptionOf(state, FrameType.WINDOW_UPDATE);
      if (reception === Reception.IGNORE) return true;
      return this.#failReception(reception, 'WINDOW_UPDATE', state);
    }
    if (increment === 0) {
      this.streamError(streamId, ErrorCode.PROTOCOL_ERROR, 'WINDOW_UPDATE of 0');
    } else if (!this.sender.growStreamWindow(stream, increment)) {
      this.streamError(streamId, ErrorCode.FLOW_CONTROL_ERROR, 'the stream window overflows');
    }
    return !this.isClosed;
  }

  /** RFC 9113 §6.4. */
  #onRstStream(streamId: number, bytes: Uint8Array, start: number, end: number): boolean {
    if (end - start !== 4) return this.#shortFrame('RST_STREAM');
    const stream = this.streams.get(streamId);
    if (stream === undefined) {
      const state = this.#stateWithoutStream(streamId);
      const reception = receptionOf(state, FrameType.RST_STREAM);
      if (reception === Reception.IGNORE) return this.spend('rapid-reset');
      return this.#failReception(reception, 'RST_STREAM', state);
    }
    const errorCode = uint32(bytes, start);
    const error = http2Error(
      errorCode,
      `the peer reset the stream: ${errorCodeName(errorCode)}`,
      this.#peerBlame(),
      errorCode === ErrorCode.REFUSED_STREAM ? 'always' : 'never',
    );
    this.#closeStream(stream, StreamState.CLOSED_BY_PEER_RESET, error);
    return this.#options.role === 'client' || this.spend('rapid-reset');
  }

  /** RFC 9113 §6.5. */
  #onSettings(
    flags: number,
    streamId: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): boolean {
    if (streamId !== 0) return this.fail(ErrorCode.PROTOCOL_ERROR, 'SETTINGS on a stream');
    if ((flags & Flag.ACK) !== 0) {
      if (start !== end) return this.#shortFrame('SETTINGS');
      if (this.hasSettingsAck) return this.spend('settings');
      this.hasSettingsAck = true;
      return true;
    }
    if (!this.spend('settings')) return false;
    const { peer } = this;
    const windowBefore = peer.initialWindowBytes;
    if (!peer.apply(bytes, start, end)) return this.fail(peer.failureCode, peer.failure);
    this.hasPeerSettings = true;
    this.encoder.setPeerLimit(peer.headerTableBytes);
    const change = peer.initialWindowBytes - windowBefore;
    if (change !== 0) {
      // RFC 9113 §6.9.2: the change applies to every open stream, and may make a window negative.
      for (const stream of this.streams.list()) {
        if (this.sender.growStreamWindow(stream, change)) continue;
        return this.fail(ErrorCode.FLOW_CONTROL_ERROR, 'a stream window overflows');
      }
    }
    this.writer.settingsAck();
    this.#endpoint.onSettings();
    return this.#countControlFrame();
  }

  /** RFC 9113 §6.7. */
  #onPing(flags: number, streamId: number, bytes: Uint8Array, start: number, end: number): boolean {
    if (streamId !== 0) return this.fail(ErrorCode.PROTOCOL_ERROR, 'PING on a stream');
    if (end - start !== 8) return this.#shortFrame('PING');
    if ((flags & Flag.ACK) === 0) {
      if (!this.spend('ping')) return false;
      this.writer.ping(bytes, start, true);
      return this.#countControlFrame();
    }
    switch (bytes[start]) {
      case PingPurpose.ROUND_TRIP:
        this.receiver.onRoundTrip();
        return true;
      case PingPurpose.SHUTDOWN:
        if (this.isDraining && this.goawayLimit === STREAM_ID_MAX) this.#sendFinalGoaway();
        return !this.isClosed;
      case PingPurpose.KEEPALIVE:
        this.#endpoint.onPong();
        return true;
      default:
        return this.spend('ping');
    }
  }

  /** RFC 9113 §6.8. */
  #onGoaway(streamId: number, bytes: Uint8Array, start: number, end: number): boolean {
    if (streamId !== 0) return this.fail(ErrorCode.PROTOCOL_ERROR, 'GOAWAY on a stream');
    if (end - start < 8) return this.#shortFrame('GOAWAY');
    this.#endpoint.onGoaway(uint31(bytes, start), uint32(bytes, start + 4));
    // The peer will close when what it has asked for is done; so do we.
    this.#hasPeerEnded = true;
    this.#endWhenDone();
    return !this.isClosed && this.spend('settings');
  }

  /** RFC 9113 §6.3: deprecated, checked and ignored. */
  #onPriority(streamId: number, bytes: Uint8Array, start: number, end: number): boolean {
    if (streamId === 0) return this.fail(ErrorCode.PROTOCOL_ERROR, 'PRIORITY on stream 0');
    if (!this.spend('priority')) return false;
    const isOpen = this.streams.get(streamId) !== undefined;
    if (end - start !== 5) {
      if (!isOpen) return this.#shortFrame('PRIORITY');
      this.streamError(streamId, ErrorCode.FRAME_SIZE_ERROR, 'PRIORITY of a wrong length');
    } else if (streamDependency(bytes, start) === streamId) {
      // RST_STREAM may not be sent on an idle stream, so that only the connection is left.
      if (!isOpen) return this.fail(ErrorCode.PROTOCOL_ERROR, 'a stream that depends on itself');
      this.streamError(streamId, ErrorCode.PROTOCOL_ERROR, 'a stream that depends on itself');
    }
    return !this.isClosed;
  }

  /** RFC 9218 §7.1. */
  #onPriorityUpdate(streamId: number, bytes: Uint8Array, start: number, end: number): boolean {
    if (this.#options.role === 'client' || streamId !== 0) {
      return this.fail(ErrorCode.PROTOCOL_ERROR, 'PRIORITY_UPDATE where it may not be');
    }
    if (end - start < 4) return this.#shortFrame('PRIORITY_UPDATE');
    const prioritized = uint31(bytes, start);
    // Nothing is ever pushed, so that an even identifier names no stream.
    if (prioritized === 0 || (prioritized & 1) === 0) {
      return this.fail(ErrorCode.PROTOCOL_ERROR, 'PRIORITY_UPDATE of a wrong stream');
    }
    if (!this.spend('priority')) return false;
    this.#endpoint.onPriorityUpdate(prioritized, bytes.subarray(start + 4, end));
    return true;
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

  #stateWithoutStream(streamId: number): number {
    // Even identifiers are the server's, for pushes, which nobody makes here.
    if ((streamId & 1) === 0 || streamId > this.lastStreamId) return StreamState.IDLE;
    return this.streams.closedState(streamId);
  }

  #failReception(reception: number, frame: string, state: number): false {
    const isStreamClosed = reception === Reception.CONNECTION_ERROR_STREAM_CLOSED;
    const kind = state === StreamState.IDLE ? 'an idle' : 'a closed';
    return this.fail(
      isStreamClosed ? ErrorCode.STREAM_CLOSED : ErrorCode.PROTOCOL_ERROR,
      `${frame} on ${kind} stream`,
    );
  }

  #shortFrame(frame: string): false {
    return this.fail(ErrorCode.FRAME_SIZE_ERROR, `${frame} of a wrong length`);
  }

  #sendReset(streamId: number, errorCode: number): void {
    this.writer.rstStream(streamId, errorCode);
    this.#countControlFrame();
  }

  #sendPing(purpose: number): void {
    pingPayload[0] = purpose;
    this.writer.ping(pingPayload, 0, false);
  }

  /** Frames made in answer to a peer that does not read them (CVE-2019-9512 and others). */
  #countControlFrame(): boolean {
    if (!this.writer.isBlocked) return true;
    this.#blockedControlFrames++;
    if (this.#blockedControlFrames <= this.limits.blockedControlFramesMax) return true;
    return this.abuse('unread-control-frames');
  }

  #sendFinalGoaway(): void {
    const isServer = this.#options.role === 'server';
    if (isServer) this.goawayLimit = this.lastStreamId;
    this.writer.goaway(isServer ? this.lastStreamId : 0, ErrorCode.NO_ERROR, '');
    this.afterSending();
    this.#endWhenDone();
  }

  #closeIfEnded(stream: Stream): void {
    if (stream.isLocalEnded && stream.isRemoteEnded) {
      this.#closeStream(stream, StreamState.CLOSED_BY_END, null);
    }
  }

  /** `error` is for the user; null when it knows. */
  #closeStream(stream: Stream, state: number, error: SluiceError | null): void {
    if (stream.isClosed) return;
    stream.isClosed = true;
    this.streams.close(stream, state);
    if (state !== StreamState.CLOSED_BY_END) {
      this.sender.drop(stream);
      this.receiver.dropHeld(stream);
    }
    if (error !== null) stream.user?.onReset(error);
    this.#endpoint.onStreamClosed(stream);
    if (this.isDraining || this.#hasPeerEnded) this.#endWhenDone();
  }

  /** Closes the transport when nothing is left to do on a connection that takes nothing new. */
  #endWhenDone(): void {
    if (this.isClosed || this.streams.size > 0) return;
    const isFinal = this.goawayLimit !== STREAM_ID_MAX || this.#options.role === 'client';
    if (!this.#hasPeerEnded && !(this.isDraining && isFinal)) return;
    this.writer.flush();
    this.isClosed = true;
    this.#reader.stop();
    this.#options.output.end();
  }

  #close(error: SluiceError): void {
    this.isClosed = true;
    this.#reader.stop();
    for (const stream of this.streams.list()) {
      this.#closeStream(stream, StreamState.CLOSED_BY_OUR_RESET, error);
    }
  }

  #peerBlame(): Blame {
    return this.#options.role === 'server' ? 'downstream' : 'upstream';
  }
}

function uint32(bytes: Uint8Array, start: number): number {
  return (
    ((bytes[start]! << 24) |
      (bytes[start + 1]! << 16) |
      (bytes[start + 2]! << 8) |
      bytes[start + 3]!) >>>
    0
  );
}

/** Without the reserved bit. */
function uint31(bytes: Uint8Array, start: number): number {
  return uint32(bytes, start) & STREAM_ID_MAX;
}

/** The first field of the deprecated priority signals (RFC 9113 §6.2, §6.3). */
function streamDependency(bytes: Uint8Array, start: number): number {
  return uint31(bytes, start);
}
