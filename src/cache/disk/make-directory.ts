/** Makes the directory of a cache, and those above it. */
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';

const MODE = 0o700;

/**
 * Throws what the file system does. Not by Node's `recursive`, which tries for ever where a file system
 * takes no directories and says that something is missing, as /proc does.
 */
export function makeDirectory(path: string): void {
  try {
    mkdirSync(path, { mode: MODE });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // `recursive` ends at once for what is there, and says so for what is no directory.
    if (code === 'EEXIST') mkdirSync(path, { recursive: true });
    else if (code === 'ENOENT' && dirname(path) !== path) {
      makeDirectory(dirname(path));
      mkdirSync(path, { mode: MODE });
    } else throw error;
  }
}
