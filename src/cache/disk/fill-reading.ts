/** A reading of a response that is still on its way to the disk store. */
import type { MemoryContent } from '../content.ts';
import type { ContentReading, StoredContentReceiver } from '../contract.ts';
import { type ContentPlace, readRun } from './segments/content-reading.ts';
import { FRAGMENT_BYTES } from './segments/record.ts';
import type { SegmentFiles } from './segments/segment-files.ts';

/** What is followed. */
export interface FollowedFill {
  /** Set when it has failed. */
  readonly error: Error | null;
  /** Bytes that have arrived. */
  readonly length: number;
  readonly isComplete: boolean;
  readonly content: MemoryContent;
  readonly place: ContentPlace;
  forgetReading(reading: FillReading): void;
}

export interface FillReadingInput {
  readonly fill: FollowedFill;
  readonly files: SegmentFiles;
  readonly offset: number;
  readonly end: number;
  readonly receiver: StoredContentReceiver;
}

/** Follows a fill: from its segment where it has been written, else from memory. */
export class FillReading implements ContentReading {
  readonly #fill: FollowedFill;
  readonly #files: SegmentFiles;
  readonly #receiver: StoredContentReceiver;
  readonly #end: number;
  #offset: number;
  #paused = true;
  #busy = false;
  #ended = false;

  constructor({ fill, files, offset, end, receiver }: FillReadingInput) {
    this.#fill = fill;
    this.#files = files;
    this.#offset = offset;
    this.#end = end;
    this.#receiver = receiver;
  }

  resume(): void {
    this.#paused = false;
    this.pump();
  }

  fail(error: Error): void {
    if (!this.#ended) this.#finish(error);
  }

  cancel(): void {
    this.#ended = true;
    this.#fill.forgetReading(this);
  }

  pump(): void {
    const fill = this.#fill;
    while (!this.#ended && !this.#busy) {
      if (fill.error !== null) {
        this.#finish(fill.error);
        return;
      }
      const end = Math.min(this.#end, fill.length);
      if (this.#offset >= this.#end || (this.#offset >= end && fill.isComplete)) {
        this.#finish(null);
        return;
      }
      if (this.#paused || this.#offset >= end) return;
      if (this.#offset < fill.content.heldFrom) this.#readFlushed(end);
      else this.#deliver(fill.content.blockAt(this.#offset, end));
    }
  }

  #deliver(bytes: Uint8Array): void {
    this.#offset += bytes.length;
    // A callback may come back here: it finds the offset moved on.
    if (!this.#receiver.onBytes(bytes)) this.#paused = true;
  }

  #readFlushed(end: number): void {
    this.#busy = true;
    let synchronous = true;
    readRun(this.#files, this.#fill.place, this.#offset, (payloads) => {
      this.#busy = false;
      if (this.#ended) return;
      if (payloads === null) {
        this.#finish(new Error('the stored body is missing or damaged'));
        return;
      }
      let skip = this.#offset % FRAGMENT_BYTES;
      // What a pause leaves over is read again: simpler than keeping it, and rare.
      for (const payload of payloads) {
        if (this.#ended || this.#paused) break;
        const bytes = payload.subarray(skip, Math.min(payload.length, skip + end - this.#offset));
        skip = 0;
        if (bytes.length > 0) this.#deliver(bytes);
      }
      if (!synchronous) this.pump();
    });
    synchronous = false;
  }

  #finish(error: Error | null): void {
    this.#ended = true;
    this.#fill.forgetReading(this);
    this.#receiver.onEnd(error);
  }
}
