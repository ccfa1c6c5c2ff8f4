/** A response that another process is writing to a segment: readers follow what it has written. */
import type {
  ContentReader,
  ContentReading,
  PreparedHit,
  StoredContentReceiver,
  StoredResponse,
  StoreHit,
} from '../../contract.ts';
import type { FillingContent } from '../../leases.ts';
import { readRun } from '../segments/content-reading.ts';
import { FRAGMENT_BYTES } from '../segments/record.ts';
import type { SegmentFiles } from '../segments/segment-files.ts';

export class RemoteFill implements StoreHit {
  readonly response: StoredResponse;
  readonly segment: number;
  readonly seed: number;
  readonly #headLength: number;
  readonly #files: SegmentFiles;
  readonly #readings = new Set<RemoteReading>();
  /** Bytes of content that can be read. */
  length = 0;
  isComplete = false;
  error: Error | null = null;

  constructor(response: StoredResponse, files: SegmentFiles, content: FillingContent) {
    this.response = response;
    this.#files = files;
    this.segment = content.segment;
    this.seed = content.seed;
    this.#headLength = content.headLength;
  }

  prepared(): PreparedHit | null {
    return null;
  }

  open(): ContentReader {
    return {
      whole: undefined,
      read: (offset, receiver, end = Number.POSITIVE_INFINITY) => {
        const reading = new RemoteReading(this, offset, end, receiver);
        this.#readings.add(reading);
        this.#files.hold(this.segment);
        reading.resume();
        return reading;
      },
      close: () => {},
    };
  }

  get hasReaders(): boolean {
    return this.#readings.size > 0;
  }

  /** More has been written. */
  advance(length: number): void {
    if (length <= this.length) return;
    this.length = length;
    this.#pump();
  }

  /** All has been written, and listed. */
  complete(length: number): void {
    this.length = length;
    this.isComplete = true;
    this.#pump();
  }

  fail(error: Error): void {
    this.error = error;
    this.#pump();
  }

  #pump(): void {
    for (const reading of [...this.#readings]) reading.pump();
  }

  // ------------------------------------------------------------------ for readings

  forget(reading: RemoteReading): void {
    if (this.#readings.delete(reading)) this.#files.release(this.segment);
  }

  readFrom(offset: number, callback: (payloads: readonly Uint8Array[] | null) => void): void {
    const { segment, seed, length } = this;
    const total = this.isComplete ? length : -1;
    const place = { segment, offset: this.#headLength, length, total, seed };
    readRun(this.#files, place, offset, callback);
  }
}

class RemoteReading implements ContentReading {
  readonly #fill: RemoteFill;
  readonly #receiver: StoredContentReceiver;
  readonly #end: number;
  #offset: number;
  #paused = true;
  #busy = false;
  #ended = false;

  constructor(fill: RemoteFill, offset: number, end: number, receiver: StoredContentReceiver) {
    this.#fill = fill;
    this.#offset = offset;
    this.#end = end;
    this.#receiver = receiver;
  }

  resume(): void {
    this.#paused = false;
    this.pump();
  }

  cancel(): void {
    this.#ended = true;
    this.#fill.forget(this);
  }

  pump(): void {
    const fill = this.#fill;
    while (!this.#ended && !this.#busy) {
      const end = Math.min(this.#end, fill.length);
      if (this.#offset >= this.#end || (fill.isComplete && this.#offset >= end)) {
        this.#finish(null);
        return;
      }
      if (fill.error !== null) {
        this.#finish(fill.error);
        return;
      }
      if (this.#paused || this.#offset >= end) return;
      this.#read(end);
    }
  }

  #read(end: number): void {
    this.#busy = true;
    let synchronous = true;
    this.#fill.readFrom(this.#offset, (payloads) => {
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
        if (bytes.length === 0) continue;
        this.#offset += bytes.length;
        if (!this.#receiver.onBytes(bytes)) this.#paused = true;
      }
      if (!synchronous) this.pump();
    });
    synchronous = false;
  }

  #finish(error: Error | null): void {
    this.#ended = true;
    this.#fill.forget(this);
    this.#receiver.onEnd(error);
  }
}
