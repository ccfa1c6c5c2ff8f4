/**
 * Collapsing (RFC 9211 §2.6): one fetch per key, while other requests for it wait and then stream
 * from the fill in progress. As soon as the response turns out to be of no use to others, all of
 * them are let go at once, so that uncacheable content is never served one request at a time.
 *
 * No clock and no timer here: the caller passes the time and calls `expire`.
 */

import { FieldSection } from '../http/field-section.ts';
import type { FetchLease, PurgeSelector, StoreHit } from './contract.ts';
import { isSelected } from './purge.ts';
import { targetOfKey } from './rules/key.ts';

export interface CollapseLimits {
  /** Requests that may wait for one fetch; the next one fetches on its own. */
  readonly waitersMax: number;
  /** How long a request waits for the response's head before it fetches on its own. */
  readonly waitMs: number;
}

export const defaultCollapseLimits: CollapseLimits = { waitersMax: 10_000, waitMs: 5_000 };

/** A request that waits. Exactly one of the two is called, once, unless it leaves before. */
export interface Waiter {
  /** The fetch's response: to be selected by Vary and judged like any stored one. */
  onResponse(hit: StoreHit): void;
  /** Nothing to share: the request must be forwarded on its own. */
  onRelease(reason: ReleaseReason): void;
}

/** `again`: something may be stored by now, or another worker may be asking: begin anew. */
export type ReleaseReason = 'uncacheable' | 'failed' | 'timeout' | 'again';

export type Joined =
  /** This request is the one that fetches: it must call `release` or `end` in the end. */
  | { readonly role: 'leader'; readonly inFlight: InFlightFetch }
  /** It waits; `leave` when its client goes away. */
  | { readonly role: 'waiter'; readonly inFlight: InFlightFetch }
  /** The response is already arriving. */
  | { readonly role: 'reader'; readonly hit: StoreHit }
  /** Too many wait already. */
  | { readonly role: 'alone' };

const NO_FIELDS = new FieldSection();

const ALONE: Joined = { role: 'alone' };

/** Most fetches end before anybody waits for them: a map is made for the first who does. */
const NOBODY = new Map<Waiter, number>();

/** Fetches under way, by key. */
export class CollapseTable {
  readonly #fetches = new Map<string, InFlightFetch>();
  readonly #limits: CollapseLimits;
  #waiterCount = 0;
  /** Fetches whose key is more than a target. */
  #extendedCount = 0;

  constructor(limits: CollapseLimits = defaultCollapseLimits) {
    this.#limits = limits;
  }

  /** Requests that wait now, over all keys: for metrics. */
  get waiterCount(): number {
    return this.#waiterCount;
  }

  get size(): number {
    return this.#fetches.size;
  }

  has(key: string): boolean {
    return this.#fetches.has(key);
  }

  /**
   * `version` is the store's for the key: a fetch from before a removal is not joined, whichever worker
   * has removed (RFC 9111 §4.4).
   */
  join(key: string, waiter: Waiter, nowMs: number, version: number): Joined {
    let inFlight = this.#fetches.get(key);
    if (inFlight !== undefined && inFlight.version !== version) {
      inFlight.release('uncacheable');
      inFlight = undefined;
    }
    if (inFlight === undefined) {
      const started = new InFlightFetch(key, this, version);
      this.#fetches.set(key, started);
      if (targetOfKey(key) !== key) this.#extendedCount++;
      return { role: 'leader', inFlight: started };
    }
    if (inFlight.hit !== null) return { role: 'reader', hit: inFlight.hit };
    if (inFlight.waiters.size >= this.#limits.waitersMax) return ALONE;
    this.wait(inFlight, waiter, nowMs);
    return { role: 'waiter', inFlight };
  }

  /** For who leads an in-flight fetch, but for another worker that asks already. */
  wait(inFlight: InFlightFetch, waiter: Waiter, nowMs: number): void {
    if (inFlight.waiters === NOBODY) inFlight.waiters = new Map();
    inFlight.waiters.set(waiter, nowMs + this.#limits.waitMs);
    this.#waiterCount++;
  }

  /**
   * What is being fetched under the key may be out of date on arrival (RFC 9111 §4.4): those who
   * wait ask again, and who comes later does not join.
   */
  invalidate(key: string): void {
    this.#fetches.get(key)?.release('uncacheable');
    if (this.#extendedCount === 0) return;
    for (const inFlight of [...this.#fetches.values()]) {
      if (targetOfKey(inFlight.key) === key) inFlight.release('uncacheable');
    }
  }

  /** Lets go those who have waited too long. Call it a few times a second. */
  expire(nowMs: number): void {
    if (this.#waiterCount === 0) return;
    for (const inFlight of this.#fetches.values()) {
      for (const [waiter, deadlineMs] of inFlight.waiters) {
        // Waiters are in the order of their deadlines.
        if (deadlineMs > nowMs) break;
        inFlight.leave(waiter);
        waiter.onRelease('timeout');
      }
    }
  }

  /**
   * After a purge: who asks from now on must not get what was asked for before it. Who reads already
   * reads on. Tags are known once the response has begun.
   */
  releaseSelected(selector: PurgeSelector): void {
    for (const inFlight of [...this.#fetches.values()]) {
      const fields = inFlight.hit?.response.fields ?? NO_FIELDS;
      if (isSelected(selector, inFlight.key, fields)) inFlight.release('failed');
    }
  }

  /** For fetches only. */
  forget(inFlight: InFlightFetch): void {
    if (this.#fetches.get(inFlight.key) !== inFlight) return;
    this.#fetches.delete(inFlight.key);
    if (targetOfKey(inFlight.key) !== inFlight.key) this.#extendedCount--;
  }

  /** For fetches only. */
  noteGone(count: number): void {
    this.#waiterCount -= count;
  }
}

/** One fetch and those who wait for it. */
export class InFlightFetch {
  readonly key: string;
  /** The store's for the key, when it began. */
  readonly version: number;
  /** For the table only: waiters and their deadlines, in order. */
  waiters = NOBODY;
  /** Set from the head of a storable response until `end`. */
  hit: StoreHit | null = null;
  /** Other processes wait for this fetch, too. */
  lease: FetchLease | null = null;
  readonly #table: CollapseTable;
  #ended = false;

  constructor(key: string, table: CollapseTable, version: number) {
    this.key = key;
    this.version = version;
    this.#table = table;
  }

  /** Nobody can join any more. Before its own fetch has ended: it was invalidated. */
  get isOver(): boolean {
    return this.#ended;
  }

  /** The response may be shared: those who wait get it, and those who come until `end`. */
  share(hit: StoreHit): void {
    if (this.#ended) return;
    this.hit = hit;
    for (const waiter of this.#takeWaiters()) waiter.onResponse(hit);
  }

  /** The response is of no use to others, or there is none: the key is free at once. */
  release(reason: ReleaseReason): void {
    if (this.#ended) return;
    this.#ended = true;
    this.hit = null;
    this.#table.forget(this);
    this.lease?.end();
    for (const waiter of this.#takeWaiters()) waiter.onRelease(reason);
  }

  /** The fill has ended, well or badly: from here the store answers. */
  end(): void {
    this.release('failed');
  }

  /** The waiter's own request is gone. */
  leave(waiter: Waiter): void {
    if (this.waiters.delete(waiter)) this.#table.noteGone(1);
  }

  #takeWaiters(): readonly Waiter[] {
    if (this.waiters.size === 0) return [];
    const waiters = [...this.waiters.keys()];
    this.waiters.clear();
    this.#table.noteGone(waiters.length);
    return waiters;
  }
}
