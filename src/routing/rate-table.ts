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
import { SharedTable, type TableShape } from '../base/shared-table.ts';

/** Clients counted at once: 65,536 in 1 MiB. More than a machine serves in a bucket's time. */
export const RATE_TABLE_SLOTS = 65_536;

/** Places in which a client's entry may be: a set. */
const WAYS = 8;

/** Words of a place: two of the client's key; when its bucket is full in ticks, and in seconds. */
const WORDS_PER_PLACE = 4;
const FULL_AT_TICK = 2;
const FULL_AT_SECOND = 3;

/**
 * A limit has its own tick, so that the time between two requests is a whole number of them. Ticks
 * are counted modulo 2^32: differences of them are exact.
 */
const TICKS_PER_REQUEST = 16;

/** Bytes of shared memory that a table takes. */
export function rateTableBytes(places: number = RATE_TABLE_SLOTS): number {
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

export interface RateShape {
  /** Between two requests at the rate. */
  readonly intervalMs: number;
  /** How many may come at once beyond it. */
  readonly burst: number;
  /** How many more may wait for their turn. */
  readonly queued: number;
}

export class RateTable {
  readonly #words: Int32Array;
  readonly #table: SharedTable;
  readonly #sets: number;

  /** `words` is shared memory of `rateTableBytes(places)` bytes, zeroed once when it was made. */
  constructor(words: Int32Array, places: number = RATE_TABLE_SLOTS) {
    const shape: TableShape = { places, words: WORDS_PER_PLACE, probes: WAYS };
    // Of a full set, the client that is nearest to a full bucket makes room.
    const fullAt = (at: number) => Atomics.load(words, at + FULL_AT_SECOND);
    this.#table = new SharedTable(words, shape, fullAt);
    this.#words = words;
    this.#sets = places / WAYS;
  }

  /**
   * Takes one request from a client's bucket; `nowMs` is wall-clock time. Returns 0 when it may go on,
   * or the milliseconds until it may, negative for one that has taken its turn and waits for it; a
   * refused request costs nothing.
   */
  take(client: ClientTag, { intervalMs, burst, queued }: RateShape, nowMs: number): number {
    const tickMs = intervalMs / TICKS_PER_REQUEST;
    const now = Math.floor(nowMs / tickMs) | 0;
    const tolerance = burst * TICKS_PER_REQUEST;
    const most = tolerance + queued * TICKS_PER_REQUEST;
    const at = this.#find(client, now, Math.floor(nowMs / 1000));
    // Another worker took the last place at the same moment: once, this is not counted.
    if (at === -1) return 0;
    for (;;) {
      const stored = Atomics.load(this.#words, at + FULL_AT_TICK);
      let ahead = (stored - now) | 0;
      // Past, or further ahead than this limit ever goes: long ago, or the clock was set back.
      if (ahead < 0 || ahead > most + TICKS_PER_REQUEST) ahead = 0;
      if (ahead > most) return (ahead - most) * tickMs;
      const next = (now + ahead + TICKS_PER_REQUEST) | 0;
      if (Atomics.compareExchange(this.#words, at + FULL_AT_TICK, stored, next) !== stored)
        continue;
      const fullMs = nowMs + (ahead + TICKS_PER_REQUEST) * tickMs;
      Atomics.store(this.#words, at + FULL_AT_SECOND, Math.ceil(fullMs / 1000));
      return ahead > tolerance ? (tolerance - ahead) * tickMs : 0;
    }
  }

  /** The client's place, taken for it when it has none; -1 when another worker was faster. */
  #find({ tag, place }: ClientTag, nowTick: number, nowSeconds: number): number {
    const first = (place % this.#sets) * WAYS;
    // No half of a key is 0.
    const second = place | 1;
    const at = this.#table.take(first, tag, second);
    if (at === -1 || !this.#table.isNew) return at;
    Atomics.store(this.#words, at + FULL_AT_TICK, nowTick);
    Atomics.store(this.#words, at + FULL_AT_SECOND, nowSeconds);
    this.#table.complete(at, second);
    return at;
  }
}
