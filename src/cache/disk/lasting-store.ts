/**
 * The cache of a worker with a directory, whatever becomes of that: when its index fails it is put
 * aside and begun anew; while it cannot be opened, the cache is in memory alone, and it is tried again
 * now and then. Nobody who asks notices more than misses.
 */
import { type OnFault, owned } from '../../base/owned.ts';
import type {
  ContentWriter,
  ListPage,
  ListQuery,
  PurgeSelector,
  Store,
  StoredResponse,
  StoreHit,
} from '../contract.ts';
import type { InvalidationEpochs } from '../invalidation-epochs.ts';
import { RamStore } from '../memory/ram-store.ts';
import { DiskStore, type DiskStoreOptions } from './disk-store.ts';
import { isFull } from './faults.ts';
import { REOPEN_MS } from './limits.ts';

export interface LastingStoreOptions extends DiskStoreOptions {
  /** Something that is no fault: the directory has been begun anew, or can be used again. */
  readonly onNotice: (message: string) => void;
  /** Of workers that cache apart, which this one is while it has no directory. */
  readonly epochs: InvalidationEpochs;
  /** While this worker caches apart, others must hear of what it knows to be out of date. */
  readonly onInvalidatedApart: (key: string) => void;
  /** False: it has died of the directory, and does without. */
  readonly usesDirectory: boolean;
}

/** How often it is seen whether what a former directory had is read no more. */
const IDLE_LOOK_MS = 1_000;

export class LastingStore implements Store {
  readonly #options: LastingStoreOptions;
  /** Exactly one of the two is there. */
  #disk: DiskStore | null = null;
  #apart: RamStore | null = null;
  /** Given up, but still read by some. */
  readonly #former = new Set<DiskStore>();
  #evictedBefore = 0;
  #evictedFromMemoryBefore = 0;
  #reopenTimer: NodeJS.Timeout | null = null;
  #formerTimer: NodeJS.Timeout | null = null;
  #isReplacing = false;
  #closed = false;

  constructor(options: LastingStoreOptions) {
    this.#options = options;
    if (options.usesDirectory) this.#open();
    else this.#cacheApart();
  }

  readonly #onFault: OnFault = (error) => {
    const { message } = error as Error;
    this.#options.onFault?.({ code: 'cache-index-failed', message });
  };

  // ------------------------------------------------------------------ the directory

  #open(): void {
    const { onNotice, onFault, directory } = this.#options;
    const wasApart = this.#apart !== null;
    try {
      this.#disk = DiskStore.open({ ...this.#options, onLost: () => this.#replaceSoon() });
    } catch (error) {
      onFault?.(openFault(error as Error, directory));
      if (!wasApart) this.#cacheApart();
      this.#reopenLater();
      return;
    }
    this.#endApart();
    const { found } = this.#disk;
    if (found.kind === 'aside' && found.isDamage) {
      onFault?.({ code: 'cache-index-failed', message: `${found.why}; the cache is emptied` });
    } else if (found.kind === 'aside') {
      onNotice(`${directory}: ${found.why}; the cache is emptied`);
    }
    if (wasApart) onNotice(`${directory}: the cache is on disk again`);
  }

  #cacheApart(): void {
    const { memoryBytes: capacityBytes, epochs } = this.#options;
    this.#apart = new RamStore({ capacityBytes, epochs });
  }

  #endApart(): void {
    this.#evictedFromMemoryBefore += this.#apart?.evictionCount ?? 0;
    this.#apart?.[Symbol.dispose]();
    this.#apart = null;
  }

  #reopenLater(): void {
    if (this.#closed || this.#reopenTimer !== null) return;
    this.#reopenTimer = setTimeout(() => {
      this.#reopenTimer = null;
      if (this.#apart !== null) this.#open();
    }, REOPEN_MS);
    this.#reopenTimer.unref();
  }

  /**
   * Whoever found the fault is in the middle of something: what the old one says until then is a miss.
   */
  #replaceSoon(): void {
    if (this.#isReplacing) return;
    this.#isReplacing = true;
    setImmediate(() => this.#replace());
  }

  #replace(): void {
    const disk = this.#disk;
    if (disk === null || this.#closed) return;
    this.#isReplacing = true;
    disk.abandon();
    this.#disk = null;
    this.#evictedBefore += disk.space.evictedResponses;
    this.#evictedFromMemoryBefore += disk.memory.evictionCount;
    this.#former.add(disk);
    this.#formerTimer ??= setInterval(() => this.#endFormer(), IDLE_LOOK_MS);
    this.#formerTimer.unref();
    this.#open();
    this.#isReplacing = false;
  }

  #endFormer(): void {
    for (const disk of this.#former) {
      if (!disk.isIdle) continue;
      this.#former.delete(disk);
      owned(disk.close(), this.#onFault);
    }
    if (this.#former.size > 0 || this.#formerTimer === null) return;
    clearInterval(this.#formerTimer);
    this.#formerTimer = null;
  }

  get #store(): DiskStore | RamStore {
    if (this.#disk?.isAbandoned === true && !this.#isReplacing) this.#replace();
    return this.#disk ?? this.#apart!;
  }

  // ------------------------------------------------------------------ for workers

  /** What is in memory: of the moment. */
  get memory(): RamStore {
    return this.#disk?.memory ?? this.#apart!;
  }

  /** No other worker sees what is stored here. */
  get isApart(): boolean {
    return this.#disk === null;
  }

  /** Responses that went from the disk, and from memory, to make room. */
  get evictedResponses(): number {
    return this.#evictedBefore + (this.#disk?.space.evictedResponses ?? 0);
  }

  get evictedFromMemory(): number {
    return this.#evictedFromMemoryBefore + this.memory.evictionCount;
  }

  /** Bytes of segments that have been removed, and that are kept for those who read them. */
  get removedBytes(): number {
    let sum = this.#disk?.files.removedBytes ?? 0;
    for (const disk of this.#former) sum += disk.files.removedBytes;
    return sum;
  }

  get diskBytes(): number {
    return this.#disk?.bytesUsed ?? 0;
  }

  get diskEntries(): number {
    return this.#disk?.entryCount ?? 0;
  }

  /**
   * Takes in what another worker has purged, `selectors`, in the directory that both have; a worker
   * without has to purge for itself.
   */
  follow(selectors: readonly PurgeSelector[], soft: boolean, nowMs: number): void {
    const store = this.#store;
    if (store instanceof DiskStore) store.followOthers();
    else for (const selector of selectors) store.purge(selector, soft, nowMs);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#reopenTimer !== null) clearTimeout(this.#reopenTimer);
    if (this.#formerTimer !== null) clearInterval(this.#formerTimer);
    this.#endApart();
    await Promise.all([this.#disk, ...this.#former].map((disk) => disk?.close()));
  }

  // ------------------------------------------------------------------ as a store

  get crossWorkerFetches() {
    return this.#store.crossWorkerFetches;
  }

  peek(key: string): readonly StoreHit[] | undefined {
    return this.#store.peek(key);
  }

  lookup(key: string, callback: (hits: readonly StoreHit[]) => void): void {
    this.#store.lookup(key, callback);
  }

  versionOf(key: string): number {
    return this.#store.versionOf(key);
  }

  create(key: string, response: StoredResponse): ContentWriter | undefined {
    return this.#store.create(key, response);
  }

  update(key: string, previous: StoredResponse, fresh: StoredResponse): StoreHit | undefined {
    return this.#store.update(key, previous, fresh);
  }

  invalidate(key: string): void {
    this.#store.invalidate(key);
    if (this.isApart) this.#options.onInvalidatedApart(key);
    // For workers that have no directory.
    else this.#options.epochs.noteTarget(key);
  }

  purge(selector: PurgeSelector, soft: boolean, nowMs: number): number {
    return this.#store.purge(selector, soft, nowMs);
  }

  measure(key: string): { readonly responses: number; readonly bytes: number } {
    return this.#store.measure(key);
  }

  list(query: ListQuery, callback: (page: ListPage) => void): void {
    this.#store.list(query, callback);
  }

  get bytesUsed(): number {
    return this.#store.bytesUsed;
  }

  get entryCount(): number {
    return this.#store.entryCount;
  }

  [Symbol.dispose](): void {
    owned(this.close(), this.#onFault);
  }
}

function openFault(error: Error, directory: string) {
  const where = `${directory}: ${error.message}; the cache is in memory until that can be used`;
  return isFull(error)
    ? ({ code: 'cache-disk-full', message: where } as const)
    : ({ code: 'cache-index-failed', message: where } as const);
}
