/** A stored response whose content is on disk. */
import type { ContentReader, PreparedHit, StoredResponse, StoreHit } from '../contract.ts';
import type { IndexEntry } from './index/index-entry.ts';
import { DiskContentReader } from './segments/content-reading.ts';
import type { SegmentFiles } from './segments/segment-files.ts';

export class DiskHit implements StoreHit {
  readonly response: StoredResponse;
  readonly entry: IndexEntry;
  readonly #files: SegmentFiles;
  readonly #onDamage: (entry: IndexEntry) => void;

  constructor(
    response: StoredResponse,
    entry: IndexEntry,
    files: SegmentFiles,
    onDamage: (entry: IndexEntry) => void,
  ) {
    this.response = response;
    this.entry = entry;
    this.#files = files;
    this.#onDamage = onDamage;
  }

  prepared(): PreparedHit | null {
    return null;
  }

  open(): ContentReader {
    const { contentSegment, contentOffset, contentLength, seed } = this.entry;
    const lengths = { length: contentLength, total: contentLength };
    const place = { segment: contentSegment, offset: contentOffset, ...lengths, seed };
    return new DiskContentReader(this.#files, place, () => this.#onDamage(this.entry));
  }
}
