/** Counts what a peer does too often, in token buckets that need the clock only when they run out. */

/** A token bucket: `burst` at once, and `perSecond` on top for as long as it goes on. */
export interface Budget {
  readonly burst: number;
  readonly perSecond: number;
}

export class AbuseBudgets<Kind extends string> {
  readonly #order: readonly string[];
  readonly #budgets: Readonly<Record<Kind, Budget>>;
  readonly #monotonicMs: () => number;
  readonly #spent: number[];
  readonly #sinceMs: number[];

  constructor(budgets: Readonly<Record<Kind, Budget>>, monotonicMs: () => number) {
    this.#order = Object.keys(budgets);
    this.#budgets = budgets;
    this.#monotonicMs = monotonicMs;
    this.#spent = this.#order.map(() => 0);
    this.#sinceMs = this.#order.map(() => 0);
  }

  /**
   * Takes one token. False when none is left: the peer has gone too far. What time has given back
   * is counted only when a bucket is empty, so that after a pause it may give its burst twice.
   */
  spend(kind: Kind): boolean {
    const slot = this.#order.indexOf(kind);
    const spent = this.#spent[slot]! + 1;
    this.#spent[slot] = spent;
    if (spent === 1) this.#sinceMs[slot] = this.#monotonicMs();
    const { burst, perSecond } = this.#budgets[kind];
    return spent <= burst || this.#refill(slot, burst, perSecond);
  }

  /** Gives tokens back for what the peer did in answer to us. */
  credit(kind: Kind, tokens: number): void {
    const slot = this.#order.indexOf(kind);
    this.#spent[slot] = Math.max(0, this.#spent[slot]! - tokens);
  }

  #refill(slot: number, burst: number, perSecond: number): boolean {
    const nowMs = this.#monotonicMs();
    const refilled = ((nowMs - this.#sinceMs[slot]!) * perSecond) / 1_000;
    this.#sinceMs[slot] = nowMs;
    this.#spent[slot] = Math.max(1, this.#spent[slot]! - refilled);
    return this.#spent[slot]! <= burst;
  }
}
