/**
 * How often what is stored under a key has been removed because it is no longer right. Who fetches
 * takes a stamp before it asks, and compares it when the response is to be stored: an unsafe request
 * or a purge may have come in between, here or in another worker (RFC 9111 §4.4).
 *
 * Keys share counters: a collision makes a response not be stored, once.
 */
import { targetOfKey } from './key.ts';
import type { Removals } from './removals.ts';
import { hashOf } from './s3-fifo.ts';

/** Counters: a power of two. At 1,000 removals a second and fetches of 100 ms, 1 in 650 collides. */
const COUNTERS = 65_536;

/** Octets that the counters take, when they are in memory that workers share. */
export const GENERATIONS_BYTES = (COUNTERS + 1) * 4;

export class Generations {
  /** The last one counts removals of more than one target. */
  #counters: Int32Array;
  readonly #removals: Removals | null;

  /**
   * `counters` are zeros, or what other processes have counted; with them, they share `removals`.
   */
  constructor(
    counters: Int32Array = new Int32Array(COUNTERS + 1),
    removals: Removals | null = null,
  ) {
    this.#counters = counters;
    this.#removals = removals;
  }

  /** The memory that is shared goes away: goes on with what it has counted so far. */
  detach(): void {
    this.#counters = this.#counters.slice();
  }

  /** Changes whenever something is removed that may concern the key. */
  stampOf(key: string): number {
    return this.ofTarget(key) + Atomics.load(this.#counters, COUNTERS);
  }

  /** Changes whenever the key's target is removed by name. */
  ofTarget(key: string): number {
    return Atomics.load(this.#counters, indexOf(key));
  }

  /** Everything stored under the target of a key is removed. */
  noteTarget(key: string): void {
    this.#removals?.note(targetOfKey(key));
    this.noteStale(key);
  }

  /** It only becomes stale: what is being fetched must not be stored as fresh. */
  noteStale(key: string): void {
    Atomics.add(this.#counters, indexOf(key), 1);
  }

  /**
   * Whether a response that was asked for at `requestTimeMs` has been removed since by its target,
   * in any process. It knows for a minute, and only of removals that are shared.
   */
  isRemoved(key: string, requestTimeMs: number): boolean {
    return this.#removals?.isRemoved(targetOfKey(key), requestTimeMs) ?? false;
  }

  /** The place of a key's counter, for `at`. */
  placeOf(key: string): number {
    return indexOf(key);
  }

  /** As `ofTarget`, for who asks often. */
  at(place: number): number {
    return this.#counters[place]!;
  }

  /** Something is removed by another word than a key. */
  noteMany(): void {
    Atomics.add(this.#counters, COUNTERS, 1);
  }
}

function indexOf(key: string): number {
  return hashOf(targetOfKey(key)) & (COUNTERS - 1);
}
