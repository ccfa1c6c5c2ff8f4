/** The streams of a connection, how many there may be, and the connection's flow control (RFC 9000 §2 to §4). */
import type {
  QuicApplication,
  QuicStream,
  QuicStreamHandler,
  QuicStreamKind,
} from '../application.ts';
import type { QuicRole } from '../contracts.ts';
import type { QuicLimits } from '../limits.ts';
import type { StreamFrame } from '../wire/frame-reader.ts';
import { QuicFault, TransportErrorCode } from '../wire/transport-error.ts';
import type { TransportParameters } from '../wire/transport-parameters.ts';
import { ReceiveWindow } from './receive-window.ts';
import { Scheduler } from './scheduler.ts';
import { type StreamOwner, TransportStream } from './transport-stream.ts';

const KINDS = ['bidirectional', 'unidirectional'] as const;

/** Streams of one kind that one side opens. */
class Opened {
  /** How many have been opened. */
  count = 0;
  /** How many may be. */
  limit = 0;
  closed = 0;
}

export class TransportStreamTable implements StreamOwner {
  readonly #role: QuicRole;
  readonly #limits: QuicLimits;
  readonly #application: QuicApplication;
  readonly #onWork: () => void;
  readonly #streams = new Map<number, TransportStream>();
  readonly scheduler = new Scheduler<TransportStream>();
  /** Streams with frames other than content to send. */
  readonly control: TransportStream[] = [];
  /** Streams whose content waits for the connection's limit. */
  #blocked: TransportStream[] = [];
  readonly #ours = { bidirectional: new Opened(), unidirectional: new Opened() };
  readonly #theirs = { bidirectional: new Opened(), unidirectional: new Opened() };
  #peer: TransportParameters | undefined;
  readonly window: ReceiveWindow;
  #received = 0;
  /** The peer's limit for all that we send, and what of it is used. */
  sendLimit = 0;
  sentBytes = 0;
  wantsWindow = false;
  /** Kinds of which the peer is to be told that it may open more. */
  readonly wantsStreams = { bidirectional: false, unidirectional: false };
  isHandshakeComplete = false;

  /** `onWork`: something is to be sent that was not. */
  constructor(
    role: QuicRole,
    limits: QuicLimits,
    application: QuicApplication,
    onWork: () => void,
  ) {
    this.#onWork = onWork;
    this.#role = role;
    this.#limits = limits;
    this.#application = application;
    this.window = new ReceiveWindow(limits.connectionWindowBytes, limits.connectionWindowBytesMax);
    this.#theirs.bidirectional.limit = limits.bidirectionalStreamsMax;
    this.#theirs.unidirectional.limit = limits.unidirectionalStreamsMax;
  }

  get gapsMax(): number {
    return this.#limits.gapsMax;
  }

  get streamSendBytesMax(): number {
    return this.#limits.streamSendBytesMax;
  }

  /** How many streams are open. */
  get openCount(): number {
    return this.#streams.size;
  }

  /** What the peer lets us do: remembered ones first with 0-RTT, and then its own. */
  onPeerParameters(peer: TransportParameters): void {
    this.#peer = peer;
    this.onSendLimit(peer.dataMax);
    for (const kind of KINDS) this.onStreamsLimit(kind, streamsMaxOf(peer, kind));
    for (const stream of this.#streams.values()) stream.onSendLimit(this.#sendLimitOf(stream));
  }

  #sendLimitOf(stream: { readonly kind: QuicStreamKind; readonly isOurs: boolean }): number {
    if (this.#peer === undefined) return 0;
    if (stream.kind === 'unidirectional') {
      return stream.isOurs ? this.#peer.streamDataMaxUnidirectional : 0;
    }
    return stream.isOurs ? this.#peer.streamDataMaxRemote : this.#peer.streamDataMaxLocal;
  }

  // ---------------------------------------------------------------------------------- opening

  openStream(kind: QuicStreamKind, handler: QuicStreamHandler): QuicStream | undefined {
    const opened = this.#ours[kind];
    if (opened.count >= opened.limit) return undefined;
    const stream = this.#make(kind, true, opened.count++);
    stream.handler = handler;
    return stream;
  }

  #make(kind: QuicStreamKind, isOurs: boolean, sequence: number): TransportStream {
    const isServers = (this.#role === 'server') === isOurs;
    const id = 4 * sequence + (kind === 'unidirectional' ? 2 : 0) + (isServers ? 1 : 0);
    const window = new ReceiveWindow(
      this.#limits.streamWindowBytes,
      this.#limits.streamWindowBytesMax,
    );
    const sendLimit = this.#sendLimitOf({ kind, isOurs });
    const stream = new TransportStream(this, { id, kind, isOurs, sendLimit, window });
    this.#streams.set(id, stream);
    return stream;
  }

  /**
   * The stream that a frame of the peer names; undefined when it is over. `isContent`: the frame is about
   * what the peer sends there. Throws a QuicFault when there can be no such stream.
   */
  #named(id: number, isContent: boolean): TransportStream | undefined {
    const found = this.#streams.get(id);
    const isOurs = ((id & 1) === 1) === (this.#role === 'server');
    const kind = id % 4 >= 2 ? 'unidirectional' : 'bidirectional';
    if (kind === 'unidirectional' && isOurs === isContent) {
      throw new QuicFault(TransportErrorCode.streamStateError, 'a stream has no such direction');
    }
    if (found !== undefined) return found;
    const sequence = Math.floor(id / 4);
    if (isOurs) {
      if (sequence < this.#ours[kind].count) return undefined;
      throw new QuicFault(TransportErrorCode.streamStateError, 'a stream was not opened');
    }
    const opened = this.#theirs[kind];
    if (sequence >= opened.limit) {
      throw new QuicFault(TransportErrorCode.streamLimitError, 'too many streams');
    }
    // Opening one opens all below (RFC 9000 §3.2); the limit bounds the loop.
    while (opened.count <= sequence) {
      const stream = this.#make(kind, false, opened.count++);
      stream.handler = this.#application.onStream(stream);
    }
    return this.#streams.get(id);
  }

  // ----------------------------------------------------------------------- frames of the peer

  onFrame(frame: StreamFrame, isEarly: boolean): void {
    // The frame is one object for all: opening streams may not read another in between.
    this.#named(frame.id, true)?.onFrame(frame, isEarly);
  }

  onResetStream(id: number, errorCode: number, finalSize: number): void {
    this.#named(id, true)?.onReset(errorCode, finalSize);
  }

  onStopSending(id: number, errorCode: number): void {
    this.#named(id, false)?.onStopSending(errorCode);
  }

  onStreamSendLimit(id: number, limit: number): void {
    this.#named(id, false)?.onSendLimit(limit);
  }

  /** STREAM_DATA_BLOCKED tells us nothing that we do not know; it opens a stream all the same. */
  onStreamBlocked(id: number): void {
    this.#named(id, true);
  }

  onSendLimit(limit: number): void {
    if (limit <= this.sendLimit) return;
    this.sendLimit = limit;
    const blocked = this.#blocked;
    this.#blocked = [];
    for (const stream of blocked) stream.scheduleIfSendable();
  }

  onStreamsLimit(kind: QuicStreamKind, limit: number): void {
    const opened = this.#ours[kind];
    if (limit <= opened.limit) return;
    const wasFull = opened.count >= opened.limit && opened.limit > 0;
    opened.limit = limit;
    if (wasFull) this.#application.onStreamsAvailable(kind);
  }

  /** The limit that MAX_STREAMS is to tell. */
  takeStreamsLimit(kind: QuicStreamKind): number {
    const opened = this.#theirs[kind];
    opened.limit = Math.max(opened.limit, opened.closed + this.#streamsMax(kind));
    return opened.limit;
  }

  #streamsMax(kind: QuicStreamKind): number {
    return kind === 'bidirectional'
      ? this.#limits.bidirectionalStreamsMax
      : this.#limits.unidirectionalStreamsMax;
  }

  // ------------------------------------------------------------------------------ StreamOwner

  schedule(stream: TransportStream): void {
    this.scheduler.add(stream);
    this.#onWork();
  }

  unschedule(stream: TransportStream): void {
    this.scheduler.remove(stream);
  }

  prioritize(stream: TransportStream, urgency: number, isIncremental: boolean): void {
    this.scheduler.setPriority(stream, urgency, isIncremental);
  }

  needControl(stream: TransportStream): void {
    if (stream.isInControl) return;
    stream.isInControl = true;
    this.control.push(stream);
    this.#onWork();
  }

  admit(bytes: number): void {
    this.#received += bytes;
    if (this.#received <= this.window.limit) return;
    throw new QuicFault(TransportErrorCode.flowControlError, 'all streams go beyond the window');
  }

  use(bytes: number): void {
    if (!this.window.use(bytes) || this.wantsWindow) return;
    this.wantsWindow = true;
    this.#onWork();
  }

  onDone(stream: TransportStream): void {
    this.#streams.delete(stream.id);
    this.scheduler.remove(stream);
    if (!stream.isOurs) {
      const opened = this.#theirs[stream.kind];
      const max = this.#streamsMax(stream.kind);
      opened.closed++;
      if (opened.closed + max - opened.limit >= max / 2) this.wantsStreams[stream.kind] = true;
    }
    stream.handler?.onClosed();
  }

  // ---------------------------------------------------------------------------------- sending

  /** The next stream that can send content now; others are put aside until a limit is raised. */
  nextToSend(): TransportStream | undefined {
    for (;;) {
      const stream = this.scheduler.peek();
      if (stream === undefined) return undefined;
      if (stream.hasContent) {
        const { send } = stream;
        const isBlocked =
          !send!.hasLost && this.sentBytes >= this.sendLimit && send!.sent < send!.written;
        if (!isBlocked) return stream;
        this.#blocked.push(stream);
      }
      this.scheduler.remove(stream);
    }
  }

  /** The stream's content for the first time up to which offset. */
  sendLimitFor(stream: TransportStream): number {
    return Math.min(stream.sendLimit, stream.sentBytes + this.sendLimit - this.sentBytes);
  }

  /** Tells writers that wait. */
  tellWritable(streams: Set<TransportStream>): void {
    for (const stream of streams) {
      streams.delete(stream);
      if (stream.takeWritable()) stream.handler?.onWritable();
    }
  }

  get(id: number): TransportStream | undefined {
    return this.#streams.get(id);
  }

  /** Early data was refused: all is as if nothing had been opened. */
  forgetAll(): void {
    for (const stream of this.#streams.values()) {
      stream.isDone = true;
      this.scheduler.remove(stream);
    }
    this.#streams.clear();
    this.control.length = 0;
    this.#blocked = [];
    this.sentBytes = 0;
    this.sendLimit = 0;
    for (const kind of KINDS) {
      this.#ours[kind].count = 0;
      this.#ours[kind].limit = 0;
    }
  }
}

function streamsMaxOf(peer: TransportParameters, kind: QuicStreamKind): number {
  return kind === 'bidirectional' ? peer.streamsMaxBidirectional : peer.streamsMaxUnidirectional;
}
