/** Counts what a peer does too often, in token buckets that need the clock only when they run out. */

/** A token bucket: `burst` at once, and `perSecond` on top for as long as it goes on. */
export interface Budget {
  readonly burst: number;
  readonly perSecond: number;
}

interface Bucket {
  spent: number;
  sinceMs: number;
}

export class AbuseBudgets<Kind extends string> {
  readonly #budgets: Readonly<Record<Kind, Budget>>;
  readonly #monotonicMs: () => number;
  /** Made with the first token that is taken: most peers take none. */
  #buckets: Map<Kind, Bucket> | null = null;

  constructor(budgets: Readonly<Record<Kind, Budget>>, monotonicMs: () => number) {
    this.#budgets = budgets;
    this.#monotonicMs = monotonicMs;
  }

  /**
   * Takes one token. False when none is left: the peer has gone too far. What time has given back
   * is counted only when a bucket is empty, so that after a pause it may give its burst twice.
   */
  spend(kind: Kind): boolean {
    const bucket = this.#bucketOf(kind);
    const spent = ++bucket.spent;
    if (spent === 1) bucket.sinceMs = this.#monotonicMs();
    const { burst, perSecond } = this.#budgets[kind];
    return spent <= burst || this.#refill(bucket, burst, perSecond);
  }

  /** Gives tokens back for what the peer did in answer to us. */
  credit(kind: Kind, tokens: number): void {
    if (tokens === 0) return;
    const bucket = this.#bucketOf(kind);
    bucket.spent = Math.max(0, bucket.spent - tokens);
  }

  #bucketOf(kind: Kind): Bucket {
    this.#buckets ??= new Map();
    let bucket = this.#buckets.get(kind);
    if (bucket === undefined) this.#buckets.set(kind, (bucket = { spent: 0, sinceMs: 0 }));
    return bucket;
  }

  #refill(bucket: Bucket, burst: number, perSecond: number): boolean {
    const nowMs = this.#monotonicMs();
    const refilled = ((nowMs - bucket.sinceMs) * perSecond) / 1_000;
    bucket.sinceMs = nowMs;
    bucket.spent = Math.max(1, bucket.spent - refilled);
    return bucket.spent <= burst;
  }
}
