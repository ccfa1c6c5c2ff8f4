/**
 * A response on its way to the disk store. Short content is gathered in memory and appended to the
 * shared segment at the end; longer content gets a segment of its own and is written as it arrives,
 * so that memory holds only what the disk has not taken yet. Readers follow from the first byte.
 */
import { assert } from '../../base/assert.ts';
import { MemoryContent } from '../content.ts';
import type {
  ContentReader,
  ContentWriter,
  PreparedHit,
  StoredResponse,
  StoreHit,
} from '../contract.ts';
import { announcedLength, partOfCut, withContent } from '../rules/stored-response.ts';
import { FillReading } from './fill-reading.ts';
import { FillSegment, RESERVE_STEP_BYTES } from './fill-segment.ts';
import { type ContentPlace, RUN_FRAGMENTS } from './segments/content-reading.ts';
import {
  encodeHead,
  FRAGMENT_BYTES,
  fragmentPlace,
  framedLength,
  framedOffset,
  frameFragment,
} from './segments/record.ts';
import type { SegmentFiles } from './segments/segment-files.ts';
import type { SegmentSpace } from './segments/segment-space.ts';
import type { SegmentWriter } from './segments/segment-writer.ts';

/** A body up to this length shares a segment with others. */
export const SHARED_BYTES_MAX = 1_048_576;

const RUN_BYTES = RUN_FRAGMENTS * FRAGMENT_BYTES;

/** Bytes of one response that may wait for the disk before the origin should pause. */
const WAITING_BYTES_HIGH = 4_194_304;
/** Below this many the origin may continue. */
const WAITING_BYTES_LOW = 1_048_576;
/** Bytes that may wait when the origin does not pause. */
const WAITING_BYTES_MAX = 16_777_216;

/** Bytes written at a time when much waits. */
const WRITE_BYTES_MAX = 4 * RUN_BYTES;

/** What a fill needs of the store. */
export interface FillHost {
  readonly files: SegmentFiles;
  readonly space: SegmentSpace;
  readonly writer: SegmentWriter;
  /** Longest content stored. */
  readonly contentBytesMax: number;
  /** Accounts for memory; false when there is none. */
  reserveMemory(bytes: number): boolean;
  /** The content has arrived; the last of it is still being written to a segment of its own. */
  settle(fill: DiskFill): void;
  /** The content is complete, in memory as a whole or in a segment of its own. */
  finish(fill: DiskFill): void;
  /** It is over without being stored. */
  forget(fill: DiskFill): void;
  onSlowDisk(): void;
  /** Other processes may read it from its segment while it arrives: the head is there first. */
  readonly isShared: boolean;
  /** The head is in its segment, or more of the content is. */
  publish(fill: DiskFill): void;
  /** Another process reads the fill, or waits for it. */
  isWanted(fill: DiskFill): boolean;
}

export interface DiskFillInput {
  readonly host: FillHost;
  readonly key: string;
  readonly response: StoredResponse;
  readonly head: Buffer;
  readonly seed: number;
  readonly purgeSequence: number;
  /** Of the key's target, when it began. */
  readonly generation: number;
  /** What the key's counter of changes said then. */
  readonly changes: number;
}

/**
 * `filling`: content arrives. `ended`: all of it is here, and not all of it on disk. `stored`: it is
 * where it is to be. `failed`: it is not stored, and its readers learn why.
 */
type State = 'filling' | 'ended' | 'stored' | 'failed';

/** What may follow what. */
const NEXT: Readonly<Record<State, readonly State[]>> = {
  filling: ['ended', 'failed'],
  ended: ['stored', 'failed'],
  stored: [],
  failed: [],
};

export class DiskFill implements ContentWriter, StoreHit {
  readonly key: string;
  head: Buffer;
  readonly seed: number;
  readonly purgeSequence: number;
  readonly generation: number;
  readonly changes: number;
  response: StoredResponse;
  readonly content: MemoryContent;
  readonly #host: FillHost;
  readonly #readings = new Set<FillReading>();
  #drained: (() => void)[] = [];
  #accounted = 0;
  /** The segment of its own; null while the content is only in memory. */
  #own: FillSegment | null = null;
  /** Bytes of content that are in the file. */
  #flushed = 0;
  #state: State = 'filling';
  #error: Error | null = null;

  constructor(input: DiskFillInput) {
    const { host, key, response, head, seed, purgeSequence, generation, changes } = input;
    this.#host = host;
    this.key = key;
    this.response = response;
    this.head = head;
    this.seed = seed;
    this.purgeSequence = purgeSequence;
    this.generation = generation;
    this.changes = changes;
    const announced = response.contentLength;
    this.content = new MemoryContent(announced <= SHARED_BYTES_MAX ? announced : -1);
    if (!this.#account()) this.#enter('failed');
  }

  #enter(state: State): void {
    assert(NEXT[this.#state].includes(state), `a fill goes from ${this.#state} to ${state}`);
    this.#state = state;
  }

  /** The segment of its own, or 0. */
  get segment(): number {
    return this.#own?.id ?? 0;
  }

  get hit(): StoreHit {
    return this;
  }

  get hasReaders(): boolean {
    return this.#readings.size > 0 || this.#host.isWanted(this);
  }

  get isDropped(): boolean {
    return this.#state === 'failed';
  }

  get error(): Error | null {
    return this.#error;
  }

  /** Bytes that have arrived. */
  get length(): number {
    return this.content.length;
  }

  get flushed(): number {
    return this.#flushed;
  }

  get isComplete(): boolean {
    return this.#state === 'ended' || this.#state === 'stored';
  }

  /** All of the content is in the segment of its own. */
  get #isWritten(): boolean {
    return this.isComplete && this.#flushed === this.content.length;
  }

  /** Where the content is in its own segment, as far as it has been written. */
  get place(): ContentPlace {
    const { segment, seed } = this;
    const total = this.#isWritten ? this.#flushed : -1;
    return { segment, offset: this.head.length, length: this.#flushed, total, seed };
  }

  prepared(): PreparedHit | null {
    return null;
  }

  open(): ContentReader {
    return {
      whole: undefined,
      read: (offset, receiver, end = Number.POSITIVE_INFINITY) => {
        const { files } = this.#host;
        const reading = new FillReading({ fill: this, files, offset, end, receiver });
        this.#readings.add(reading);
        reading.resume();
        return reading;
      },
      close: () => {},
    };
  }

  /** For readings only. */
  forgetReading(reading: FillReading): void {
    this.#readings.delete(reading);
    this.#releaseSegment();
  }

  write(bytes: Uint8Array): boolean {
    if (this.#state === 'filling' && bytes.length > 0) this.#write(bytes);
    return !this.#isBehind(WAITING_BYTES_HIGH);
  }

  whenDrained(callback: () => void): void {
    if (this.#isBehind(WAITING_BYTES_LOW)) this.#drained.push(callback);
    else callback();
  }

  #isBehind(bytes: number): boolean {
    return this.#state === 'filling' && this.content.length - this.#flushed > bytes;
  }

  #tellDrained(): void {
    if (this.#drained.length === 0 || this.#isBehind(WAITING_BYTES_LOW)) return;
    for (const callback of this.#drained.splice(0)) callback();
  }

  #write(bytes: Uint8Array): void {
    const length = this.content.length + bytes.length;
    if (length > this.#host.contentBytesMax) {
      this.#fail(new Error('the response grew too large to be stored'));
      return;
    }
    if (length - this.#flushed > WAITING_BYTES_MAX + SHARED_BYTES_MAX) {
      this.#host.onSlowDisk();
      this.#fail(new Error('the disk is slower than the response'));
      return;
    }
    const growth = this.content.growthFor(bytes.length);
    if (growth > 0 && !this.#host.reserveMemory(growth)) {
      this.#fail(new Error('no memory left to store the response'));
      return;
    }
    this.#accounted += Math.max(0, growth);
    this.content.append(bytes);
    for (const reading of this.#readings) reading.pump();
    // A reader may have had it dropped.
    if (this.isDropped) return;
    const isLong =
      length > SHARED_BYTES_MAX ||
      (this.#host.isShared && this.response.contentLength > SHARED_BYTES_MAX);
    if (this.#own === null && isLong) this.#openSegment();
    if (this.#own !== null) this.#flush(this.#own);
  }

  commit(): void {
    if (this.#state !== 'filling') return;
    const expected = announcedLength(this.response);
    if (expected !== -1 && this.content.length !== expected) this.cut();
    else this.#keep(withContent(this.response, this.content.length));
  }

  cut(): void {
    if (this.#state !== 'filling') return;
    const part = partOfCut(this.response, this.content.length);
    if (part === null || !this.#renewHead(part)) {
      this.abort();
      return;
    }
    const error = new Error('the response was broken off');
    for (const reading of [...this.#readings]) reading.fail(error);
    if (!this.isDropped) this.#keep(part);
  }

  /** Writes the head anew in the room that it has; false when there is too little. */
  #renewHead(response: StoredResponse): boolean {
    const head = encodeHead(this.key, response, this.seed, this.head.length);
    if (this.#own !== null && head.length !== this.head.length) return false;
    this.head = head;
    return true;
  }

  #keep(response: StoredResponse): void {
    this.#enter('ended');
    this.response = response;
    if (this.#own === null) {
      this.content.complete();
      this.#account();
      this.#pumpAll();
      // A reader may have had it dropped.
      if (this.isDropped) return;
      this.#enter('stored');
      this.#host.finish(this);
      this.#release();
      return;
    }
    this.#host.settle(this);
    this.#pumpAll();
    this.#flush(this.#own);
  }

  abort(): void {
    if (this.#state === 'filling') this.#fail(new Error('the response was broken off'));
  }

  /** For the store: the fill must not be kept after all. */
  fail(error: Error): void {
    if (this.#state !== 'failed' && this.#state !== 'stored') this.#fail(error);
  }

  // ------------------------------------------------------------------ the segment of its own

  #openSegment(): void {
    const { space, files, isShared } = this.#host;
    const announced = this.response.contentLength;
    const bytes = announced === -1 ? RESERVE_STEP_BYTES : framedLength(announced);
    const reservedBytes = this.head.length + bytes;
    const id = space.allocate(reservedBytes);
    if (id === undefined) {
      this.#fail(new Error('no space on disk for the response'));
      return;
    }
    const own = new FillSegment({ files, space, id, reservedBytes });
    this.#own = own;
    own.create((error) => {
      if (error !== null) this.#writeFailed(own, error);
      else if (!this.isDropped && isShared) this.#writeFirstHead(own);
      else this.#flush(own);
    });
  }

  /** Calls back when it has been written, and the fill has not failed meanwhile. */
  #writeTo(own: FillSegment, bytes: Buffer, position: number, done: () => void): void {
    own.write(bytes, position, (error) => {
      if (error !== null) this.#writeFailed(own, error);
      else if (!this.isDropped) done();
    });
  }

  /** No index names it: to whoever finds the segment after a crash it means nothing. */
  #writeFirstHead(own: FillSegment): void {
    this.#writeTo(own, this.head, 0, () => {
      this.#host.publish(this);
      this.#flush(own);
    });
  }

  #flush(own: FillSegment): void {
    if (!own.isIdle || this.isDropped) return;
    const isEnded = this.#state === 'ended';
    const rest = this.content.length - this.#flushed;
    if (rest === 0 && isEnded) {
      this.#writeHead(own);
      return;
    }
    // Only the last fragment of a content may be short, and is marked: it waits for the end.
    const length = isEnded ? rest : Math.floor(Math.max(0, rest - 1) / RUN_BYTES) * RUN_BYTES;
    if (length > 0) this.#writeRun(own, Math.min(length, WRITE_BYTES_MAX));
  }

  #writeRun(own: FillSegment, length: number): void {
    const start = this.#flushed;
    const framed = Buffer.allocUnsafe(framedLength(length));
    const payload = Buffer.allocUnsafe(FRAGMENT_BYTES);
    const total = this.#state === 'ended' ? this.content.length : -1;
    let at = 0;
    for (let offset = start; offset < start + length; offset += FRAGMENT_BYTES) {
      const size = Math.min(FRAGMENT_BYTES, start + length - offset);
      this.#copyContent(payload, offset, size);
      const place = fragmentPlace(this.seed, offset / FRAGMENT_BYTES, total);
      at = frameFragment(framed, at, payload.subarray(0, size), place);
    }
    const position = this.head.length + framedOffset(start);
    if (!own.reserve(position + framed.length)) {
      this.#fail(new Error('no space on disk for the response'));
      return;
    }
    this.#writeTo(own, framed, position, () => {
      this.#flushed = start + length;
      this.content.releaseBefore(this.#flushed);
      this.#account();
      if (this.#host.isShared) this.#host.publish(this);
      this.#flush(own);
      this.#tellDrained();
    });
  }

  #copyContent(target: Buffer, offset: number, length: number): void {
    let copied = 0;
    while (copied < length) {
      const bytes = this.content.blockAt(offset + copied, offset + length);
      target.set(bytes, copied);
      copied += bytes.length;
    }
  }

  /** The head last: a segment without it holds nothing that could be taken for a response. */
  #writeHead(own: FillSegment): void {
    this.#writeTo(own, this.head, 0, () => {
      own.close();
      this.#enter('stored');
      const bytes = this.head.length + framedLength(this.content.length);
      this.#host.space.seal(own.id, bytes, this.response.pinnedUntilMs);
      this.#host.finish(this);
      this.#release();
      this.#releaseSegment();
    });
  }

  #writeFailed(own: FillSegment, error: Error): void {
    this.#host.writer.noteFailure(error);
    this.fail(error);
    own.close();
  }

  /** When nobody reads it any more as a fill. */
  #releaseSegment(): void {
    const isOver = this.#state === 'stored' || this.#state === 'failed';
    if (isOver && this.#readings.size === 0) this.#own?.release();
  }

  #fail(error: Error): void {
    this.#enter('failed');
    this.#error = error;
    for (const reading of this.#readings) reading.pump();
    this.content.fail(error);
    this.#release();
    this.#own?.close();
    this.#releaseSegment();
    if (this.#own !== null) this.#host.space.drop(this.#own.id);
    this.#host.forget(this);
    this.#tellDrained();
  }

  // ------------------------------------------------------------------ memory

  #account(): boolean {
    const change = this.content.capacity - this.#accounted;
    if (!this.#host.reserveMemory(change)) return false;
    this.#accounted += change;
    return true;
  }

  #release(): void {
    this.#host.reserveMemory(-this.#accounted);
    this.#accounted = 0;
  }

  #pumpAll(): void {
    for (const reading of this.#readings) reading.pump();
  }
}
