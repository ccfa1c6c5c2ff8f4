/** How many connections to one address may be open, over all pools that share it. */

/** A pool, as its limit sees it. */
export interface LimitedPool {
  /** Opens what it needs, as far as there is room. */
  openMore(): void;
  /** Closes a connection that nobody uses; false when there is none. */
  closeIdle(): boolean;
}

export class ConnectionLimit {
  readonly #max: number;
  readonly #pools = new Set<LimitedPool>();
  /** Those who found no room, in order. */
  readonly #waiting = new Set<LimitedPool>();
  #taken = 0;

  constructor(max: number) {
    this.#max = max;
  }

  get takenCount(): number {
    return this.#taken;
  }

  get isFull(): boolean {
    return this.#taken >= this.#max;
  }

  add(pool: LimitedPool): void {
    this.#pools.add(pool);
  }

  remove(pool: LimitedPool): void {
    this.#pools.delete(pool);
    this.#waiting.delete(pool);
  }

  /**
   * Takes the place of one connection. Without any left the pool is asked to open more when one
   * becomes free, and an unused connection of another pool is closed for it.
   */
  take(pool: LimitedPool): boolean {
    if (this.#taken < this.#max) {
      this.#taken++;
      this.#waiting.delete(pool);
      return true;
    }
    if (this.#waiting.has(pool)) return false;
    this.#waiting.add(pool);
    for (const other of this.#pools) if (other !== pool && other.closeIdle()) break;
    return false;
  }

  /** A connection is gone. */
  give(): void {
    this.#taken--;
    const [next] = this.#waiting;
    if (next === undefined) return;
    this.#waiting.delete(next);
    next.openMore();
  }
}
