/** How many connections each client has open in this worker. */
import { clientNetwork } from '../base/address-range.ts';

export class ClientCounts {
  readonly #counts = new Map<string, number>();

  /**
   * Counts a connection of a client; returns false, and counts nothing, when it has `max` already.
   * 0 for no limit. Addresses of one /64 of IPv6 are one client.
   */
  enter(address: string, max: number): boolean {
    const client = clientNetwork(address);
    const count = this.#counts.get(client) ?? 0;
    if (max > 0 && count >= max) return false;
    this.#counts.set(client, count + 1);
    return true;
  }

  leave(address: string): void {
    const client = clientNetwork(address);
    const count = this.#counts.get(client) ?? 0;
    if (count > 1) this.#counts.set(client, count - 1);
    else this.#counts.delete(client);
  }

  /** Clients with a connection. */
  get size(): number {
    return this.#counts.size;
  }
}
