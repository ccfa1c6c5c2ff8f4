/**
 * The room on disk: hands out segments within the capacity and evicts whole ones, oldest first,
 * in small steps so that nobody waits. What is still hot in them is written again before.
 */

import { PINNED_SHARE_MAX } from '../../memory/s3-fifo.ts';
import type { DiskIndex } from '../index/disk-index.ts';
import type { Segment } from '../index/index-values.ts';
import { isAlive } from '../shared/processes.ts';
import type { SegmentFiles } from './segment-files.ts';

/** Index entries removed in one step: about a millisecond. */
const REMOVED_PER_STEP = 256;

/** Segments' worth of room that is kept free ahead of need. */
const AHEAD_SEGMENTS = 2;

/** Responses noted as used per segment; more are not told apart. */
const USES_NOTED_MAX = 4_096;

export interface SpaceOptions {
  readonly capacityBytes: number;
  readonly segmentBytes: number;
  /** A segment has been removed: other processes may still have it open. */
  readonly onRemoved: () => void;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Writes what was used in a segment anew, then calls back. */
  readonly readmit: (segment: number, names: readonly string[], done: () => void) => void;
}

/** Stores open in this process, by directory: their own segments are not those of a dead one. */
const openHere = new Map<string, number>();

export class SegmentSpace {
  readonly #index: DiskIndex;
  readonly #files: SegmentFiles;
  readonly #options: SpaceOptions;
  readonly #directory: string;
  /** Names, in hexadecimal, of responses read from each segment. */
  readonly #used = new Map<number, Set<string>>();
  #evicting = false;
  #closed = false;
  /** For metrics. */
  evictedSegments = 0;
  evictedResponses = 0;

  constructor(index: DiskIndex, files: SegmentFiles, directory: string, options: SpaceOptions) {
    this.#index = index;
    this.#files = files;
    this.#directory = directory;
    this.#options = options;
  }

  /** Seals what dead processes left active, and removes files nobody knows. */
  recover(sizeOf: (segment: Segment) => number): void {
    const own = openHere.get(this.#directory) ?? 0;
    openHere.set(this.#directory, own + 1);
    for (const segment of this.#index.segments()) {
      if (!segment.active) continue;
      const dead = segment.owner === process.pid ? own === 0 : !isAlive(segment.owner);
      if (dead) this.#index.sealSegment(segment.id, sizeOf(segment));
    }
    this.#files.removeUnknown((id) => this.#index.segment(id) !== undefined);
    this.#evictIfLow();
  }

  get segmentBytes(): number {
    return this.#options.segmentBytes;
  }

  /** A new segment of `bytes`; undefined when there is no room now. */
  allocate(bytes: number): number | undefined {
    const { capacityBytes } = this.#options;
    const id = this.#index.allocateSegment(bytes, capacityBytes, process.pid);
    this.#evictIfLow(id === undefined ? bytes : 0);
    return id;
  }

  extend(id: number, bytes: number): boolean {
    const extended = this.#index.extendSegment(id, bytes, this.#options.capacityBytes);
    this.#evictIfLow(extended ? 0 : bytes);
    return extended;
  }

  seal(id: number, bytes: number, pinnedUntilMs = 0): void {
    if (!this.#index.isClosed) this.#index.sealSegment(id, bytes, pinnedUntilMs);
  }

  /** Gives up a segment that holds nothing of use. */
  drop(id: number): void {
    this.#files.remove(id, this.#options.onRemoved);
    if (!this.#index.isClosed) this.#removeInSteps(id, () => {});
  }

  /** Notes that a response was read from a segment, for when it is evicted. */
  noteUse(segment: number, name: Buffer): void {
    let names = this.#used.get(segment);
    if (names === undefined) {
      names = new Set();
      this.#used.set(segment, names);
    }
    if (names.size < USES_NOTED_MAX) names.add(name.toString('hex'));
  }

  /** Makes room as soon as possible: the device is full. */
  evictNow(): void {
    this.#evictOldest();
  }

  #evictIfLow(wanted = 0): void {
    const { capacityBytes, segmentBytes } = this.#options;
    const ahead = Math.max(wanted, AHEAD_SEGMENTS * segmentBytes);
    if (this.#index.bytesUsed + ahead > capacityBytes) this.#evictOldest();
  }

  #evictOldest(): void {
    if (this.#evicting || this.#closed || this.#index.isClosed) return;
    const { capacityBytes, now } = this.#options;
    const pinnedMax = capacityBytes * PINNED_SHARE_MAX;
    const segment = this.#index.claimOldest(process.pid, isAlive, now(), pinnedMax);
    if (segment === undefined) return;
    this.#evicting = true;
    const names = new Set([...this.#pinnedIn(segment.id), ...(this.#used.get(segment.id) ?? [])]);
    this.#used.delete(segment.id);
    this.#options.readmit(segment.id, [...names], () => {
      this.#removeInSteps(segment.id, () => {
        this.#files.remove(segment.id, this.#options.onRemoved);
        this.evictedSegments++;
        this.#evicting = false;
        this.#evictIfLow();
      });
    });
  }

  /** What is pinned there is written anew before what was used; see `readmit` for how much. */
  #pinnedIn(id: number): string[] {
    if (!this.#index.hasPins) return [];
    const nowMs = this.#options.now();
    return this.#index
      .pinnedIn(id, USES_NOTED_MAX)
      .filter((name) => (this.#index.entry(name)?.pinnedUntilMs ?? 0) > nowMs)
      .map((name) => name.toString('hex'));
  }

  #removeInSteps(id: number, done: () => void): void {
    if (this.#closed || this.#index.isClosed) return;
    const { removed, done: all } = this.#index.removeSome(id, REMOVED_PER_STEP);
    this.evictedResponses += removed;
    if (all) done();
    else setImmediate(() => this.#removeInSteps(id, done));
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    openHere.set(this.#directory, (openHere.get(this.#directory) ?? 1) - 1);
  }
}
