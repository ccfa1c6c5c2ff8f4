/**
 * The index of the disk store in LMDB, shared by all workers of a machine: which responses are
 * stored and where, which segments there are and how many bytes they take.
 *
 * LMDB survives the death of any process at any moment, but not damage to its file, nor a refusal while
 * it opens: see index-file.ts and index-room.ts for what is looked at before. Every value has a checksum
 * of its own. The first fault ends the use of the index: from there on it knows nothing and takes
 * nothing, and its owner is told.
 *
 * Long because every access to LMDB is here, so that each has its check and its fault.
 */
import { closeSync, fchmodSync, fdatasync, fstatSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { type Database, open, type RootDatabase } from '#lmdb';
import { owned, shownElsewhere } from '../../../base/owned.ts';
import { isFull } from '../faults.ts';
import { KEY_HASH_BYTES, RECORD_NAME_BYTES, TARGET_HASH_BYTES } from '../segments/record.ts';
import { decodeEntry, encodeEntry, type IndexEntry } from './index-entry.ts';
import { INDEX_MAP_BYTES } from './index-file.ts';
import { makeRoom } from './index-room.ts';
import {
  decodeNumber,
  decodePurge,
  decodeSegment,
  encodeNumber,
  encodePurge,
  encodeSegment,
  SEGMENT_KEY_BYTES,
  type Segment,
  segmentKey,
  segmentName,
} from './index-values.ts';
import { LockFile } from './lock-file.ts';

/** Each may have a selector as long as a URL: all at once would not fit into memory. */
const PURGES_READ_AT_ONCE = 64;

/** How often the file is looked at, at most: whether it was cut or removed under us. */
const LOOK_MS = 1;

type Binary = Database<Buffer, Buffer>;

interface Batch extends PromiseWithResolvers<boolean> {
  readonly writes: (() => void)[];
}

export interface DiskIndexOptions {
  /** The index cannot be used from now on. Called once. */
  readonly onFailure: (error: Error) => void;
  /** The device took no more: what was to be written was not. */
  readonly onFull: (error: Error) => void;
  /**
   * Above 0 while a process may be inside LMDB, which may end it: for whoever sees it die. In memory
   * that outlives the process.
   */
  readonly mark?: Int32Array;
}

/** All URLs are in it: LMDB makes its files for everybody to read, and leaves those that are there. */
function keepToUs(fd: number): void {
  const { mode, uid } = fstatSync(fd);
  if ((mode & 0o077) !== 0 && uid === process.geteuid?.()) fchmodSync(fd, 0o600);
}

export class DiskIndex {
  readonly #environment: RootDatabase<Buffer, Buffer>;
  readonly #objects: Binary;
  /** Segment and name, for finding what a segment has without reading it. */
  readonly #bySegment: Binary;
  readonly #segments: Binary;
  readonly #meta: Database<Buffer, string>;
  readonly #log: Database<Buffer, number>;
  readonly #options: DiskIndexOptions;
  readonly #mark: Int32Array;
  /** The data file, and the one with LMDB's locks: both are mapped. */
  readonly #files: { readonly fd: number; bytes: number }[];
  readonly #locks: LockFile;
  #lookedMs = 0;
  #failure: Error | null = null;
  #batch: Batch | null = null;
  #syncing: Promise<void> | null = null;
  /** Something was committed that the sync under way may have missed. */
  #mustSyncAgain = false;
  #closed = false;

  /** Throws what LMDB or the file system does. The files must have been looked at (index-file.ts). */
  constructor(directory: string, options: DiskIndexOptions) {
    this.#options = options;
    this.#mark = options.mark ?? new Int32Array(1);
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    makeRoom(directory, INDEX_MAP_BYTES);
    this.#enter();
    let environment: RootDatabase<Buffer, Buffer> | undefined;
    try {
      environment = open<Buffer, Buffer>({
        path: directory,
        keyEncoding: 'binary',
        encoding: 'binary',
        maxDbs: 8,
        mapSize: INDEX_MAP_BYTES,
        noMemInit: true,
        // A commit waits for no device: it happens on the event loop. After a crash of the machine the
        // index is looked at like any other, and what is damaged is not used.
        noSync: true,
      });
      this.#environment = environment;
      const encoding = 'binary';
      const binary = { keyEncoding: 'binary', encoding } as const;
      this.#objects = this.#environment.openDB({ name: 'objects', ...binary });
      this.#bySegment = this.#environment.openDB({ name: 'by-segment', ...binary });
      this.#segments = this.#environment.openDB({ name: 'segments', ...binary });
      this.#meta = this.#environment.openDB<Buffer, string>({ name: 'meta', encoding });
      this.#log = this.#environment.openDB<Buffer, number>({ name: 'purges', encoding });
      this.#files = ['data.mdb', 'lock.mdb'].map((name) => {
        const fd = openSync(join(directory, name), 'r');
        keepToUs(fd);
        return { fd, bytes: fstatSync(fd).size };
      });
      this.#locks = new LockFile(this.#files[1]!.fd);
    } catch (error) {
      // It is tried again and again: nothing of an attempt may stay.
      if (environment !== undefined) owned(environment.close(), shownElsewhere);
      throw error;
    } finally {
      this.#leave();
    }
  }

  /** Resolves when nothing of it is left, or when LMDB will not end. */
  async close(): Promise<void> {
    if (this.#closed) return;
    if (this.#batch !== null) this.#commit(this.#batch);
    this.#closed = true;
    await this.#syncing;
    for (const { fd } of this.#files) closeSync(fd);
    await this.#environment.close().catch(() => {});
  }

  /** Closed, or of no use: it knows nothing. */
  get isClosed(): boolean {
    return this.#closed || this.#failure !== null;
  }

  // ------------------------------------------------------------------ faults

  /** For its owner, too, who finds that it is not the index of the directory any more. */
  fail(error: Error): void {
    if (this.#failure !== null) return;
    this.#failure = error;
    this.#options.onFailure(error);
  }

  #enter(): void {
    Atomics.add(this.#mark, 0, 1);
  }

  #leave(): void {
    Atomics.sub(this.#mark, 0, 1);
  }

  #note(error: unknown): void {
    const fault = error instanceof Error ? error : new Error(String(error));
    if (isFull(fault)) this.#options.onFull(fault);
    else this.fail(fault);
  }

  /** What `body` says, or `otherwise` when the index is of no use, or turns out to be. */
  #safely<T>(otherwise: T, body: () => T): T {
    if (this.isClosed) return otherwise;
    this.#enter();
    try {
      this.#look();
      return body();
    } catch (error) {
      this.#note(error);
      return otherwise;
    } finally {
      this.#leave();
    }
  }

  /** To read a mapped page that its file has no more ends the process (SIGBUS). */
  #look(): void {
    const nowMs = performance.now();
    if (nowMs - this.#lookedMs < LOOK_MS) return;
    this.#lookedMs = nowMs;
    for (const file of this.#files) {
      const { size, nlink } = fstatSync(file.fd);
      if (nlink === 0) throw new Error('the index was removed');
      if (size < file.bytes) throw new Error('the index was cut short');
      file.bytes = size;
    }
  }

  /**
   * Whether it was written, with all else of this turn of the event loop: false when the index is of no
   * use, or the device full. Never rejects. lmdb has a writer of its own for this, in another thread.
   * When a page is damaged, that one ends without giving back a lock, and whoever calls next stands
   * still for ever: so we write ourselves.
   */
  #written(write: () => void): Promise<boolean> {
    if (this.isClosed) return Promise.resolve(false);
    if (this.#batch === null) {
      const batch: Batch = { writes: [], ...Promise.withResolvers<boolean>() };
      this.#batch = batch;
      setImmediate(() => this.#commit(batch));
    }
    this.#batch.writes.push(write);
    return this.#batch.promise;
  }

  #commit(batch: Batch): void {
    if (this.#batch !== batch) return;
    this.#batch = null;
    const write = () => {
      for (const one of batch.writes) one();
      return true;
    };
    batch.resolve(this.#transaction(false, write));
  }

  /** Brings everything committed onto the device, aside from the event loop. */
  #syncSoon(): void {
    if (this.isClosed) return;
    if (this.#syncing !== null) {
      this.#mustSyncAgain = true;
      return;
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#syncing = promise;
    fdatasync(this.#files[0]!.fd, (error) => {
      this.#syncing = null;
      resolve();
      if (error !== null) this.#note(error);
      if (!this.#mustSyncAgain) return;
      this.#mustSyncAgain = false;
      this.#syncSoon();
    });
  }

  #transaction<T>(otherwise: T, body: () => T): T {
    return this.#safely(otherwise, () => {
      this.#locks.check();
      return this.#environment.transactionSync(body);
    });
  }

  // ------------------------------------------------------------------ numbers

  #number(name: string, otherwise: number): number {
    const bytes = this.#meta.get(name);
    return bytes === undefined ? otherwise : decodeNumber(name, bytes);
  }

  #putNumber(name: string, value: number): void {
    this.#meta.putSync(name, encodeNumber(name, value));
  }

  // ------------------------------------------------------------------ objects

  /** Every variant stored under a key. */
  entriesOf(hash: Buffer): IndexEntry[] {
    return this.#entriesFrom(hash, KEY_HASH_BYTES);
  }

  /** The same under all keys that have a target in common. */
  entriesOfTarget(hash: Buffer): IndexEntry[] {
    return this.#entriesFrom(hash.subarray(0, TARGET_HASH_BYTES), TARGET_HASH_BYTES);
  }

  #entriesFrom(start: Buffer, length: number): IndexEntry[] {
    const end = Buffer.alloc(RECORD_NAME_BYTES + 1, 0xff);
    start.copy(end, 0, 0, length);
    return this.#safely([], () => [...this.#decoded({ start, end })]);
  }

  /** A damaged entry is none: a miss, and what is stored in its place takes it. */
  *#decoded(range: { start: Buffer; end?: Buffer; limit?: number }): IterableIterator<IndexEntry> {
    for (const { key, value } of this.#objects.getRange(range)) {
      const entry = decodeEntry(key, value);
      if (entry !== undefined) yield entry;
    }
  }

  entry(name: Buffer): IndexEntry | undefined {
    return this.#safely(undefined, () => {
      const bytes = this.#objects.get(name);
      return bytes === undefined ? undefined : decodeEntry(name, bytes);
    });
  }

  /** The same, as other processes have committed it by now. */
  freshEntry(name: Buffer): IndexEntry | undefined {
    this.refresh();
    return this.entry(name);
  }

  /** Something has been pinned since the index was made. */
  get hasPins(): boolean {
    return this.#safely(false, () => this.#number('pins', 0) === 1);
  }

  /** Names in a segment whose entries are pinned, or were. */
  pinnedIn(id: number, max: number): Buffer[] {
    return this.#safely([], () => {
      const names: Buffer[] = [];
      const range = { start: segmentKey(id), end: segmentKey(id + 1) };
      for (const { key, value } of this.#bySegment.getRange(range)) {
        if (value.length === 0) continue;
        names.push(Buffer.from(key.subarray(SEGMENT_KEY_BYTES)));
        if (names.length === max) break;
      }
      return names;
    });
  }

  /** Written with the next batch; resolves when it is committed, with whether it is. */
  put(entry: IndexEntry): Promise<boolean> {
    const hasPins = entry.pinnedUntilMs === 0 || this.hasPins;
    const value = encodeEntry(entry);
    return this.#written(() => {
      const mark = entry.pinnedUntilMs === 0 ? EMPTY : PINNED_MARK;
      for (const id of new Set([entry.headSegment, entry.contentSegment])) {
        this.#bySegment.putSync(segmentName(id, entry.name), mark);
      }
      if (!hasPins) this.#putNumber('pins', 1);
      this.#objects.putSync(entry.name, value);
    });
  }

  /** As `put`, for a caller that does not wait. */
  putSoon(entry: IndexEntry): void {
    owned(this.put(entry), shownElsewhere);
  }

  /** With the next batch. */
  remove(name: Buffer): void {
    owned(
      this.#written(() => this.#objects.removeSync(name)),
      shownElsewhere,
    );
  }

  /**
   * Removes an entry if it is still the one that was read. Another process may put a new one in this
   * very moment, which then goes, too: a miss, and cheaper than a transaction that has to come back
   * here while others wait for it.
   */
  removeIfSame(entry: IndexEntry): void {
    const present = this.freshEntry(entry.name);
    if (present !== undefined && isSamePlace(present, entry)) this.remove(entry.name);
  }

  /** Resolves when everything put so far is committed. */
  async flushed(): Promise<void> {
    await this.#batch?.promise;
  }

  get entryCount(): number {
    return this.#safely(0, () => (this.#objects.getStats() as { entryCount: number }).entryCount);
  }

  /** Entries in no useful order, from after a name on, about `count`. */
  entriesAfter(name: Buffer, count: number): IndexEntry[] {
    // No name is as long: the first one that follows.
    const start = Buffer.concat([name, Buffer.from([0])]);
    return this.#safely([], () => [...this.#decoded({ start, limit: count })]);
  }

  // ------------------------------------------------------------------ segments

  /** Bytes of all segments and of the index itself. */
  get bytesUsed(): number {
    return this.#safely(0, () => this.#number('bytes', 0) + this.indexBytes);
  }

  get indexBytes(): number {
    return this.#safely(0, () => fstatSync(this.#files[0]!.fd).size);
  }

  segments(): Segment[] {
    return this.#safely([], () =>
      [...this.#segments.getRange({})].map(({ key, value }) => decodeSegment(key, value)),
    );
  }

  /** Reserves a new segment if it fits in the capacity: its id, or undefined. */
  allocateSegment(bytes: number, capacity: number, owner: number): number | undefined {
    return this.#transaction(undefined, () => {
      const used = this.#number('bytes', 0);
      if (used + bytes + this.indexBytes > capacity) return undefined;
      const id = this.#number('next-segment', 1);
      this.#putNumber('next-segment', id + 1);
      this.#putNumber('bytes', used + bytes);
      this.#segments.putSync(
        segmentKey(id),
        encodeSegment({ id, active: true, owner, bytes, pinnedUntilMs: 0 }),
      );
      return id;
    });
  }

  /** Reserves more for an active segment; false when it does not fit. */
  extendSegment(id: number, bytes: number, capacity: number): boolean {
    return this.#transaction(false, () => {
      const segment = this.segment(id);
      const used = this.#number('bytes', 0);
      if (segment === undefined || used + bytes + this.indexBytes > capacity) return false;
      this.#putNumber('bytes', used + bytes);
      const extended = { ...segment, bytes: segment.bytes + bytes };
      this.#segments.putSync(segmentKey(id), encodeSegment(extended));
      return true;
    });
  }

  segment(id: number): Segment | undefined {
    return this.#safely(undefined, () => {
      const key = segmentKey(id);
      const value = this.#segments.get(key);
      return value === undefined ? undefined : decodeSegment(key, value);
    });
  }

  /** Ends a segment's writing and gives back what it did not use. */
  sealSegment(id: number, bytes: number, pinnedUntilMs = 0): void {
    this.#transaction(undefined, () => {
      const segment = this.segment(id);
      if (segment === undefined) return;
      this.#putNumber('bytes', this.#number('bytes', 0) + bytes - segment.bytes);
      const sealed = { ...segment, active: false, owner: 0, bytes, pinnedUntilMs };
      this.#segments.putSync(segmentKey(id), encodeSegment(sealed));
    });
  }

  /**
   * Claims the oldest sealed segment for eviction by `owner`; undefined when there is none. A claim
   * of a process that died meanwhile is taken over. Pinned ones are passed over, the oldest first, up
   * to `pinnedBytesMax` bytes of them.
   */
  claimOldest(
    owner: number,
    isAlive: (pid: number) => boolean,
    nowMs: number,
    pinnedBytesMax: number,
  ): Segment | undefined {
    return this.#transaction(undefined, () => {
      let pinnedBytes = 0;
      for (const segment of this.segments()) {
        if (segment.active) continue;
        if (segment.pinnedUntilMs > nowMs) {
          pinnedBytes += segment.bytes;
          if (pinnedBytes <= pinnedBytesMax) continue;
        }
        if (segment.owner !== 0 && segment.owner !== owner && isAlive(segment.owner)) continue;
        const claimed = { ...segment, owner };
        this.#segments.putSync(segmentKey(segment.id), encodeSegment(claimed));
        return claimed;
      }
      return undefined;
    });
  }

  /**
   * Removes up to `max` of a segment's responses, so that a large one is taken apart in steps; then
   * the segment itself. Returns how many went, and whether that was all.
   */
  removeSome(id: number, max: number): { removed: number; done: boolean } {
    return this.#transaction({ removed: 0, done: true }, () => {
      const range = { start: segmentKey(id), end: segmentKey(id + 1), limit: max };
      const keys = [...this.#bySegment.getKeys(range)].map((key) => Buffer.from(key));
      let removed = 0;
      for (const key of keys) {
        const name = key.subarray(SEGMENT_KEY_BYTES);
        const entry = this.entry(name);
        if (entry !== undefined && isIn(entry, id) && this.#objects.removeSync(name)) removed++;
        this.#bySegment.removeSync(key);
      }
      if (keys.length === max) return { removed, done: false };
      const segment = this.segment(id);
      if (segment !== undefined) {
        this.#putNumber('bytes', this.#number('bytes', 0) - segment.bytes);
        this.#segments.removeSync(segmentKey(id));
      }
      return { removed, done: true };
    });
  }

  // ------------------------------------------------------------------ purges

  /** The number of the last purge by any process. */
  get purgeSequence(): number {
    return this.#safely(0, () => this.#number('purges', 0));
  }

  /** Writes a purge down for all processes. */
  appendPurge(text: string, keptMax: number, bytesMax: number): void {
    this.#transaction(undefined, () => {
      const sequence = this.purgeSequence + 1;
      const value = encodePurge(sequence, text);
      let bytes = this.#purgeBytes() + value.length;
      this.#putNumber('purges', sequence);
      this.#log.putSync(sequence, value);
      for (const oldest of [...this.#log.getRange({ limit: PURGES_READ_AT_ONCE })]) {
        if (oldest.key > sequence - keptMax && bytes <= bytesMax) break;
        this.#log.removeSync(oldest.key);
        bytes -= oldest.value.length;
      }
      this.#putNumber('purge-bytes', bytes);
    });
    // What was purged must not come back with the power.
    this.#syncSoon();
  }

  /** What the log of purges takes; it is counted once where nobody has kept count. */
  #purgeBytes(): number {
    let bytes = this.#number('purge-bytes', -1);
    if (bytes >= 0) return bytes;
    bytes = 0;
    for (const { value } of this.#log.getRange()) bytes += value.length;
    return bytes;
  }

  /** The next purges from a number on, oldest first; the text is null where it is damaged. */
  purgesFrom(sequence: number): [sequence: number, text: string | null][] {
    return this.#safely([], () =>
      [...this.#log.getRange({ start: sequence, limit: PURGES_READ_AT_ONCE })].map(
        ({ key, value }) => [key, decodePurge(key, value)],
      ),
    );
  }

  /** Sees what other processes have committed since this event began. */
  refresh(): void {
    this.#safely(undefined, () => this.#environment.resetReadTxn());
  }
}

const EMPTY = Buffer.alloc(0);
const PINNED_MARK = Buffer.from([1]);

function isIn(entry: IndexEntry, segment: number): boolean {
  return entry.headSegment === segment || entry.contentSegment === segment;
}

function isSamePlace(a: IndexEntry, b: IndexEntry): boolean {
  return a.headSegment === b.headSegment && a.headOffset === b.headOffset;
}
