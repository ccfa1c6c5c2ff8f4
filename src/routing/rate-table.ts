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
import { assert } from '../base/assert.ts';

/** Clients counted at once: 65,536 in 1 MiB. More than a machine serves in a bucket's time. */
export const RATE_PLACES = 65_536;

/** Places in which a client's entry may be: a set. */
const WAYS = 8;

/** Words of a place: the client's tag, or 0; when its bucket is full in ticks, and in seconds. */
const WORDS_PER_PLACE = 4;
const FULL_AT_TICK = 1;
const FULL_AT_SECOND = 2;

/**
 * A limit has its own tick, so that the time between two requests is a whole number of them. Ticks
 * are counted modulo 2^32: differences of them are exact.
 */
const TICKS_PER_REQUEST = 16;

/** Bytes of shared memory that a table takes. */
export function rateTableBytes(places: number = RATE_PLACES): number {
  return 4 * places * WORDS_PER_PLACE;
}

/** Bytes that client names are hashed with, made by whoever makes the memory. */
export const RATE_SECRET_BYTES = 16;

/** A client under one limit: two independent hashes of its name, 32 bits each. */
export interface ClientTag {
  /** Not 0. */
  readonly tag: number;
  readonly place: number;
}

export class RateTable {
  readonly #words: Int32Array;
  readonly #sets: number;

  /** `words` is shared memory of `rateTableBytes(places)` bytes, zeroed once when it was made. */
  constructor(words: Int32Array, places: number = RATE_PLACES) {
    assert(words.byteLength >= rateTableBytes(places), 'the table fits its memory');
    assert((places & (places - 1)) === 0 && places >= WAYS, 'places is a power of two');
    this.#words = words;
    this.#sets = places / WAYS;
  }

  /**
   * Takes one request from a client's bucket. `intervalMs` is the time between two requests at the
   * rate, `burst` how many may come at once beyond it, `nowMs` wall-clock time. Returns 0, or the
   * milliseconds until one will be allowed; a refused request costs nothing.
   */
  take(client: ClientTag, intervalMs: number, burst: number, nowMs: number): number {
    const tickMs = intervalMs / TICKS_PER_REQUEST;
    const now = Math.floor(nowMs / tickMs) | 0;
    const tolerance = burst * TICKS_PER_REQUEST;
    const at = this.#find(client, now, Math.floor(nowMs / 1000));
    for (;;) {
      const stored = Atomics.load(this.#words, at + FULL_AT_TICK);
      let ahead = (stored - now) | 0;
      // Past, or further ahead than this limit ever goes: long ago, or the clock was set back.
      if (ahead < 0 || ahead > tolerance + TICKS_PER_REQUEST) ahead = 0;
      if (ahead > tolerance) return (ahead - tolerance) * tickMs;
      const next = (now + ahead + TICKS_PER_REQUEST) | 0;
      if (Atomics.compareExchange(this.#words, at + FULL_AT_TICK, stored, next) !== stored)
        continue;
      const fullMs = nowMs + (ahead + TICKS_PER_REQUEST) * tickMs;
      Atomics.store(this.#words, at + FULL_AT_SECOND, Math.ceil(fullMs / 1000));
      return 0;
    }
  }

  /** The client's place, taken for it when it has none. */
  #find({ tag, place }: ClientTag, nowTick: number, nowSeconds: number): number {
    const first = (place % this.#sets) * WAYS * WORDS_PER_PLACE;
    let best = first;
    let bestFull = Number.POSITIVE_INFINITY;
    for (let way = 0; way < WAYS; way++) {
      const at = first + way * WORDS_PER_PLACE;
      const found = Atomics.load(this.#words, at);
      if (found === tag) return at;
      const full = found === 0 ? 0 : Atomics.load(this.#words, at + FULL_AT_SECOND);
      if (full < bestFull) {
        best = at;
        bestFull = full;
      }
    }
    const previous = Atomics.load(this.#words, best);
    // Another worker may take the place at the same moment: then both count in it, once.
    if (Atomics.compareExchange(this.#words, best, previous, tag) === previous) {
      Atomics.store(this.#words, best + FULL_AT_TICK, nowTick);
      Atomics.store(this.#words, best + FULL_AT_SECOND, nowSeconds);
    }
    return best;
  }
}
