/** Counts what a peer does too often, in token buckets that need the clock only when they run out. */
import type { AbuseKind, Budget } from './limits.ts';

const ORDER: readonly AbuseKind[] = [
  'rapid-reset',
  'stream-errors',
  'settings',
  'ping',
  'priority',
  'empty-frames',
  'window-update',
];

export class AbuseBudgets {
  readonly #budgets: Readonly<Record<AbuseKind, Budget>>;
  readonly #monotonicMs: () => number;
  readonly #spent: number[] = ORDER.map(() => 0);
  readonly #sinceMs: number[] = ORDER.map(() => 0);

  constructor(budgets: Readonly<Record<AbuseKind, Budget>>, monotonicMs: () => number) {
    this.#budgets = budgets;
    this.#monotonicMs = monotonicMs;
  }

  /**
   * Takes one token. False when none is left: the peer has gone too far. What time has given back
   * is counted only when a bucket is empty, so that after a pause it may give its burst twice.
   */
  spend(kind: AbuseKind): boolean {
    const slot = ORDER.indexOf(kind);
    const spent = this.#spent[slot]! + 1;
    this.#spent[slot] = spent;
    if (spent === 1) this.#sinceMs[slot] = this.#monotonicMs();
    const { burst, perSecond } = this.#budgets[kind];
    return spent <= burst || this.#refill(slot, burst, perSecond);
  }

  /** Gives tokens back for what the peer did in answer to us. */
  credit(kind: AbuseKind, tokens: number): void {
    const slot = ORDER.indexOf(kind);
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
