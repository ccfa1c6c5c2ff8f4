/**
 * The receiving side of content: flow-control windows (RFC 9113 §6.9), delivery, and what is held
 * for a handler that has paused. Windows are replenished by what handlers have used, so that what a
 * connection can hold is bounded by its window.
 */
import type { SluiceError } from '../base/errors.ts';
import type { FieldSection } from '../http/field-section.ts';
import type { FrameWriter } from './frame-writer.ts';
import type { Http2Limits } from './limits.ts';
import { WINDOW_SIZE_INITIAL } from './protocol.ts';
import type { Stream } from './stream.ts';

/** What the receiver asks of the connection. */
export interface ReceiverOwner {
  /** A round trip is to be measured: `onRoundTrip` when it has been. */
  measureRoundTrip(): void;
}

export class ContentReceiver {
  readonly #owner: ReceiverOwner;
  readonly #writer: FrameWriter;
  readonly #limits: Http2Limits;
  /** Bytes of content that the peer may still send. */
  #window = WINDOW_SIZE_INITIAL;
  #unannouncedBytes = 0;
  /** Bytes held for paused handlers, over all streams. */
  #heldBytes = 0;
  /** What windows are replenished to; they grow as the bandwidth-delay product shows need. */
  #streamTarget: number;
  #connectionTarget: number;
  #isMeasuring = false;
  #measuredBytes = 0;

  constructor(owner: ReceiverOwner, writer: FrameWriter, limits: Http2Limits) {
    this.#owner = owner;
    this.#writer = writer;
    this.#limits = limits;
    this.#streamTarget = limits.streamWindowBytes;
    this.#connectionTarget = limits.connectionWindowBytes;
  }

  /** Bytes held for handlers that have paused. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** The present stream window, for tests and metrics. */
  get streamWindowBytes(): number {
    return this.#streamTarget;
  }

  /** The window of the connection cannot be set by SETTINGS (RFC 9113 §6.9.2). */
  start(): void {
    this.#announceConnection();
  }

  /** Accounts for a DATA frame's whole payload. False when it exceeds the connection's window. */
  admit(length: number): boolean {
    this.#window -= length;
    if (this.#isMeasuring) this.#measuredBytes += length;
    return this.#window >= 0;
  }

  /** Bytes of no stream that will ever use them: padding, and content of closed streams. */
  release(length: number): void {
    this.#unannouncedBytes += length;
    // Half of the first window, however far the target has grown since: a peer may still be held to
    // the first.
    if (this.#unannouncedBytes * 2 >= this.#limits.connectionWindowBytes) {
      this.#announceConnection();
    }
  }

  /** Content that has been accounted for; `padding` bytes came with it. */
  content(stream: Stream, bytes: Uint8Array, start: number, end: number, padding: number): void {
    const length = end - start;
    if (padding > 0) this.#used(stream, padding);
    if (length === 0) return;
    if (stream.isDiscarding) this.#used(stream, length);
    else if (stream.isPaused || stream.heldBytes > 0) this.#hold(stream, bytes, start, end);
    else {
      stream.user?.onContent(bytes.subarray(start, end));
      this.#used(stream, length);
    }
  }

  /** The end of what the peer sends on the stream; delivered after what is held. */
  end(stream: Stream, trailers: FieldSection | null): void {
    stream.isRemoteEnded = true;
    if (stream.heldBytes === 0 && (!stream.isPaused || stream.isDiscarding)) {
      stream.user?.onRemoteEnd(trailers);
      return;
    }
    stream.isEndHeld = true;
    stream.heldTrailers = trailers;
  }

  pause(stream: Stream): void {
    stream.isPaused = true;
  }

  resume(stream: Stream): void {
    stream.isPaused = false;
    this.#deliverHeld(stream);
  }

  /** From here on content is dropped as it comes. */
  discard(stream: Stream): void {
    stream.isDiscarding = true;
    this.dropHeld(stream);
    this.#deliverHeld(stream);
  }

  /**
   * The stream broke. True when its user has not had all that came before, and hears of it after
   * that; of an end that came before, and not of the error.
   */
  failAfterHeld(stream: Stream, error: SluiceError): boolean {
    if (stream.isEndHeld) return true;
    if (stream.heldBytes === 0) return false;
    stream.heldError = error;
    return true;
  }

  /** Forgets what is held; the connection's window gets it back. */
  dropHeld(stream: Stream): void {
    if (stream.heldBytes === 0) return;
    const length = stream.heldBytes;
    stream.held = null;
    stream.heldBytes = 0;
    this.#heldBytes -= length;
    this.#used(stream, length);
  }

  /** The answer to `measureRoundTrip`. */
  onRoundTrip(): void {
    this.#isMeasuring = false;
    // The measure begins when half of the window is used. A peer that the window holds up sends the
    // other half before it hears of more; one that sends less than a third has window enough.
    if (this.#measuredBytes * 3 < this.#streamTarget) return;
    const { streamWindowBytesMax, connectionWindowBytesMax } = this.#limits;
    this.#streamTarget = Math.min(this.#streamTarget * 2, streamWindowBytesMax);
    this.#connectionTarget = Math.min(
      Math.max(this.#connectionTarget, this.#streamTarget * 2),
      connectionWindowBytesMax,
    );
  }

  #hold(stream: Stream, bytes: Uint8Array, start: number, end: number): void {
    stream.held ??= [];
    // A copy. Buffer's own `slice` would not make one, and the bytes are the reactor's.
    stream.held.push(new Uint8Array(bytes.subarray(start, end)));
    stream.heldBytes += end - start;
    this.#heldBytes += end - start;
  }

  #deliverHeld(stream: Stream): void {
    // A handler may resume from inside onContent: the loop below is then already running.
    if (stream.isDelivering) return;
    stream.isDelivering = true;
    while (!stream.isPaused && stream.held !== null && stream.held.length > 0) {
      const chunk = stream.held.shift()!;
      stream.heldBytes -= chunk.length;
      this.#heldBytes -= chunk.length;
      stream.user?.onContent(chunk);
      this.#used(stream, chunk.length);
    }
    stream.isDelivering = false;
    if (stream.heldBytes > 0 || (stream.isPaused && !stream.isDiscarding)) return;
    if (stream.isEndHeld) {
      stream.isEndHeld = false;
      stream.user?.onRemoteEnd(stream.heldTrailers);
    } else if (stream.heldError !== null) {
      const { user, heldError } = stream;
      stream.heldError = null;
      stream.user = null;
      user?.onReset(heldError);
    }
  }

  /** Nobody asks for more of what is dropped: its sender has the window that it had. */
  #used(stream: Stream, length: number): void {
    this.release(length);
    if (stream.isClosed || stream.isRemoteEnded || stream.isDiscarding) return;
    stream.unannouncedBytes += length;
    if (stream.unannouncedBytes * 2 < this.#limits.streamWindowBytes) return;
    const increment = this.#streamTarget - stream.receiveWindow - stream.heldBytes;
    if (increment <= 0) return;
    stream.unannouncedBytes = 0;
    stream.receiveWindow += increment;
    this.#writer.windowUpdate(stream.id, increment);
    if (this.#isMeasuring || this.#streamTarget >= this.#limits.streamWindowBytesMax) return;
    this.#isMeasuring = true;
    this.#measuredBytes = 0;
    this.#owner.measureRoundTrip();
  }

  #announceConnection(): void {
    const increment = this.#connectionTarget - this.#window - this.#heldBytes;
    if (increment <= 0) return;
    this.#unannouncedBytes = 0;
    this.#window += increment;
    this.#writer.windowUpdate(0, increment);
  }
}
