/**
 * Files of root in directories that other accounts may write: whoever owns a directory may put a link
 * where a name of ours is expected. As root, a path is walked with descriptors, links are followed
 * only where root has made them, and what is opened is what was looked at. Other accounts go the plain
 * way: a link gives nobody more than they have.
 */
import {
  closeSync,
  constants,
  fchownSync,
  fstatSync,
  lstatSync,
  openSync,
  readlinkSync,
  type Stats,
  statSync,
} from 'node:fs';
import { resolve } from 'node:path';

const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = constants;
const ROOT = 0;
/** As the kernel: more links are a loop. */
const LINKS_MAX = 40;
/** Bits of a mode that let others than the owner write. */
const OTHERS_WRITE = 0o022;

/** What was refused, with words for the operator. */
export class CarelessPath extends Error {
  readonly code = 'ELOOP';
}

/**
 * Calls `body` with a name for the path that leads where the path led when it was looked at, whatever
 * becomes of its directories. The last part is not followed if it is a link: open it with O_NOFOLLOW.
 */
export function atPlace<T>(path: string, body: (name: string) => T): T {
  if (!isRoot()) return body(path);
  return walk(resolve(path).split('/').filter(Boolean), LINKS_MAX, path, body);
}

/** As open(2), of a file that is no second name of another. */
export function openCarefully(path: string, flags: number, mode?: number): number {
  if (!isRoot()) return openSync(path, flags, mode);
  return atPlace(path, (name) => {
    const fd = openSync(name, name === path ? flags : flags | O_NOFOLLOW, mode);
    const stats = fstatSync(fd);
    // A second name of a file elsewhere is as good as a link to it.
    if (!stats.isFile() || stats.nlink === 1) return fd;
    closeSync(fd);
    throw new CarelessPath(`${path} is another file, too (a hard link)`);
  });
}

function isRoot(): boolean {
  return process.geteuid?.() === ROOT;
}

function walk<T>(
  parts: readonly string[],
  linksLeft: number,
  path: string,
  body: (name: string) => T,
): T {
  let directory = openSync('/', O_RDONLY | O_DIRECTORY);
  try {
    for (const [i, part] of parts.entries()) {
      const name = `/proc/self/fd/${directory}/${part}`;
      const rest = parts.slice(i + 1);
      const stats = lstatSync(name, { throwIfNoEntry: false });
      if (stats?.isSymbolicLink() === true) {
        if (stats.uid !== ROOT || linksLeft === 0) {
          throw new CarelessPath(`${path} leads over a link of another account`);
        }
        const target = readlinkSync(name);
        const before = `/${parts.slice(0, i).join('/')}`;
        const led = resolve(before, target).split('/').filter(Boolean);
        // Links of the kernel, as /dev/stdout's, have no path to walk.
        if (led[0] === 'proc') return body(path);
        return walk([...led, ...rest], linksLeft - 1, path, body);
      }
      if (rest.length === 0) return body(name);
      const next = openSync(name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
      closeSync(directory);
      directory = next;
    }
    return body('/');
  } finally {
    closeSync(directory);
  }
}

/** Gives a file that is root's to an account; others' and second names of files stay as they are. */
export function giveTo(
  fd: number,
  { uid, gid }: { readonly uid: number; readonly gid: number },
): void {
  const stats = fstatSync(fd);
  if (stats.uid !== ROOT) return;
  if (stats.isDirectory() || stats.isFIFO() || (stats.isFile() && stats.nlink === 1)) {
    fchownSync(fd, uid, gid);
  }
}

/** Why a directory that was there is not for files of ours alone; null when it is, or is not there. */
export function whyNotOurs(directory: string, owners: readonly number[]): string | null {
  const look = isRoot() ? lstatSync : statSync;
  let stats: Stats | undefined;
  try {
    stats = look(directory, { throwIfNoEntry: false });
  } catch (error) {
    return `it cannot be looked at (${(error as NodeJS.ErrnoException).code})`;
  }
  if (stats === undefined) return null;
  if (stats.isSymbolicLink()) return 'it is a link';
  if (!stats.isDirectory()) return 'it is no directory';
  if (!owners.includes(stats.uid)) return `it belongs to user ${stats.uid}`;
  return (stats.mode & OTHERS_WRITE) === 0 ? null : 'others can write to it';
}
