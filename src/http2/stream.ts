/** One stream's state, kept by the connection; and the connection's table of them. */
import type { SluiceError } from '../base/errors.ts';
import { ContentSilence } from '../http/content-silence.ts';
import type { ContentLimits } from '../http/content-watch.ts';
import type { FieldSection } from '../http/field-section.ts';
import type { Priority } from '../http/priority.ts';
import type { SendQueue } from '../http/send-queue.ts';
import { StreamState } from './stream-state.ts';

/** Who is told what happens to a stream. One object per exchange, never used for another. */
export interface StreamUser {
  onContent(bytes: Uint8Array): void;
  /** The peer's last byte or trailer section has come. */
  onRemoteEnd(trailers: FieldSection | null): void;
  /** The stream was broken off, by the peer or for the peer's fault. The last call. */
  onReset(error: SluiceError): void;
  onWritable(): void;
}

/**
 * Streams are not pooled: a sender of a finished exchange may still be called, and must never reach
 * another exchange's stream. One small object per request is cheaper than being sure otherwise.
 */
export class Stream {
  readonly id: number;
  user: StreamUser | null = null;
  isLocalEnded = false;
  isRemoteEnded = false;
  isClosed = false;
  priority: Priority;

  // Sending.
  /** Bytes that the peer lets us send; may be negative (RFC 9113 §6.9.2). */
  sendWindow: number;
  queue: SendQueue | null = null;
  isScheduled = false;
  /** END_STREAM follows the queue, in a trailer section if there is one. */
  isEndPending = false;
  /** Code of the RST_STREAM that follows the queue, or -1: the response is cut off there. */
  resetWhenDrained = -1;
  trailers: FieldSection | null = null;
  /** A sender was told to stop and is to be told when it may go on. */
  wantsWritable = false;
  /** Monotonic milliseconds since which queued content has not moved; -1 when nothing waits. */
  stalledSinceMs = -1;
  /** Bytes sent since then. */
  progressBytes = 0;

  // Receiving.
  receiveWindow: number;
  /** Bytes by which the peer may exceed it, not having known it when it began. */
  excessAllowed = 0;
  /** Bytes used of which the peer has not been told by WINDOW_UPDATE. */
  unannouncedBytes = 0;
  isPaused = false;
  isDiscarding = false;
  isDelivering = false;
  /** Content that arrived while paused, at most the window; and that the end has, too. */
  held: Uint8Array[] | null = null;
  heldBytes = 0;
  isEndHeld = false;
  heldTrailers: FieldSection | null = null;
  /** The stream broke, of which its user hears when it has what came before. */
  heldError: SluiceError | null = null;
  /** False for a response whose final field section has not come: DATA would have no place. */
  hasHead = true;
  /** Bytes announced by Content-Length, or -1; and received. */
  expectedBytes = -1;
  receivedBytes = 0;
  /** A response has begun: whether more of the request comes is then between client and answerer. */
  isAnswered = false;
  readonly #silence = new ContentSilence();

  constructor(id: number, sendWindow: number, receiveWindow: number, priority: Priority) {
    this.id = id;
    this.sendWindow = sendWindow;
    this.receiveWindow = receiveWindow;
    this.priority = priority;
  }

  /**
   * For how long, as far as the calls of this have seen, none of a request's content has come that
   * is expected: 0 when none is.
   */
  silentMs(nowMs: number): number {
    return this.#silence.look(nowMs, this.#isContentExpected(), this.receivedBytes);
  }

  /** As far as the calls of `silentMs` have seen. */
  isTooSlow(limits: ContentLimits): boolean {
    return this.#isContentExpected() && this.#silence.isTooSlow(limits);
  }

  #isContentExpected(): boolean {
    return !this.isRemoteEnded && !this.isPaused && !this.isAnswered;
  }

  get state(): number {
    if (this.isRemoteEnded) return StreamState.HALF_CLOSED_REMOTE;
    return this.isLocalEnded ? StreamState.HALF_CLOSED_LOCAL : StreamState.OPEN;
  }
}

/** A power of two, not below the usual number of concurrent streams. */
const SLOTS = 256;

/**
 * The open streams by identifier, and how the last ones closed. Identifiers are odd and rise, so
 * that a ring finds nearly every stream at its place; one that outlives 256 successors moves to a
 * map.
 */
export class StreamTable {
  readonly #slots: (Stream | null)[] = new Array<Stream | null>(SLOTS).fill(null);
  readonly #others = new Map<number, Stream>();
  /** By slot: the stream closed last, and its state. */
  readonly #closedIds = new Uint32Array(SLOTS);
  readonly #closedStates = new Uint8Array(SLOTS);
  size = 0;

  get(id: number): Stream | undefined {
    const stream = this.#slots[(id >>> 1) & (SLOTS - 1)]!;
    if (stream !== null && stream.id === id) return stream;
    return this.#others.size === 0 ? undefined : this.#others.get(id);
  }

  add(stream: Stream): void {
    const slot = (stream.id >>> 1) & (SLOTS - 1);
    if (this.#slots[slot] === null) this.#slots[slot] = stream;
    else this.#others.set(stream.id, stream);
    this.size++;
  }

  /** Removes an open stream and remembers how it closed. */
  close(stream: Stream, state: number): void {
    const slot = (stream.id >>> 1) & (SLOTS - 1);
    if (this.#slots[slot] === stream) this.#slots[slot] = null;
    else this.#others.delete(stream.id);
    this.size--;
    this.recordClosed(stream.id, state);
  }

  /** Remembers a stream that was closed without having been open. */
  recordClosed(id: number, state: number): void {
    const slot = (id >>> 1) & (SLOTS - 1);
    if (this.#closedIds[slot]! > id) return;
    this.#closedIds[slot] = id;
    this.#closedStates[slot] = state;
  }

  /** The state of a stream that is neither open nor idle. */
  closedState(id: number): number {
    const slot = (id >>> 1) & (SLOTS - 1);
    const last = this.#closedIds[slot]!;
    if (last === id) return this.#closedStates[slot]!;
    return last > id ? StreamState.CLOSED_AND_FORGOTTEN : StreamState.CLOSED_BY_SKIPPING;
  }

  /** The open streams in the order of their identifiers: a copy, so that they may be closed. */
  list(): Stream[] {
    const streams = this.#slots.filter((stream) => stream !== null);
    streams.push(...this.#others.values());
    return streams.sort((a, b) => a.id - b.id);
  }
}
