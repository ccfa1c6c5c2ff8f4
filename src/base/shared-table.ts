/**
 * A hash table in memory that several processes share: open addressing, and a place is taken by one
 * compare-and-swap. Nothing is moved and nothing is cleaned up; a place that was taken is free again
 * only for another key. What stands in a place beside its key, and for how long, is its owner's rule.
 *
 * A key is three numbers: a hash that says where to look, and 64 bits, of which the first half, the
 * mark, takes the place. The other half is written by the owner when the rest of the place is right:
 * while it is 0, the place is in doubt the same key's. Neither half may be 0.
 *
 * Indices are of a place's first word, and -1 stands for none, so that no look-up allocates anything.
 */
import { assert } from './assert.ts';

/** Words of a place. */
const MARK = 0;
const SECOND = 1;

export interface TableShape {
  /** A power of two. */
  readonly places: number;
  /** 32-bit words of a place. */
  readonly words: number;
  /** Places in which one key may be: from its own on. */
  readonly probes: number;
}

/** 32-bit words of memory that a table takes, zeros at first. */
export function sharedTableWords({ places, words }: TableShape): number {
  return places * words;
}

/** Where all places near a key's are taken, the one of the least worth is given up for it. */
export type WorthOf = (at: number) => number;

/** Of what is never given up. */
export const KEPT = Number.POSITIVE_INFINITY;

export class SharedTable {
  readonly words: Int32Array;
  /** Whether the last `take` has given a place to a key that had none: it is to be filled. */
  isNew = false;
  readonly #shape: TableShape;
  readonly #worthOf: WorthOf;

  constructor(words: Int32Array, shape: TableShape, worthOf: WorthOf = () => KEPT) {
    const { places } = shape;
    assert(words.length >= sharedTableWords(shape), 'the table fits its memory');
    assert(places > 0 && (places & (places - 1)) === 0, 'places is a power of two');
    this.words = words;
    this.#shape = shape;
    this.#worthOf = worthOf;
  }

  /** The place that is looked at `probe` places after a key's own. */
  at(hash: number, probe: number): number {
    const { places, words } = this.#shape;
    return ((hash + probe) & (places - 1)) * words;
  }

  /** The key's place, or -1. */
  find(hash: number, mark: number, second: number): number {
    const { probes } = this.#shape;
    for (let probe = 0; probe < probes; probe++) {
      const at = this.at(hash, probe);
      const found = Atomics.load(this.words, at + MARK);
      // It would have been put here.
      if (found === 0) return -1;
      if (found === mark && this.#isSecond(at, second)) return at;
    }
    return -1;
  }

  /**
   * The key's place, taken for it when it has none; -1 when there is no room, or another process was
   * faster to take the last.
   */
  take(hash: number, mark: number, second: number): number {
    const { probes } = this.#shape;
    this.isNew = false;
    for (let probe = 0; probe < probes; probe++) {
      const at = this.at(hash, probe);
      // Two processes with one key go through the same places in the same order, so they meet here
      // and only one of them finds the place empty.
      const found = Atomics.load(this.words, at + MARK) || this.#swap(at, 0, mark);
      if (found === 0) {
        this.isNew = true;
        return at;
      }
      if (found === mark && this.#isSecond(at, second)) return at;
    }
    return this.#takeCheapest(hash, mark);
  }

  /** The key's other half, when the rest of its new place is written. */
  complete(at: number, second: number): void {
    Atomics.store(this.words, at + SECOND, second);
  }

  /**
   * Takes a place whose mark is `before`; false when another process was faster. For owners who look
   * through the places by themselves: to give one back, with 0, is right only for them, since `find`
   * goes no further than a free place.
   */
  claim(at: number, before: number, mark: number): boolean {
    return this.#swap(at, before, mark) === before;
  }

  #takeCheapest(hash: number, mark: number): number {
    const { probes } = this.#shape;
    let cheapest = -1;
    let least = KEPT;
    let before = 0;
    for (let probe = 0; probe < probes; probe++) {
      const at = this.at(hash, probe);
      const found = Atomics.load(this.words, at + MARK);
      const worth = this.#worthOf(at);
      if (worth >= least) continue;
      cheapest = at;
      least = worth;
      before = found;
    }
    if (cheapest === -1 || !this.claim(cheapest, before, mark)) return -1;
    this.isNew = true;
    return cheapest;
  }

  #isSecond(at: number, second: number): boolean {
    const found = Atomics.load(this.words, at + SECOND);
    return found === second || found === 0;
  }

  #swap(at: number, before: number, mark: number): number {
    return Atomics.compareExchange(this.words, at + MARK, before, mark);
  }
}
