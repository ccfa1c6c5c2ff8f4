/**
 * What is left of root's power once sockets are open: worker processes are started as the account of
 * --user, and a sluice of one process becomes it. What they write is made theirs before.
 */
import { chownSync, closeSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { UsageError } from '../base/errors.ts';
import type { Account, SluiceOptions } from '../config/options.ts';
import { openLogFile } from '../telemetry/log-file.ts';

const ROOT = 0;
const DIRECTORY_MODE = 0o700;

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

/** What the account's processes write: directories and files that are there belong to it then. */
export function handOverFiles(options: SluiceOptions): void {
  const { account } = options;
  if (account === null || process.getuid?.() !== ROOT) return;
  const own = (path: string) => chownSync(path, account.uid, account.gid);
  const { cacheDirectory, errorLog, logs, tls, recorder, pidFile } = options;
  if (cacheDirectory !== '') ownCache(cacheDirectory, own);
  // One process writes all itself; the supervisor of several stays what it is.
  const isAlone = options.workers === 1;
  if (isAlone && recorder.directory !== '') {
    mkdirSync(recorder.directory, { recursive: true, mode: DIRECTORY_MODE });
    own(recorder.directory);
  }
  const targets = [...logs.map(({ target }) => target), isAlone ? errorLog.target : ''];
  for (const file of [...targets, tls.keyLog, isAlone ? pidFile : '']) {
    if (!file.startsWith('/')) continue;
    closeSync(openLogFile(file));
    own(file);
  }
}

/** What cannot be made theirs is found out by who opens the cache, which then is in memory. */
function ownCache(directory: string, own: (path: string) => void): void {
  try {
    own(directory);
    for (const name of readdirSync(directory, { recursive: true })) {
      own(join(directory, String(name)));
    }
  } catch {
    // A disk that is read-only, or what another process has put aside and removes now.
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
