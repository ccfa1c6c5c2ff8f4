/**
 * The two-tier store: RAM for what is hot, segment files for the rest, one index for all workers
 * of the machine. Whatever is wrong on disk is a miss and a fault that the operator hears of.
 *
 * Long because it is where both tiers and the index meet: what each of them says about a key is
 * weighed once.
 */

import { randomInt } from 'node:crypto';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { endProcess, type OnFault, owned } from '../../base/owned.ts';
import type { MemoryContent } from '../content.ts';
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
import { PINNED_SHARE_MAX } from '../memory/s3-fifo.ts';
import { PART_SLOTS, placeOfPart } from '../parts.ts';
import { isSelected } from '../purge.ts';
import { targetOfKey } from '../rules/key.ts';
import { withContent } from '../rules/stored-response.ts';
import { sameVaryFields } from '../rules/vary.ts';
import { CacheDirectory, type Found } from './cache-directory.ts';
import { DiskFill, type FillHost, SHARED_BYTES_MAX } from './disk-fill.ts';
import type { FaultListener } from './faults.ts';
import { DiskIndex } from './index/disk-index.ts';
import type { IndexEntry } from './index/index-entry.ts';
import { type Purge, PurgeLog } from './index/purge-log.ts';
import { READ_MS_MAX, SEGMENT_BYTES_MIN, segmentBytesFor } from './limits.ts';
import { Listing } from './listing.ts';
import { encodeHead, frameContent, keyHash, objectName } from './segments/record.ts';
import { RecordReader, type Wanted } from './segments/record-reader.ts';
import { Reinsertion } from './segments/reinsertion.ts';
import { DIRECTORIES_BYTES, type FileOperations, SegmentFiles } from './segments/segment-files.ts';
import { SegmentSpace } from './segments/segment-space.ts';
import { SegmentWriter } from './segments/segment-writer.ts';
import { SharedFetches } from './shared/shared-fetches.ts';
import { SHARED_STATE_BYTES, SharedState } from './shared/shared-state.ts';

export interface DiskStoreOptions {
  readonly directory: string;
  /** Bytes on disk for all workers together, the index included; at least 16 MiB. */
  readonly capacityBytes: number;
  /** Bytes of RAM for this worker. */
  readonly memoryBytes: number;
  /** Default: as `segmentBytesFor` one worker has it. */
  readonly segmentBytes?: number;
  /** Longest content stored. Default: a quarter of the capacity. */
  readonly contentBytesMax?: number;
  /** Other processes use the directory: keys are fetched once for all of them. */
  readonly isShared?: boolean;
  readonly onFault?: FaultListener;
  /** The index cannot be used from now on: it is time for `abandon`. Called once. */
  readonly onLost?: () => void;
  /** See DiskIndexOptions. */
  readonly mark?: Int32Array;
  /** What was begun before, since the epoch, is not used: a process has died in it. */
  readonly suspectMs?: number;
  /** For segments; default: those of Node. */
  readonly operations?: FileOperations;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
}

/** Room in a head for saying that its content is a part: three numbers of up to 16 digits. */
const CUT_SPARE_BYTES = 56;

/** How long the end waits for a disk that has stopped answering. */
const FLUSH_MS_MAX = 5_000;

/** How soon workers see each other's purges and replacements. */
export const COHERENCE_MS = 50;

/** How often it is seen whether the directory still has the cache that was opened. */
const LOOK_MS = 1_000;

/** Bytes in the directory beside segments and index. */
const FIXED_BYTES = SHARED_STATE_BYTES + DIRECTORIES_BYTES;

const NOBODY: readonly StoreHit[] = Object.freeze([]);

interface Persisted {
  readonly key: string;
  readonly response: StoredResponse;
  readonly content: Uint8Array;
  readonly written: Written & { readonly generation: number };
  readonly hit: StoreHit;
}

export class DiskStore implements Store {
  readonly memory: RamStore;
  readonly files: SegmentFiles;
  readonly space: SegmentSpace;
  readonly index: DiskIndex;
  readonly crossWorkerFetches: SharedFetches | null;
  readonly #writer: SegmentWriter;
  readonly #purges: PurgeLog;
  readonly #reader: RecordReader;
  readonly #reinsertion: Reinsertion;
  readonly #shared: SharedState;
  readonly #epochs: InvalidationEpochs;
  readonly #now: () => number;
  readonly #onFault: FaultListener;
  readonly #host: FillHost;
  readonly #fills = new Set<DiskFill>();
  /** Complete responses by key whose index entry is not committed yet. */
  readonly #unlisted = new Map<string, StoreHit[]>();
  /** Where the head of a response in memory lies, as this worker knows it. */
  readonly #places = new WeakMap<StoredResponse, string>();
  readonly #timer: NodeJS.Timeout;
  readonly #directory: CacheDirectory;
  readonly #onLost: () => void;
  #lookedMs = performance.now();
  #removedSegments = 0;
  #isAbandoned = false;
  #closed = false;

  /** Throws what the file system, or LMDB, does: see `CacheDirectory` for what it puts aside itself. */
  static open(options: DiskStoreOptions): DiskStore {
    return CacheDirectory.open(options.directory, options.suspectMs ?? 0, (directory) => {
      const { path } = directory;
      const shared = SharedState.open(join(path, 'shared'), options.now ?? Date.now);
      try {
        const files = new SegmentFiles(join(path, 'segments'), options.operations);
        return new DiskStore(options, directory, shared, files);
      } catch (error) {
        shared[Symbol.dispose]();
        throw error;
      }
    });
  }

  private constructor(
    options: DiskStoreOptions,
    directory: CacheDirectory,
    shared: SharedState,
    files: SegmentFiles,
  ) {
    const { capacityBytes } = options;
    this.#now = options.now ?? Date.now;
    this.#onFault = options.onFault ?? (() => {});
    this.#onLost = options.onLost ?? (() => {});
    this.#directory = directory;
    this.#shared = shared;
    this.#removedSegments = shared.removedSegments;
    this.#epochs = this.#shared.epochs;
    const memory = { capacityBytes: options.memoryBytes, epochs: this.#epochs };
    this.memory = new RamStore(memory);
    this.files = files;
    this.index = this.#openIndex(options.mark);
    this.space = new SegmentSpace(this.index, this.files, directory.path, {
      capacityBytes: capacityBytes - FIXED_BYTES,
      // A segment must be able to take any response that shares one.
      segmentBytes: Math.max(
        options.segmentBytes ?? segmentBytesFor(capacityBytes, 1),
        SEGMENT_BYTES_MIN,
      ),
      onRemoved: () => this.#shared.noteRemovedSegment(),
      now: this.#now,
      readmit: (segment, names, done) => this.#reinsertion.readmit(segment, names, done),
    });
    this.space.recover((segment) => sizeOf(this.files.path(segment.id)));
    this.#writer = new SegmentWriter(this.files, this.space, this.#onFault, this.#now);
    this.#purges = new PurgeLog(this.index);
    const bytesMax = Math.floor(this.space.segmentBytes * PINNED_SHARE_MAX);
    this.#reinsertion = new Reinsertion(this.files, this.index, this.#writer, bytesMax);
    this.#reader = new RecordReader({
      files: this.files,
      index: this.index,
      space: this.space,
      purges: this.#purges,
      keptBytesMax: this.memory.contentBytesMax,
      isRemoved: (key, times) => this.#isRemoved(key, times),
      adopt: (wanted, response, content, entry) => this.#adopt(wanted, response, content, entry),
      onFault: this.#onFault,
    });
    this.crossWorkerFetches = options.isShared === true ? this.#sharedFetches() : null;
    this.#host = this.#fillHost(options.contentBytesMax ?? Math.floor(capacityBytes / 4));
    this.#timer = setInterval(() => this.followOthers(), COHERENCE_MS);
    this.#timer.unref();
  }

  #openIndex(mark: Int32Array | undefined): DiskIndex {
    return new DiskIndex(join(this.#directory.path, 'index'), {
      onFailure: ({ message }) => {
        this.#onFault({ code: 'cache-index-failed', message });
        this.#onLost();
      },
      onFull: (error) => this.#writer.noteFailure(error),
      ...(mark === undefined ? {} : { mark }),
    });
  }

  /** What was there when it was opened. */
  get found(): Found {
    return this.#directory.found;
  }

  /** Some process has begun the cache anew: what this one knows is nobody else's any more. */
  get isAbandoned(): boolean {
    return this.#shared.isAbandoned;
  }

  #fillHost(contentBytesMax: number): FillHost {
    return {
      files: this.files,
      space: this.space,
      writer: this.#writer,
      contentBytesMax,
      reserveMemory: (bytes) => this.memory.reserve(bytes),
      settle: (fill) => {
        this.memory.forgetVariant(fill.key, fill.response);
        this.#noteUnlisted(fill.key, fill);
      },
      finish: (fill) => this.#finish(fill),
      forget: (fill) => {
        this.#fills.delete(fill);
        this.#noteListed(fill.key, fill);
      },
      onSlowDisk: () =>
        this.#onFault({
          code: 'cache-disk-slow',
          message: 'the disk is slower than a response that was to be stored',
        }),
      isShared: this.crossWorkerFetches !== null,
      publish: (fill) => this.crossWorkerFetches?.publish(fill),
      isWanted: (fill) => this.crossWorkerFetches?.isWanted(fill) ?? false,
    };
  }

  #sharedFetches(): SharedFetches {
    return new SharedFetches({
      leases: this.#shared.leases,
      epochs: this.#epochs,
      files: this.files,
      entry: (name) => (this.#closed ? undefined : this.index.freshEntry(name)),
      isUnlisted: (key) => this.#unlisted.has(key),
      now: this.#now,
    });
  }

  get bytesUsed(): number {
    return this.#closed ? 0 : this.index.bytesUsed + FIXED_BYTES;
  }

  get entryCount(): number {
    return this.#closed ? 0 : this.index.entryCount;
  }

  // ------------------------------------------------------------------ lookup

  peek(key: string): readonly StoreHit[] | undefined {
    const hits = this.memory.peek(key);
    return hits.length > 0 ? hits : undefined;
  }

  lookup(key: string, callback: (hits: readonly StoreHit[]) => void): void {
    const known = this.#knownHits(key);
    if (this.#closed) {
      callback(known);
      return;
    }
    const wanted = { key, changes: this.#epochs.changesOf(key) };
    // What another process has stored up to now must be seen before one fetches.
    if (this.crossWorkerFetches !== null) this.index.refresh();
    const entries = this.index.entriesOf(keyHash(key));
    const missing = entries.filter((entry) => !known.some((hit) => this.#isOf(entry, key, hit)));
    if (missing.length === 0) {
      callback(known);
      return;
    }
    let left = missing.length;
    const found: StoreHit[] = [];
    for (const entry of missing) {
      this.#reader.read(wanted, entry, (hit) => {
        if (hit !== null) found.push(hit);
        if (--left === 0) callback(this.#merged(known, found));
      });
    }
  }

  /** Whether an entry is of this hit, and not of a newer one that another worker has stored. */
  #isOf(entry: IndexEntry, key: string, { response }: StoreHit): boolean {
    const place = this.#places.get(response);
    if (place !== undefined && place !== placeOf(entry)) return false;
    return objectName(key, response).equals(entry.name);
  }

  /** Keeps what was read in memory, unless memory has a newer one. */
  #adopt(
    { key, changes }: Wanted,
    response: StoredResponse,
    content: MemoryContent,
    entry: IndexEntry,
  ): StoreHit | undefined {
    this.#places.set(response, placeOf(entry));
    if (this.#isRemoved(key, response)) return undefined;
    const newer = this.memory
      .peek(key)
      .some((hit) => isSamePlace(hit.response, response) && byReceipt(hit, { response }) < 0);
    return newer ? undefined : this.memory.adopt(key, response, content, changes);
  }

  /** Hits from memory and from the index: of one variant the more recent. */
  #merged(known: readonly StoreHit[], found: readonly StoreHit[]): readonly StoreHit[] {
    const older = (hit: StoreHit) =>
      found.some(
        (other) => isSamePlace(other.response, hit.response) && byReceipt(other, hit) <= 0,
      );
    return [...known.filter((hit) => !older(hit)), ...found].sort(byReceipt);
  }

  #knownHits(key: string): readonly StoreHit[] {
    const hits = this.memory.peek(key);
    const unlisted = this.#unlisted.get(key);
    if (unlisted === undefined) return hits.length === 0 ? NOBODY : [...hits];
    const more = unlisted.filter(
      ({ response }) =>
        !hits.some((other) => other.response === response) && !this.#isRemoved(key, response),
    );
    return [...more, ...hits];
  }

  /** By another process a moment ago, so that the index may not know yet. */
  #isRemoved(key: string, { requestTimeMs }: { readonly requestTimeMs: number }): boolean {
    return this.#epochs.isRemoved(key, requestTimeMs);
  }

  // ------------------------------------------------------------------ storing

  versionOf(key: string): number {
    return this.#epochs.versionOf(key);
  }

  create(key: string, response: StoredResponse): ContentWriter | undefined {
    if (this.#closed || response.contentLength > this.#host.contentBytesMax) return undefined;
    if (this.#writer.isPaused || this.files.isStalled || this.index.isClosed)
      return this.memory.create(key, response);
    const seed = randomInt(2 ** 32);
    const plain = encodeHead(key, response, seed);
    const isApart = response.contentLength > SHARED_BYTES_MAX;
    const head = isApart ? encodeHead(key, response, seed, plain.length + CUT_SPARE_BYTES) : plain;
    const generation = this.#epochs.ofTarget(key);
    const changes = this.#epochs.changesOf(key);
    const purgeSequence = this.#purges.sequence;
    const host = this.#host;
    const about = { key, response, head, seed, purgeSequence, generation, changes };
    const fill = new DiskFill({ host, ...about });
    if (fill.isDropped) return undefined;
    this.#fills.add(fill);
    return fill;
  }

  /** A fill has all of its content: from here on it can be found. */
  #finish(fill: DiskFill): void {
    this.#fills.delete(fill);
    if (this.#closed) return;
    const { key, response } = fill;
    const judgement = this.#purges.judge(fill.purgeSequence, key, response.fields);
    // Stale before it was complete is of no use either: the next request fetches it anew.
    if (judgement.kind !== 'kept' || this.#isOutdated(fill)) {
      this.#noteListed(key, fill);
      if (fill.segment !== 0) this.space.drop(fill.segment);
      return;
    }
    if (fill.segment === 0) {
      const adopted = this.memory.adopt(key, response, fill.content, fill.changes);
      this.#persist({
        key,
        response,
        content: fill.content.whole!,
        written: fill,
        hit: adopted ?? fill,
      });
      return;
    }
    const place = { segment: fill.segment, offset: 0 };
    this.#list(this.#entryOf(fill.key, response, fill, place), key, fill);
  }

  /** Invalidated since it began, by any worker. */
  #isOutdated({ key, generation }: { readonly key: string; readonly generation: number }): boolean {
    return this.#epochs.ofTarget(key) !== generation;
  }

  #entryOf(
    key: string,
    response: StoredResponse,
    written: Written,
    place: { readonly segment: number; readonly offset: number },
  ): IndexEntry {
    return {
      name: objectName(key, response),
      headSegment: place.segment,
      headOffset: place.offset,
      headLength: written.head.length,
      contentSegment: place.segment,
      contentOffset: place.offset + written.head.length,
      contentLength: response.contentLength,
      seed: written.seed,
      purgeSequence: written.purgeSequence,
      markedStaleMs: response.markedStaleMs,
      pinnedUntilMs: response.pinnedUntilMs,
    };
  }

  /** Appends head and content to the shared segment, then lists them. */
  #persist({ key, response, content, written, hit }: Persisted): void {
    const record = frameContent(content, written.seed, written.head);
    const place = this.#writer.append(record, (error) => {
      if (written.generation !== this.#epochs.ofTarget(key)) {
        // Another worker has invalidated what only this one could know of.
        this.memory.forgetVariant(key, response);
        this.#noteListed(key, hit);
      } else if (error === null && place !== undefined && !this.#closed) {
        this.#list(this.#entryOf(key, response, written, place), key, hit);
      } else {
        this.#noteListed(key, hit);
      }
    });
    if (place !== undefined) this.#noteUnlisted(key, hit);
  }

  readonly #onIndexFault: OnFault = (error) => {
    this.#onFault({ code: 'cache-index-failed', message: (error as Error).message });
  };

  #list(entry: IndexEntry, key: string, hit: StoreHit): void {
    if (hit.response.partial === null) this.#removeParts(key, hit.response);
    const isReplacing = this.index.entry(entry.name) !== undefined;
    const noteWritten = (isListed: boolean) => {
      if (isListed) this.#places.set(hit.response, placeOf(entry));
      this.#noteListed(key, hit);
      if (!isListed) return;
      if (isReplacing) this.memory.noteReplaced(key);
      // Removed by another process while it was on its way into the index.
      if (this.#isRemoved(key, hit.response)) this.index.removeIfSame(entry);
    };
    owned(this.index.put(entry).then(noteWritten), endProcess);
  }

  /** A complete response takes the place of the stored parts of the same variant. */
  #removeParts(key: string, response: StoredResponse): void {
    // Most keys have no other entry: names cost more than looking.
    if (this.index.entriesOf(keyHash(key)).length === 0) return;
    for (let first = 0; first < PART_SLOTS; first++) {
      const name = objectName(key, {
        ...response,
        partial: { first, last: first, completeLength: -1 },
      });
      if (this.index.entry(name) !== undefined) this.index.remove(name);
    }
  }

  #noteUnlisted(key: string, hit: StoreHit): void {
    const hits = this.#unlisted.get(key);
    if (hits === undefined) this.#unlisted.set(key, [hit]);
    else hits.unshift(hit);
  }

  #noteListed(key: string, hit: StoreHit): void {
    const hits = this.#unlisted.get(key);
    if (hits === undefined) return;
    const left = hits.filter((other) => other !== hit);
    if (left.length > 0) {
      this.#unlisted.set(key, left);
      return;
    }
    this.#unlisted.delete(key);
    this.crossWorkerFetches?.noteListed(key);
  }

  update(key: string, previous: StoredResponse, fresh: StoredResponse): StoreHit | undefined {
    if (this.#closed) return undefined;
    const response = withContent(fresh, previous.contentLength, previous.partial);
    const inMemory = this.memory.update(key, previous, response);
    const name = objectName(key, previous);
    const entry = this.index.entry(name);
    if (entry === undefined) return inMemory;
    const purgeSequence = this.#purges.sequence;
    const head = encodeHead(key, response, entry.seed);
    const freshName = objectName(key, response);
    const updated: IndexEntry = {
      ...entry,
      name: freshName,
      headLength: head.length,
      purgeSequence,
      markedStaleMs: 0,
      pinnedUntilMs: response.pinnedUntilMs,
    };
    const hit = inMemory ?? this.#reader.hitOf(response, updated);
    const place = this.#writer.append(head, (error) => {
      if (error !== null || place === undefined || this.#closed || !this.#isStill(entry)) {
        this.#noteListed(key, hit);
        return;
      }
      if (!freshName.equals(name)) this.index.remove(name);
      const listed = { ...updated, headSegment: place.segment, headOffset: place.offset };
      this.#list(listed, key, hit);
    });
    if (place !== undefined) this.#noteUnlisted(key, hit);
    return hit;
  }

  /** Replaced or evicted meanwhile: old content must not come back under a new head. */
  #isStill(entry: IndexEntry): boolean {
    const present = this.index.entry(entry.name);
    return (
      present !== undefined &&
      present.contentSegment === entry.contentSegment &&
      present.contentOffset === entry.contentOffset
    );
  }

  // ------------------------------------------------------------------ for operators

  measure(key: string): { readonly responses: number; readonly bytes: number } {
    if (this.#closed) return { responses: 0, bytes: 0 };
    const entries = this.index.entriesOfTarget(keyHash(key));
    const bytes = entries.reduce((sum, entry) => sum + entry.contentLength, 0);
    return { responses: entries.length, bytes };
  }

  list(query: ListQuery, callback: (page: ListPage) => void): void {
    if (this.#closed) callback({ entries: [], next: null });
    else
      new Listing({
        index: this.index,
        files: this.files,
        purges: this.#purges,
        query,
        callback,
      }).begin();
  }

  // ------------------------------------------------------------------ removing

  invalidate(key: string): void {
    this.memory.invalidate(key);
    const writing = this.#dropUnlisted((other) => targetOfKey(other) === key);
    if (this.#closed) return;
    const entries = this.index.entriesOfTarget(keyHash(key));
    const filling = [...this.#fills].some((fill) => targetOfKey(fill.key) === key);
    // Most unsafe requests are for what was never stored: they must cost nothing.
    if (entries.length === 0 && !filling && !writing) return;
    const selector: PurgeSelector = { kind: 'key', key };
    this.#purges.append(selector, false, this.#now(), (purge) => this.#applyPurge(purge));
    for (const entry of entries) this.index.remove(entry.name);
  }

  #dropUnlisted(isMeant: (key: string) => boolean): boolean {
    let dropped = false;
    for (const key of [...this.#unlisted.keys()]) {
      if (!isMeant(key)) continue;
      this.#unlisted.delete(key);
      this.crossWorkerFetches?.noteListed(key);
      dropped = true;
    }
    return dropped;
  }

  purge(selector: PurgeSelector, soft: boolean, nowMs: number): number {
    if (this.#closed) return 0;
    const counted = selector.kind === 'key' ? this.#takeKey(selector.key, soft) : -1;
    this.memory.purge(selector, soft, nowMs);
    this.#purges.append(selector, soft, nowMs, (purge) => this.#applyPurge(purge));
    return counted;
  }

  /** Counts what is stored under a key, and forgets where it is unless it only becomes stale. */
  #takeKey(key: string, soft: boolean): number {
    const names = new Set(
      this.#knownHits(key).map((hit) => objectName(key, hit.response).toString('hex')),
    );
    for (const entry of this.index.entriesOfTarget(keyHash(key))) {
      names.add(entry.name.toString('hex'));
      if (!soft) this.index.remove(entry.name);
    }
    return names.size;
  }

  /** What this process holds in memory follows every purge, its own included. */
  #applyPurge({ selector, soft, nowMs }: Purge): void {
    this.memory.follow(selector, soft, nowMs);
    if (soft) return;
    for (const [key, hits] of this.#unlisted) {
      const left = hits.filter((hit) => !isSelected(selector, key, hit.response.fields));
      this.#unlisted.set(key, left);
      if (left.length === 0) this.#dropUnlisted((other) => other === key);
    }
  }

  /** Takes in what other workers have purged; done every COHERENCE_MS anyway. */
  followOthers(): void {
    if (this.#closed) return;
    this.#tellSlow(this.files.giveUpLate());
    if (this.#isAbandoned) return;
    this.#purges.refresh((purge) => this.#applyPurge(purge));
    this.crossWorkerFetches?.keepAlive();
    const { removedSegments } = this.#shared;
    if (removedSegments !== this.#removedSegments) this.files.followRemovals();
    this.#removedSegments = removedSegments;
    const nowMs = performance.now();
    if (nowMs - this.#lookedMs < LOOK_MS) return;
    this.#lookedMs = nowMs;
    this.#directory.look((isCurrent) => {
      if (!isCurrent && !this.#closed) this.index.fail(new Error('its directory was removed'));
    });
  }

  #tellSlow(reads: number): void {
    if (reads === 0) return;
    const message = `the disk has not answered for ${READ_MS_MAX / 1000} s; what it has is a miss`;
    this.#onFault({ code: 'cache-disk-slow', message });
  }

  // ------------------------------------------------------------------ end

  /**
   * Gives the directory up: what is in it is put aside, and others hear of it. Who reads or fills goes
   * on to the end, and then `isIdle`; nothing else can be asked of it but `close`.
   */
  abandon(): void {
    if (this.#closed || this.#isAbandoned) return;
    this.#isAbandoned = true;
    this.index.fail(new Error('another worker has emptied the cache'));
    try {
      this.#directory.putAside();
    } catch {
      // Who opens it next tells why it cannot be.
    }
    this.#shared.abandon();
    this.crossWorkerFetches?.close();
    this.#writer.close();
  }

  /** Nobody fills or reads. */
  get isIdle(): boolean {
    return this.#fills.size === 0 && !this.files.isRead;
  }

  /** Resolves when everything is written and the index is closed. */
  async close(): Promise<void> {
    if (this.#closed) return;
    clearInterval(this.#timer);
    this.crossWorkerFetches?.close();
    for (const fill of [...this.#fills]) fill.abort();
    await this.flushed();
    this.#closed = true;
    this.#directory.close();
    this.#reader.close();
    this.#reinsertion.close();
    this.#writer.close();
    this.space.close();
    this.files.close();
    this.#shared[Symbol.dispose]();
    this.memory[Symbol.dispose]();
    await this.index.close();
  }

  /** Resolves when what has been stored so far can be found by other processes. */
  async flushed(): Promise<void> {
    const deadlineMs = this.#now() + FLUSH_MS_MAX;
    while (this.#unlisted.size > 0 || this.#writer.waitingBytes > 0) {
      if (this.#now() > deadlineMs || this.index.isClosed) break;
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    await this.index.flushed();
  }

  [Symbol.dispose](): void {
    owned(this.close(), this.#onIndexFault);
  }
}

/** What a fill has for whoever lists it. */
interface Written {
  readonly head: Buffer;
  readonly seed: number;
  readonly purgeSequence: number;
}

type Received = Pick<StoreHit, 'response'>;

/** The more recent first. */
function byReceipt(a: Received, b: Received): number {
  return b.response.responseTimeMs - a.response.responseTimeMs;
}

/** Of one variant, and both complete or parts in one place. */
function isSamePlace(a: StoredResponse, b: StoredResponse): boolean {
  if (!sameVaryFields(a.varyFields, b.varyFields)) return false;
  if (a.partial === null || b.partial === null) return a.partial === b.partial;
  return placeOfPart(a.partial) === placeOfPart(b.partial);
}

function placeOf({ headSegment, headOffset }: IndexEntry): string {
  return `${headSegment}:${headOffset}`;
}

function sizeOf(path: string): number {
  try {
    return statSync(path).size;
  } catch {
    return 0;
  }
}
