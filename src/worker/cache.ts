/** A worker's cache as the options want it: in memory, or in memory over disk. */
import type { PurgeSelector, Store } from '../cache/contract.ts';
import { segmentBytesFor } from '../cache/disk/limits.ts';
import { APART, MARK, VERDICT, WITHOUT } from '../cache/disk-words.ts';
import { InvalidationEpochs } from '../cache/invalidation-epochs.ts';
import { RamStore } from '../cache/memory/ram-store.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { CacheFaults } from './cache-faults.ts';
import type { WorkerInput } from './contract.ts';

export interface WorkerCache {
  readonly store: Store;
  /** A directory is shared with other workers, but this one caches in memory alone. */
  readonly isApart: boolean;
  /** Takes in at once what another worker has purged, where they share a directory. */
  follow(selectors: readonly PurgeSelector[], soft: boolean, nowMs: number): void;
  /** Tells the metrics what is held and what was evicted. Called once per sweep. */
  count(): void;
  /** Resolves when everything that can be written is written. */
  close(): Promise<void>;
}

export type CacheInput = Pick<
  WorkerInput,
  'options' | 'metrics' | 'tombstones' | 'diskWords' | 'log' | 'purgeEverywhere'
>;

/** Never fails for what is wrong with a directory: the cache is in memory then. */
export async function openCache(input: CacheInput): Promise<WorkerCache> {
  const { options } = input;
  const { cacheDirectory, cacheSizeBytes } = options;
  const isInMemory = cacheDirectory === null || cacheSizeBytes === 0;
  const cache = isInMemory ? memoryCache(input) : await diskCache(input, cacheDirectory);
  // What is there is told from the first second on.
  cache.count();
  return cache;
}

function memoryBytesOf({ cacheMemoryBytes, workers }: WorkerInput['options']): number {
  return Math.floor(cacheMemoryBytes / workers);
}

function memoryCache({ options, metrics, tombstones }: CacheInput): WorkerCache {
  // Workers that cache apart learn from shared memory what others have removed.
  const epochs = new InvalidationEpochs(tombstones);
  const store = new RamStore({ capacityBytes: memoryBytesOf(options), epochs });
  const countMemory = memoryCounter(
    () => store,
    () => store.evictionCount,
    metrics,
  );
  return {
    store,
    isApart: false,
    follow() {},
    count: countMemory,
    async close() {
      store[Symbol.dispose]();
    },
  };
}

async function diskCache(input: CacheInput, directory: string): Promise<WorkerCache> {
  // The index is a native library: whoever caches in memory need not load it.
  const { LastingStore } = await import('../cache/disk/lasting-store.ts');
  const { options, metrics, tombstones, diskWords, log, purgeEverywhere } = input;
  const { cacheSizeBytes, workers } = options;
  const report = log.for('cache');
  const faults = new CacheFaults(Date.now, metrics, report);
  const verdict = Atomics.exchange(diskWords, VERDICT, 0);
  const usesDirectory = verdict !== WITHOUT;
  if (!usesDirectory) Atomics.store(diskWords, VERDICT, WITHOUT);
  const store = new LastingStore({
    directory,
    capacityBytes: cacheSizeBytes,
    memoryBytes: memoryBytesOf(options),
    segmentBytes: segmentBytesFor(cacheSizeBytes, workers),
    isShared: workers > 1,
    epochs: new InvalidationEpochs(tombstones),
    mark: diskWords.subarray(MARK, MARK + 1),
    usesDirectory,
    suspectMs: usesDirectory ? verdict * 1000 : 0,
    onFault: (fault) => faults.note(fault),
    onNotice: (message) => report(`cache: ${message}`, { level: 'warning', event: 'cache-begun' }),
    onInvalidatedApart: (key) =>
      purgeEverywhere({ selectors: [{ kind: 'key', key }], soft: false }, () => {}),
  });
  const evicted = () => store.evictedFromMemory;
  const countMemory = memoryCounter(() => store.memory, evicted, metrics);
  let evictedBefore = 0;
  return {
    store,
    get isApart() {
      return store.isApart;
    },
    follow: (selectors, soft, nowMs) => store.follow(selectors, soft, nowMs),
    count() {
      countMemory();
      Atomics.store(diskWords, APART, store.isApart ? 1 : 0);
      metrics.cacheDiskHolds(store.diskBytes, store.diskEntries);
      metrics.cacheDiskKeeps(store.removedBytes);
      metrics.cacheEvicted('disk', store.evictedResponses - evictedBefore);
      evictedBefore = store.evictedResponses;
      faults.tellRest();
    },
    close: () => store.close(),
  };
}

function memoryCounter(memory: () => RamStore, evicted: () => number, metrics: Metrics) {
  let evictedBefore = 0;
  return () => {
    metrics.cacheHolds(memory().bytesUsed, memory().entryCount);
    metrics.cacheEvicted('memory', evicted() - evictedBefore);
    evictedBefore = evicted();
  };
}
