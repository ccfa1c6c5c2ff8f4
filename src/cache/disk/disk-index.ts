/**
 * The index of the disk store in LMDB, shared by all workers of a machine: which responses are
 * stored and where, which segments there are and how many octets they take.
 *
 * LMDB survives the death of any process at any moment. What it says may be ahead of the segment
 * files after a power failure; records are checked when they are read, so that is a miss.
 */

import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Database, open, type RootDatabase } from 'lmdb';
import { type OnFault, owned } from '../../base/owned.ts';
import { decodeEntry, encodeEntry, type IndexEntry } from './index-entry.ts';
import { assertIndexFile } from './index-file.ts';
import { KEY_HASH_BYTES, NAME_BYTES, TARGET_HASH_BYTES } from './record.ts';

/** Address space for the index: 64 GiB maps some 300 million entries and costs nothing unused. */
const MAP_BYTES = 2 ** 36;

/** Raised when a format changes: an index of another version is not used. */
const VERSION = 3;

/** A file of records. `active` while its owner, a process, appends to it. */
export interface Segment {
  readonly id: number;
  readonly active: boolean;
  readonly owner: number;
  /** Octets reserved for it (active) or in it (sealed). */
  readonly bytes: number;
  /** Of a response that has it for itself: kept until then, if there is room; else 0. */
  readonly pinnedUntilMs: number;
}

type Binary = Database<Buffer, Buffer>;

const SEGMENT_KEY_BYTES = 4;

export class DiskIndex {
  readonly #environment: RootDatabase<Buffer, Buffer>;
  readonly #objects: Binary;
  /** Segment and name, for finding what a segment has without reading it. */
  readonly #bySegment: Binary;
  readonly #segments: Binary;
  readonly #meta: Database<number, string>;
  readonly #log: Database<string, number>;
  readonly #file: string;
  readonly #onFault: OnFault;
  #closed = false;

  /** `onFault` has failures of writes that nobody waits for. */
  constructor(directory: string, onFault: OnFault) {
    this.#onFault = onFault;
    mkdirSync(directory, { recursive: true });
    this.#file = join(directory, 'data.mdb');
    assertIndexFile(this.#file);
    this.#environment = open<Buffer, Buffer>({
      path: directory,
      keyEncoding: 'binary',
      encoding: 'binary',
      maxDbs: 8,
      mapSize: MAP_BYTES,
      noMemInit: true,
    });
    const binary = { keyEncoding: 'binary', encoding: 'binary' } as const;
    this.#objects = this.#environment.openDB({ name: 'objects', ...binary });
    this.#bySegment = this.#environment.openDB({ name: 'by-segment', ...binary });
    this.#segments = this.#environment.openDB({ name: 'segments', ...binary });
    this.#meta = this.#environment.openDB<number, string>({ name: 'meta', encoding: 'json' });
    this.#log = this.#environment.openDB<string, number>({ name: 'purges', encoding: 'string' });
    this.#transaction(() => {
      if ((this.#meta.get('version') ?? VERSION) !== VERSION) this.#clear();
      this.#meta.putSync('version', VERSION);
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#environment.close();
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  #clear(): void {
    for (const database of [this.#objects, this.#bySegment, this.#segments, this.#log]) {
      database.clearSync();
    }
    this.#meta.putSync('bytes', 0);
  }

  #transaction<T>(body: () => T): T {
    return this.#environment.transactionSync(body);
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
    const end = Buffer.alloc(NAME_BYTES + 1, 0xff);
    start.copy(end, 0, 0, length);
    const entries: IndexEntry[] = [];
    for (const { key, value } of this.#objects.getRange({ start, end })) {
      const entry = decodeEntry(key, value);
      if (entry !== undefined) entries.push(entry);
    }
    return entries;
  }

  entry(name: Buffer): IndexEntry | undefined {
    const bytes = this.#objects.get(name);
    return bytes === undefined ? undefined : decodeEntry(name, bytes);
  }

  /** The same, as other processes have committed it by now. */
  freshEntry(name: Buffer): IndexEntry | undefined {
    this.refresh();
    return this.entry(name);
  }

  /** Something has been pinned since the index was made. */
  get hasPins(): boolean {
    return this.#meta.get('pins') === 1;
  }

  /** Names in a segment whose entries are pinned, or were. */
  pinnedIn(id: number, max: number): Buffer[] {
    const names: Buffer[] = [];
    const range = { start: segmentKey(id), end: segmentKey(id + 1) };
    for (const { key, value } of this.#bySegment.getRange(range)) {
      if (value.length === 0) continue;
      names.push(Buffer.from(key.subarray(SEGMENT_KEY_BYTES)));
      if (names.length === max) break;
    }
    return names;
  }

  /** Written with the next batch; resolves when it is committed. */
  put(entry: IndexEntry): Promise<boolean> {
    const mark = entry.pinnedUntilMs === 0 ? EMPTY : PINNED_MARK;
    for (const id of new Set([entry.headSegment, entry.contentSegment])) {
      owned(this.#bySegment.put(segmentName(id, entry.name), mark), this.#onFault);
    }
    if (entry.pinnedUntilMs !== 0 && !this.hasPins) {
      owned(this.#meta.put('pins', 1), this.#onFault);
    }
    return this.#objects.put(entry.name, encodeEntry(entry));
  }

  /** As `put`, for a caller that does not wait. */
  putSoon(entry: IndexEntry): void {
    owned(this.put(entry), this.#onFault);
  }

  /** With the next batch. */
  remove(name: Buffer): void {
    owned(this.#objects.remove(name), this.#onFault);
  }

  /**
   * Removes an entry if it is still the one that was read. Another process may put a new one in this
   * very moment, which then goes, too: a miss, and cheaper than a transaction that has to come back
   * here while others wait for it.
   */
  removeIfSame(entry: IndexEntry): void {
    if (this.#closed) return;
    const present = this.freshEntry(entry.name);
    if (present !== undefined && isSamePlace(present, entry)) this.remove(entry.name);
  }

  /** Resolves when everything put so far is committed. */
  async flushed(): Promise<void> {
    await this.#environment.committed;
  }

  get entryCount(): number {
    const stats = this.#objects.getStats() as { entryCount: number };
    return stats.entryCount;
  }

  /** As `all`, from after a name on, at most `count`. */
  entriesAfter(name: Buffer, count: number): IndexEntry[] {
    // No name is as long: the first one that follows.
    const start = Buffer.concat([name, Buffer.from([0])]);
    const entries: IndexEntry[] = [];
    for (const { key, value } of this.#objects.getRange({ start, limit: count })) {
      const entry = decodeEntry(key, value);
      if (entry !== undefined) entries.push(entry);
    }
    return entries;
  }

  /** Names and entries, in no useful order: for listing and verifying. */
  *all(): IterableIterator<IndexEntry> {
    for (const { key, value } of this.#objects.getRange({})) {
      const entry = decodeEntry(key, value);
      if (entry !== undefined) yield entry;
    }
  }

  // ------------------------------------------------------------------ segments

  /** Octets of all segments and of the index itself. */
  get bytesUsed(): number {
    return (this.#meta.get('bytes') ?? 0) + this.indexBytes;
  }

  get indexBytes(): number {
    return statSync(this.#file).size;
  }

  segments(): Segment[] {
    const result: Segment[] = [];
    for (const { key, value } of this.#segments.getRange({}))
      result.push(decodeSegment(key, value));
    return result;
  }

  /** Reserves a new segment if it fits in the capacity: its id, or undefined. */
  allocateSegment(bytes: number, capacity: number, owner: number): number | undefined {
    return this.#transaction(() => {
      const used = this.#meta.get('bytes') ?? 0;
      if (used + bytes + this.indexBytes > capacity) return undefined;
      const id = this.#meta.get('next-segment') ?? 1;
      this.#meta.putSync('next-segment', id + 1);
      this.#meta.putSync('bytes', used + bytes);
      this.#segments.putSync(
        segmentKey(id),
        encodeSegment({ id, active: true, owner, bytes, pinnedUntilMs: 0 }),
      );
      return id;
    });
  }

  /** Reserves more for an active segment; false when it does not fit. */
  extendSegment(id: number, bytes: number, capacity: number): boolean {
    return this.#transaction(() => {
      const segment = this.segment(id);
      const used = this.#meta.get('bytes') ?? 0;
      if (segment === undefined || used + bytes + this.indexBytes > capacity) return false;
      this.#meta.putSync('bytes', used + bytes);
      const extended = { ...segment, bytes: segment.bytes + bytes };
      this.#segments.putSync(segmentKey(id), encodeSegment(extended));
      return true;
    });
  }

  segment(id: number): Segment | undefined {
    const key = segmentKey(id);
    const value = this.#segments.get(key);
    return value === undefined ? undefined : decodeSegment(key, value);
  }

  /** Ends a segment's writing and gives back what it did not use. */
  sealSegment(id: number, bytes: number, pinnedUntilMs = 0): void {
    this.#transaction(() => {
      const segment = this.segment(id);
      if (segment === undefined) return;
      this.#meta.putSync('bytes', (this.#meta.get('bytes') ?? 0) + bytes - segment.bytes);
      const sealed = { ...segment, active: false, owner: 0, bytes, pinnedUntilMs };
      this.#segments.putSync(segmentKey(id), encodeSegment(sealed));
    });
  }

  /**
   * Claims the oldest sealed segment for eviction by `owner`; undefined when there is none. A claim
   * of a process that died meanwhile is taken over. Pinned ones are passed over, the oldest first, up
   * to `pinnedBytesMax` octets of them.
   */
  claimOldest(
    owner: number,
    isAlive: (pid: number) => boolean,
    nowMs: number,
    pinnedBytesMax: number,
  ): Segment | undefined {
    return this.#transaction(() => {
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
    return this.#transaction(() => {
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
        this.#meta.putSync('bytes', (this.#meta.get('bytes') ?? 0) - segment.bytes);
        this.#segments.removeSync(segmentKey(id));
      }
      return { removed, done: true };
    });
  }

  // ------------------------------------------------------------------ purges

  /** The number of the last purge by any process. */
  get purgeSequence(): number {
    return this.#meta.get('purges') ?? 0;
  }

  /** Writes a purge down for all processes. */
  appendPurge(text: string, keptMax: number): void {
    this.#transaction(() => {
      const sequence = this.purgeSequence + 1;
      this.#meta.putSync('purges', sequence);
      this.#log.putSync(sequence, text);
      this.#log.removeSync(sequence - keptMax);
    });
  }

  /** Purges from a number on, oldest first. */
  purgesFrom(sequence: number): [sequence: number, text: string][] {
    const purges: [number, string][] = [];
    for (const { key, value } of this.#log.getRange({ start: sequence })) purges.push([key, value]);
    return purges;
  }

  /** Sees what other processes have committed since this event began. */
  refresh(): void {
    this.#environment.resetReadTxn();
  }
}

const EMPTY = Buffer.alloc(0);
const PINNED_MARK = Buffer.from([1]);

function segmentKey(id: number): Buffer {
  const key = Buffer.allocUnsafe(SEGMENT_KEY_BYTES);
  key.writeUInt32BE(id, 0);
  return key;
}

function segmentName(id: number, name: Buffer): Buffer {
  const key = Buffer.allocUnsafe(SEGMENT_KEY_BYTES + name.length);
  key.writeUInt32BE(id, 0);
  name.copy(key, SEGMENT_KEY_BYTES);
  return key;
}

function encodeSegment(segment: Segment): Buffer {
  const bytes = Buffer.allocUnsafe(21);
  bytes.writeUInt8(segment.active ? 1 : 0, 0);
  bytes.writeUInt32LE(segment.owner, 1);
  bytes.writeDoubleLE(segment.bytes, 5);
  bytes.writeDoubleLE(segment.pinnedUntilMs, 13);
  return bytes;
}

function decodeSegment(key: Buffer, bytes: Buffer): Segment {
  return {
    id: key.readUInt32BE(0),
    active: bytes.readUInt8(0) === 1,
    owner: bytes.readUInt32LE(1),
    bytes: bytes.readDoubleLE(5),
    pinnedUntilMs: bytes.readDoubleLE(13),
  };
}

function isIn(entry: IndexEntry, segment: number): boolean {
  return entry.headSegment === segment || entry.contentSegment === segment;
}

function isSamePlace(a: IndexEntry, b: IndexEntry): boolean {
  return a.headSegment === b.headSegment && a.headOffset === b.headOffset;
}
