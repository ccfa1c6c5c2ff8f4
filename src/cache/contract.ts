/**
 * The store's contract: what the proxy needs of a cache, whatever keeps the bytes (RAM here, disk
 * behind the same words). Rules (RFC 9111) are in their own modules and know nothing of stores.
 */
import type { FieldSection } from '../http/field-section.ts';

/** One stored response (RFC 9111 §3). Times are wall-clock milliseconds. */
export interface StoredResponse {
  readonly status: number;
  readonly fields: FieldSection;
  /** Field values of the request that Vary names (RFC 9111 §4.1): pairs of name and value. */
  readonly varyFields: readonly (readonly [name: string, value: string | undefined])[];
  /** When the request was sent and its response received (RFC 9111 §4.2.3). */
  readonly requestTimeMs: number;
  readonly responseTimeMs: number;
  /** Octets of content, or -1 while the fill is still going on and the length is not known. */
  readonly contentLength: number;
}

/** Reads a stored response's content; may be a fill in progress. */
export interface ContentReader {
  /**
   * The whole content when it is in memory and complete: the hot path. Undefined when it must be
   * read piece by piece.
   */
  readonly whole: Uint8Array | undefined;
  /**
   * Reads from `offset`; calls `onBytes` (valid until its return) until it returns false (pause) or
   * the content ends, then `onEnd(null)`; `onEnd(error)` when the fill or the disk failed.
   */
  read(offset: number, receiver: ContentReceiver): ContentReading;
  /** Releases the content; the reader must not be used afterwards. */
  close(): void;
}

export interface ContentReceiver {
  onBytes(bytes: Uint8Array): boolean;
  onEnd(error: Error | null): void;
}

export interface ContentReading {
  resume(): void;
  cancel(): void;
}

/** Takes a response while it arrives from the origin. */
export interface ContentWriter {
  write(bytes: Uint8Array): void;
  /** The content is complete: the stored response can be served from now on. */
  commit(trailers: FieldSection | null): void;
  /** Drops it; readers of the fill in progress get an error. */
  abort(): void;
}

export interface StoreHit {
  readonly response: StoredResponse;
  open(): ContentReader;
}

export interface Store extends Disposable {
  /**
   * The stored responses under a key, most recent first; the caller selects by Vary. At once from
   * memory when possible: the callback may be called before `lookup` returns.
   */
  lookup(key: string, callback: (hits: readonly StoreHit[]) => void): void;
  /** Begins to store; undefined when it cannot be (too large, no room, closed). */
  create(key: string, response: StoredResponse): ContentWriter | undefined;
  /** Replaces fields and times of a stored response after a 304 (RFC 9111 §4.3.4). */
  update(key: string, previous: StoredResponse, fresh: StoredResponse): void;
  /** Removes every stored response under a key. */
  invalidate(key: string): void;
  /** Octets and entries held, for metrics. */
  readonly bytesUsed: number;
  readonly entryCount: number;
}
