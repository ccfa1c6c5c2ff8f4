/**
 * Reads everything in a cache directory and says what is whole, for `sluice cache verify`. It opens
 * nothing for writing, and not with LMDB, which trusts its file.
 */
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import {
  CHECKSUM_BYTES,
  decodeHead,
  FRAGMENT_BYTES,
  fragmentPlace,
  framedOffset,
  isFragmentWhole,
  keyHash,
} from '../segments/record.ts';
import { segmentPath } from '../segments/segment-files.ts';
import { decodeEntry, type IndexEntry } from './index-entry.ts';
import { type NodeVisitor, readIndexFile } from './index-file.ts';
import { decodeNumber, decodeSegment } from './index-values.ts';

export interface Verification {
  /** Stored responses whose head and content are whole, and the bytes of their content. */
  readonly responses: number;
  readonly contentBytes: number;
  readonly segments: number;
  /** Bytes that the index says the cache takes, itself included. */
  readonly bytesUsed: number;
  /** What cannot be used: it would be a miss. */
  readonly damaged: readonly Damage[];
}

export interface Damage {
  /** The cache key, or '' when the head is what is damaged. */
  readonly key: string;
  readonly segment: number;
  readonly what: string;
}

/** Throws when there is no cache in the directory, or it cannot be read. */
export function verifyDirectory(directory: string): Verification {
  const file = join(directory, 'index', 'data.mdb');
  const stats = statSync(file, { throwIfNoEntry: false });
  if (stats === undefined) throw new Error('no cache is there');
  const files = new Map<number, number | null>();
  const damaged: Damage[] = [];
  const sums = { responses: 0, contentBytes: 0, segments: 0, bytesUsed: stats.size };
  const open = (segment: number) => opened(files, join(directory, 'segments'), segment);
  const ofIndex = (error: unknown) => {
    damaged.push({ key: '', segment: 0, what: `the index: ${(error as Error).message}` });
  };
  const checked = (body: () => void) => {
    try {
      body();
    } catch (error) {
      ofIndex(error);
    }
  };
  const visitors: Record<string, NodeVisitor> = {
    objects: (name, value) => {
      const entry = decodeEntry(name, value);
      const damage = entry === undefined ? ENTRY_DAMAGE : verifyEntry(entry, open);
      if (damage !== null) {
        damaged.push(damage);
        return;
      }
      sums.responses++;
      sums.contentBytes += entry!.contentLength;
    },
    segments: (key, value) =>
      checked(() => {
        sums.segments++;
        sums.bytesUsed += decodeSegment(key, value).bytes;
      }),
    meta: (key, value) =>
      checked(() => {
        decodeNumber(textOfKey(key), value);
      }),
  };
  try {
    readIndexFile(file, visitors);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== undefined) throw error;
    ofIndex(error);
  } finally {
    for (const fd of files.values()) if (fd !== null) closeSync(fd);
  }
  return { ...sums, damaged };
}

const ENTRY_DAMAGE: Damage = { key: '', segment: 0, what: 'an entry of the index is damaged' };

/** As `lmdb` writes texts: as they are. */
function textOfKey(key: Buffer): string {
  return key.toString('latin1');
}

/** Descriptors kept open; entries come in no order, so a few more than one are of use. */
const DESCRIPTORS_MAX = 64;

function opened(files: Map<number, number | null>, folder: string, segment: number): number | null {
  const known = files.get(segment);
  if (known !== undefined) return known;
  if (files.size >= DESCRIPTORS_MAX) {
    const [oldest, fd] = files.entries().next().value!;
    if (fd !== null) closeSync(fd);
    files.delete(oldest);
  }
  let fd: number | null = null;
  try {
    fd = openSync(segmentPath(folder, segment), 'r');
  } catch {
    // A segment that is not there is told of with each of its responses.
  }
  files.set(segment, fd);
  return fd;
}

function verifyEntry(entry: IndexEntry, open: (segment: number) => number | null): Damage | null {
  const headFile = open(entry.headSegment);
  const damage = (what: string, key = '', segment = entry.headSegment) => ({ key, segment, what });
  if (headFile === null) return damage('the segment is missing');
  const headBytes = readAt(headFile, entry.headOffset, entry.headLength);
  const head = decodeHead(headBytes, entry.headLength);
  if (head === undefined || head.seed !== entry.seed) return damage('the head is damaged');
  const { key } = head;
  if (!keyHash(key).equals(entry.name.subarray(0, keyHash(key).length))) {
    return damage('the head is of another response', key);
  }
  const contentFile = open(entry.contentSegment);
  if (contentFile === null) return damage('the segment is missing', key, entry.contentSegment);
  for (let offset = 0; offset < entry.contentLength; offset += FRAGMENT_BYTES) {
    const length = Math.min(FRAGMENT_BYTES, entry.contentLength - offset);
    const position = entry.contentOffset + framedOffset(offset);
    const framed = readAt(contentFile, position, length + CHECKSUM_BYTES);
    const place = fragmentPlace(entry.seed, offset / FRAGMENT_BYTES, entry.contentLength);
    if (!isFragmentWhole(framed, 0, length, place)) {
      return damage(`the body is damaged from byte ${offset}`, key, entry.contentSegment);
    }
  }
  return null;
}

function readAt(fd: number, position: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  return bytes.subarray(0, readSync(fd, bytes, 0, length, position));
}
