/** Reads everything in a cache directory and says what is whole, for `sluice cache verify`. */

import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { endProcess } from '../../base/owned.ts';
import { DiskIndex } from './disk-index.ts';
import type { IndexEntry } from './index-entry.ts';
import {
  CHECKSUM_BYTES,
  decodeHead,
  FRAGMENT_BYTES,
  framedOffset,
  isFragmentWhole,
  keyHash,
} from './record.ts';
import { segmentPath } from './segment-files.ts';

export interface Verification {
  /** Stored responses whose head and content are whole, and the octets of their content. */
  readonly responses: number;
  readonly contentBytes: number;
  readonly segments: number;
  /** Octets that the index says the cache takes, itself included. */
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

/** Throws when there is no cache in the directory, or its index cannot be opened. */
export async function verifyDirectory(directory: string): Promise<Verification> {
  const file = join(directory, 'index', 'data.mdb');
  if (statSync(file, { throwIfNoEntry: false }) === undefined) throw new Error('no cache is there');
  const index = new DiskIndex(join(directory, 'index'), endProcess);
  const files = new Map<number, number | null>();
  const damaged: Damage[] = [];
  let responses = 0;
  let contentBytes = 0;
  try {
    const open = (segment: number) => opened(files, join(directory, 'segments'), segment);
    for (const entry of index.all()) {
      const damage = verifyEntry(entry, open);
      if (damage !== null) {
        damaged.push(damage);
        continue;
      }
      responses++;
      contentBytes += entry.contentLength;
    }
    const { bytesUsed } = index;
    return { responses, contentBytes, segments: index.segments().length, bytesUsed, damaged };
  } finally {
    for (const fd of files.values()) if (fd !== null) closeSync(fd);
    await index.close();
  }
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
  const head = decodeHead(headBytes);
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
    if (!isFragmentWhole(framed, 0, length, entry.seed, offset / FRAGMENT_BYTES)) {
      return damage(`the content is damaged from octet ${offset}`, key, entry.contentSegment);
    }
  }
  return null;
}

function readAt(fd: number, position: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  return bytes.subarray(0, readSync(fd, bytes, 0, length, position));
}
