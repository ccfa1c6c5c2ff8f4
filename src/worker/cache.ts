/** A worker's cache as the options want it: in memory, or in memory over disk. */
import { UsageError } from '../base/errors.ts';
import type { Store } from '../cache/contract.ts';
import { segmentBytesFor } from '../cache/disk/limits.ts';
import { Generations } from '../cache/generations.ts';
import { RamStore } from '../cache/ram-store.ts';
import type { SluiceOptions } from '../config/options.ts';
import type { Report } from '../telemetry/log-event.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { CacheFaults } from './cache-faults.ts';

export interface WorkerCache {
  readonly store: Store;
  /** Takes in at once what other workers have purged, where they share a directory. */
  follow(): void;
  /** Tells the metrics what is held and what was evicted. Called once per sweep. */
  count(): void;
  /** Resolves when everything that can be written is written. */
  close(): Promise<void>;
}

/**
 * Throws UsageError when the directory cannot be used. `removals` are in memory that all workers
 * share: those that cache apart learn from them what others have removed.
 */
export async function openCache(
  options: SluiceOptions,
  metrics: Metrics,
  removals: Int32Array,
  report: Report,
): Promise<WorkerCache> {
  const memoryBytes = Math.floor(options.cacheMemoryBytes / options.workers);
  if (options.cacheDirectory === '' || options.cacheSizeBytes === 0) {
    return memoryCache(memoryBytes, metrics, new Generations(removals));
  }
  return diskCache(options, memoryBytes, metrics, report);
}

function memoryCache(
  capacityBytes: number,
  metrics: Metrics,
  generations: Generations,
): WorkerCache {
  const store = new RamStore({ capacityBytes, generations });
  const countMemory = memoryCounter(store, metrics);
  return {
    store,
    follow() {},
    count: countMemory,
    async close() {
      store[Symbol.dispose]();
    },
  };
}

async function diskCache(
  options: SluiceOptions,
  memoryBytes: number,
  metrics: Metrics,
  report: Report,
): Promise<WorkerCache> {
  // The index is a native library: whoever caches in memory need not load it.
  const { DiskStore } = await import('../cache/disk/disk-store.ts');
  const { cacheDirectory, cacheSizeBytes, workers } = options;
  const faults = new CacheFaults(Date.now, metrics, report);
  const open = () =>
    new DiskStore({
      directory: cacheDirectory,
      capacityBytes: cacheSizeBytes,
      memoryBytes,
      segmentBytes: segmentBytesFor(cacheSizeBytes, workers),
      isShared: workers > 1,
      onFault: (fault) => faults.note(fault),
    });
  const store = openOrExplain(open, cacheDirectory);
  const countMemory = memoryCounter(store.memory, metrics);
  let evictedBefore = 0;
  return {
    store,
    follow: () => store.followOthers(),
    count() {
      countMemory();
      metrics.cacheDiskHolds(store.bytesUsed, store.entryCount);
      const { evictedResponses } = store.space;
      metrics.cacheEvicted('disk', evictedResponses - evictedBefore);
      evictedBefore = evictedResponses;
      faults.tellRest();
    },
    close: () => store.close(),
  };
}

function openOrExplain<T>(open: () => T, directory: string): T {
  try {
    return open();
  } catch (error) {
    throw new UsageError(
      `--cache-dir ${JSON.stringify(directory)}: ${(error as Error).message}`,
      (error as NodeJS.ErrnoException).code === 'ENOSPC'
        ? 'make room on its device, or choose another directory'
        : 'see that this user may write there, or remove the directory to begin anew',
    );
  }
}

function memoryCounter(memory: RamStore, metrics: Metrics): () => void {
  let evictedBefore = 0;
  return () => {
    metrics.cacheHolds(memory.bytesUsed, memory.entryCount);
    metrics.cacheEvicted('memory', memory.evictionCount - evictedBefore);
    evictedBefore = memory.evictionCount;
  };
}
