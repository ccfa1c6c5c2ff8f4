/**
 * What the processes that share a cache directory tell one another faster than by the index: a file
 * that each maps. It says nothing that a crash could make wrong for longer than a fetch takes.
 */
import { appendFileSync, closeSync, fstatSync, openSync } from 'node:fs';
import { SharedMemory } from '../../../native/shared-memory.ts';
import { INVALIDATION_EPOCHS_BYTES, InvalidationEpochs } from '../../invalidation-epochs.ts';
import { LEASES_BYTES, LeaseTable, leaseMemory } from '../../leases.ts';
import { TOMBSTONES_BYTES, Tombstones, tombstoneMemory } from '../../tombstones.ts';
import { isAlive } from './processes.ts';

/** Raised when the layout changes: an older file is put aside. */
const LAYOUT = 6;

/** 32-bit words at the start, each in a line of its own. */
const WORDS_BYTES = 128;
const ABANDONED = 0;
const REMOVED_SEGMENTS = 16;

/** The words, the leases, then the tombstones, then the counters. */
const LEASES_AT = WORDS_BYTES;
const TOMBSTONES_AT = LEASES_AT + LEASES_BYTES;
const COUNTERS_AT = TOMBSTONES_AT + TOMBSTONES_BYTES;
/** Bytes of the file. */
export const SHARED_STATE_BYTES = COUNTERS_AT + Math.ceil(INVALIDATION_EPOCHS_BYTES / 8) * 8;

/** Stores open in this process, by path: their leases are no former process's. */
const openHere = new Map<string, number>();

export class SharedState implements Disposable {
  readonly epochs: InvalidationEpochs;
  readonly leases: LeaseTable;
  readonly #tombstones: Tombstones;
  readonly #memory: SharedMemory;
  readonly #path: string;
  #words: Int32Array;

  private constructor(path: string, memory: SharedMemory, now: () => number) {
    this.#path = path;
    this.#memory = memory;
    const { buffer } = memory.int32(0, SHARED_STATE_BYTES / 4);
    this.#words = memory.int32(0, WORDS_BYTES / 4);
    this.#tombstones = new Tombstones(tombstoneMemory(buffer, TOMBSTONES_AT), now);
    const counters = memory.int32(COUNTERS_AT, INVALIDATION_EPOCHS_BYTES / 4);
    this.epochs = new InvalidationEpochs(counters, this.#tombstones);
    this.leases = new LeaseTable({
      memory: leaseMemory(buffer, LEASES_AT),
      owner: process.pid,
      isAlive,
      now: Date.now,
    });
    const others = openHere.get(path) ?? 0;
    openHere.set(path, others + 1);
    if (others === 0) this.leases.forgetOwn();
  }

  /** `path` without the number of the layout; `now` in milliseconds since the epoch. */
  static open(path: string, now: () => number): SharedState {
    const fd = openSync(`${path}-${LAYOUT}`, 'a+', 0o600);
    try {
      // Zeros; whoever comes second finds it done. Written, so that the blocks are there: to touch a
      // mapped page that a full device has no block for ends the process (SIGBUS).
      const missing = SHARED_STATE_BYTES - fstatSync(fd).size;
      if (missing > 0) appendFileSync(fd, Buffer.alloc(missing));
      return new SharedState(path, SharedMemory.open(fd, SHARED_STATE_BYTES), now);
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }

  /** Some process has begun the cache anew: what is here is of the old one. */
  get isAbandoned(): boolean {
    return this.#words[ABANDONED] !== 0;
  }

  abandon(): void {
    Atomics.store(this.#words, ABANDONED, 1);
  }

  /** Changes when any process has removed a segment. */
  get removedSegments(): number {
    return Atomics.load(this.#words, REMOVED_SEGMENTS);
  }

  noteRemovedSegment(): void {
    Atomics.add(this.#words, REMOVED_SEGMENTS, 1);
  }

  [Symbol.dispose](): void {
    openHere.set(this.#path, openHere.get(this.#path)! - 1);
    this.#words = this.#words.slice();
    this.epochs.detach();
    this.#tombstones.detach();
    this.leases.detach();
    this.#memory[Symbol.dispose]();
  }
}
