/**
 * What is pinned or was used anew is written again, to the active segment, before its segment goes.
 */
import { SHARED_BYTES_MAX } from '../disk-fill.ts';
import type { DiskIndex } from '../index/disk-index.ts';
import type { IndexEntry } from '../index/index-entry.ts';
import { framedLength } from './record.ts';
import type { SegmentFiles } from './segment-files.ts';
import type { SegmentWriter } from './segment-writer.ts';

export class Reinsertion {
  readonly #files: SegmentFiles;
  readonly #index: DiskIndex;
  readonly #writer: SegmentWriter;
  readonly #bytesMax: number;
  #closed = false;

  /** `bytesMax`: how much of a segment may stay; with all of it there would be no eviction. */
  constructor(files: SegmentFiles, index: DiskIndex, writer: SegmentWriter, bytesMax: number) {
    this.#files = files;
    this.#index = index;
    this.#writer = writer;
    this.#bytesMax = bytesMax;
  }

  /** Writes the responses of a segment that are pinned or were used anew, before it goes. */
  readmit(segment: number, names: readonly string[], done: () => void): void {
    let left = this.#bytesMax;
    const next = (i: number): void => {
      const name = names[i];
      if (name === undefined || this.#closed || left <= 0) {
        done();
        return;
      }
      const entry = this.#index.entry(Buffer.from(name, 'hex'));
      const movable =
        entry !== undefined &&
        entry.contentSegment === segment &&
        entry.contentLength <= SHARED_BYTES_MAX;
      if (!movable) {
        next(i + 1);
        return;
      }
      left -= entry.contentLength;
      this.#move(entry, () => setImmediate(() => next(i + 1)));
    };
    next(0);
  }

  /** Copies head and content, byte for byte, to the active segment. */
  #move(entry: IndexEntry, done: () => void): void {
    this.#files.read(entry.headSegment, entry.headOffset, entry.headLength, (headBytes) => {
      if (headBytes === null) {
        done();
        return;
      }
      const head = Buffer.from(headBytes);
      const length = framedLength(entry.contentLength);
      this.#files.read(entry.contentSegment, entry.contentOffset, length, (content) => {
        if (content === null || this.#closed) {
          done();
          return;
        }
        const place = this.#writer.append(Buffer.concat([head, content]), (error) => {
          if (error === null && place !== undefined && !this.#closed) {
            // When it is not written, the response goes with its segment.
            this.#index.putSoon({
              ...entry,
              headSegment: place.segment,
              headOffset: place.offset,
              contentSegment: place.segment,
              contentOffset: place.offset + head.length,
            });
          }
          done();
        });
        if (place === undefined) done();
      });
    });
  }

  /** What is under way is left as it is. */
  close(): void {
    this.#closed = true;
  }
}
