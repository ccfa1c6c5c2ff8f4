/**
 * The sending side: what the peer's windows allow goes out at once when nobody waits, else it waits
 * in its stream's queue and is sent in the order of RFC 9218.
 */
import type { FieldSection } from '../http/field-section.ts';
import { Schedule } from '../http/priority.ts';
import { SendQueue } from '../http/send-queue.ts';
import type { FrameWriter } from './frame-writer.ts';
import type { HpackEncoder } from './hpack-encoder.ts';
import { type Http2Limits, PROGRESS_BYTES } from './limits.ts';
import { FRAME_SIZE_MIN, WINDOW_SIZE_INITIAL, WINDOW_SIZE_MAX } from './protocol.ts';
import type { Stream } from './stream.ts';

export interface SenderOwner {
  /** Our side of the stream has ended. */
  onLocalEnd(stream: Stream): void;
  /** All has gone of a stream that is to be reset then (`resetWhenDrained`). */
  onDrained(stream: Stream): void;
}

export interface ContentSenderInput {
  readonly owner: SenderOwner;
  readonly writer: FrameWriter;
  readonly encoder: HpackEncoder;
  readonly limits: Http2Limits;
  readonly monotonicMs: () => number;
}

export class ContentSender {
  readonly schedule = new Schedule<Stream>();
  readonly #owner: SenderOwner;
  readonly #writer: FrameWriter;
  readonly #encoder: HpackEncoder;
  readonly #limits: Http2Limits;
  readonly #monotonicMs: () => number;
  /** Bytes that the peer lets us send on all streams together. */
  #window = WINDOW_SIZE_INITIAL;
  #isPumping = false;

  constructor({ owner, writer, encoder, limits, monotonicMs }: ContentSenderInput) {
    this.#owner = owner;
    this.#writer = writer;
    this.#encoder = encoder;
    this.#limits = limits;
    this.#monotonicMs = monotonicMs;
  }

  /** Whether `length` bytes of the stream may go out now, in one frame, before anybody else's. */
  canSendNow(stream: Stream, length: number): boolean {
    return (
      length <= FRAME_SIZE_MIN &&
      length <= stream.sendWindow &&
      length <= this.#window &&
      this.schedule.isEmpty &&
      !this.#writer.isBlocked &&
      (stream.queue === null || stream.queue.length === 0)
    );
  }

  /** Accounts for content that the caller has written itself after {@link canSendNow}. */
  onSent(stream: Stream, length: number): void {
    stream.sendWindow -= length;
    this.#window -= length;
  }

  /**
   * Sends or queues content. `isStable`: the bytes never change, so that they need no copy. False
   * when the sender is to stop until its `onWritable`.
   */
  send(stream: Stream, bytes: Uint8Array, isStable: boolean): boolean {
    let rest = bytes;
    while (rest.length > 0 && !isStable) {
      const length = Math.min(rest.length, FRAME_SIZE_MIN, stream.sendWindow, this.#window);
      if (length <= 0 || !this.canSendNow(stream, length)) break;
      this.#writer.data(stream.id, length === rest.length ? rest : rest.subarray(0, length), false);
      this.onSent(stream, length);
      rest = rest.subarray(length);
    }
    if (rest.length > 0) {
      stream.queue ??= new SendQueue();
      if (isStable) stream.queue.appendStable(rest);
      else stream.queue.append(rest);
      if (stream.stalledSinceMs < 0) this.#markProgress(stream);
      if (stream.sendWindow > 0) this.schedule.add(stream);
    }
    const mayGoOn =
      !this.#writer.isBlocked &&
      (stream.queue === null || stream.queue.length <= this.#limits.streamSendBytesMax);
    if (!mayGoOn) stream.wantsWritable = true;
    return mayGoOn;
  }

  /** END_STREAM after what is queued. */
  end(stream: Stream, trailers: FieldSection | null): void {
    stream.trailers = trailers;
    stream.isEndPending = true;
    if (stream.queue === null || stream.queue.length === 0) this.#sendEnd(stream);
  }

  /** A WINDOW_UPDATE for the connection; false when the window overflows (RFC 9113 §6.9.1). */
  growWindow(increment: number): boolean {
    this.#window += increment;
    return this.#window <= WINDOW_SIZE_MAX;
  }

  /** The same for a stream, or a change of SETTINGS_INITIAL_WINDOW_SIZE, then maybe negative. */
  growStreamWindow(stream: Stream, increment: number): boolean {
    stream.sendWindow += increment;
    if (stream.sendWindow > WINDOW_SIZE_MAX) return false;
    if (stream.sendWindow <= 0) this.schedule.remove(stream);
    else if (stream.queue !== null && stream.queue.length > 0) this.schedule.add(stream);
    return true;
  }

  /** Drops what waits to be sent. */
  drop(stream: Stream): void {
    this.schedule.remove(stream);
    stream.queue?.clear();
    stream.stalledSinceMs = -1;
    stream.isEndPending = false;
  }

  /** Sends what windows and the output allow. */
  pump(): void {
    if (this.#isPumping) return;
    this.#isPumping = true;
    while (this.#window > 0 && !this.#writer.isBlocked) {
      const stream = this.schedule.next();
      if (stream === null) break;
      this.#sendFrame(stream);
    }
    this.#isPumping = false;
  }

  /** The output takes more again: tells the senders that stopped for it. */
  wakeSenders(streams: readonly Stream[]): void {
    for (const stream of streams) {
      if (this.#writer.isBlocked) return;
      this.#wake(stream);
    }
  }

  #sendFrame(stream: Stream): void {
    const queue = stream.queue!;
    const length = Math.min(queue.length, FRAME_SIZE_MIN, stream.sendWindow, this.#window);
    const isLast = length === queue.length && stream.isEndPending && stream.trailers === null;
    this.#writer.dataFrom(stream.id, queue, length, isLast);
    this.onSent(stream, length);
    stream.progressBytes += length;
    if (stream.progressBytes >= PROGRESS_BYTES) this.#markProgress(stream);
    if (queue.length === 0) {
      this.schedule.remove(stream);
      stream.stalledSinceMs = -1;
      if (isLast) this.#localEnd(stream);
      else if (stream.resetWhenDrained >= 0) this.#owner.onDrained(stream);
      else if (stream.isEndPending) this.#sendEnd(stream);
      else this.#wake(stream);
      return;
    }
    if (stream.sendWindow <= 0) this.schedule.remove(stream);
    this.#wake(stream);
  }

  #wake(stream: Stream): void {
    if (!stream.wantsWritable || this.#writer.isBlocked) return;
    if (stream.queue !== null && stream.queue.length * 2 > this.#limits.streamSendBytesMax) return;
    stream.wantsWritable = false;
    stream.user?.onWritable();
  }

  #sendEnd(stream: Stream): void {
    const { trailers } = stream;
    if (trailers !== null && trailers.length > 0) {
      this.#encoder.begin();
      this.#encoder.section(trailers, '');
      const { bytes, length } = this.#encoder.block;
      this.#writer.headers(stream.id, bytes, length, true);
    } else if (!this.#writer.endLastFrame(stream.id)) {
      this.#writer.data(stream.id, NO_BYTES, true);
    }
    this.#localEnd(stream);
  }

  #localEnd(stream: Stream): void {
    stream.isEndPending = false;
    stream.isLocalEnded = true;
    this.#owner.onLocalEnd(stream);
  }

  #markProgress(stream: Stream): void {
    stream.stalledSinceMs = this.#monotonicMs();
    stream.progressBytes = 0;
  }
}

const NO_BYTES = new Uint8Array(0);
