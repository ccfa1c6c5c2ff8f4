/**
 * How often what is stored under a key has been removed because it is no longer right. Who fetches
 * takes a stamp before it asks, and compares it when the response is to be stored: an unsafe request
 * or a purge may have come in between, here or in another worker (RFC 9111 §4.4). Who has responses in
 * memory compares it, too, for another worker may have removed them.
 *
 * Keys share counters. With each counter are hashes of the last keys that it counted, which tell most
 * collisions; the others make a response not be stored, or be dropped, once.
 */
import { targetOfKey } from './key.ts';
import type { Removals } from './removals.ts';
import { hashOf } from './s3-fifo.ts';

/** Counters: a power of two. At 1,000 removals a second and fetches of 100 ms, 1 in 330 collides. */
const COUNTERS = 32_768;
/** Removals that are remembered for each counter: a power of two. */
const REMEMBERED = 4;

/** 32-bit words: the counters, one for removals of more than one target, and the last hashes. */
const MANY_AT = COUNTERS;
const HASHES_AT = COUNTERS + 1;
const WORDS = HASHES_AT + COUNTERS * REMEMBERED;

/** Octets that they take, when they are in memory that workers share. */
export const GENERATIONS_BYTES = WORDS * 4;

/** In the place of a hash: nothing was removed. */
const NO_HASH = 0;

export class Generations {
  #words: Int32Array;
  readonly #removals: Removals | null;

  /** `words` are zeros, or what other processes have counted; with them, they share `removals`. */
  constructor(words: Int32Array = new Int32Array(WORDS), removals: Removals | null = null) {
    this.#words = words;
    this.#removals = removals;
  }

  /** The memory that is shared goes away: goes on with what it has counted so far. */
  detach(): void {
    this.#words = this.#words.slice();
  }

  /** Changes whenever something is removed that may concern the key. */
  stampOf(key: string): number {
    return this.ofTarget(key) + Atomics.load(this.#words, MANY_AT);
  }

  /** Changes whenever the key's target is removed by name. */
  ofTarget(key: string): number {
    return Atomics.load(this.#words, placeOf(hashOf(targetOfKey(key))));
  }

  /** The place of a key's counter, for `at`. */
  placeOf(key: string): number {
    return placeOf(hashOf(targetOfKey(key)));
  }

  /** As `ofTarget`, for who asks often. */
  at(place: number): number {
    return this.#words[place]!;
  }

  /** Whether the target of a key may have been removed since its counter was at `generation`. */
  mayBeRemoved(key: string, generation: number): boolean {
    const hash = hashOf(targetOfKey(key));
    const place = placeOf(hash);
    const present = Atomics.load(this.#words, place);
    const count = (present - generation) | 0;
    if (count < 0 || count > REMEMBERED) return true;
    for (let i = 0; i < count; i++) {
      if (this.#words[hashPlaceOf(place, present - i)] === hash) return true;
    }
    return false;
  }

  /** Everything stored under the target of a key is removed. */
  noteTarget(key: string): void {
    const target = targetOfKey(key);
    this.#removals?.note(target);
    const hash = hashOf(target);
    this.#count(placeOf(hash), hash);
  }

  /** It only becomes stale: what is being fetched must not be stored as fresh. */
  noteStale(key: string): void {
    this.#count(this.placeOf(key), NO_HASH);
  }

  /** The hash comes first: who sees the count sees the hash. */
  #count(place: number, hash: number): void {
    const next = Atomics.load(this.#words, place) + 1;
    Atomics.store(this.#words, hashPlaceOf(place, next), hash);
    Atomics.add(this.#words, place, 1);
  }

  /**
   * Whether a response that was asked for at `requestTimeMs` has been removed since by its target,
   * in any process. It knows for a minute, and only of removals that are shared.
   */
  isRemoved(key: string, requestTimeMs: number): boolean {
    return this.#removals?.isRemoved(targetOfKey(key), requestTimeMs) ?? false;
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
