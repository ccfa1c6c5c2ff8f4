/** How many connections to one address may be open, over all pools that share it. */

/** A pool, as its room sees it. */
export interface Tenant {
  /** Opens what it needs, as far as there is room. */
  openMore(): void;
  /** Closes a connection that nobody uses; false when there is none. */
  closeIdle(): boolean;
}

export class Room {
  readonly #max: number;
  readonly #tenants = new Set<Tenant>();
  /** Those who found no room, in order. */
  readonly #waiting = new Set<Tenant>();
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

  add(tenant: Tenant): void {
    this.#tenants.add(tenant);
  }

  remove(tenant: Tenant): void {
    this.#tenants.delete(tenant);
    this.#waiting.delete(tenant);
  }

  /**
   * Takes the place of one connection. Without any left the tenant is asked to open more when one
   * becomes free, and an unused connection of another tenant is closed for it.
   */
  take(tenant: Tenant): boolean {
    if (this.#taken < this.#max) {
      this.#taken++;
      this.#waiting.delete(tenant);
      return true;
    }
    if (this.#waiting.has(tenant)) return false;
    this.#waiting.add(tenant);
    for (const other of this.#tenants) if (other !== tenant && other.closeIdle()) break;
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
