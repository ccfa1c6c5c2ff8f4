/** Ranges of offsets that do not overlap or touch, in ascending order. */

export class RangeSet {
  /** Pairs of a start and an end (exclusive). */
  readonly pairs: number[] = [];

  get isEmpty(): boolean {
    return this.pairs.length === 0;
  }

  get count(): number {
    return this.pairs.length / 2;
  }

  /** The index of the first pair whose end is at or beyond `offset`. */
  #indexOf(offset: number): number {
    const { pairs } = this;
    let low = 0;
    let high = pairs.length / 2;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (pairs[2 * middle + 1]! < offset) low = middle + 1;
      else high = middle;
    }
    return 2 * low;
  }

  /** Adds a range; an empty one is none. */
  add(start: number, end: number): void {
    if (start >= end) return;
    const { pairs } = this;
    const from = this.#indexOf(start);
    let to = from;
    while (to < pairs.length && pairs[to]! <= end) {
      start = Math.min(start, pairs[to]!);
      end = Math.max(end, pairs[to + 1]!);
      to += 2;
    }
    if (to === from + 2) {
      pairs[from] = start;
      pairs[from + 1] = end;
    } else pairs.splice(from, to - from, start, end);
  }

  /** Takes a range out, of which only parts may be there. */
  remove(start: number, end: number): void {
    if (start >= end) return;
    const { pairs } = this;
    let i = this.#indexOf(start);
    while (i < pairs.length && pairs[i]! < end) {
      const low = pairs[i]!;
      const high = pairs[i + 1]!;
      if (high <= start) {
        i += 2;
        continue;
      }
      const left = low < start ? [low, start] : [];
      const right = high > end ? [end, high] : [];
      pairs.splice(i, 2, ...left, ...right);
      i += left.length;
    }
  }

  /** Whether all of a range is there. */
  has(start: number, end: number): boolean {
    const i = this.#indexOf(start + 1);
    return i < this.pairs.length && this.pairs[i]! <= start && this.pairs[i + 1]! >= end;
  }
}
