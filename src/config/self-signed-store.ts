/**
 * The self-signed certificate for localhost: made once and kept in the user's state directory, so
 * that a browser's exception or a pinned fingerprint stays good from one start to the next.
 */
import { X509Certificate } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { homedir, userInfo } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import type { CertificatePair } from '../tls/host-options.ts';

/** The ways to say this machine in a URL. */
const NAMES = ['localhost', '127.0.0.1', '::1'];

const FILE_NAME = 'localhost.pem';
const DIRECTORY_MODE = 0o700;
const FILE_MODE = 0o600;

/** Renewed this long before it expires, so that a long run does not outlive it at once. */
const RENEWAL_MS = 7 * 24 * 3_600_000;

/** `$XDG_STATE_HOME/sluice`, or `~/.local/state/sluice` (XDG Base Directory Specification). */
export function stateDirectory(environment: NodeJS.ProcessEnv): string {
  const base = environment.XDG_STATE_HOME ?? '';
  // The specification: a relative path is invalid and to be ignored.
  if (isAbsolute(base)) return join(base, 'sluice');
  return join(ownHome(), '.local', 'state', 'sluice');
}

/** With the HOME of another user kept, as by sudo -E, what root keeps would be that user's to change. */
function ownHome(): string {
  const home = homedir();
  // Empty or relative, it would be the directory that we are started in.
  if (!isAbsolute(home)) return userInfo().homedir;
  if (process.geteuid?.() !== 0) return home;
  return statSync(home, { throwIfNoEntry: false })?.uid === 0 ? home : userInfo().homedir;
}

/**
 * The kept certificate, or a new one that is kept from now on. When the directory cannot be written
 * the new one lives in memory only, and `warn` hears why.
 */
export async function selfSignedCertificate(
  directory: string,
  warn: (message: string) => void,
  nowMs: number,
): Promise<CertificatePair> {
  const file = join(directory, FILE_NAME);
  const kept = readKept(file, nowMs);
  if (kept !== null) return kept;
  const made = await make(nowMs);
  try {
    return keep(directory, file, made, nowMs);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    warn(`the self-signed certificate is kept in memory only: ${directory} (${code ?? error})`);
    return made;
  }
}

async function make(nowMs: number): Promise<CertificatePair> {
  const { makeSelfSignedCertificate } = await import('../tls/self-signed.ts');
  const { certificatePem, keyPem } = makeSelfSignedCertificate({ names: NAMES, nowMs });
  return { certificatePem, keyPem };
}

function readKept(file: string, nowMs: number): CertificatePair | null {
  try {
    const text = readFileSync(file, 'latin1');
    const keyPem = block(text, 'PRIVATE KEY');
    const certificatePem = block(text, 'CERTIFICATE');
    const expiresMs = new X509Certificate(certificatePem).validToDate.getTime();
    if (expiresMs - RENEWAL_MS < nowMs) return null;
    // Somebody loosened it: the key is ours alone.
    if ((statSync(file).mode & 0o077) !== 0) chmodSync(file, FILE_MODE);
    return { certificatePem, keyPem };
  } catch {
    // Missing, unreadable or damaged: a new one takes its place.
    return null;
  }
}

/** Key and certificate in one file, so that no crash leaves a pair that does not match. */
function keep(
  directory: string,
  file: string,
  made: CertificatePair,
  nowMs: number,
): CertificatePair {
  makeDirectory(directory);
  const temporary = `${file}.${process.pid}`;
  writeFileSync(temporary, made.keyPem + made.certificatePem, { mode: FILE_MODE, flag: 'wx' });
  try {
    linkSync(temporary, file);
  } catch {
    // Another sluice was quicker: use its certificate, unless that one is no good either.
    const theirs = readKept(file, nowMs);
    if (theirs !== null) return theirs;
    renameSync(temporary, file);
    return made;
  } finally {
    try {
      unlinkSync(temporary);
    } catch {
      // Renamed above.
    }
  }
  return made;
}

/** With its parents. Node's own `recursive` never returns where mkdir(2) says ENOENT, as in /proc. */
function makeDirectory(directory: string): void {
  if (existsSync(directory)) return;
  if (!existsSync(dirname(directory))) makeDirectory(dirname(directory));
  mkdirSync(directory, { mode: DIRECTORY_MODE });
}

function block(text: string, name: string): string {
  const end = `-----END ${name}-----\n`;
  const start = text.indexOf(`-----BEGIN ${name}-----`);
  const stop = text.indexOf(end, start);
  if (start === -1 || stop === -1) throw new Error(`no ${name}`);
  return text.slice(start, stop + end.length);
}
