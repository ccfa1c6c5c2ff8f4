/**
 * Several workers without --cache-dir share what they cache all the same: on a file system in memory,
 * in a directory that lives as long as this process. Otherwise a response that one worker has stored
 * would be a miss for a connection that the kernel gives to another.
 */
import { existsSync, mkdtempSync, readlinkSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { makeDirectory, namesIn, removeTree, replaceFile } from '../base/careful-files.ts';
import { diskCapacityMin } from '../cache/disk/limits.ts';
import type { SluiceOptions } from '../config/options.ts';

/** A file system in memory on every Linux; containers may make it small. */
const MEMORY_FILE_SYSTEM = '/dev/shm';
const PREFIX = `sluice-cache-${pidNamespace()}-`;

/** Containers may share the file system but not their process numbers: each looks at its own. */
function pidNamespace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid').replace(/\D/g, '');
  } catch {
    return '0';
  }
}

/** Of --cache-size, the part that is shared; the rest holds what each worker serves most. */
const SHARED_PART = 0.75;
/** The file system is others', too: not more than this part of what is free. */
const FREE_PART_MAX = 0.5;

export interface SharedCache {
  readonly options: SluiceOptions;
  /** Removes what was made for it; nothing when workers cache apart. */
  remove(): void;
}

/** Options with a directory for the shared cache, or as they are when there is no use or room. */
export function shareCache(
  options: SluiceOptions,
  warn: (message: string) => void,
  fileSystem: string = MEMORY_FILE_SYSTEM,
): SharedCache {
  const apart: SharedCache = { options, remove() {} };
  const { workers, cacheDirectory, cacheSizeBytes } = options;
  if (workers === 1 || cacheDirectory !== null || cacheSizeBytes === 0) return apart;
  const sharedBytes = Math.floor(cacheSizeBytes * SHARED_PART);
  if (sharedBytes < diskCapacityMin(workers)) {
    warn(`--cache-size is too small to be shared by ${workers} workers: each caches for itself`);
    return apart;
  }
  if (!hasRoom(fileSystem, sharedBytes)) {
    warn(`${fileSystem} is too small for a shared cache: each worker has a cache of its own`);
    return apart;
  }
  const directory = usableDirectory(fileSystem);
  if (typeof directory !== 'string') {
    const { message } = directory;
    warn(`${fileSystem} cannot hold a shared cache (${message}): each worker caches for itself`);
    return apart;
  }
  const remove = () => removeQuietly(directory);
  process.once('exit', remove);
  return {
    options: {
      ...options,
      cacheDirectory: directory,
      cacheSizeBytes: sharedBytes,
      cacheMemoryBytes: cacheSizeBytes - sharedBytes,
    },
    remove: () => {
      process.removeListener('exit', remove);
      remove();
    },
  };
}

/** What a cache needs at first: an index, what is shared, a segment for some workers. */
const TRIAL_FILES = 8;
const TRIAL_BYTES = 65_536;

/**
 * A new directory in which files could be written, or why there is none: a file system may be
 * read-only, another user's, or out of inodes, and only trying tells.
 */
function usableDirectory(fileSystem: string): string | Error {
  let directory = '';
  try {
    removeLeftOver(fileSystem);
    directory = mkdtempSync(join(fileSystem, `${PREFIX}${process.pid}-`));
    const trial = join(directory, 'trial');
    makeDirectory(trial);
    for (let i = 0; i < TRIAL_FILES; i++) {
      replaceFile(join(trial, String(i)), Buffer.alloc(TRIAL_BYTES));
    }
    removeTree(trial);
    return directory;
  } catch (error) {
    removeQuietly(directory);
    return error as Error;
  }
}

/** What cannot be removed is left over for the next start. */
function removeQuietly(directory: string): void {
  if (directory === '') return;
  try {
    removeTree(directory);
  } catch {
    // See removeLeftOver.
  }
}

function hasRoom(fileSystem: string, bytes: number): boolean {
  try {
    const { bavail, bsize } = statfsSync(fileSystem);
    return bavail * bsize * FREE_PART_MAX >= bytes;
  } catch {
    return false;
  }
}

/** A supervisor that was killed leaves its directory behind; the next one takes it away. */
function removeLeftOver(fileSystem: string): void {
  for (const name of namesIn(fileSystem)) {
    const pid = new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1];
    if (pid === undefined || existsSync(`/proc/${pid}`)) continue;
    try {
      removeTree(join(fileSystem, name));
    } catch {
      // Another user's: theirs to remove.
    }
  }
}
