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
  readonly #sinceMs: number[] = ORDER.map(() => Number.NEGATIVE_INFINITY);

  constructor(budgets: Readonly<Record<AbuseKind, Budget>>, monotonicMs: () => number) {
    this.#budgets = budgets;
    this.#monotonicMs = monotonicMs;
  }

  /** Takes one token. False when none is left: the peer has gone too far. */
  spend(kind: AbuseKind): boolean {
    const slot = ORDER.indexOf(kind);
    const spent = this.#spent[slot]! + 1;
    this.#spent[slot] = spent;
    const { burst } = this.#budgets[kind];
    return spent <= burst || this.#refill(slot, burst, this.#budgets[kind].perSecond);
  }

  /** Gives tokens back for what the peer did in answer to us. */
  credit(kind: AbuseKind, tokens: number): void {
    const slot = ORDER.indexOf(kind);
    this.#spent[slot] = Math.max(0, this.#spent[slot]! - tokens);
  }

  /** The first call of a bucket finds it as if it had just been filled by `burst`. */
  #refill(slot: number, burst: number, perSecond: number): boolean {
    const nowMs = this.#monotonicMs();
    const sinceMs = this.#sinceMs[slot]!;
    this.#sinceMs[slot] = nowMs;
    if (sinceMs === Number.NEGATIVE_INFINITY) return this.#spent[slot]! <= burst + 1;
    const refilled = ((nowMs - sinceMs) * perSecond) / 1_000;
    this.#spent[slot] = Math.max(0, this.#spent[slot]! - refilled);
    return this.#spent[slot]! <= burst;
  }
}
