/**
 * The peer's unidirectional streams (RFC 9114 §6.2, RFC 9204 §4.2): which are critical, which may be
 * there once, and the frames of the control stream (RFC 9114 §7.2).
 */
import { readLatin1 } from '../base/bytes.ts';
import type { QuicStream, QuicStreamHandler } from '../quic/application.ts';
import { WireReader } from '../quic/wire/varint.ts';
import { FrameMode, type FrameSink, Http3FrameReader, Step } from './frame-reader.ts';
import type { Http3AbuseKind, Http3Limits } from './limits.ts';
import {
  Http3ErrorCode,
  Http3FrameType,
  Http3StreamType,
  isForbiddenFrame,
  isRequestStream,
} from './protocol.ts';
import { Http3PeerSettings } from './settings.ts';

/** What the peer's streams ask of the connection. */
export interface PeerStreamsOwner {
  readonly limits: Http3Limits;
  readonly isServer: boolean;
  readonly isClosed: boolean;
  onPeerSettings(settings: Http3PeerSettings): void;
  onPeerGoaway(id: number): void;
  onPriorityUpdate(streamId: number, value: string): void;
  /** Requests that the peer may have opened or may open: identifiers are below this. */
  readonly requestIdEnd: number;
  /** False when they are wrong: then the connection is over. */
  onEncoderBytes(bytes: Uint8Array): boolean;
  onDecoderBytes(bytes: Uint8Array): boolean;
  fail(errorCode: number, message: string): false;
  spend(kind: Http3AbuseKind): boolean;
  afterReceiving(): void;
}

/** Whoever reads a stream once its type is known. */
interface Reader {
  /** False: the stream, or the connection, is over. */
  read(bytes: Uint8Array): boolean;
}

const CRITICAL = new Map<number, string>([
  [Http3StreamType.CONTROL, 'control'],
  [Http3StreamType.QPACK_ENCODER, 'QPACK encoder'],
  [Http3StreamType.QPACK_DECODER, 'QPACK decoder'],
]);

const wire = new WireReader();

export class PeerStreams {
  readonly #owner: PeerStreamsOwner;
  readonly #seen = new Set<number>();

  constructor(owner: PeerStreamsOwner) {
    this.#owner = owner;
  }

  /** The peer has opened a unidirectional stream. */
  open(stream: QuicStream): QuicStreamHandler {
    return new PeerStream(this, this.#owner, stream);
  }

  /** Null when the stream is not read: it is of no use, or the connection is over for it. */
  readerOf(type: number): Reader | null {
    const owner = this.#owner;
    const name = CRITICAL.get(type);
    if (name === undefined) {
      if (type === Http3StreamType.PUSH) {
        // We allow none (RFC 9114 §4.6), and clients have nothing to push (§6.2.2).
        const code = owner.isServer
          ? Http3ErrorCode.STREAM_CREATION_ERROR
          : Http3ErrorCode.ID_ERROR;
        owner.fail(code, 'a push stream');
      } else owner.spend('unknown-streams');
      return null;
    }
    if (this.#seen.has(type)) {
      owner.fail(Http3ErrorCode.STREAM_CREATION_ERROR, `a second ${name} stream`);
      return null;
    }
    this.#seen.add(type);
    if (type === Http3StreamType.CONTROL) return new ControlFrames(owner);
    if (type === Http3StreamType.QPACK_ENCODER)
      return { read: (bytes) => owner.onEncoderBytes(bytes) };
    return { read: (bytes) => owner.onDecoderBytes(bytes) };
  }
}

/** The longest encoding of a type. */
const TYPE_BYTES_MAX = 8;

class PeerStream implements QuicStreamHandler {
  readonly #streams: PeerStreams;
  readonly #owner: PeerStreamsOwner;
  readonly #quic: QuicStream;
  readonly #typeBytes: number[] = [];
  #reader: Reader | null = null;
  #critical = '';
  #isIgnored = false;

  constructor(streams: PeerStreams, owner: PeerStreamsOwner, quic: QuicStream) {
    this.#streams = streams;
    this.#owner = owner;
    this.#quic = quic;
  }

  onData(bytes: Uint8Array, isFin: boolean): void {
    const owner = this.#owner;
    this.#quic.consumed(bytes.length);
    if (owner.isClosed || this.#isIgnored) return;
    let position = 0;
    while (this.#reader === null && position < bytes.length && !this.#isIgnored) {
      this.#typeBytes.push(bytes[position++]!);
      this.#readType();
    }
    if (owner.isClosed || this.#isIgnored) return;
    const rest = position === 0 ? bytes : bytes.subarray(position);
    if (rest.length > 0 && this.#reader?.read(rest) === false) this.#isIgnored = true;
    if (isFin) this.#onEnd();
    owner.afterReceiving();
  }

  #readType(): void {
    wire.set(Uint8Array.from(this.#typeBytes), 0, this.#typeBytes.length);
    const type = wire.varint();
    if (wire.hasFailed && this.#typeBytes.length < TYPE_BYTES_MAX) return;
    this.#critical = CRITICAL.get(type) ?? '';
    this.#reader = this.#streams.readerOf(type);
    if (this.#reader !== null) return;
    this.#isIgnored = true;
    // RFC 9114 §6.2: what is not known is not read.
    this.#quic.stopSending(Http3ErrorCode.STREAM_CREATION_ERROR);
  }

  onReset(): void {
    this.#onEnd();
  }

  #onEnd(): void {
    if (this.#critical === '' || this.#owner.isClosed) return;
    this.#owner.fail(
      Http3ErrorCode.CLOSED_CRITICAL_STREAM,
      `the ${this.#critical} stream has ended`,
    );
  }

  onStopSending(): void {}

  onWritable(): void {}

  onClosed(): void {}
}

/** RFC 9114 §6.2.1, §7.2; RFC 9218 §7.2. */
class ControlFrames implements Reader, FrameSink {
  readonly #owner: PeerStreamsOwner;
  readonly #frames = new Http3FrameReader(this);
  #hasSettings = false;
  /** The last GOAWAY's and MAX_PUSH_ID's; -1 before the first. */
  #goawayId = -1;
  #maxPushId = -1;

  constructor(owner: PeerStreamsOwner) {
    this.#owner = owner;
  }

  read(bytes: Uint8Array): boolean {
    return this.#frames.read(bytes, 0) >= 0;
  }

  onFrameBegin(type: number, length: number): number {
    const owner = this.#owner;
    if (!this.#hasSettings && type !== Http3FrameType.SETTINGS) {
      return this.#stop(Http3ErrorCode.MISSING_SETTINGS, 'the first frame is not SETTINGS');
    }
    switch (type) {
      case Http3FrameType.SETTINGS:
        if (this.#hasSettings) return this.#unexpected('SETTINGS twice');
        this.#hasSettings = true;
        break;
      case Http3FrameType.GOAWAY:
      case Http3FrameType.CANCEL_PUSH:
        break;
      case Http3FrameType.MAX_PUSH_ID:
      case Http3FrameType.PRIORITY_UPDATE:
      case Http3FrameType.PRIORITY_UPDATE_PUSH:
        if (!owner.isServer) return this.#unexpected(`frame ${type} from a server`);
        break;
      case Http3FrameType.DATA:
      case Http3FrameType.HEADERS:
      case Http3FrameType.PUSH_PROMISE:
        return this.#unexpected(`frame ${type}`);
      default:
        if (isForbiddenFrame(type)) return this.#unexpected(`frame ${type} of HTTP/2`);
        return owner.spend('control-frames') ? FrameMode.SKIP : FrameMode.STOP;
    }
    if (length <= owner.limits.controlFrameBytesMax) return FrameMode.COLLECT;
    return this.#stop(Http3ErrorCode.EXCESSIVE_LOAD, `a control frame of ${length} bytes`);
  }

  onPiece(): number {
    return Step.GO_ON;
  }

  onFrame(type: number, payload: Uint8Array): number {
    const isRight = this.#onFrame(type, payload);
    return isRight && !this.#owner.isClosed ? Step.GO_ON : Step.STOP;
  }

  #onFrame(type: number, payload: Uint8Array): boolean {
    const owner = this.#owner;
    if (type === Http3FrameType.SETTINGS) return this.#onSettings(payload);
    wire.set(payload, 0, payload.length);
    const id = wire.varint();
    const hasMore = wire.left > 0;
    const isPriority =
      type === Http3FrameType.PRIORITY_UPDATE || type === Http3FrameType.PRIORITY_UPDATE_PUSH;
    if (wire.hasFailed || (hasMore && !isPriority)) {
      return owner.fail(Http3ErrorCode.FRAME_ERROR, `frame ${type} of a wrong length`);
    }
    switch (type) {
      case Http3FrameType.GOAWAY:
        return this.#onGoaway(id);
      case Http3FrameType.MAX_PUSH_ID:
        if (id < this.#maxPushId) return owner.fail(Http3ErrorCode.ID_ERROR, 'MAX_PUSH_ID lowered');
        this.#maxPushId = id;
        return owner.spend('control-frames');
      case Http3FrameType.PRIORITY_UPDATE:
        return this.#onPriorityUpdate(id, payload);
      default:
        // CANCEL_PUSH and priorities of pushes: nothing was ever promised.
        return owner.fail(Http3ErrorCode.ID_ERROR, `frame ${type} for a push that is not there`);
    }
  }

  #onSettings(payload: Uint8Array): boolean {
    const owner = this.#owner;
    const settings = new Http3PeerSettings();
    const wrong = settings.read(payload);
    if (wrong !== null) {
      const code = wrong.isCutOff ? Http3ErrorCode.FRAME_ERROR : Http3ErrorCode.SETTINGS_ERROR;
      return owner.fail(code, wrong.reason);
    }
    owner.onPeerSettings(settings);
    return true;
  }

  /** RFC 9114 §5.2: a server names a request, a client a push. */
  #onGoaway(id: number): boolean {
    const owner = this.#owner;
    if (!owner.isServer && !isRequestStream(id)) {
      return owner.fail(Http3ErrorCode.ID_ERROR, 'GOAWAY names no request');
    }
    if (this.#goawayId >= 0 && id > this.#goawayId) {
      return owner.fail(Http3ErrorCode.ID_ERROR, 'GOAWAY with a larger identifier than before');
    }
    this.#goawayId = id;
    owner.onPeerGoaway(id);
    return owner.spend('control-frames');
  }

  #onPriorityUpdate(id: number, payload: Uint8Array): boolean {
    const owner = this.#owner;
    if (!isRequestStream(id) || id >= owner.requestIdEnd) {
      return owner.fail(Http3ErrorCode.ID_ERROR, 'PRIORITY_UPDATE for no request');
    }
    if (!owner.spend('priority')) return false;
    owner.onPriorityUpdate(id, readLatin1(payload, payload.length - wire.left, payload.length));
    return true;
  }

  #unexpected(what: string): number {
    return this.#stop(Http3ErrorCode.FRAME_UNEXPECTED, `${what} on the control stream`);
  }

  #stop(code: number, message: string): number {
    this.#owner.fail(code, message);
    return FrameMode.STOP;
  }
}
