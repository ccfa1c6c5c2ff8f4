/** A page of what is stored on disk, in the order of the index: heads are read one after another. */
import type { ListPage, ListQuery, StoredResponse } from '../contract.ts';
import { loadResponse } from '../rules/stored-response.ts';
import type { DiskIndex } from './index/disk-index.ts';
import type { IndexEntry } from './index/index-entry.ts';
import type { PurgeLog } from './index/purge-log.ts';
import { decodeHead } from './segments/record.ts';
import type { SegmentFiles } from './segments/segment-files.ts';

/**
 * Heads read for one page: when few keys have the prefix, a page may be empty and not the last
 * one.
 */
const HEADS_MAX = 20_000;
/** Entries taken from the index at a time. */
const BATCH = 256;

export interface ListingInput {
  readonly index: DiskIndex;
  readonly files: SegmentFiles;
  readonly purges: PurgeLog;
  readonly query: ListQuery;
  readonly callback: (page: ListPage) => void;
}

export class Listing {
  readonly #index: DiskIndex;
  readonly #files: SegmentFiles;
  readonly #purges: PurgeLog;
  readonly #query: ListQuery;
  readonly #callback: (page: ListPage) => void;
  readonly #entries: { key: string; response: StoredResponse }[] = [];
  #last: Buffer;
  #read = 0;

  constructor({ index, files, purges, query, callback }: ListingInput) {
    this.#index = index;
    this.#files = files;
    this.#purges = purges;
    this.#query = query;
    this.#callback = callback;
    // A name in hexadecimal; what is none begins anew.
    this.#last = Buffer.from(/^[0-9a-f]*$/.test(query.after) ? query.after : '', 'hex');
  }

  begin(): void {
    if (this.#index.isClosed) {
      this.#callback({ entries: this.#entries, next: null });
      return;
    }
    const batch = this.#index.entriesAfter(this.#last, BATCH);
    if (batch.length === 0) this.#callback({ entries: this.#entries, next: null });
    else this.#readBatch(batch, 0);
  }

  #readBatch(batch: readonly IndexEntry[], i: number): void {
    const entry = batch[i];
    if (entry === undefined) {
      // Others have their turn between batches.
      setImmediate(() => this.begin());
      return;
    }
    if (this.#entries.length >= this.#query.limit || this.#read >= HEADS_MAX) {
      this.#callback({ entries: this.#entries, next: this.#last.toString('hex') });
      return;
    }
    this.#read++;
    this.#last = entry.name;
    this.#files.read(entry.headSegment, entry.headOffset, entry.headLength, (bytes) => {
      if (bytes !== null) this.#add(entry, bytes);
      this.#readBatch(batch, i + 1);
    });
  }

  #add(entry: IndexEntry, bytes: Buffer): void {
    const head = decodeHead(bytes, entry.headLength);
    if (head === undefined || head.seed !== entry.seed) return;
    if (!head.key.startsWith(this.#query.prefix)) return;
    const judgement = this.#purges.judge(entry.purgeSequence, head.key, head.facts.fields);
    if (judgement.kind === 'purged') return;
    const markedStaleMs = judgement.kind === 'stale' ? judgement.sinceMs : entry.markedStaleMs;
    const { varyFields, partial, decided } = head;
    const facts = { ...head.facts, markedStaleMs };
    const response = loadResponse({
      facts,
      varyFields,
      contentLength: entry.contentLength,
      partial,
      decided,
    });
    this.#entries.push({ key: head.key, response });
  }
}
