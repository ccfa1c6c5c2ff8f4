/**
 * How much each client has asked for, in memory that all workers share: a limit is the machine's,
 * however the kernel spreads a client's connections.
 *
 * Per client there is one number, the time at which its bucket will be full again (the generic cell
 * rate algorithm: a token bucket without a clock that ticks). Once that time has passed the entry
 * says nothing, and its place is free; nothing is ever cleaned up. When a set is full of clients
 * that are all being counted, the one nearest to a full bucket is forgotten: with more clients at
 * once than places, a few get more than their rate, and nobody gets less.
 */
import { assert } from '../../base/assert.ts';

/** Clients counted at once: 65,536 in 1 MiB. More than a machine serves in a bucket's time. */
export const RATE_PLACES = 65_536;

/** Places in which a client's entry may be. */
const WAYS = 8;
const WORDS_PER_PLACE = 2;

/** Octets of shared memory that a table takes. */
export function rateTableBytes(places: number = RATE_PLACES): number {
  return 8 * places * WORDS_PER_PLACE;
}

/** Octets before the table: what client names are hashed with, made by whoever makes the memory. */
export const RATE_SECRET_BYTES = 16;

/** Octets of the secret and the table. */
export function rateRegionBytes(places: number = RATE_PLACES): number {
  return RATE_SECRET_BYTES + rateTableBytes(places);
}

export class RateTable {
  readonly #words: BigInt64Array;
  readonly #sets: number;

  /** `words` is shared memory of `rateTableBytes(places)` octets, zeroed once when it was made. */
  constructor(words: BigInt64Array, places: number = RATE_PLACES) {
    assert(words.byteLength >= rateTableBytes(places), 'the table fits its memory');
    assert((places & (places - 1)) === 0 && places >= WAYS, 'places is a power of two');
    this.#words = words;
    this.#sets = places / WAYS;
  }

  /**
   * Takes one request from a bucket. `tag` names the client and is not 0; `intervalUs` is the time
   * between two requests at the rate, `toleranceUs` that of the requests beyond it. Returns 0, or
   * the microseconds until one will be allowed; a refused request costs nothing.
   */
  take(tag: bigint, intervalUs: number, toleranceUs: number, nowMs: number): number {
    const now = BigInt(Math.floor(nowMs * 1000));
    const at = this.#find(tag, now) + 1;
    for (;;) {
      const stored = Atomics.load(this.#words, at);
      let aheadUs = Math.max(0, Number(stored - now));
      // Further ahead than this limit ever goes: the clock was set back meanwhile.
      if (aheadUs > toleranceUs + intervalUs + 1) aheadUs = 0;
      if (aheadUs > toleranceUs) return aheadUs - toleranceUs;
      const next = now + BigInt(aheadUs + Math.max(1, Math.round(intervalUs)));
      if (Atomics.compareExchange(this.#words, at, stored, next) === stored) return 0;
    }
  }

  /** The client's place, taken for it when it has none. */
  #find(tag: bigint, now: bigint): number {
    const set = Number(BigInt.asUintN(32, tag)) % this.#sets;
    const first = set * WAYS * WORDS_PER_PLACE;
    let best = first;
    let bestFull = -1n;
    for (let way = 0; way < WAYS; way++) {
      const at = first + way * WORDS_PER_PLACE;
      const found = Atomics.load(this.#words, at);
      if (found === tag) return at;
      const stored = Atomics.load(this.#words, at + 1);
      const full = found === 0n || stored <= now ? 0n : stored;
      if (bestFull === -1n || full < bestFull) {
        best = at;
        bestFull = full;
      }
    }
    const previous = Atomics.load(this.#words, best);
    // Another worker may take the place at the same moment: then both count in it, once.
    if (Atomics.compareExchange(this.#words, best, previous, tag) === previous) {
      Atomics.store(this.#words, best + 1, 0n);
    }
    return best;
  }
}
