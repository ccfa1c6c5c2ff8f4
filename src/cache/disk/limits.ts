/** Bounds of the disk store that its options are checked against before it is loaded. */

const MIB = 1_048_576;

/**
 * Descriptors of segments that a worker keeps open for reading; the least recently used is closed first,
 * and one whose segment any worker has evicted as soon as no response needs it.
 */
export const DESCRIPTORS_MAX = 256;

/**
 * How long a device may take to answer a read before it is a miss; no other read is sent to it
 * until it has answered. A busy disk takes a tenth of it.
 */
export const READ_MS_MAX = 2_000;

/** After this time a directory that could not be used is tried again: the cache is in memory meanwhile. */
export const REOPEN_MS = 10_000;

/** Bytes of a segment, at least: any response that shares one must fit (disk-fill.ts). */
export const SEGMENT_BYTES_MIN = 2 * MIB;
/** Bytes of a segment, at most: what one eviction loses. */
export const SEGMENT_BYTES_MAX = 64 * MIB;

/** Bytes on disk below which there is no room for a few segments and the index. */
export const CAPACITY_BYTES_MIN = 16 * MIB;

/** Segments' worth of room for each worker: one that it fills, and some to be evicted meanwhile. */
const SEGMENTS_PER_WORKER_MIN = 4;

/** Segments in a store, about, when it is full. */
const SEGMENTS_WANTED = 64;

/** Bytes on disk that a store for so many workers needs. */
export function diskCapacityMin(workers: number): number {
  return Math.max(CAPACITY_BYTES_MIN, workers * SEGMENTS_PER_WORKER_MIN * SEGMENT_BYTES_MIN);
}

/** Bytes of a segment: a small part of the capacity, however many workers fill one each. */
export function segmentBytesFor(capacityBytes: number, workers: number): number {
  const count = Math.max(SEGMENTS_WANTED, workers * SEGMENTS_PER_WORKER_MIN);
  const wanted = Math.floor(capacityBytes / count);
  return Math.min(SEGMENT_BYTES_MAX, Math.max(SEGMENT_BYTES_MIN, wanted));
}
