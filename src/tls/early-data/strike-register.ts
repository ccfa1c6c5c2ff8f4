/**
 * The strike register: which ClientHellos have had their early data accepted or refused, so that none
 * is accepted afterwards (RFC 8446 §8.2, ClientHello recording). It lies in memory that all workers of the
 * machine share, and it must survive any of them; every step is one atomic operation.
 *
 * Time is cut into generations as long as the window in which a replay could pass the freshness
 * check (RFC 8446 §8.3). A key is looked for in the current and the previous generation and written
 * to the current one, so it is remembered for at least one whole window. Three areas take turns: the
 * third is the one that is emptied next.
 *
 * Generations count by a clock that nobody sets (native/boot-clock.ts): the same one tells the age of
 * tickets, so that a flight that has been forgotten is not fresh again, whatever the wall clock does.
 * Should that clock go back all the same, as when a machine's state is restored, the register begins
 * anew and accepts nothing for a whole window.
 *
 * Whatever is in doubt (no room, another worker just emptying an area, a key half written) is a
 * refusal: the connection goes on in 1-RTT, and its client repeats there what it has sent early. So a
 * key that is refused must be known afterwards, and where there is no room for it, nothing is accepted
 * until it can no longer be fresh.
 *
 * A flight that claims more than its ticket's age will be fresh one day, when every area has forgotten
 * it. Its ticket is remembered instead, as spent: by a cell that has the moment, and is good for all
 * tickets of before it.
 */
import { assert } from '../../base/assert.ts';
import { SharedTable, type TableShape } from '../../base/shared-table.ts';

/**
 * For how long the same ClientHello can be fresh, at most. OpenSSL 3.5 lets the age that a client
 * claims for its ticket be up to 9 s less than it is, and 1 s more (TICKET_AGE_ALLOWANCE), and counts
 * in seconds: 11 s in all. The rest is reserve, for an OpenSSL that allows 10 s either way.
 */
export const FRESHNESS_WINDOW_MS = 20_000;

/** Longer than the window by what a slow worker can be late. */
export const GENERATION_MS = FRESHNESS_WINDOW_MS + 5_000;

/**
 * Keys per generation. 262,144 in 25 s are 10,000 accepted 0-RTT handshakes a second, more than a
 * machine of 4 cores can do; three areas take 6 MiB.
 */
export const STRIKE_SLOTS = 262_144;

/** Slots looked at from a key's own place on. At half load a longer run is next to impossible. */
const PROBES_MAX = 64;

/**
 * Looks at an area that another worker is emptying, which takes it a fraction of a millisecond: together
 * they take some milliseconds.
 */
const LOOKS_MAX = 100_000;

/**
 * Cells of tickets whose early data was refused for its age. Tickets of one cell share its moment; 256 KiB.
 */
const SPENT_CELLS = 65_536;

const AREAS = 3;
const WORDS_PER_SLOT = 2;

/**
 * Header words: the newest generation, then per area the generation that it holds; negative while it
 * is being emptied for that generation. Generations count from 1. Then for which generation the
 * register was begun anew last, the second from which it accepts again, and the last generation that
 * had no room; then the second until which nothing is accepted because a key could not be noted.
 */
const NEWEST = 0;
const AREA_GENERATION = 1;
const BEGUN_ANEW = 4;
const OPEN_FROM_S = 5;
const FULL_GENERATION = 6;
const CLOSED_UNTIL_S = 7;
const HEADER_WORDS = 16;

/** Bytes of shared memory that a register takes. */
export function strikeRegisterBytes(slots: number = STRIKE_SLOTS): number {
  return 4 * (spentCellsAt(slots) + SPENT_CELLS);
}

function spentCellsAt(slots: number): number {
  return HEADER_WORDS + AREAS * slots * WORDS_PER_SLOT;
}

export type Strike =
  /** Never seen within the window: early data may be accepted, once. */
  | 'first'
  /** Seen before. */
  | 'replayed'
  /** No room, or the register is between two generations: refuse. */
  | 'unavailable'
  /** Its clock has gone back: for a whole window, what was seen before it may have been forgotten. */
  | 'begun-anew';

/** Why a register refuses whatever comes, in words of the gate; '' when it does not. */
export interface RegisterState {
  readonly refusal: '' | 'register full' | 'register unavailable' | 'clock stepped';
  /** Milliseconds by its clock, when that ends; 0 when it does not refuse. */
  readonly untilMs: number;
}

export class StrikeRegister {
  readonly #words: Int32Array;
  readonly #spentCellsAt: number;
  /** The three that take turns. */
  readonly #areas: readonly SharedTable[];

  /** `words` is shared memory of `strikeRegisterBytes(slots)` bytes, zeroed once when it was made. */
  constructor(words: Int32Array, slots: number = STRIKE_SLOTS) {
    assert(words.byteLength >= strikeRegisterBytes(slots), 'the register fits its memory');
    this.#words = words;
    this.#spentCellsAt = spentCellsAt(slots);
    const shape: TableShape = { places: slots, words: WORDS_PER_SLOT, probes: PROBES_MAX };
    this.#areas = Array.from({ length: AREAS }, (_, area) => {
      const at = HEADER_WORDS + area * slots * WORDS_PER_SLOT;
      return new SharedTable(words.subarray(at, at + slots * WORDS_PER_SLOT), shape);
    });
  }

  /**
   * Notes a ClientHello. `key` has at least 16 bytes that nobody can choose to be equal to
   * another's and that a replay cannot alter: ClientHello.random, which every PSK binder covers.
   * `nowMs` is of a clock that all who share the memory read, and nobody sets.
   */
  strike(key: Uint8Array, nowMs: number): Strike {
    if (this.#hasGoneBack(nowMs)) {
      this.#beginAnew(nowMs);
      // Somebody else is about it.
      if (this.#hasGoneBack(nowMs)) return 'begun-anew';
    }
    const generation = this.#generation(nowMs);
    if (generation === 0) return this.#close(nowMs);
    const current = generation % AREAS;
    const view = new DataView(key.buffer, key.byteOffset, key.byteLength);
    const place = view.getInt32(0);
    // Zero means empty, so neither half may be zero.
    const high = view.getInt32(4) | 1;
    const low = view.getInt32(8) | 1;
    const previous = (generation + AREAS - 1) % AREAS;
    const isPreviousValid =
      Atomics.load(this.#words, AREA_GENERATION + previous) === generation - 1;
    if (isPreviousValid && this.#areas[previous]!.find(place, high, low) !== -1) return 'replayed';
    const strike = noted(this.#areas[current]!, place, high, low);
    if (strike === 'unavailable') {
      Atomics.store(this.#words, FULL_GENERATION, generation);
      return this.#close(nowMs);
    }
    // When a new generation began meanwhile, another worker may have looked for this key in our area
    // just before we wrote it: only one of the two may accept, and it is the other.
    if (Atomics.load(this.#words, NEWEST) !== generation) return 'unavailable';
    if (strike !== 'first') return strike;
    if (nowMs < this.#openFromMs) return 'begun-anew';
    return nowMs < this.#closedUntilMs ? 'unavailable' : 'first';
  }

  /** No early data any more under tickets with this mark that were dated before now. */
  spend(ticketMark: number, nowMs: number): void {
    // The next whole second: what is dated in between is refused without need.
    Atomics.store(this.#words, this.#cellOf(ticketMark), Math.ceil(nowMs / 1_000));
  }

  isSpent(ticketMark: number, datedMs: number): boolean {
    return datedMs <= Atomics.load(this.#words, this.#cellOf(ticketMark)) * 1_000;
  }

  #cellOf(ticketMark: number): number {
    return this.#spentCellsAt + (ticketMark & (SPENT_CELLS - 1));
  }

  /** A key of now is not noted: nothing is accepted for as long as it may be fresh. */
  #close(nowMs: number): 'unavailable' {
    const untilS = Math.ceil((nowMs + GENERATION_MS) / 1_000);
    Atomics.store(this.#words, CLOSED_UNTIL_S, untilS);
    return 'unavailable';
  }

  /** As #advance, and waits for whoever empties an area, but not for one that has died of it. */
  #generation(nowMs: number): number {
    let generation = this.#advance(nowMs);
    if (nowMs < this.#closedUntilMs) return generation;
    for (let look = 0; generation === 0 && look < LOOKS_MAX; look++) {
      generation = this.#advance(nowMs);
    }
    return generation;
  }

  /** As it was left by the last strike: looking alters nothing. */
  state(nowMs: number): RegisterState {
    const openFromMs = this.#openFromMs;
    // One that is far away is of a time when the clock was ahead, which the next strike puts right.
    if (nowMs < openFromMs && openFromMs - nowMs <= 2 * GENERATION_MS) {
      return { refusal: 'clock stepped', untilMs: openFromMs };
    }
    const closedUntilMs = this.#closedUntilMs;
    if (nowMs < closedUntilMs) {
      const isFull = Atomics.load(this.#words, FULL_GENERATION) >= generationAt(nowMs) - 1;
      const refusal = isFull ? 'register full' : 'register unavailable';
      return { refusal, untilMs: closedUntilMs };
    }
    return { refusal: '', untilMs: 0 };
  }

  get #closedUntilMs(): number {
    return Atomics.load(this.#words, CLOSED_UNTIL_S) * 1_000;
  }

  get #openFromMs(): number {
    return Atomics.load(this.#words, OPEN_FROM_S) * 1_000;
  }

  /** One generation is what a slow worker may be behind. */
  #hasGoneBack(nowMs: number): boolean {
    return generationAt(nowMs) < Atomics.load(this.#words, NEWEST) - 1;
  }

  /**
   * Forgets everything, and accepts nothing for a window. Done by whoever comes first; one that dies
   * meanwhile leaves it to the next generation.
   */
  #beginAnew(nowMs: number): void {
    const words = this.#words;
    const newest = Atomics.load(words, NEWEST);
    const wanted = generationAt(nowMs);
    const held = Atomics.load(words, BEGUN_ANEW);
    if (held === wanted || Atomics.compareExchange(words, BEGUN_ANEW, held, wanted) !== held)
      return;
    Atomics.store(words, OPEN_FROM_S, Math.ceil((nowMs + GENERATION_MS) / 1_000));
    Atomics.store(words, CLOSED_UNTIL_S, 0);
    // An area of no generation is emptied before one begins in it.
    for (let area = 0; area < AREAS; area++) Atomics.store(words, AREA_GENERATION + area, 0);
    Atomics.compareExchange(words, NEWEST, newest, wanted - 1);
  }

  /**
   * The current generation, whose area is emptied by whoever comes first; 0 while that goes on. Goes
   * back in #beginAnew only.
   * A worker that dies while it empties an area closes the register for one generation.
   */
  #advance(nowMs: number): number {
    const wanted = generationAt(nowMs);
    const newest = Atomics.load(this.#words, NEWEST);
    if (wanted <= newest) return newest;
    const header = AREA_GENERATION + (wanted % AREAS);
    const held = Atomics.load(this.#words, header);
    // `held` may be `wanted` already when its emptier has not announced it yet.
    if (held !== wanted) {
      if (held === -wanted) return 0;
      if (Atomics.compareExchange(this.#words, header, held, -wanted) !== held) return 0;
      this.#areas[wanted % AREAS]!.words.fill(0);
      Atomics.store(this.#words, header, wanted);
    }
    Atomics.compareExchange(this.#words, NEWEST, newest, wanted);
    return Atomics.load(this.#words, NEWEST);
  }
}

/** Puts a key into an area. One that is half written is in doubt the same. */
function noted(area: SharedTable, place: number, high: number, low: number): Strike {
  const at = area.take(place, high, low);
  if (at === -1) return 'unavailable';
  if (!area.isNew) return 'replayed';
  area.complete(at, low);
  return 'first';
}

function generationAt(nowMs: number): number {
  return 1 + (Math.floor(nowMs / GENERATION_MS) & 0x3fff_ffff);
}
