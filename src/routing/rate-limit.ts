/** How often each client may ask, for one route. */
import { createHash } from 'node:crypto';
import { clientNetwork } from '../base/address-range.ts';
import { BoundedMap } from '../base/bounded-map.ts';
import type { RequestFacts } from '../http/exchange.ts';
import type { RequestHead } from '../http/message.ts';
import type { ClientTag, RateShape, RateTable } from './rate-table.ts';
import type { RateLimit } from './route.ts';
import { compileTemplate, type Template } from './variables.ts';

/** Clients whose hash is kept, per route: computing one again costs a few microseconds. */
export const TAGS_KEPT_BYTES_MAX = 1_048_576;
/** Longest value of a key field that is kept; longer ones are hashed each time. */
const KEPT_CHARACTERS_MAX = 256;

/** Throws SyntaxError for a variable that there is none of. */
export function compileRateKey(text: string): Template {
  return compileTemplate(text, 'request');
}

export class RateLimiter {
  readonly #table: RateTable;
  readonly #secret: Uint8Array;
  readonly #name: string;
  readonly #keyOf: Template | null;
  readonly #shape: RateShape;
  readonly #tags = new BoundedMap<ClientTag>(TAGS_KEPT_BYTES_MAX);

  /**
   * `secret` is the same in all workers and unknown outside, so that nobody can choose values that
   * share another client's place. `name` tells the limits of several routes apart.
   */
  constructor(table: RateTable, secret: Uint8Array, name: string, limit: RateLimit) {
    this.#table = table;
    this.#secret = secret;
    this.#name = name;
    this.#keyOf = limit.key === 'address' ? null : compileRateKey(limit.key.text);
    const intervalMs = 1_000 / limit.requestsPerSecond;
    const queued = Math.floor(limit.delayMs / intervalMs);
    this.#shape = { intervalMs, burst: limit.burst, queued };
  }

  /**
   * Milliseconds: 0 when the client may ask now, more than 0 until it may ask again, less when this
   * request is to wait so long. `facts`: null for what only knows its address.
   */
  take(
    head: RequestHead,
    remoteAddress: string,
    nowMs: number,
    facts: RequestFacts | null = null,
  ): number {
    const client = this.#clientOf(head, remoteAddress, facts);
    const tag = this.#tags.get(client) ?? this.#tagOf(client);
    return this.#table.take(tag, this.#shape, nowMs);
  }

  /** Who has nothing that clients are told apart by is told apart by address. */
  #clientOf(head: RequestHead, remoteAddress: string, facts: RequestFacts | null): string {
    const value = this.#keyOf?.({ head, facts }) ?? '';
    return value === '' ? remoteAddress : `key ${value}`;
  }

  #tagOf(client: string): ClientTag {
    const hash = createHash('sha256').update(this.#secret).update(`${this.#name}\n`);
    const subject = client.startsWith('key ') ? client : clientNetwork(client);
    const digest = hash.update(subject).digest();
    const tag = { tag: digest.readInt32LE(0) || 1, place: digest.readUInt32LE(4) };
    if (client.length <= KEPT_CHARACTERS_MAX) this.#tags.set(client, tag);
    return tag;
  }
}
