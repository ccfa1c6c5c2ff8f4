/** The numbers of packets that have come, as ranges: a bounded memory (RFC 9000 §13.2.3). */

/**
 * Ranges kept for each space. A peer can force one for each packet by leaving numbers out; losses make
 * far fewer. Beyond it the lowest is forgotten, and what comes from below it is dropped as if it were
 * known.
 */
export const ACK_RANGES_MAX = 64;

export class AckRanges {
  /** Pairs of the smallest and the largest number, the highest range first. */
  readonly pairs: number[] = [];
  /** Numbers below are taken for known. */
  #floor = 0;

  get isEmpty(): boolean {
    return this.pairs.length === 0;
  }

  /** -1 when nothing has come. */
  get largest(): number {
    return this.pairs.length === 0 ? -1 : this.pairs[1]!;
  }

  /** Whether a packet of this number has come already, or may have. */
  has(number: number): boolean {
    if (number < this.#floor) return true;
    const { pairs } = this;
    for (let i = 0; i < pairs.length; i += 2) {
      if (number > pairs[i + 1]!) return false;
      if (number >= pairs[i]!) return true;
    }
    return false;
  }

  /** Notes a packet for which `has` was false. */
  add(number: number): void {
    const { pairs } = this;
    let i = 0;
    while (i < pairs.length && number < pairs[i]!) i += 2;
    // Now it lies above range i, and below the one before.
    const touchesLower = i < pairs.length && pairs[i + 1] === number - 1;
    const touchesHigher = i > 0 && pairs[i - 2] === number + 1;
    if (touchesLower && touchesHigher) {
      pairs[i - 2] = pairs[i]!;
      pairs.splice(i, 2);
    } else if (touchesLower) pairs[i + 1] = number;
    else if (touchesHigher) pairs[i - 2] = number;
    else pairs.splice(i, 0, number, number);
    if (pairs.length > 2 * ACK_RANGES_MAX) {
      this.#floor = pairs.at(-1)! + 1;
      pairs.length -= 2;
    }
  }

  /** The peer knows that we have all up to `number`: they need not be told again. */
  forgetUpTo(number: number): void {
    const { pairs } = this;
    while (pairs.length > 2 && pairs.at(-1)! <= number) {
      this.#floor = pairs.at(-1)! + 1;
      pairs.length -= 2;
    }
  }
}
