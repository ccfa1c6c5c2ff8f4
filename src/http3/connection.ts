/**
 * What both roles of an HTTP/3 connection share (RFC 9114): the streams of each kind, QPACK, settings,
 * limits, and the ways a connection ends. What a field section means is the role's business:
 * server-connection.ts.
 */
import type { SluiceError } from '../base/errors.ts';
import { AbuseBudgets } from '../http/abuse-budgets.ts';
import type { ContentLimits } from '../http/content-watch.ts';
import { FieldBlock } from '../http/field-block.ts';
import type { FieldSection } from '../http/field-section.ts';
import { readTrailers } from '../http/response-fields.ts';
import type {
  QuicApplication,
  QuicCloseReason,
  QuicConnection,
  QuicStream,
  QuicStreamHandler,
  QuicStreamKind,
} from '../quic/application.ts';
import { EXACT_MAX } from '../quic/wire/varint.ts';
import { frameOf, goaway, goawayForAll, headersOf, varints } from './frame-bytes.ts';
import type { Http3Abuse, Http3AbuseKind, Http3Limits } from './limits.ts';
import { type Http3Role, type MessageConnection, MessageStream } from './message-stream.ts';
import { PeerStreams, type PeerStreamsOwner } from './peer-streams.ts';
import { Http3ErrorCode, Http3StreamType, http3ErrorName, reservedNumber } from './protocol.ts';
import { http3Error } from './protocol-error.ts';
import { QpackDecoder, SectionResult } from './qpack/decoder.ts';
import { QpackEncoder } from './qpack/encoder.ts';
import { Http3PeerSettings, http3Settings, settingsFrame } from './settings.ts';

export interface Http3ConnectionOptions {
  readonly quic: QuicConnection;
  readonly isServer: boolean;
  readonly limits: Http3Limits;
  readonly monotonicMs: () => number;
  /** A number of chance below 2^32 for what means nothing (RFC 9114 §7.2.8). */
  readonly grease: number;
  readonly onAbuse: (kind: Http3Abuse) => void;
  /** The peer broke a rule, and a stream or the connection ended for it. */
  readonly onRefused: (error: SluiceError) => void;
  /** QUIC has told that the connection is over, whoever ended it. */
  readonly onGone: () => void;
}

/** Shared by all connections: a section is copied into a frame before another is begun. */
const sharedBlocks = { prefix: new FieldBlock(64), lines: new FieldBlock() };

/** A critical stream of ours: the peer may not stop it (RFC 9114 §6.2.1, RFC 9204 §4.2). */
class OwnStream implements QuicStreamHandler {
  readonly #fail: () => void;

  constructor(fail: () => void) {
    this.#fail = fail;
  }

  onStopSending(): void {
    this.#fail();
  }

  onData(): void {}

  onReset(): void {}

  onWritable(): void {}

  onClosed(): void {}
}

export class Http3Connection implements QuicApplication, MessageConnection, PeerStreamsOwner {
  readonly quic: QuicConnection;
  readonly limits: Http3Limits;
  readonly encoder: QpackEncoder;
  readonly decoder: QpackDecoder;
  readonly streams = new Map<number, MessageStream>();
  readonly isServer: boolean;
  peer = new Http3PeerSettings();
  /** Nothing more is sent or received. */
  isClosed = false;
  isDraining = false;
  hasPeerGoaway = false;
  /** Requests from this identifier on are not taken any more: our last GOAWAY. */
  goawayLimit = EXACT_MAX;
  /** After the highest request that was opened. */
  nextRequestId = 0;
  readonly #options: Http3ConnectionOptions;
  readonly #role: Http3Role;
  readonly #budgets: AbuseBudgets<Http3AbuseKind>;
  readonly #peerStreams = new PeerStreams(this);
  #control: QuicStream | null = null;
  #encoderStream: QuicStream | null = null;
  #decoderStream: QuicStream | null = null;
  #drainedAtMs = -1;
  #hasFinalGoaway = false;
  /** Streams for messages of which QUIC has not delivered all. */
  #undelivered = 0;

  constructor(role: Http3Role, options: Http3ConnectionOptions) {
    const { limits } = options;
    this.#role = role;
    this.#options = options;
    this.quic = options.quic;
    this.isServer = options.isServer;
    this.limits = limits;
    this.encoder = new QpackEncoder(sharedBlocks, limits);
    this.decoder = new QpackDecoder(limits);
    this.#budgets = new AbuseBudgets(limits.budgets, options.monotonicMs);
  }

  // ------------------------------------------------------------------ from QUIC

  onReady(): void {
    this.#openOwn();
  }

  onStreamsAvailable(kind: QuicStreamKind): void {
    if (kind === 'unidirectional') this.#openOwn();
    else this.#role.onCapacityChange();
  }

  onStream(quic: QuicStream): QuicStreamHandler {
    if (quic.kind === 'unidirectional') return this.#peerStreams.open(quic);
    const stream = new MessageStream(this, quic);
    this.#undelivered++;
    if (this.isClosed) {
      endSilently(stream);
      return stream;
    }
    if (!this.isServer) {
      // RFC 9114 §6.1: nothing has been agreed on that a server could open.
      endSilently(stream);
      this.fail(Http3ErrorCode.STREAM_CREATION_ERROR, 'a bidirectional stream of a server');
      return stream;
    }
    this.nextRequestId = Math.max(this.nextRequestId, quic.id + 4);
    if (quic.id >= this.goawayLimit) {
      // RFC 9114 §5.2: not looked at, and may be asked again elsewhere.
      stream.isClosed = true;
      stream.reset(Http3ErrorCode.REQUEST_REJECTED);
    } else this.streams.set(quic.id, stream);
    return stream;
  }

  onHandshakeComplete(): void {}

  onHandshakeConfirmed(): void {}

  onEarlyDataRefused(): void {}

  /** RFC 9297 §2.1: we have not said that we take any, so that none has a meaning. */
  onDatagram(): void {}

  onClosed(reason: QuicCloseReason): void {
    if (!this.isClosed) {
      this.isClosed = true;
      const code = reason.isApplication ? reason.errorCode : Http3ErrorCode.NO_ERROR;
      this.#abortAll(this.#closedError(reason, code));
    }
    this.#options.onGone();
  }

  #closedError(reason: QuicCloseReason, code: number): SluiceError {
    const how =
      reason.by === 'idle' || reason.by === 'reset'
        ? `the connection is gone: ${reason.by}`
        : `the connection was closed: ${reason.isApplication ? http3ErrorName(code) : reason.errorCode}`;
    return http3Error(code, how, this.#role.blame, 'ifReused');
  }

  // ------------------------------------------------------------------ from the driver

  /**
   * Closes in order (RFC 9114 §5.2): announces it, lets requests that are on their way arrive, then says
   * which was the last, and closes when all are answered. Called again, it does not wait for requests on
   * their way.
   */
  shutdown(): void {
    if (this.isClosed || this.#hasFinalGoaway) return;
    if (this.isDraining || !this.isServer) {
      this.isDraining = true;
      this.#sendFinalGoaway();
      return;
    }
    this.isDraining = true;
    this.#drainedAtMs = this.#options.monotonicMs();
    this.#control?.write([goawayForAll()], false);
  }

  /** Called now and then: the second GOAWAY follows the first after two round trips. */
  sweepShutdown(nowMs: number): void {
    if (!this.isDraining || this.#hasFinalGoaway || this.isClosed) return;
    const waitMs = 2 * this.quic.facts().smoothedRttMs;
    if (nowMs - this.#drainedAtMs >= waitMs) this.#sendFinalGoaway();
  }

  #sendFinalGoaway(): void {
    this.#hasFinalGoaway = true;
    if (this.isServer) this.goawayLimit = this.nextRequestId;
    this.#control?.write([goaway(this.isServer ? this.nextRequestId : 0)], false);
    this.#closeWhenDone();
  }

  /** Ends what takes too long: see HTTP/2's `expireStreams`. */
  expireStreams(nowMs: number, sendMs: number, contentMs: number, pace?: ContentLimits): void {
    for (const stream of [...this.streams.values()]) {
      if (this.isClosed) return;
      if (stream.stalledMs(nowMs) >= sendMs) {
        this.#expire(stream, 'the peer took nothing of a stream for too long');
      } else if (stream.silentMs(nowMs) >= contentMs) {
        this.#expire(stream, 'the peer sent nothing of its body for too long');
      } else if (pace !== undefined && stream.isTooSlow(pace)) {
        this.#expire(stream, 'the peer sent its body too slowly');
      }
    }
  }

  #expire(stream: MessageStream, message: string): void {
    const error = http3Error(Http3ErrorCode.REQUEST_CANCELLED, message, this.#role.blame);
    this.#options.onRefused(error);
    this.#breakOff(stream, Http3ErrorCode.REQUEST_CANCELLED, error);
  }

  // ------------------------------------------------------------------ for the role

  /** A HEADERS frame of what the encoder holds between `begin` and this. */
  headersFrame(): Uint8Array {
    const { encoder } = this;
    encoder.end();
    this.#sendInstructions();
    return headersOf(encoder.prefix, encoder.lines);
  }

  /** A client's request. Undefined when the peer allows none now. */
  openRequest(): MessageStream | undefined {
    let stream: MessageStream | undefined;
    const quic = this.quic.openStream('bidirectional', {
      onData: (bytes, isFin, isEarly) => stream?.onData(bytes, isFin, isEarly),
      onReset: (code) => stream?.onReset(code),
      onStopSending: (code) => stream?.onStopSending(code),
      onWritable: () => stream?.onWritable(),
      onClosed: () => stream?.onClosed(),
    });
    if (quic === undefined) return undefined;
    stream = new MessageStream(this, quic);
    this.#undelivered++;
    this.streams.set(quic.id, stream);
    return stream;
  }

  /** Our direction of a stream has ended. */
  onLocalEnd(stream: MessageStream): void {
    stream.isLocalEnded = true;
    this.closeIfEnded(stream);
  }

  closeIfEnded(stream: MessageStream): void {
    if (stream.isLocalEnded && stream.isRemoteEnded) this.#closeStream(stream);
  }

  /** Ends a stream because its user wants that; the user is not told. */
  resetStream(stream: MessageStream, errorCode: number): void {
    if (!stream.isClosed) this.#breakOff(stream, errorCode, null);
  }

  #breakOff(stream: MessageStream, errorCode: number, error: SluiceError | null): void {
    const { user } = stream;
    stream.user = null;
    stream.reset(errorCode);
    this.#closeStream(stream);
    if (error !== null) user?.onReset(error);
  }

  #closeStream(stream: MessageStream): void {
    if (stream.isClosed) return;
    stream.isClosed = true;
    this.streams.delete(stream.id);
    this.#role.onCapacityChange();
  }

  // ------------------------------------------------------------------ from streams

  decodeSection(streamId: number, payload: Uint8Array): number {
    const { decoder } = this;
    const result = decoder.decode(streamId, payload, 0, payload.length);
    if (result === SectionResult.FAILED) {
      this.fail(Http3ErrorCode.QPACK_DECOMPRESSION_FAILED, decoder.failure);
    }
    return result;
  }

  onHead(stream: MessageStream): void {
    this.#role.onHead(stream, this.decoder);
  }

  onSectionTooLong(stream: MessageStream, isTrailers: boolean): void {
    if (isTrailers) this.streamError(stream, 'trailers beyond the limit');
    else this.#role.onHeadTooLong(stream);
  }

  readTrailers(stream: MessageStream): FieldSection | null {
    const trailers = this.decoder.isTooLarge ? null : readTrailers(this.decoder.fields);
    if (trailers === null) this.streamError(stream, 'malformed trailers');
    return trailers;
  }

  takeWaitingHead(stream: MessageStream): void {
    this.#role.takeWaitingHead(stream);
  }

  onPeerReset(stream: MessageStream, errorCode: number, how: 'reset' | 'stopped'): void {
    if (stream.isClosed) return;
    const message = `the peer ${how} the stream: ${http3ErrorName(errorCode)}`;
    const isRefused = errorCode === Http3ErrorCode.REQUEST_REJECTED;
    const retry = isRefused ? 'always' : 'never';
    const error = http3Error(errorCode, message, this.#role.blame, retry);
    if (how === 'reset') stream.endRemote();
    // What a server asks a client to stop is the rest of a request; its response goes on.
    if (how === 'stopped' && !this.isServer) {
      this.onLocalEnd(stream);
      return;
    }
    this.#breakOff(stream, Http3ErrorCode.REQUEST_CANCELLED, error);
    if (this.isServer) this.spend('rapid-reset');
  }

  onStreamGone(stream: MessageStream): void {
    this.#undelivered--;
    if (!stream.isClosed) {
      const code = Http3ErrorCode.REQUEST_CANCELLED;
      this.#breakOff(stream, code, http3Error(code, 'the stream is gone', this.#role.blame));
    }
    this.#closeWhenDone();
  }

  cancelSections(streamId: number): void {
    this.decoder.cancel(streamId);
  }

  streamError(
    stream: MessageStream,
    message: string,
    errorCode: number = Http3ErrorCode.MESSAGE_ERROR,
  ): void {
    const error = http3Error(errorCode, message, this.#role.blame);
    this.#options.onRefused(error);
    if (this.spend('stream-errors')) this.#breakOff(stream, errorCode, error);
  }

  spend(kind: Http3AbuseKind): boolean {
    return this.#budgets.spend(kind) || this.#abuse(kind);
  }

  #abuse(kind: Http3Abuse): false {
    this.#options.onAbuse(kind);
    return this.fail(Http3ErrorCode.EXCESSIVE_LOAD, `too much: ${kind}`);
  }

  fail(errorCode: number, message: string): false {
    if (this.isClosed) return false;
    this.isClosed = true;
    const error = http3Error(errorCode, message, this.#role.blame);
    this.#options.onRefused(error);
    this.quic.close(errorCode, message);
    this.#abortAll(error);
    return false;
  }

  #abortAll(error: SluiceError): void {
    const streams = [...this.streams.values()];
    this.streams.clear();
    for (const stream of streams) {
      const { user } = stream;
      endSilently(stream);
      user?.onReset(error);
    }
  }

  afterReceiving(): void {
    if (this.isClosed) return;
    this.#sendInstructions();
  }

  // ------------------------------------------------------------------ from the peer's own streams

  onPeerSettings(settings: Http3PeerSettings): void {
    this.peer = settings;
    this.encoder.setPeerLimits(settings.tableBytesMax, settings.blockedStreamsMax);
    this.#role.onCapacityChange();
  }

  onPeerGoaway(id: number): void {
    this.hasPeerGoaway = true;
    this.#role.onGoaway(id);
    this.#closeWhenDone();
  }

  onPriorityUpdate(streamId: number, value: string): void {
    this.#role.onPriorityUpdate(streamId, value);
  }

  /** QUIC has granted no more than so many beyond those that were opened. */
  get requestIdEnd(): number {
    return this.nextRequestId + 4 * this.limits.streamsConcurrentMax;
  }

  onEncoderBytes(bytes: Uint8Array): boolean {
    const { decoder } = this;
    if (!decoder.receive(bytes)) {
      return this.fail(Http3ErrorCode.QPACK_ENCODER_STREAM_ERROR, decoder.failure);
    }
    for (const streamId of decoder.takeUnblocked()) this.streams.get(streamId)?.unblock();
    return !this.isClosed;
  }

  onDecoderBytes(bytes: Uint8Array): boolean {
    const { encoder } = this;
    if (encoder.receive(bytes)) return true;
    return this.fail(Http3ErrorCode.QPACK_DECODER_STREAM_ERROR, encoder.failure);
  }

  // ------------------------------------------------------------------ inside

  #openOwn(): void {
    const { grease, limits } = this.#options;
    if (this.isClosed) return;
    if (this.#control === null) {
      this.#control = this.#openOne(Http3StreamType.CONTROL);
      const settings = http3Settings(limits, this.isServer ? 'server' : 'client');
      const meansNothing = frameOf(reservedNumber(grease), new Uint8Array(0));
      this.#control?.write([settingsFrame(settings, grease), meansNothing], false);
    }
    if (this.#control === null) return;
    this.#encoderStream ??= this.#openOne(Http3StreamType.QPACK_ENCODER);
    this.#decoderStream ??= this.#openOne(Http3StreamType.QPACK_DECODER);
    this.#sendInstructions();
  }

  #openOne(type: number): QuicStream | null {
    const onStopped = (): void => {
      this.fail(Http3ErrorCode.CLOSED_CRITICAL_STREAM, 'a critical stream of ours was stopped');
    };
    const stream = this.quic.openStream('unidirectional', new OwnStream(onStopped));
    if (stream === undefined) return null;
    // Before any response: without settings and instructions it could not be read.
    stream.setPriority(0, false);
    stream.write([varints([type])], false);
    return stream;
  }

  #sendInstructions(): void {
    const { encoder, decoder, limits } = this;
    const encoderStream = this.#encoderStream;
    if (encoder.instructions.length > 0 && encoderStream !== null) {
      encoderStream.write([taken(encoder.instructions)], false);
    }
    // RFC 9204 §2.1.3: instructions that cannot leave would hold up what refers to them.
    encoder.isHeldUp =
      encoderStream === null || encoderStream.unsentBytes > limits.unreadInstructionBytesMax;
    if (decoder.instructions.length === 0) return;
    const waiting = this.#decoderStream?.unsentBytes ?? decoder.instructions.length;
    if (waiting > limits.unreadInstructionBytesMax) this.#abuse('unread-instructions');
    else this.#decoderStream?.write([taken(decoder.instructions)], false);
  }

  /** Closes when nothing is left to do on a connection that takes nothing new. */
  #closeWhenDone(): void {
    if (this.isClosed || this.streams.size > 0 || this.#undelivered > 0) return;
    // A client's GOAWAY speaks of pushes only: it closes by itself (RFC 9114 §5.2).
    if (!this.#hasFinalGoaway && !(this.hasPeerGoaway && !this.isServer)) return;
    this.isClosed = true;
    this.quic.close(Http3ErrorCode.NO_ERROR, '');
  }
}

function taken(block: FieldBlock): Uint8Array {
  const bytes = block.bytes.slice(0, block.length);
  block.length = 0;
  return bytes;
}

/** The connection is over for it: nobody is told anything any more. */
function endSilently(stream: MessageStream): void {
  stream.user = null;
  stream.isClosed = true;
  stream.isLocalEnded = true;
  stream.isRemoteEnded = true;
}
