/**
 * Files of root in directories that other accounts may write: whoever owns a directory may put a link
 * where a name of ours is expected. As root, a path is walked with descriptors, links are followed
 * only where root has made them, and what is opened is what was looked at. Other accounts go the plain
 * way: a link gives nobody more than they have.
 *
 * What root does with files by their paths is done here: a rule in test/tidy finds what is not.
 */
import {
  closeSync,
  constants,
  fchownSync,
  fstatSync,
  ftruncateSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  type Stats,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, resolve } from 'node:path';

const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = constants;
const ROOT = 0;
/** As the kernel: more links are a loop. */
const LINKS_MAX = 40;
/** Bits of a mode that let others than the owner write. */
const OTHERS_WRITE = 0o022;
/** In such a directory others may make files, and leave those of others alone (unlink(2)). */
const STICKY = 0o1000;
const DIRECTORY_MODE = 0o700;
const FILE_MODE = 0o600;
/** No file of ours comes near it; a device that never ends would be read for ever. */
const READ_BYTES_MAX = 256 * 2 ** 20;

/** What was refused, with words for the operator. */
export class CarelessPath extends Error {
  readonly code = 'ELOOP';
}

/** What there is to know of the directories on the way to a path. */
interface Way {
  /** Whether the last part is followed where it is a link of root's. */
  readonly follows: boolean;
  /** One in which others may make files; null when there is none. */
  open: string | null;
  /** One in which others may put theirs in the place of what is there; null when there is none. */
  alien: string | null;
}

/**
 * Calls `body` with a name for the path that leads where the path led when it was looked at, whatever
 * becomes of its directories. The last part is not followed if it is a link: open it with O_NOFOLLOW.
 * Where nobody but root could change the way, the name is the path itself.
 */
export function atPlace<T>(path: string, body: (name: string) => T): T {
  if (!isRoot()) return body(path);
  return walk({ parts: partsOf(path), linksLeft: LINKS_MAX, path, way: wayThat(true), body });
}

/** As `body` of {@link atPlace}; `isKernels`: the way goes by a link of the kernel, to be followed. */
type AtPlace<T> = (name: string, isKernels: boolean) => T;

/** As open(2), of a file that is no second name of another. */
export function openCarefully(path: string, flags: number, mode?: number): number {
  if (!isRoot()) return openSync(path, flags, mode);
  const open = (name: string, isKernels: boolean) => {
    const fd = openSync(name, isKernels ? flags : flags | O_NOFOLLOW, mode);
    const stats = fstatSync(fd);
    // A second name of a file elsewhere is as good as a link to it.
    if (!stats.isFile() || stats.nlink === 1) return fd;
    closeSync(fd);
    throw new CarelessPath(`${path} is another file, too (a hard link)`);
  };
  return walk({
    parts: partsOf(path),
    linksLeft: LINKS_MAX,
    path,
    way: wayThat((flags & O_NOFOLLOW) === 0),
    body: open,
  });
}

/** What a plain file holds. Throws what the file system does, and for what is no file. */
export function readCarefully(path: string, bytesMax = READ_BYTES_MAX): Buffer {
  // A pipe is not waited for.
  const fd = openCarefully(path, O_RDONLY | O_NONBLOCK);
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile()) throw new Error(`${path} is no file`);
    if (stats.size > bytesMax) throw new Error(`${path} is longer than ${bytesMax} bytes`);
    return readFileSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Puts a new file in the place of what is there, in one step. */
export function replaceFile(path: string, content: string | Uint8Array, mode = FILE_MODE): void {
  atPlace(path, (name) => {
    const temporary = `${name}.${process.pid}.tmp`;
    // Of a process that had our number and died.
    removeAt(temporary);
    const fd = openSync(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
    try {
      writeFileSync(fd, content);
      renameSync(temporary, name);
    } catch (error) {
      removeAt(temporary);
      throw error;
    } finally {
      closeSync(fd);
    }
  });
}

/** Writes a file from its beginning, and leaves it what it is: a device, a pipe, another mode. */
export function writeCarefully(path: string, content: string): void {
  const fd = openCarefully(path, O_WRONLY | O_CREAT | O_NONBLOCK, 0o666);
  try {
    if (fstatSync(fd).isFile()) ftruncateSync(fd);
    writeFileSync(fd, content);
  } finally {
    closeSync(fd);
  }
}

/** Removes a file, or a link itself; nothing when there is none. */
export function removeFile(path: string): void {
  atPlaceIfThere(path, removeAt);
}

/** Removes a directory with all that is in it; nothing when there is none. */
export function removeTree(path: string): void {
  atPlaceIfThere(path, removeTreeAt);
}

/** Names in a directory, which is itself no link of another account. */
export function namesIn(path: string): string[] {
  return atPlace(path, (name) => {
    if (!isRoot()) return readdirSync(name);
    const fd = openSync(name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    try {
      return readdirSync(`/proc/self/fd/${fd}`);
    } finally {
      closeSync(fd);
    }
  });
}

/** Of what is there, be it a link; undefined when nothing is. */
export function statsOf(path: string): Stats | undefined {
  return atPlaceIfThere(path, (name) => lstatSync(name, { throwIfNoEntry: false }));
}

/**
 * With its parents, each looked at before the next. Not by Node's `recursive`, which tries for
 * ever where a file system takes no directories and says that something is missing, as /proc does.
 */
export function makeDirectory(path: string, mode = DIRECTORY_MODE): void {
  try {
    makeOne(path, mode);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || dirname(path) === path) throw error;
    makeDirectory(dirname(path), mode);
    makeOne(path, mode);
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

/**
 * Why others than root decide what is at a path; null when they do not, for root. Other accounts
 * are not asked: they can have no more than their own.
 */
export function whyNotRoots(path: string): string | null {
  if (!isRoot()) return null;
  const way = wayThat(true);
  try {
    // The path is a directory of the way, too.
    walk({ parts: [...partsOf(path), '.'], linksLeft: LINKS_MAX, path, way, body: () => {} });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (error instanceof CarelessPath) return message;
    if (code !== 'ENOENT') return `it cannot be looked at (${code})`;
  }
  return way.alien;
}

function wayThat(follows: boolean): Way {
  return { follows, open: null, alien: null };
}

function isRoot(): boolean {
  return process.geteuid?.() === ROOT;
}

function partsOf(path: string): string[] {
  return resolve(path).split('/').filter(Boolean);
}

function makeOne(path: string, mode: number): void {
  atPlace(path, (name) => {
    try {
      mkdirSync(name, { mode });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      const stats = isRoot() ? lstatSync(name) : statSync(name, { throwIfNoEntry: false });
      if (stats?.isDirectory() !== true) throw error;
    }
  });
}

function atPlaceIfThere<T>(path: string, body: (name: string) => T): T | undefined {
  try {
    return atPlace(path, body);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function removeAt(name: string): void {
  try {
    unlinkSync(name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

/** From descriptor to descriptor: a directory that becomes a link meanwhile leads nowhere. */
function removeTreeAt(name: string): void {
  if (lstatSync(name, { throwIfNoEntry: false })?.isDirectory() !== true) {
    removeAt(name);
    return;
  }
  const fd = openSync(name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  try {
    const within = isRoot() ? `/proc/self/fd/${fd}` : name;
    for (const inner of readdirSync(within)) removeTreeAt(`${within}/${inner}`);
  } finally {
    closeSync(fd);
  }
  rmdirSync(name);
}

interface Walk<T> {
  readonly parts: readonly string[];
  readonly linksLeft: number;
  readonly path: string;
  readonly way: Way;
  readonly body: AtPlace<T>;
}

function walk<T>({ parts, linksLeft, path, way, body }: Walk<T>): T {
  let directory = openSync('/', O_RDONLY | O_DIRECTORY);
  try {
    for (const [i, part] of parts.entries()) {
      const before = `/${parts.slice(0, i).join('/')}`;
      note(way, fstatSync(directory), before);
      const name = `/proc/self/fd/${directory}/${part}`;
      const rest = parts.slice(i + 1);
      const stats = lstatSync(name, { throwIfNoEntry: false });
      if (stats?.isSymbolicLink() === true) {
        if (rest.length === 0 && !way.follows) throw new CarelessPath(`${path} is a link`);
        if (stats.uid !== ROOT || linksLeft === 0) {
          throw new CarelessPath(`${path} leads over a link of another account`);
        }
        const led = partsOf(resolve(before, readlinkSync(name)));
        // Links of the kernel, as /dev/stdout's, have no path to walk.
        if (led[0] === 'proc') return body(path, true);
        return walk({ parts: [...led, ...rest], linksLeft: linksLeft - 1, path, way, body });
      }
      if (rest.length === 0) return body(way.open === null ? join(before, part) : name, false);
      const next = openSync(name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
      closeSync(directory);
      directory = next;
    }
    return body('/', false);
  } finally {
    closeSync(directory);
  }
}

function join(directory: string, name: string): string {
  return directory === '/' ? `/${name}` : `${directory}/${name}`;
}

function note(way: Way, { uid, mode }: Stats, directory: string): void {
  const isWritten = (mode & OTHERS_WRITE) !== 0;
  if (uid === ROOT && !isWritten) return;
  way.open ??= directory;
  if (uid !== ROOT) way.alien ??= `${directory} belongs to user ${uid}`;
  else if ((mode & STICKY) === 0) way.alien ??= `others can write to ${directory}`;
}
