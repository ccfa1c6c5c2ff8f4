/**
 * The self-signed certificate for localhost: made once and kept in the user's state directory, so
 * that a browser's exception or a pinned fingerprint stays good from one start to the next.
 */
import { X509Certificate } from 'node:crypto';
import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  linkSync,
  readFileSync,
  renameSync,
} from 'node:fs';
import { homedir, userInfo } from 'node:os';
import { isAbsolute, join } from 'node:path';
import {
  atPlace,
  makeDirectory,
  openCarefully,
  removeFile,
  replaceFile,
  whyNotRoots,
} from '../base/careful-files.ts';
import type { CertificatePair } from '../tls/host-options.ts';

/** The ways to say this machine in a URL. */
const NAMES = ['localhost', '127.0.0.1', '::1'];

const FILE_NAME = 'localhost.pem';
const FILE_MODE = 0o600;
const { O_NONBLOCK, O_RDONLY } = constants;

/** Renewed this long before it expires, so that a long run does not outlive it at once. */
const RENEWAL_MS = 7 * 24 * 3_600_000;

/**
 * `$XDG_STATE_HOME/sluice`, or `~/.local/state/sluice` (XDG Base Directory Specification). With the HOME of
 * another user kept, as by sudo -E, what root keeps would be that user's to change: `warn` hears of it,
 * and root's own home takes its place.
 */
export function stateDirectory(
  environment: NodeJS.ProcessEnv,
  warn: (message: string) => void = () => {},
): string {
  const base = environment.XDG_STATE_HOME ?? '';
  // The specification: a relative path is invalid and to be ignored.
  const isGiven = isAbsolute(base);
  const name = isGiven ? 'XDG_STATE_HOME' : 'HOME';
  const state = isGiven ? base : join(userHome(), '.local', 'state');
  const wanted = join(state, 'sluice');
  const why = whyNotRoots(wanted);
  if (why === null) return wanted;
  const own = join(userInfo().homedir, '.local', 'state', 'sluice');
  if (own !== wanted) warn(`${name} is not used by root, because ${why}: state is kept in ${own}`);
  return own;
}

/** Empty or relative, HOME would be the directory that we are started in. */
function userHome(): string {
  const home = homedir();
  return isAbsolute(home) ? home : userInfo().homedir;
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
    const text = readTightened(file);
    const keyPem = block(text, 'PRIVATE KEY');
    const certificatePem = block(text, 'CERTIFICATE');
    const expiresMs = new X509Certificate(certificatePem).validToDate.getTime();
    if (expiresMs - RENEWAL_MS < nowMs) return null;
    return { certificatePem, keyPem };
  } catch {
    // Missing, unreadable or damaged: a new one takes its place.
    return null;
  }
}

function readTightened(file: string): string {
  const fd = openCarefully(file, O_RDONLY | O_NONBLOCK);
  try {
    // Somebody loosened it: the key is ours alone.
    if ((fstatSync(fd).mode & 0o077) !== 0) fchmodSync(fd, FILE_MODE);
    return readFileSync(fd, 'latin1');
  } finally {
    closeSync(fd);
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
  replaceFile(temporary, made.keyPem + made.certificatePem, FILE_MODE);
  const move = (how: typeof linkSync | typeof renameSync) =>
    atPlace(file, (name) => how(`${name}.${process.pid}`, name));
  try {
    move(linkSync);
  } catch {
    // Another sluice was quicker: use its certificate, unless that one is no good either.
    const theirs = readKept(file, nowMs);
    if (theirs !== null) return theirs;
    move(renameSync);
    return made;
  } finally {
    removeFile(temporary);
  }
  return made;
}

function block(text: string, name: string): string {
  const end = `-----END ${name}-----\n`;
  const start = text.indexOf(`-----BEGIN ${name}-----`);
  const stop = text.indexOf(end, start);
  if (start === -1 || stop === -1) throw new Error(`no ${name}`);
  return text.slice(start, stop + end.length);
}
