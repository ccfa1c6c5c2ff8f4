/**
 * What is left of root's power once sockets are open: worker processes are started as the account of
 * --user, and a sluice of one process becomes it. What they write is made theirs before.
 */
import { closeSync, constants, fstatSync, openSync, readdirSync } from 'node:fs';
import { atPlace, giveTo, makeDirectory, whyNotOurs } from '../base/careful-files.ts';
import { UsageError } from '../base/errors.ts';
import type { Account, SluiceOptions } from '../config/options.ts';
import { openLogFile } from '../telemetry/log-file.ts';

const ROOT = 0;
const { O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants;
/** Nothing is followed, and no pipe waited for. */
const FILE_FLAGS = O_RDONLY | O_NOFOLLOW | O_NONBLOCK;
const DIRECTORY_FLAGS = O_RDONLY | O_NOFOLLOW | O_DIRECTORY;

/** Those of a process to start: none when it has what it needs already. */
export type Identity = { readonly uid: number; readonly gid: number } | Record<string, never>;

/** Throws UsageError when this process cannot become the account. */
export function identityOf(account: Account | null): Identity {
  if (account === null || isAlready(account)) return {};
  if (process.getuid?.() === ROOT) return { uid: account.uid, gid: account.gid };
  throw new UsageError(
    `--user ${account.name}: only root can become another user`,
    `start it as root, or as ${account.name} without --user`,
  );
}

/**
 * What the account's processes write: directories and files of root that are there belong to it then.
 * The account may have put links there: nothing is followed, and what is another account's stays so.
 * Throws UsageError for a directory that is somebody else's.
 */
export function handOverFiles(options: SluiceOptions): void {
  const { account } = options;
  if (account === null || process.getuid?.() !== ROOT) return;
  const { cacheDirectory, errorLog, logs, tls, recorder, pidFile } = options;
  if (cacheDirectory !== null) handOverDirectory('cache-dir', cacheDirectory, account);
  // One process writes all itself; the supervisor of several stays what it is.
  const isAlone = options.workers === 1;
  if (isAlone && recorder.directory !== null) {
    makeDirectory(recorder.directory);
    if (whyNotOurs(recorder.directory, [ROOT, account.uid]) === null) {
      handOverDirectory('incident-dir', recorder.directory, account);
    }
  }
  const targets = [...logs.map(({ target }) => target), isAlone ? errorLog.target : null];
  for (const file of [...targets, tls.keyLog, isAlone ? pidFile : null]) {
    if (file === null || !file.startsWith('/')) continue;
    const fd = openLogFile(file);
    try {
      giveTo(fd, account);
    } finally {
      closeSync(fd);
    }
  }
}

function handOverDirectory(flag: string, path: string, account: Account): void {
  const why = whyNotOurs(path, [ROOT, account.uid]);
  if (why !== null) {
    const remedy = `name a directory that is root's or ${account.name}'s alone`;
    throw new UsageError(`--${flag} ${path}: ${why}`, remedy);
  }
  const fd = atPlace(path, (name) => openSync(name, DIRECTORY_FLAGS));
  try {
    handOverTree(fd, account);
  } finally {
    closeSync(fd);
  }
}

function handOverTree(directory: number, account: Account): void {
  for (const name of readdirSync(`/proc/self/fd/${directory}`)) {
    let fd: number;
    try {
      fd = openSync(`/proc/self/fd/${directory}/${name}`, FILE_FLAGS);
    } catch {
      // A link, a socket, or gone: not ours to give away.
      continue;
    }
    try {
      if (fstatSync(fd).isDirectory()) handOverTree(fd, account);
      else giveTo(fd, account);
    } catch {
      // A disk that is read-only: who opens the cache finds out, which then is in memory.
    } finally {
      closeSync(fd);
    }
  }
  try {
    giveTo(directory, account);
  } catch {
    // As above.
  }
}

/** Becomes the account, for good: groups first, since after setuid they could not be left. */
export function dropPrivileges(account: Account | null): void {
  if (account === null || isAlready(account)) return;
  const { uid, gid } = identityOf(account);
  if (uid === undefined || gid === undefined) return;
  process.setgroups!([gid]);
  process.setgid!(gid);
  process.setuid!(uid);
}

function isAlready({ uid, gid }: Account): boolean {
  return process.getuid?.() === uid && process.getgid?.() === gid;
}
