/**
 * Looks whether files have changed: by time, size and inode of what their names lead to, so that
 * links that are moved to other files, as certbot does it, count as well. A change counts once it
 * has lasted for two looks, because a certificate and its key are not replaced in one step.
 */
import { stat } from 'node:fs/promises';

interface Sight {
  /** As it was when it was last taken note of. */
  settled: string | null;
  /** As it was at the last look. */
  seen: string;
}

export class FileWatch {
  readonly #sights = new Map<string, Sight>();

  /** Everything counts as changed, once: what is in use may not be what was found. */
  forget(): void {
    for (const sight of this.#sights.values()) sight.settled = null;
  }

  /** Whether these files have changed since they were last found changed; the first time, too. */
  async haveChanged(files: readonly string[]): Promise<boolean> {
    const key = files.join('\0');
    const seen = (await Promise.all(files.map(markOf))).join(' ');
    const sight = this.#sights.get(key);
    if (sight === undefined) {
      this.#sights.set(key, { settled: null, seen });
      return false;
    }
    const isLasting = sight.seen === seen;
    sight.seen = seen;
    if (!isLasting || sight.settled === seen) return false;
    sight.settled = seen;
    return true;
  }
}

async function markOf(file: string): Promise<string> {
  try {
    const { mtimeMs, ctimeMs, size, ino, dev } = await stat(file);
    return [mtimeMs, ctimeMs, size, ino, dev].join(':');
  } catch (error) {
    return String((error as NodeJS.ErrnoException).code);
  }
}
