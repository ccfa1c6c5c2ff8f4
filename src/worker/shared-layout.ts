/**
 * The memory that the supervisor and all workers share, as a table of its regions. What is in it
 * outlives any worker. The supervisor lays it out, once, and hands the layout on.
 */
import { randomFillSync } from 'node:crypto';
import { assert } from '../base/assert.ts';
import { DISK_WORDS } from '../cache/disk-words.ts';
import { INVALIDATION_EPOCHS_BYTES } from '../cache/invalidation-epochs.ts';
import { SharedMemory } from '../native/shared-memory.ts';
import { RATE_SECRET_BYTES, rateTableBytes } from '../routing/rate-table.ts';
import { metricsRegionBytes } from '../telemetry/metric-layout.ts';
import { strikeRegisterBytes } from '../tls/early-data/strike-register.ts';
import { traceRegionBytes } from '../tls/trace-layout.ts';
import { sharedHealthWords } from '../upstream/shared-health.ts';

/** Each region begins with a page: what nobody has touched takes no memory. */
const PAGE_BYTES = 4096;
/** Each copy begins with a cache line, so that workers do not write to the same one. */
const LINE_BYTES = 64;

interface Region {
  readonly bytes: number;
  /** One for all, one for each worker, or one for each process: the supervisor's is the last. */
  readonly per: 'machine' | 'worker' | 'process';
}

const regions = {
  metrics: { bytes: metricsRegionBytes, per: 'process' },
  /** tls/early-data/strike-register.ts */
  strikes: { bytes: strikeRegisterBytes(), per: 'machine' },
  /** What client names are hashed with in the rate limits. */
  rateSecret: { bytes: RATE_SECRET_BYTES, per: 'machine' },
  /** routing/rate-table.ts */
  rates: { bytes: rateTableBytes(), per: 'machine' },
  /** What the workers share about origins: upstream/shared-health.ts */
  sharedHealth: { bytes: sharedHealthWords * 4, per: 'machine' },
  /** What has been removed from caches: cache/invalidation-epochs.ts */
  tombstones: { bytes: INVALIDATION_EPOCHS_BYTES, per: 'machine' },
  /** About the cache directory: cache/disk-words.ts */
  disk: { bytes: DISK_WORDS * 4, per: 'worker' },
  /** The trace recorder: tls/trace-layout.ts */
  traces: { bytes: traceRegionBytes, per: 'worker' },
} as const satisfies Record<string, Region>;

export type RegionName = keyof typeof regions;

/** Where a region is, as plain values that a message can carry. */
export interface PlacedRegion {
  /** Of its first copy. */
  readonly offset: number;
  /** From one copy to the next. */
  readonly stride: number;
  /** Of one copy. */
  readonly bytes: number;
  readonly copies: number;
}

export interface SharedLayout {
  /** Of all regions. */
  readonly bytes: number;
  readonly regions: Readonly<Record<RegionName, PlacedRegion>>;
}

export function layOut(workers: number): SharedLayout {
  const copiesPer = { machine: 1, worker: workers, process: workers + 1 };
  const placed: Partial<Record<RegionName, PlacedRegion>> = {};
  let end = 0;
  for (const [name, { bytes, per }] of Object.entries<Region>(regions)) {
    const copies = copiesPer[per];
    const offset = roundUp(end, PAGE_BYTES);
    const stride = roundUp(bytes, LINE_BYTES);
    placed[name as RegionName] = { offset, stride, bytes, copies };
    end = offset + copies * stride;
  }
  return { bytes: end, regions: placed as Record<RegionName, PlacedRegion> };
}

function roundUp(bytes: number, unit: number): number {
  return Math.ceil(bytes / unit) * unit;
}

/** What tells another process of the memory; it has inherited the descriptor. */
export interface SharedHandle {
  readonly fd: number;
  readonly layout: SharedLayout;
}

/** The regions of memory that is mapped here. */
export class SharedRegions implements Disposable {
  readonly #memory: SharedMemory;
  readonly #layout: SharedLayout;

  private constructor(memory: SharedMemory, layout: SharedLayout) {
    this.#memory = memory;
    this.#layout = layout;
  }

  /** Zeros, but for the secret. */
  static create(workers: number): SharedRegions {
    const layout = layOut(workers);
    const regions = new SharedRegions(SharedMemory.create('sluice-shared', layout.bytes), layout);
    randomFillSync(regions.bytes('rateSecret'));
    return regions;
  }

  /** What another process has made. */
  static open({ fd, layout }: SharedHandle): SharedRegions {
    return new SharedRegions(SharedMemory.open(fd, layout.bytes), layout);
  }

  get handle(): SharedHandle {
    return { fd: this.#memory.fd, layout: this.#layout };
  }

  /** `index` is a worker's, or for the metrics of the supervisor the number of workers. */
  bytes(name: RegionName, index = 0): Uint8Array {
    const offset = this.#offsetOf(name, index);
    return this.#memory.bytes.subarray(offset, offset + this.#layout.regions[name].bytes);
  }

  /** The same as 32-bit integers. */
  words(name: RegionName, index = 0): Int32Array {
    const { bytes } = this.#layout.regions[name];
    return this.#memory.int32(this.#offsetOf(name, index), bytes / 4);
  }

  /** All copies of a region, in order. */
  all(name: RegionName): Uint8Array[] {
    const { copies } = this.#layout.regions[name];
    return Array.from({ length: copies }, (_, index) => this.bytes(name, index));
  }

  /** Unmaps it here; other processes keep theirs. */
  [Symbol.dispose](): void {
    this.#memory[Symbol.dispose]();
  }

  #offsetOf(name: RegionName, index: number): number {
    const { offset, stride, copies } = this.#layout.regions[name];
    assert(index >= 0 && index < copies, 'a copy of the region that there is');
    return offset + index * stride;
  }
}
