/**
 * How often what is stored under a key has been removed because it is no longer right. Who fetches
 * takes a version before it asks, and compares it when the response is to be stored: an unsafe request
 * or a purge may have come in between, here or in another worker (RFC 9111 §4.4).
 *
 * Who has responses in memory compares another number, which counts what other workers have stored in
 * their places as well. With it are hashes of the last keys, for keys share counters: a collision makes
 * a response not be stored, or be dropped from memory, once.
 */

import { fnvHash } from './memory/s3-fifo.ts';
import { targetOfKey } from './rules/key.ts';
import type { Tombstones } from './tombstones.ts';

/** Counters: a power of two. At 1,000 tombstones a second and fetches of 100 ms, 1 in 330 collides. */
const COUNTERS = 32_768;
/** Changes that are remembered for each counter: a power of two. */
const REMEMBERED = 4;

/** 32-bit words: counters of tombstones, one for those of more than a target, of changes, hashes. */
const MANY_AT = COUNTERS;
const CHANGES_AT = COUNTERS + 1;
const HASHES_AT = CHANGES_AT + COUNTERS;
const WORDS = HASHES_AT + COUNTERS * REMEMBERED;

/** Bytes that they take, when they are in memory that workers share. */
export const INVALIDATION_EPOCHS_BYTES = WORDS * 4;

export class InvalidationEpochs {
  #words: Int32Array;
  readonly #tombstones: Tombstones | null;

  /** `words` are zeros, or what other processes have counted; with them, they share `tombstones`. */
  constructor(words: Int32Array = new Int32Array(WORDS), tombstones: Tombstones | null = null) {
    this.#words = words;
    this.#tombstones = tombstones;
  }

  /** The memory that is shared goes away: goes on with what it has counted so far. */
  detach(): void {
    this.#words = this.#words.slice();
  }

  /** Changes whenever something is removed that may concern the key. */
  versionOf(key: string): number {
    return this.ofTarget(key) + Atomics.load(this.#words, MANY_AT);
  }

  /** Changes whenever the key's target is removed by name. */
  ofTarget(key: string): number {
    return Atomics.load(this.#words, placeOf(fnvHash(targetOfKey(key))));
  }

  /** The place of a key's counter of changes, for `changesAt`. */
  placeOf(key: string): number {
    return CHANGES_AT + placeOf(fnvHash(targetOfKey(key)));
  }

  /** Differs when what memory has of a key may have been removed or replaced, by any process. */
  changesAt(place: number): number {
    return this.#words[place]!;
  }

  changesOf(key: string): number {
    return Atomics.load(this.#words, this.placeOf(key));
  }

  /** Whether the target of a key may have changed since its counter was at `changes`. */
  mayHaveChanged(key: string, changes: number): boolean {
    const hash = fnvHash(targetOfKey(key));
    const place = placeOf(hash);
    const present = Atomics.load(this.#words, CHANGES_AT + place);
    const count = (present - changes) | 0;
    if (count < 0 || count > REMEMBERED) return true;
    for (let i = 0; i < count; i++) {
      if (this.#words[hashPlaceOf(place, present - i)] === hash) return true;
    }
    return false;
  }

  /** Everything stored under the target of a key is removed. */
  noteTarget(key: string): void {
    this.#tombstones?.note(targetOfKey(key));
    this.noteReplaced(key);
    this.noteStale(key);
  }

  /** It only becomes stale: what is being fetched must not be stored as fresh. */
  noteStale(key: string): void {
    Atomics.add(this.#words, placeOf(fnvHash(targetOfKey(key))), 1);
  }

  /** Another response has taken the place of what others may have in memory. */
  noteReplaced(key: string): void {
    const hash = fnvHash(targetOfKey(key));
    const place = placeOf(hash);
    // The hash comes first: who sees the count sees the hash.
    const next = Atomics.load(this.#words, CHANGES_AT + place) + 1;
    Atomics.store(this.#words, hashPlaceOf(place, next), hash);
    Atomics.add(this.#words, CHANGES_AT + place, 1);
  }

  /**
   * Whether a response that was asked for at `requestTimeMs` has been removed since by its target,
   * in any process. It knows for a minute, and only of tombstones that are shared.
   */
  isRemoved(key: string, requestTimeMs: number): boolean {
    return this.#tombstones?.isRemoved(targetOfKey(key), requestTimeMs) ?? false;
  }

  /** Something is removed by another word than a key. */
  noteMany(): void {
    Atomics.add(this.#words, MANY_AT, 1);
  }
}

function placeOf(hash: number): number {
  return hash & (COUNTERS - 1);
}

/** Where the hash is that a counter counted when it came to `count`. */
function hashPlaceOf(place: number, count: number): number {
  return HASHES_AT + place * REMEMBERED + (count & (REMEMBERED - 1));
}
