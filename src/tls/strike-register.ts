/**
 * The strike register: which ClientHellos have had their early data accepted, so that none is
 * accepted twice (RFC 8446 §8.2, ClientHello recording). It lies in memory that all workers of the
 * machine share, and it must survive any of them; every step is one atomic operation.
 *
 * Time is cut into generations as long as the window in which a replay could pass the freshness
 * check (RFC 8446 §8.3). A key is looked for in the current and the previous generation and written
 * to the current one, so it is remembered for at least one whole window. Three areas take turns: the
 * third is the one that is emptied next.
 *
 * Whatever is in doubt (no room, another worker just emptying an area, a key half written) is a
 * refusal: the connection goes on in 1-RTT.
 */
import { assert } from '../base/assert.ts';

/**
 * How far the age that a client claims for its ticket may be off, in either direction: OpenSSL 3.5
 * allows 10 s (TICKET_AGE_ALLOWANCE). The same ClientHello can therefore be fresh for 20 s.
 */
export const FRESHNESS_WINDOW_MS = 20_000;

/** Longer than the window by what clocks of one machine and a slow worker can be apart. */
export const GENERATION_MS = FRESHNESS_WINDOW_MS + 5_000;

/**
 * Keys per generation. 262,144 in 25 s are 10,000 accepted 0-RTT handshakes a second, more than a
 * machine of 4 cores can do; three areas take 6 MiB.
 */
export const STRIKE_SLOTS = 262_144;

/** Slots looked at from a key's own place on. At half load a longer run is next to impossible. */
const PROBES_MAX = 64;

const AREAS = 3;
const WORDS_PER_SLOT = 2;

/**
 * Header words: the newest generation, then per area the generation that it holds; negative while it
 * is being emptied for that generation. Generations count from 1.
 */
const NEWEST = 0;
const AREA_GENERATION = 1;
const HEADER_WORDS = 16;

/** Octets of shared memory that a register takes. */
export function strikeRegisterBytes(slots: number = STRIKE_SLOTS): number {
  return 4 * (HEADER_WORDS + AREAS * slots * WORDS_PER_SLOT);
}

export type Strike =
  /** Never seen within the window: early data may be accepted, once. */
  | 'first'
  /** Seen before. */
  | 'replayed'
  /** No room, or the register is between two generations: refuse. */
  | 'unavailable';

export class StrikeRegister {
  readonly #words: Int32Array;
  readonly #slots: number;

  /** `words` is shared memory of `strikeRegisterBytes(slots)` octets, zeroed once when it was made. */
  constructor(words: Int32Array, slots: number = STRIKE_SLOTS) {
    assert(words.byteLength >= strikeRegisterBytes(slots), 'the register fits its memory');
    assert((slots & (slots - 1)) === 0, 'slots is a power of two');
    this.#words = words;
    this.#slots = slots;
  }

  /**
   * Notes a ClientHello. `key` has at least 16 octets that nobody can choose to be equal to
   * another's and that a replay cannot alter: ClientHello.random, which every PSK binder covers.
   * `nowMs` is wall-clock time.
   */
  strike(key: Uint8Array, nowMs: number): Strike {
    const generation = this.#advance(nowMs);
    if (generation === 0) return 'unavailable';
    const current = generation % AREAS;
    const view = new DataView(key.buffer, key.byteOffset, key.byteLength);
    const place = view.getInt32(0) & (this.#slots - 1);
    // Zero means empty, so neither half may be zero.
    const high = view.getInt32(4) | 1;
    const low = view.getInt32(8) | 1;
    const previous = (generation + AREAS - 1) % AREAS;
    const isPreviousValid =
      Atomics.load(this.#words, AREA_GENERATION + previous) === generation - 1;
    if (isPreviousValid && this.#contains(previous, place, high, low)) return 'replayed';
    const strike = this.#insert(current, place, high, low);
    // When a new generation began meanwhile, another worker may have looked for this key in our area
    // just before we wrote it: only one of the two may accept, and it is the other.
    if (Atomics.load(this.#words, NEWEST) !== generation) return 'unavailable';
    return strike;
  }

  #contains(area: number, place: number, high: number, low: number): boolean {
    for (let probe = 0; probe < PROBES_MAX; probe++) {
      const at = this.#slotAt(area, place + probe);
      const found = Atomics.load(this.#words, at);
      if (found === 0) return false;
      if (found === high && this.#isSame(at, low)) return true;
    }
    return false;
  }

  #insert(area: number, place: number, high: number, low: number): Strike {
    for (let probe = 0; probe < PROBES_MAX; probe++) {
      const at = this.#slotAt(area, place + probe);
      // Two workers with one key go through the same slots in the same order, so they meet here and
      // only one of them finds the slot empty.
      const found = Atomics.compareExchange(this.#words, at, 0, high);
      if (found === 0) {
        Atomics.store(this.#words, at + 1, low);
        return 'first';
      }
      if (found === high && this.#isSame(at, low)) return 'replayed';
    }
    return 'unavailable';
  }

  /** The other half may not be written yet: in doubt it is the same key. */
  #isSame(at: number, low: number): boolean {
    const found = Atomics.load(this.#words, at + 1);
    return found === low || found === 0;
  }

  #slotAt(area: number, index: number): number {
    const slot = area * this.#slots + (index & (this.#slots - 1));
    return HEADER_WORDS + slot * WORDS_PER_SLOT;
  }

  /**
   * The current generation, whose area is emptied by whoever comes first; 0 while that goes on. Never
   * goes back. A worker that dies while it empties an area closes the register for one generation.
   */
  #advance(nowMs: number): number {
    const wanted = 1 + (Math.floor(nowMs / GENERATION_MS) & 0x3fff_ffff);
    const newest = Atomics.load(this.#words, NEWEST);
    if (wanted <= newest) return newest;
    const header = AREA_GENERATION + (wanted % AREAS);
    const held = Atomics.load(this.#words, header);
    // `held` may be `wanted` already when its emptier has not announced it yet.
    if (held !== wanted) {
      if (held === -wanted) return 0;
      if (Atomics.compareExchange(this.#words, header, held, -wanted) !== held) return 0;
      const start = HEADER_WORDS + (wanted % AREAS) * this.#slots * WORDS_PER_SLOT;
      this.#words.fill(0, start, start + this.#slots * WORDS_PER_SLOT);
      Atomics.store(this.#words, header, wanted);
    }
    Atomics.compareExchange(this.#words, NEWEST, newest, wanted);
    return Atomics.load(this.#words, NEWEST);
  }
}
