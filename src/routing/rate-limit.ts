/** How often each client may ask, for one route. */
import { createHash } from 'node:crypto';
import { clientNetwork } from '../base/address-range.ts';
import { BoundedMap } from '../base/bounded-map.ts';
import type { RequestHead } from '../http/message.ts';
import type { ClientTag, RateTable } from './rate-table.ts';
import type { RateLimit } from './route.ts';

/** Clients whose hash is kept, per route: computing one again costs a few microseconds. */
export const TAGS_KEPT_BYTES_MAX = 1_048_576;
/** Longest value of a key field that is kept; longer ones are hashed each time. */
const KEPT_CHARACTERS_MAX = 256;

export class RateLimiter {
  readonly #table: RateTable;
  readonly #secret: Uint8Array;
  readonly #name: string;
  readonly #field: string | null;
  readonly #intervalMs: number;
  readonly #burst: number;
  readonly #tags = new BoundedMap<ClientTag>(TAGS_KEPT_BYTES_MAX);

  /**
   * `secret` is the same in all workers and unknown outside, so that nobody can choose values that
   * share another client's place. `name` tells the limits of several routes apart.
   */
  constructor(table: RateTable, secret: Uint8Array, name: string, limit: RateLimit) {
    this.#table = table;
    this.#secret = secret;
    this.#name = name;
    this.#field = limit.key === 'address' ? null : limit.key.field.toLowerCase();
    this.#intervalMs = 1_000 / limit.requestsPerSecond;
    this.#burst = limit.burst;
  }

  /** Seconds until the client may ask again, rounded up; 0 when it may now. */
  take(head: RequestHead, remoteAddress: string, nowMs: number): number {
    const client = this.#clientOf(head, remoteAddress);
    const tag = this.#tags.get(client) ?? this.#tagOf(client);
    return Math.ceil(this.#table.take(tag, this.#intervalMs, this.#burst, nowMs) / 1_000);
  }

  /** Who does not send the field that clients are told apart by is told apart by address. */
  #clientOf(head: RequestHead, remoteAddress: string): string {
    if (this.#field !== null) {
      const value = head.fields.combined(this.#field);
      if (value !== undefined) return `field ${value}`;
    }
    return remoteAddress;
  }

  #tagOf(client: string): ClientTag {
    const hash = createHash('sha256').update(this.#secret).update(`${this.#name}\n`);
    const subject = client.startsWith('field ') ? client : clientNetwork(client);
    const digest = hash.update(subject).digest();
    const tag = { tag: digest.readInt32LE(0) || 1, place: digest.readUInt32LE(4) };
    if (client.length <= KEPT_CHARACTERS_MAX) this.#tags.set(client, tag);
    return tag;
  }
}
