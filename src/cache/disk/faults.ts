/** What an operator must hear of from the disk store. The requests concerned were misses. */

export type StoreFaultCode =
  /** The file system has no room left, though the cache's own bound was not reached. */
  | 'cache-disk-full'
  /** Writing failed for another reason. */
  | 'cache-write-failed'
  /** A record's checksum was wrong, or the record was not there. */
  | 'cache-body-damaged'
  /** The disk takes less than arrives; responses were not stored. */
  | 'cache-disk-slow'
  /** The index failed. */
  | 'cache-index-failed';

export interface StoreFault {
  readonly code: StoreFaultCode;
  readonly message: string;
}

export type FaultListener = (fault: StoreFault) => void;

export function writeFault(error: Error): StoreFault {
  const full = isFull(error);
  const message = full ? 'no space left on the device of the cache directory' : error.message;
  return { code: full ? 'cache-disk-full' : 'cache-write-failed', message };
}

/** No room on the device. LMDB gives the number of the error, or only its text. */
export function isFull(error: Error): boolean {
  const { code } = error as { code?: string | number };
  if (code === 'ENOSPC' || code === 'EDQUOT' || FULL_NUMBERS.has(Number(code))) return true;
  return Number(code) === EIO && error.message === PART_WRITTEN;
}

/**
 * What LMDB says when the device took only a part of what was written. Where the device itself says EIO,
 * LMDB says more: what it was about to write.
 */
const EIO = 5;
const PART_WRITTEN = 'Input/output error';

/** ENOSPC and EDQUOT on Linux. */
const FULL_NUMBERS: ReadonlySet<number> = new Set([28, 122]);
