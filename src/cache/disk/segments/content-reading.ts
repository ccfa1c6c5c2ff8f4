/**
 * Reads content from a segment, a run of fragments at a time, each checked before any of it is
 * handed on; the end of a damaged content is an error, never wrong bytes.
 */
import type { ContentReader, ContentReading, StoredContentReceiver } from '../../contract.ts';
import {
  CHECKSUM_BYTES,
  FRAGMENT_BYTES,
  fragmentPlace,
  framedOffset,
  isFragmentWhole,
} from './record.ts';
import type { SegmentFiles } from './segment-files.ts';

/** Fragments read at a time: 256 KiB. */
export const RUN_FRAGMENTS = 4;

/** Runs delivered in one go before others get their turn. */
const RUNS_PER_TURN = 4;

export interface ContentPlace {
  readonly segment: number;
  /** Where the framed content begins in the file. */
  readonly offset: number;
  /** How much there is to read. */
  readonly length: number;
  /** Of all of the content; -1 while it is being written, when the last fragment is not there yet. */
  readonly total: number;
  readonly seed: number;
}

/** The contents' last fragment may still grow: a run ends where `length` did when it was read. */
export type RunCallback = (payloads: readonly Uint8Array[] | null) => void;

/**
 * Reads fragments from the one that has `offset` on, as many as fit in a run; the payloads begin at
 * that fragment's start. Null when the bytes are missing or damaged.
 */
export function readRun(
  files: SegmentFiles,
  place: ContentPlace,
  offset: number,
  callback: RunCallback,
): void {
  const first = Math.floor(offset / FRAGMENT_BYTES);
  const start = first * FRAGMENT_BYTES;
  const length = Math.min(RUN_FRAGMENTS * FRAGMENT_BYTES, place.length - start);
  const framed = length + Math.ceil(length / FRAGMENT_BYTES) * CHECKSUM_BYTES;
  files.read(place.segment, place.offset + framedOffset(start), framed, (bytes) => {
    if (bytes === null) {
      callback(null);
      return;
    }
    const payloads: Uint8Array[] = [];
    for (let at = 0, rest = length; rest > 0; rest -= FRAGMENT_BYTES) {
      const size = Math.min(FRAGMENT_BYTES, rest);
      const fragment = fragmentPlace(place.seed, first + payloads.length, place.total);
      if (!isFragmentWhole(bytes, at, size, fragment)) {
        callback(null);
        return;
      }
      payloads.push(bytes.subarray(at, at + size));
      at += size + CHECKSUM_BYTES;
    }
    callback(payloads);
  });
}

export class DiskContentReader implements ContentReader {
  readonly whole = undefined;
  readonly #files: SegmentFiles;
  readonly #place: ContentPlace;
  readonly #onDamage: () => void;

  constructor(files: SegmentFiles, place: ContentPlace, onDamage: () => void) {
    this.#files = files;
    this.#place = place;
    this.#onDamage = onDamage;
  }

  read(
    offset: number,
    receiver: StoredContentReceiver,
    end: number = Number.POSITIVE_INFINITY,
  ): ContentReading {
    const last = Math.min(end, this.#place.length);
    const reading = new DiskReading({
      files: this.#files,
      place: this.#place,
      offset,
      end: last,
      receiver,
      onDamage: this.#onDamage,
    });
    reading.resume();
    return reading;
  }

  close(): void {}
}

interface DiskReadingInput {
  readonly files: SegmentFiles;
  readonly place: ContentPlace;
  readonly offset: number;
  readonly end: number;
  readonly receiver: StoredContentReceiver;
  readonly onDamage: () => void;
}

class DiskReading implements ContentReading {
  readonly #files: SegmentFiles;
  readonly #place: ContentPlace;
  readonly #receiver: StoredContentReceiver;
  readonly #onDamage: () => void;
  readonly #end: number;
  #offset: number;
  #paused = true;
  #busy = false;
  #ended = false;
  #runs = 0;
  /** What a pause left undelivered of a run; a copy, for the run's buffer is not ours. */
  #left: Buffer | null = null;

  constructor({ files, place, offset, end, receiver, onDamage }: DiskReadingInput) {
    this.#files = files;
    this.#place = place;
    this.#offset = offset;
    this.#end = end;
    this.#receiver = receiver;
    this.#onDamage = onDamage;
    files.hold(place.segment);
  }

  resume(): void {
    this.#paused = false;
    this.#runs = 0;
    if (!this.#busy) this.#next();
  }

  cancel(): void {
    if (!this.#ended) this.#stop();
  }

  #stop(): void {
    this.#ended = true;
    this.#left = null;
    this.#files.release(this.#place.segment);
  }

  #next(): void {
    while (!this.#ended && !this.#paused && !this.#busy) {
      if (this.#left !== null) {
        const left = this.#left;
        this.#left = null;
        this.#deliver([left], 0);
        continue;
      }
      if (this.#offset >= this.#end) {
        this.#finish(null);
        return;
      }
      if (this.#runs++ >= RUNS_PER_TURN) {
        this.#busy = true;
        setImmediate(() => {
          this.#busy = false;
          this.#runs = 0;
          this.#next();
        });
        return;
      }
      this.#readRun();
    }
  }

  #readRun(): void {
    this.#busy = true;
    let synchronous = true;
    readRun(this.#files, this.#place, this.#offset, (payloads) => {
      if (this.#ended) return;
      if (payloads === null) {
        this.#finish(new Error('the stored body is missing or damaged'));
        this.#onDamage();
        return;
      }
      this.#deliver(payloads, this.#offset % FRAGMENT_BYTES);
      this.#busy = false;
      if (!synchronous) this.#next();
    });
    synchronous = false;
  }

  /** Hands on payloads from `skip` bytes into the first; keeps what a pause leaves over. */
  #deliver(payloads: readonly Uint8Array[], skip: number): void {
    for (let i = 0; i < payloads.length && !this.#ended; i++) {
      const payload = payloads[i]!;
      const from = i === 0 ? skip : 0;
      const bytes = payload.subarray(
        from,
        Math.min(payload.length, from + this.#end - this.#offset),
      );
      if (bytes.length === 0) return;
      this.#offset += bytes.length;
      if (this.#receiver.onBytes(bytes)) continue;
      this.#paused = true;
      const rest = payloads.slice(i + 1);
      if (rest.length > 0) this.#left = Buffer.concat(rest);
      return;
    }
  }

  #finish(error: Error | null): void {
    this.#stop();
    this.#receiver.onEnd(error);
  }
}
