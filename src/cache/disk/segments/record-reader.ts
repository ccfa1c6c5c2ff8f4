/**
 * Reads what entries of the index point to, as hits. What is not there, not whole or purged is no hit;
 * what cannot be used is forgotten, and told unless it was evicted meanwhile.
 */
import { MemoryContent } from '../../content.ts';
import type { StoredResponse, StoreHit } from '../../contract.ts';
import { loadResponse } from '../../rules/stored-response.ts';
import { SHARED_BYTES_MAX } from '../disk-fill.ts';
import { DiskHit } from '../disk-hit.ts';
import type { FaultListener } from '../faults.ts';
import type { DiskIndex } from '../index/disk-index.ts';
import type { IndexEntry } from '../index/index-entry.ts';
import type { PurgeLog } from '../index/purge-log.ts';
import { decodeHead, framedLength, unframeContent } from './record.ts';
import type { SegmentFiles } from './segment-files.ts';
import type { SegmentSpace } from './segment-space.ts';

/** A body up to this length is read together with its head, and then kept in memory. */
const TOGETHER_BYTES_MAX = 262_144;

/**
 * A longer body that shares a segment is read in the same way when it is requested again while it
 * is among this many that were read last: gathering a body that is requested only once costs more
 * than sending it in pieces.
 */
const READ_LATELY_MAX = 32;

/** A key that is looked up, and what its counter of changes said before the index was read. */
export interface Wanted {
  readonly key: string;
  readonly changes: number;
}

export interface RecordReaderOptions {
  readonly files: SegmentFiles;
  readonly index: DiskIndex;
  readonly space: SegmentSpace;
  readonly purges: PurgeLog;
  /** Longest content that memory keeps. Bytes. */
  readonly keptBytesMax: number;
  /** By another process a moment ago, so that the index may not know yet. */
  isRemoved(key: string, times: { readonly requestTimeMs: number }): boolean;
  /** Keeps what was read in memory, unless memory has a newer one. */
  adopt(
    wanted: Wanted,
    response: StoredResponse,
    content: MemoryContent,
    entry: IndexEntry,
  ): StoreHit | undefined;
  readonly onFault: FaultListener;
}

export class RecordReader {
  readonly #options: RecordReaderOptions;
  /** Where long content lies that was passed on in pieces, the latest last. */
  readonly #readLately = new Set<string>();
  #closed = false;

  constructor(options: RecordReaderOptions) {
    this.#options = options;
  }

  /** Reads what an entry points to; null when it is not there, not whole, or purged. */
  read(wanted: Wanted, entry: IndexEntry, callback: (hit: StoreHit | null) => void): void {
    const isKept = this.#noteReading(entry);
    const together =
      isKept &&
      entry.contentSegment === entry.headSegment &&
      entry.contentOffset === entry.headOffset + entry.headLength;
    const length = entry.headLength + (together ? framedLength(entry.contentLength) : 0);
    this.#options.files.read(entry.headSegment, entry.headOffset, length, (bytes) => {
      if (this.#closed) {
        callback(null);
        return;
      }
      if (bytes === null && this.#options.files.cannotTell) {
        callback(null);
        return;
      }
      const hit = bytes === null ? null : this.#decode(wanted, entry, bytes, together);
      if (hit === null) this.#drop(entry, bytes === null ? 'missing' : 'damaged');
      if (hit === null || hit === 'purged') callback(null);
      else if (together || !isKept) callback(hit);
      else this.#loadContent(wanted, entry, hit, callback);
    });
  }

  /** Whether the content is to be gathered, for memory. */
  #noteReading({ contentLength, contentSegment, contentOffset }: IndexEntry): boolean {
    if (contentLength <= TOGETHER_BYTES_MAX) return true;
    const longest = Math.min(SHARED_BYTES_MAX, this.#options.keptBytesMax);
    if (contentLength > longest) return false;
    const place = `${contentSegment}:${contentOffset}`;
    if (this.#readLately.delete(place)) return true;
    this.#readLately.add(place);
    if (this.#readLately.size > READ_LATELY_MAX) {
      const [oldest] = this.#readLately;
      this.#readLately.delete(oldest!);
    }
    return false;
  }

  /** Content for memory whose head was renewed lies apart from it. */
  #loadContent(
    wanted: Wanted,
    entry: IndexEntry,
    hit: StoreHit,
    callback: (hit: StoreHit | null) => void,
  ): void {
    const { contentSegment, contentOffset, contentLength, seed } = entry;
    this.#options.files.read(
      contentSegment,
      contentOffset,
      framedLength(contentLength),
      (bytes) => {
        const content = bytes === null ? undefined : unframeContent(bytes, contentLength, seed);
        if (bytes === null && this.#options.files.cannotTell) {
          callback(null);
          return;
        }
        if (content === undefined || this.#closed) {
          this.#drop(entry, bytes === null ? 'missing' : 'damaged');
          callback(null);
          return;
        }
        callback(
          this.#options.adopt(wanted, hit.response, MemoryContent.of(content), entry) ?? hit,
        );
      },
    );
  }

  #decode(
    wanted: Wanted,
    entry: IndexEntry,
    bytes: Buffer,
    together: boolean,
  ): StoreHit | 'purged' | null {
    const { key } = wanted;
    const head = decodeHead(bytes, entry.headLength);
    if (head === undefined || head.seed !== entry.seed) return null;
    // Two keys with one hash: 2^64 attempts away, but then it is not ours.
    if (head.key !== key) return 'purged';
    // Stored after purges that nobody knows of: the index is not what it was.
    if (entry.purgeSequence > this.#options.purges.sequence) {
      if (entry.purgeSequence > this.#options.purges.latest()) return null;
    }
    const judgement = this.#options.purges.judge(entry.purgeSequence, key, head.facts.fields);
    if (judgement.kind === 'purged' || this.#options.isRemoved(key, head.facts)) {
      this.#options.index.removeIfSame(entry);
      return 'purged';
    }
    const markedStaleMs = judgement.kind === 'stale' ? judgement.sinceMs : entry.markedStaleMs;
    const facts = { ...head.facts, markedStaleMs };
    const { contentLength } = entry;
    const response = loadResponse({
      facts,
      varyFields: head.varyFields,
      contentLength,
      partial: head.partial,
      decided: head.decided,
    });
    this.#options.space.noteUse(entry.contentSegment, entry.name);
    if (!together) return this.hitOf(response, entry);
    const content = unframeContent(bytes.subarray(entry.headLength), contentLength, entry.seed);
    if (content === undefined) return null;
    const adopted = this.#options.adopt(wanted, response, MemoryContent.of(content), entry);
    return adopted ?? this.hitOf(response, entry);
  }

  hitOf(response: StoredResponse, entry: IndexEntry): DiskHit {
    return new DiskHit(response, entry, this.#options.files, (damaged) =>
      this.#drop(damaged, 'damaged'),
    );
  }

  /** Forgets an entry whose record cannot be used; tells unless it was evicted meanwhile. */
  #drop(entry: IndexEntry, what: 'missing' | 'damaged'): void {
    if (this.#closed || this.#options.files.cannotTell) return;
    this.#options.index.refresh();
    const evicted =
      this.#options.index.segment(entry.headSegment) === undefined ||
      this.#options.index.segment(entry.contentSegment) === undefined;
    if (!evicted) {
      const message = `a record in segment ${entry.contentSegment} is ${what}; it counts as a miss`;
      this.#options.onFault({ code: 'cache-body-damaged', message });
    }
    this.#options.index.removeIfSame(entry);
  }

  /** What is being read is no hit any more. */
  close(): void {
    this.#closed = true;
  }
}
