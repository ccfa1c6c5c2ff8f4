/**
 * The store's contract: what the proxy needs of a cache, whatever keeps the bytes (RAM, or RAM
 * over disk behind the same words). Rules (RFC 9111) have their own modules and know no store.
 */
import type { PreparedResponse } from '../http/exchange.ts';
import type { FieldSection } from '../http/field-section.ts';
import type { Freshness } from './rules/freshness.ts';

/** The place of a 206's content in the representation (RFC 9110 §14.4); bytes, inclusive. */
export interface PartialContent {
  readonly first: number;
  readonly last: number;
  /** Bytes of the whole representation, or -1 when the origin does not know. */
  readonly completeLength: number;
}

/**
 * One stored response (RFC 9111 §3). Times are wall-clock milliseconds. Immutable: an update makes
 * another. Made by `receiveResponse` (stored-response.ts), which derives what can be derived once.
 */
export interface StoredResponse {
  readonly status: number;
  /** What a later response is made of: without Age and without what may not be stored. */
  readonly fields: FieldSection;
  /** What the request had in the fields that Vary names (RFC 9111 §4.1): name and normal form. */
  readonly varyFields: readonly (readonly [name: string, value: string | undefined])[];
  /** When the request was sent and its response received (RFC 9111 §4.2.3). */
  readonly requestTimeMs: number;
  readonly responseTimeMs: number;
  /** The corrected initial age (RFC 9111 §4.2.3). */
  readonly initialAgeMs: number;
  /** When a soft purge made it stale; 0 for never. */
  readonly markedStaleMs: number;
  /** Kept from eviction until then, if there is room for it; 0 for not at all. */
  readonly pinnedUntilMs: number;
  /** Bytes of content, or -1 while the fill is still going on and the length is not known. */
  readonly contentLength: number;
  /** Null for a complete response. */
  readonly partial: PartialContent | null;
  /** Derived from the above when the response is received or loaded. */
  readonly freshness: Freshness;
}

/** Reads a stored response's content; may be a fill in progress. */
export interface ContentReader {
  /**
   * The whole content when it is in memory and complete: the hot path. Undefined when it must be
   * read piece by piece.
   */
  readonly whole: Uint8Array | undefined;
  /**
   * Reads from `offset` to the end or to `end` (exclusive); calls `onBytes` (valid until its
   * return) until it returns false (pause) or the content ends, then `onEnd(null)`; `onEnd(error)`
   * when the fill or the disk failed. Calls may begin before `read` returns.
   */
  read(offset: number, receiver: StoredContentReceiver, end?: number): ContentReading;
  /** Releases the content; the reader must not be used afterwards. */
  close(): void;
}

export interface StoredContentReceiver {
  /** Bytes that are worth one `onBytes`, where there is a choice; undefined: it does not matter. */
  readonly bytesAtOnce?: number | undefined;
  onBytes(bytes: Uint8Array): boolean;
  onEnd(error: Error | null): void;
}

export interface ContentReading {
  resume(): void;
  cancel(): void;
}

/** Takes a response while it arrives from the origin. */
export interface ContentWriter {
  /**
   * The response as others may read it while it arrives: collapsed requests stream from here. Every
   * reader gets all of the content, however late it opened, or an error.
   */
  readonly hit: StoreHit;
  /** The store gave up keeping this response (no room left): worth knowing, not an error. */
  readonly isDropped: boolean;
  /** Others read it while it arrives. */
  readonly hasReaders: boolean;
  /**
   * Returns false when the store is behind: whoever can should pause the origin and call
   * `whenDrained`. Who goes on regardless risks that the response is dropped.
   */
  write(bytes: Uint8Array): boolean;
  /** Calls back once, when more should be written; at once when nothing waits. */
  whenDrained(callback: () => void): void;
  /**
   * The content is complete: the stored response can be served from now on. When the length does
   * not agree with what the response said, it is as if `cut` had been called.
   */
  commit(trailers: FieldSection | null): void;
  /**
   * The content ended too early. What has arrived is stored as a part, if the rest can be asked for
   * later (RFC 9111 §3.3); readers of the fill in progress get an error.
   */
  cut(): void;
  /** Drops it; readers of the fill in progress get an error. */
  abort(): void;
}

export interface StoreHit {
  readonly response: StoredResponse;
  /**
   * The response ready to be sent when all of it is in memory; else null. One object per stored
   * response, which counts as a use: set `ageSeconds` and send it before anything else happens.
   */
  prepared(): PreparedHit | null;
  open(): ContentReader;
}

/**
 * A prepared response whose age and fields the server of a hit keeps up to date. `ageSeconds` is -1
 * as long as nobody has; whoever changes `fields` drops the encoded heads.
 */
export interface PreparedHit extends PreparedResponse {
  ageSeconds: number;
  fields: FieldSection;
  /**
   * Whose changes `fields` have, and for which target: no other route and no other target gets them.
   */
  madeBy: object | null;
  madeFor: string;
}

/**
 * What to remove. Prefixes and keys are of cache keys, a key without what rules and slices add to it
 * being all of them; tags of Surrogate-Key and Cache-Tag.
 */
export type PurgeSelector =
  | { readonly kind: 'key'; readonly key: string }
  | { readonly kind: 'prefix'; readonly prefix: string }
  | { readonly kind: 'host'; readonly host: string }
  | { readonly kind: 'tag'; readonly tag: string }
  | { readonly kind: 'all' };

/** Fetches of all processes that share a store: one per key. */
export interface CrossWorkerFetches {
  /**
   * Changes when anyone's fetch of the key begins or ends: to be read before the store is looked into.
   */
  versionOf(key: string): number;
  claim(key: string, version: number): FetchClaim;
}

export type FetchClaim =
  /** This process fetches; it must call `pass` or `end` in the end. */
  | { readonly kind: 'granted'; readonly lease: FetchLease }
  /** Another process fetches. */
  | { readonly kind: 'held'; wait(waiter: CrossWorkerWaiter): void }
  /** `passed`: the last response was of no use to others. `none`: it cannot be known. Do not wait. */
  | { readonly kind: 'passed' | 'none' }
  /** Somebody has begun to fetch since the version was read, and may have ended: look again. */
  | { readonly kind: 'late' };

export interface FetchLease {
  /** The response is of no use to others: they are let go at once, and do not wait for a while. */
  pass(): void;
  /** The fetch is over, well or badly; others hear of it when what was stored can be looked up. */
  end(): void;
}

/** Who waits for another process's fetch. In the end, exactly one of `onPassed` and `onOver`. */
export interface CrossWorkerWaiter {
  /** Nobody waits any more: no further call is needed. */
  readonly isGone: boolean;
  /** The response as it arrives there. */
  onHit(hit: StoreHit): void;
  onPassed(): void;
  /** It is stored, or failed, or its process has died, or takes too long: look, or ask. */
  onOver(): void;
}

/** A page of what is stored. */
export interface ListQuery {
  /** Of keys; '' for all. */
  readonly prefix: string;
  /** Where the last page ended; '' for the first. Means something to the same kind of store only. */
  readonly after: string;
  /** Stored responses at most, but all of one key are together; at least 1. */
  readonly limit: number;
}

export interface ListPage {
  readonly entries: readonly { readonly key: string; readonly response: StoredResponse }[];
  /** For the next page's `after`; null at the end. A page may be empty and not the last. */
  readonly next: string | null;
}

export interface Store extends Disposable {
  /** Null when no other process shares the store. */
  readonly crossWorkerFetches: CrossWorkerFetches | null;
  /**
   * What memory alone knows of a key, at once and without allocating: the stored responses, most
   * recent first, or undefined when only `lookup` can tell. An empty list is a certain miss.
   */
  peek(key: string): readonly StoreHit[] | undefined;
  /**
   * The stored responses under a key, most recent first; the caller selects by Vary. The callback
   * may be called before `lookup` returns. It never fails: a fault of the disk is a miss.
   */
  lookup(key: string, callback: (hits: readonly StoreHit[]) => void): void;
  /**
   * Changes when what is stored under a key is removed: who asks the origin compares it before it
   * stores the response, which may be from before the removal.
   */
  versionOf(key: string): number;
  /** Begins to store; undefined when it cannot be (too large, no room, closed). */
  create(key: string, response: StoredResponse): ContentWriter | undefined;
  /**
   * Replaces fields and times of a stored response (RFC 9111 §4.3.4): `previous` as a hit had it.
   * Returns the new hit, or undefined when the stored response has gone meanwhile.
   */
  update(key: string, previous: StoredResponse, fresh: StoredResponse): StoreHit | undefined;
  /** Removes every stored response under a key and under what rules and slices make of it. */
  invalidate(key: string): void;
  /**
   * Removes all that a selector names, or makes it stale as of `nowMs` when `soft`. Returns how
   * many stored responses that were, as far as known at once; -1 when it is done lazily.
   */
  purge(selector: PurgeSelector, soft: boolean, nowMs: number): number;
  /** How much is stored under a key's target: variants, parts, slices, and what rules add. */
  measure(key: string): { readonly responses: number; readonly bytes: number };
  /** For operators: reads what it must, a bounded number of entries. */
  list(query: ListQuery, callback: (page: ListPage) => void): void;
  /** Bytes and entries held, for metrics. */
  readonly bytesUsed: number;
  readonly entryCount: number;
}
