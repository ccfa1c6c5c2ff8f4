/**
 * The RAM store: stored responses ready to be sent, evicted by S3-FIFO within a bound of bytes
 * that counts content, fields and overhead, and what fills in progress hold.
 *
 * Long because store, entries and fills share one account of bytes.
 */
import { MemoryContent, MemoryContentReader } from '../content.ts';
import type {
  ContentReader,
  ContentWriter,
  ListPage,
  ListQuery,
  PreparedHit,
  PurgeSelector,
  Store,
  StoredResponse,
  StoreHit,
} from '../contract.ts';
import { InvalidationEpochs } from '../invalidation-epochs.ts';
import { replaces } from '../parts.ts';
import { PreparedStoredResponse } from '../prepared.ts';
import { isSelected } from '../purge.ts';
import { targetOfKey } from '../rules/key.ts';
import { announcedLength, markedStale, partOfCut, withContent } from '../rules/stored-response.ts';
import { preparedBytes, responseBytes } from './memory-estimate.ts';
import { type Evictable, fnvHash, Link, noteUse, S3Fifo } from './s3-fifo.ts';

export interface RamStoreOptions {
  /** Bytes for everything: content, fields, overhead, fills in progress. */
  readonly capacityBytes: number;
  /** Longest content stored. Default: an eighth of the capacity, lest one push out all. */
  readonly contentBytesMax?: number;
  /** Variants under one key: beyond it the oldest goes. */
  readonly variantsMax?: number;
  /** Shared with a tier below; default: its own. */
  readonly epochs?: InvalidationEpochs;
}

/** Enough for encodings times languages; an origin that varies by more is not cacheable. */
const VARIANTS_MAX = 64;

/** Names remembered per byte of capacity: about as many as objects of 4 KiB fit. */
const GHOST_BYTES_PER_NAME = 4_096;

const NO_HITS: readonly StoreHit[] = Object.freeze([]);

export class RamStore implements Store {
  readonly crossWorkerFetches = null;
  readonly #slots = new Map<string, Slot>();
  /** Keys that are more than a target, by target. */
  readonly #extended = new Map<string, Set<string>>();
  readonly #epochs: InvalidationEpochs;
  readonly #queue: S3Fifo<RamEntry>;
  readonly #capacity: number;
  /** Longest content kept. Bytes. */
  readonly contentBytesMax: number;
  readonly #variantsMax: number;
  readonly #fills = new Set<RamFill>();
  /** Bytes held by fills in progress. */
  #fillBytes = 0;
  #closed = false;
  /** Stored responses dropped to make room, for metrics. */
  evictionCount = 0;

  constructor(options: RamStoreOptions) {
    this.#capacity = options.capacityBytes;
    this.contentBytesMax = options.contentBytesMax ?? Math.floor(options.capacityBytes / 8);
    this.#variantsMax = options.variantsMax ?? VARIANTS_MAX;
    this.#epochs = options.epochs ?? new InvalidationEpochs();
    const names = Math.ceil(options.capacityBytes / GHOST_BYTES_PER_NAME);
    this.#queue = new S3Fifo(options.capacityBytes, names, (entry) => {
      this.evictionCount++;
      this.#unlist(entry);
    });
  }

  get bytesUsed(): number {
    return this.#queue.bytesUsed + this.#fillBytes;
  }

  get entryCount(): number {
    return this.#queue.length;
  }

  peek(key: string): readonly StoreHit[] {
    const slot = this.#slots.get(key);
    if (slot === undefined) return NO_HITS;
    if (slot.changes !== this.#epochs.changesAt(slot.place)) this.#recheck(slot);
    return slot.hits;
  }

  /** Something was removed or replaced, here or in another process: perhaps of this key. */
  #recheck(slot: Slot): void {
    const changes = this.#epochs.changesOf(slot.key);
    if (this.#epochs.mayHaveChanged(slot.key, slot.changes)) {
      for (const entry of [...slot.hits]) this.#drop(entry);
    }
    slot.changes = changes;
  }

  lookup(key: string, callback: (hits: readonly StoreHit[]) => void): void {
    callback(this.peek(key));
  }

  create(key: string, response: StoredResponse): ContentWriter | undefined {
    if (this.#closed || response.contentLength > this.contentBytesMax) return undefined;
    const fixedBytes = responseBytes(key, response);
    const reserved = fixedBytes + Math.max(0, response.contentLength);
    if (!this.#reserve(reserved)) return undefined;
    const generation = this.#epochs.ofTarget(key);
    const changes = this.#epochs.changesOf(key);
    const fill = new RamFill({ store: this, key, response, reserved, generation, changes });
    this.#fills.add(fill);
    return fill;
  }

  update(key: string, previous: StoredResponse, fresh: StoredResponse): StoreHit | undefined {
    const slot = this.#slots.get(key);
    const index = slot?.hits.findIndex((hit) => hit.response === previous) ?? -1;
    if (slot === undefined || index === -1) return undefined;
    const old = slot.hits[index]!;
    const response = withContent(fresh, previous.contentLength, previous.partial);
    const entry = new RamEntry(slot, response, old.content, responseBytes(key, response));
    entry.bytes += old.content.capacity;
    const { uses } = old.link;
    this.#queue.remove(old);
    this.#unlist(old);
    if (!this.#queue.makeRoom(entry.bytes, this.#fillBytes)) return undefined;
    this.#list(key, entry);
    entry.link.uses = uses;
    return entry;
  }

  versionOf(key: string): number {
    return this.#epochs.versionOf(key);
  }

  invalidate(key: string): void {
    this.#epochs.noteTarget(key);
    this.drop(key);
  }

  /** For the tier below: forgets what is in memory, not because it is wrong. */
  drop(key: string): void {
    for (const slot of this.#slotsOf(key)) {
      for (const entry of [...slot.hits]) this.#drop(entry);
    }
  }

  /** The slots of a key, and of what it has become with rules and slices. */
  #slotsOf(key: string): Slot[] {
    const keys = [key, ...(this.#extended.get(key) ?? [])];
    return keys.flatMap((each) => this.#slots.get(each) ?? []);
  }

  purge(selector: PurgeSelector, soft: boolean, nowMs: number): number {
    if (selector.kind === 'key' && soft) this.#epochs.noteStale(selector.key);
    else if (selector.kind === 'key') this.#epochs.noteTarget(selector.key);
    else this.#epochs.noteMany();
    return this.follow(selector, soft, nowMs);
  }

  /** For the tier below: a purge that has been counted already. */
  follow(selector: PurgeSelector, soft: boolean, nowMs: number): number {
    for (const fill of this.#fills) {
      // Soft or hard: what was asked for before a purge must not be fresh after it.
      if (isSelected(selector, fill.key, fill.response.fields)) fill.isOutdated = true;
    }
    const slots = selector.kind === 'key' ? this.#slotsOf(selector.key) : [...this.#slots.values()];
    let count = 0;
    for (const slot of slots) count += this.#purgeSlot(slot, selector, soft, nowMs);
    return count;
  }

  #purgeSlot(slot: Slot, selector: PurgeSelector, soft: boolean, nowMs: number): number {
    let count = 0;
    for (const entry of [...slot.hits]) {
      if (!isSelected(selector, slot.key, entry.response.fields)) continue;
      count++;
      if (soft) {
        this.update(slot.key, entry.response, markedStale(entry.response, nowMs));
      } else {
        this.#drop(entry);
      }
    }
    return count;
  }

  measure(key: string): { readonly responses: number; readonly bytes: number } {
    const hits = this.#slotsOf(targetOfKey(key)).flatMap((slot) => slot.hits);
    const bytes = hits.reduce((sum, hit) => sum + hit.response.contentLength, 0);
    return { responses: hits.length, bytes };
  }

  /** In the order of keys; `after` is a key. */
  list({ prefix, after, limit }: ListQuery, callback: (page: ListPage) => void): void {
    const keys: string[] = [];
    for (const key of this.#slots.keys()) {
      if (key > after && key.startsWith(prefix)) keys.push(key);
    }
    keys.sort();
    const entries: { key: string; response: StoredResponse }[] = [];
    let last = -1;
    while (++last < keys.length && entries.length < limit) {
      const key = keys[last]!;
      for (const { response } of this.#slots.get(key)!.hits) entries.push({ key, response });
    }
    callback({ entries, next: last < keys.length ? keys[last - 1]! : null });
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    for (const fill of [...this.#fills]) fill.abort();
    for (const slot of [...this.#slots.values()]) {
      for (const entry of [...slot.hits]) this.#drop(entry);
    }
  }

  // ------------------------------------------------------------------ for entries

  /** Served for the first time: what is encoded for it is kept with it, as long as there is room. */
  notePrepared(entry: RamEntry): void {
    this.#queue.resize(entry, entry.bytes + preparedBytes(entry.response));
    this.#queue.makeRoom(0, this.#fillBytes);
  }

  // ------------------------------------------------------------------ for fills

  /** For fills: accounts for more (or fewer) bytes; false when `length` must not be stored. */
  grow(length: number, moreBytes: number): boolean {
    if (length > this.contentBytesMax) return false;
    if (moreBytes > 0) return this.#reserve(moreBytes);
    this.#fillBytes += moreBytes;
    return true;
  }

  /** For fills: whether the key's target has been removed since a fill began. */
  isOutdated(fill: RamFill): boolean {
    return fill.isOutdated || this.#epochs.ofTarget(fill.key) !== fill.generation;
  }

  /** For fills: gives back what a fill held. */
  release(fill: RamFill, bytes: number): void {
    this.#fills.delete(fill);
    this.#fillBytes -= bytes;
  }

  /** For the tier below: accounts for bytes it holds (or gives back, when negative). */
  reserve(bytes: number): boolean {
    if (bytes > 0) return this.#reserve(bytes);
    this.#fillBytes += bytes;
    return true;
  }

  /**
   * Stores complete content; the hit, or undefined when there is no room. It was right when the
   * key's counter was at `changes`.
   */
  adopt(
    key: string,
    response: StoredResponse,
    content: MemoryContent,
    changes: number,
  ): StoreHit | undefined {
    if (this.#closed) return undefined;
    // The older one goes even if there is no room for this one: it is no longer right.
    this.forgetVariant(key, response);
    if (content.length > this.contentBytesMax) return undefined;
    const slot = this.#slots.get(key) ?? this.#newSlot(key, changes);
    const entry = new RamEntry(slot, response, content, responseBytes(key, response));
    entry.bytes += content.capacity;
    if (!this.#queue.makeRoom(entry.bytes, this.#fillBytes)) return undefined;
    this.#list(key, entry);
    return entry;
  }

  /** For the tier below: what it has stored replaces what others may have in memory. */
  noteReplaced(key: string): void {
    const before = this.#epochs.changesOf(key);
    this.#epochs.noteReplaced(key);
    const slot = this.#slots.get(key);
    if (slot?.changes === before) slot.changes = (before + 1) | 0;
  }

  /** For the tier below: a newer response of the same variant has been stored there. */
  forgetVariant(key: string, response: StoredResponse): void {
    const slot = this.#slots.get(key);
    if (slot !== undefined) this.#dropSame(slot, response);
  }

  /** The new response takes the place of the one for the same variant (RFC 9111 §4). */
  #dropSame(slot: Slot, response: StoredResponse): void {
    for (const entry of [...slot.hits]) if (replaces(response, entry.response)) this.#drop(entry);
    while (slot.hits.length >= this.#variantsMax) this.#drop(slot.hits.at(-1)!);
  }

  #reserve(bytes: number): boolean {
    if (!this.#queue.makeRoom(bytes, this.#fillBytes)) return false;
    this.#fillBytes += bytes;
    return true;
  }

  #list(key: string, entry: RamEntry): void {
    const { slot } = entry;
    // Making room may have emptied the slot, and so taken it out of the map.
    this.#slots.set(key, slot);
    const target = targetOfKey(key);
    if (target !== key) {
      const keys = this.#extended.get(target);
      if (keys === undefined) this.#extended.set(target, new Set([key]));
      else keys.add(key);
    }
    slot.hits.unshift(entry);
    this.#queue.add(entry);
  }

  #newSlot(key: string, changes: number): Slot {
    return new Slot(this, key, this.#epochs.placeOf(key), changes);
  }

  #drop(entry: RamEntry): void {
    this.#queue.remove(entry);
    this.#unlist(entry);
  }

  #unlist(entry: RamEntry): void {
    const { slot } = entry;
    const index = slot.hits.indexOf(entry);
    if (index !== -1) slot.hits.splice(index, 1);
    if (slot.hits.length > 0 || this.#slots.get(slot.key) !== slot) return;
    this.#slots.delete(slot.key);
    const target = targetOfKey(slot.key);
    if (target === slot.key) return;
    const keys = this.#extended.get(target);
    if (keys?.delete(slot.key) && keys.size === 0) this.#extended.delete(target);
  }
}

/** What is stored under one key. */
class Slot {
  readonly store: RamStore;
  readonly key: string;
  readonly hits: RamEntry[] = [];
  /** Of the key's counter of changes, and what it said when the hits were last known to be right. */
  readonly place: number;
  changes: number;

  constructor(store: RamStore, key: string, place: number, changes: number) {
    this.store = store;
    this.key = key;
    this.place = place;
    this.changes = changes;
  }
}

/** One stored response. */
class RamEntry implements StoreHit, Evictable {
  readonly slot: Slot;
  readonly response: StoredResponse;
  readonly content: MemoryContent;
  bytes: number;
  readonly nameHash: number;
  readonly receivedMs: number;
  readonly pinnedUntilMs: number;
  readonly link = new Link();
  #prepared: PreparedStoredResponse | null = null;

  constructor(slot: Slot, response: StoredResponse, content: MemoryContent, bytes: number) {
    this.slot = slot;
    this.response = response;
    this.content = content;
    this.bytes = bytes;
    this.nameHash = fnvHash(slot.key);
    this.receivedMs = response.responseTimeMs;
    this.pinnedUntilMs = response.pinnedUntilMs;
  }

  prepared(): PreparedHit | null {
    noteUse(this);
    if (this.#prepared !== null) return this.#prepared;
    const { whole } = this.content;
    if (whole === undefined) return null;
    this.#prepared = new PreparedStoredResponse(this.response, whole);
    this.slot.store.notePrepared(this);
    return this.#prepared;
  }

  open(): ContentReader {
    noteUse(this);
    return new MemoryContentReader(this.content);
  }
}

interface RamFillInput {
  readonly store: RamStore;
  readonly key: string;
  readonly response: StoredResponse;
  readonly reserved: number;
  readonly generation: number;
  readonly changes: number;
}

/** A response that is arriving. */
class RamFill implements ContentWriter, StoreHit {
  readonly #store: RamStore;
  readonly #changes: number;
  readonly key: string;
  readonly content: MemoryContent;
  response: StoredResponse;
  readonly generation: number;
  /** Purged while it arrives: its readers get the rest, and it is not stored. */
  isOutdated = false;
  /** Bytes accounted for in the store. */
  #reserved: number;
  #accounted: number;
  isDropped = false;
  #ended = false;

  constructor({ store, key, response, reserved, generation, changes }: RamFillInput) {
    this.#store = store;
    this.key = key;
    this.generation = generation;
    this.#changes = changes;
    this.response = response;
    this.#reserved = reserved;
    this.#accounted = Math.max(0, response.contentLength);
    this.content = new MemoryContent(response.contentLength);
  }

  get hit(): StoreHit {
    return this;
  }

  get hasReaders(): boolean {
    return this.content.readerCount > 0;
  }

  prepared(): PreparedHit | null {
    return null;
  }

  open(): ContentReader {
    return new MemoryContentReader(this.content);
  }

  write(bytes: Uint8Array): boolean {
    if (!this.#ended && bytes.length > 0) this.#write(bytes);
    // Memory is never behind.
    return true;
  }

  whenDrained(callback: () => void): void {
    callback();
  }

  #write(bytes: Uint8Array): void {
    const { content } = this;
    if (this.isDropped && content.readerCount === 0) return;
    const more = content.growthFor(bytes.length);
    const length = this.isDropped ? 0 : content.length + bytes.length;
    if (!this.#account(content.capacity + more, length)) {
      if (this.isDropped || content.readerCount === 0) {
        this.#giveUp(new Error('the response grew too large to be stored'));
        return;
      }
      // Others are reading it: they get the rest, though it will not be kept.
      this.isDropped = true;
      content.detach();
      this.#write(bytes);
      return;
    }
    content.append(bytes);
    if (this.isDropped) this.#account(content.capacity, 0);
  }

  /** Accounts for `capacity` bytes of content; false when they must not be held. */
  #account(capacity: number, length: number): boolean {
    const more = this.isDropped
      ? capacity - this.#accounted
      : Math.max(0, capacity - this.#accounted);
    if (!this.#store.grow(length, more)) return false;
    this.#accounted += more;
    this.#reserved += more;
    return true;
  }

  commit(): void {
    if (this.#ended) return;
    const { length } = this.content;
    const expected = announcedLength(this.response);
    if (expected !== -1 && length !== expected) this.cut();
    else this.#keep(length);
  }

  #keep(length: number): void {
    this.#ended = true;
    if (!this.isDropped) this.response = withContent(this.response, length);
    this.content.complete();
    this.#store.release(this, this.#reserved);
    if (this.isDropped || this.#store.isOutdated(this)) return;
    this.#store.adopt(this.key, this.response, this.content, this.#changes);
  }

  cut(): void {
    if (this.#ended) return;
    const part = this.isDropped ? null : partOfCut(this.response, this.content.length);
    // Its readers hear that it is incomplete; what has come is kept under another content.
    const kept = part === null ? null : this.content.copy();
    this.abort();
    if (part === null || kept === null || this.#store.isOutdated(this)) return;
    this.#store.adopt(this.key, part, kept, this.#changes);
  }

  abort(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#giveUp(new Error('the response was broken off'));
  }

  #giveUp(error: Error): void {
    this.isDropped = true;
    this.#store.release(this, this.#reserved);
    this.#reserved = 0;
    this.#accounted = 0;
    this.content.fail(error);
  }
}
