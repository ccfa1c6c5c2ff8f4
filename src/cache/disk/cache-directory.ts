/**
 * The directory of a cache: whether what is in it can be used, by whom, and how it is begun anew. Two
 * files are locks: `users` is shared by all who have the cache open, `opening` is for one process at
 * a time, while it opens the cache or puts it aside.
 */
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFile,
  readFileSync,
  renameSync,
  rm,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { makeDirectory } from '../../base/careful-files.ts';
import { isOwnShortage } from '../../base/shortage.ts';
import { tryLock } from '../../native/file-io.ts';
import { findIndexDamage } from './index/index-file.ts';

/** Raised when a format changes: a cache of another version is put aside. */
const FORMAT = 'sluice cache 5 ';

/** What is put aside together, with the format's mark first: without it nothing else is used. */
const CONTENTS = ['format', 'index', 'segments', 'shared'];
const ASIDE = 'aside-';

/** How long to wait for others that open or put aside; they take milliseconds. */
const TURN_MS_MAX = 5_000;
const TURN_LOOK_MS = 2;

/** What became of what was there before. */
export type Found =
  /** Nothing, or a cache that can be used. */
  | { readonly kind: 'used' }
  /** It was put aside. `isDamage`: else it is of another version. */
  | { readonly kind: 'aside'; readonly isDamage: boolean; readonly why: string };

export class CacheDirectory {
  readonly path: string;
  readonly found: Found;
  /** Which of the caches that this directory has had is in use. */
  readonly #mark: string;
  readonly #users: number;

  private constructor(path: string, found: Found, mark: string, users: number) {
    this.path = path;
    this.found = found;
    this.#mark = mark;
    this.#users = users;
  }

  /**
   * Calls `use` once what is there can be opened, with nobody else doing the same. Throws what the
   * file system, or `use`, does; then nothing is kept. What was begun before `suspectMs`, since the
   * epoch, is not used: a process has died in it.
   */
  static open<T>(path: string, suspectMs: number, use: (directory: CacheDirectory) => T): T {
    makeDirectory(path);
    return inTurn(path, () => {
      const users = openSync(join(path, 'users'), 'a', 0o600);
      try {
        // Alone, one may look at the index at leisure: nobody changes it.
        const isAlone = tryLock(users, 'exclusive');
        const why = whyNot(path, suspectMs, isAlone);
        if (why !== null) setAside(path);
        for (const name of readdirSync(path)) if (name.startsWith(ASIDE)) discard(join(path, name));
        if (markOf(path) === '') {
          const mark = `${FORMAT}${randomBytes(8).toString('hex')}\n`;
          writeFileSync(join(path, 'format'), mark, { mode: 0o600 });
        }
        if (!tryLock(users, 'shared')) throw new Error('its locks are held by others');
        const found: Found =
          why === null ? { kind: 'used' } : { kind: 'aside', isDamage: why !== OTHER_VERSION, why };
        return use(new CacheDirectory(path, found, markOf(path), users));
      } catch (error) {
        closeSync(users);
        throw error;
      }
    });
  }

  /** What was opened is still what others would open now. */
  get isCurrent(): boolean {
    return markOf(this.path) === this.#mark;
  }

  /**
   * The same without waiting for the device. Who has no descriptor left cannot tell: nothing speaks
   * against the cache then.
   */
  look(callback: (isCurrent: boolean) => void): void {
    readFile(join(this.path, 'format'), 'latin1', (error, mark) => {
      callback(error === null ? mark === this.#mark : isOwnShortage(error));
    });
  }

  /** Makes room for a new cache, unless another process has done so. */
  putAside(): void {
    inTurn(this.path, () => {
      if (this.isCurrent) setAside(this.path);
    });
  }

  close(): void {
    closeSync(this.#users);
  }
}

const OTHER_VERSION = 'it is of another version of sluice';

/** Why what is there cannot be used; null when it can, or nothing is there. */
function whyNot(path: string, suspectMs: number, isAlone: boolean): string | null {
  if (isOtherFormat(path)) return OTHER_VERSION;
  const begunMs = statSync(join(path, 'format'), { throwIfNoEntry: false })?.mtimeMs ?? suspectMs;
  if (begunMs < suspectMs) return 'a worker has died in it';
  return findIndexDamage(path, !isAlone);
}

/** The format, and a number of its own for every cache that was begun; '' without one. */
function markOf(path: string): string {
  const file = join(path, 'format');
  return existsSync(file) ? readFileSync(file, 'latin1') : '';
}

/** A cache is there that has another format, or says none. */
function isOtherFormat(path: string): boolean {
  return existsSync(join(path, 'index')) && !markOf(path).startsWith(FORMAT);
}

function setAside(path: string): void {
  const aside = join(path, `${ASIDE}${process.pid}-${Date.now()}`);
  mkdirSync(aside, { mode: 0o700 });
  for (const name of readdirSync(path)) {
    // The mapped file has its layout's number in its name.
    if (!CONTENTS.includes(name.replace(/-\d+$/, ''))) continue;
    renameSync(join(path, name), join(aside, name));
  }
  discard(aside);
}

/** What was put aside counts against the same device: it goes, in its own time. */
function discard(aside: string): void {
  rm(aside, { recursive: true, force: true }, () => {});
}

function inTurn<T>(path: string, body: () => T): T {
  const fd = openSync(join(path, 'opening'), 'a', 0o600);
  try {
    const untilMs = performance.now() + TURN_MS_MAX;
    while (!tryLock(fd, 'exclusive')) {
      if (performance.now() > untilMs)
        throw new Error('another process opens it, and does not end');
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, TURN_LOOK_MS);
    }
    return body();
  } finally {
    closeSync(fd);
  }
}
