/**
 * Appends records to this process's active segment. An append has its place at once; the bytes
 * follow in the order of the appends, several in one write.
 */
import { type FaultListener, writeFault } from '../faults.ts';
import type { SegmentFiles } from './segment-files.ts';
import type { SegmentSpace } from './segment-space.ts';

/** Bytes that may wait for the disk; beyond it responses are not stored. */
const WAITING_BYTES_MAX = 33_554_432;

/** How long nothing is written after the disk has failed, so that errors do not pile up. */
const PAUSE_AFTER_ERROR_MS = 5_000;

export interface Place {
  readonly segment: number;
  readonly offset: number;
}

interface Append {
  readonly bytes: Buffer;
  readonly done: (error: Error | null) => void;
}

/** A segment that is being written. */
interface Target {
  readonly id: number;
  fd: number;
  /** Bytes that have a place, and bytes that are in the file. */
  placed: number;
  written: number;
  waiting: Append[];
  isWriting: boolean;
  isFull: boolean;
  isBroken: boolean;
}

export class SegmentWriter {
  readonly #files: SegmentFiles;
  readonly #space: SegmentSpace;
  readonly #onFault: FaultListener;
  readonly #now: () => number;
  #target: Target | null = null;
  #waitingBytes = 0;
  #pausedUntilMs = 0;
  #closed = false;

  constructor(files: SegmentFiles, space: SegmentSpace, onFault: FaultListener, now: () => number) {
    this.#files = files;
    this.#space = space;
    this.#onFault = onFault;
    this.#now = now;
  }

  /** Undefined when it cannot be stored now. `done` comes once the bytes are in the file. */
  append(bytes: Buffer, done: (error: Error | null) => void): Place | undefined {
    if (this.#closed || this.isPaused || bytes.length > this.#space.segmentBytes) return undefined;
    if (this.#waitingBytes + bytes.length > WAITING_BYTES_MAX) {
      this.#onFault({ code: 'cache-disk-slow', message: 'the disk is slower than what arrives' });
      return undefined;
    }
    const target = this.#targetFor(bytes.length);
    if (target === undefined) return undefined;
    const place = { segment: target.id, offset: target.placed };
    target.placed += bytes.length;
    this.#waitingBytes += bytes.length;
    target.waiting.push({ bytes, done });
    this.#flush(target);
    return place;
  }

  /** Bytes that have a place but are not in their file yet. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** The disk has failed a moment ago. */
  get isPaused(): boolean {
    return this.#now() < this.#pausedUntilMs;
  }

  /** A write failed, here or elsewhere in the store. */
  noteFailure(error: Error): void {
    const fault = writeFault(error);
    this.#pausedUntilMs = this.#now() + PAUSE_AFTER_ERROR_MS;
    this.#onFault(fault);
    if (fault.code === 'cache-disk-full') this.#space.evictNow();
  }

  #targetFor(length: number): Target | undefined {
    const present = this.#target;
    if (present !== null && !present.isBroken) {
      if (present.placed + length <= this.#space.segmentBytes) return present;
      present.isFull = true;
      this.#finishIfDone(present);
    }
    this.#target = null;
    const id = this.#space.allocate(this.#space.segmentBytes);
    if (id === undefined) return undefined;
    const target: Target = {
      id,
      fd: -1,
      placed: 0,
      written: 0,
      waiting: [],
      isWriting: false,
      isFull: false,
      isBroken: false,
    };
    this.#target = target;
    this.#files.create(id, (error, fd) => {
      if (error !== null) {
        this.#break(target, [], error);
        return;
      }
      target.fd = fd;
      this.#flush(target);
      this.#finishIfDone(target);
    });
    return target;
  }

  #flush(target: Target): void {
    if (target.isWriting || target.fd === -1 || target.waiting.length === 0) return;
    target.isWriting = true;
    const appends = target.waiting;
    target.waiting = [];
    const length = appends.reduce((sum, { bytes }) => sum + bytes.length, 0);
    const buffers = appends.map(({ bytes }) => bytes);
    this.#files.writeAll(target.fd, buffers, target.written, (error) => {
      target.isWriting = false;
      this.#waitingBytes -= length;
      if (error !== null) {
        this.#break(target, appends, error);
        return;
      }
      target.written += length;
      for (const append of appends) append.done(null);
      this.#flush(target);
      this.#finishIfDone(target);
    });
  }

  #break(target: Target, failed: readonly Append[], error: Error): void {
    target.isBroken = true;
    const waiting = target.waiting.splice(0);
    for (const append of waiting) this.#waitingBytes -= append.bytes.length;
    this.noteFailure(error);
    for (const append of [...failed, ...waiting]) append.done(error);
    this.#close(target);
  }

  #finishIfDone(target: Target): void {
    const done = !target.isWriting && target.waiting.length === 0 && target.fd !== -1;
    if (target.isFull && done) this.#close(target);
  }

  #close(target: Target): void {
    if (target.fd !== -1) this.#files.closeWriter(target.fd);
    target.fd = -1;
    if (this.#target === target) this.#target = null;
    this.#space.seal(target.id, target.written);
  }

  close(): void {
    this.#closed = true;
    const target = this.#target;
    if (target === null) return;
    target.isFull = true;
    this.#finishIfDone(target);
  }
}
