/**
 * Which Node sluice runs in: found by its package's path, never by a command called `node`, so that an
 * app that installs sluice keeps the Node that it has. docs/adr/0016-a-runtime-of-our-own.md.
 *
 * Plain JavaScript, for whatever Node runs it first.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cacheDirectory } from './libatomic.js';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** The version that sluice is made for, and the sums of what nodejs.org released under it. */
const pinned = JSON.parse(readFileSync(join(root, 'bin', 'runtime.json'), 'utf8'));

export const pinnedVersion = pinned.version;

/** Names another Node, by the path of its program. */
export const RUNTIME_VARIABLE = 'SLUICE_NODE';
/** `off` keeps sluice from fetching a Node. */
const FETCH_VARIABLE = 'SLUICE_FETCH_NODE';

/** Whether there is a Node for this machine that sluice can run in. */
export function isPlatformSupported() {
  return process.platform === 'linux' && ['x64', 'arm64'].includes(process.arch);
}

/** The same major version, and none older than the one that we know. */
export function isCandidate(version) {
  const [major, ...rest] = version.split('.').map(Number);
  const [wantedMajor, ...wanted] = pinnedVersion.split('.').map(Number);
  if (major !== wantedMajor) return false;
  return rest[0] === wanted[0] ? rest[1] >= wanted[1] : rest[0] > wanted[0];
}

/** A Node to run sluice in: the one that is named, or this one, or another. See runtime.d.ts. */
export function chooseRuntime(tell) {
  const named = process.env[RUNTIME_VARIABLE] ?? '';
  if (named !== '') return { binary: named };
  if (isCandidate(process.versions.node)) return { binary: process.execPath };
  return otherRuntime(tell);
}

/** A Node that is not this one. */
export function otherRuntime(tell) {
  const [first] = installedRuntimes();
  if (first !== undefined) return genuine(first);
  const why = mayFetch() ? fetchRuntime(tell) : null;
  const [fetched] = installedRuntimes();
  if (fetched !== undefined) return genuine(fetched);
  const state = why === null ? 'is not installed' : `cannot be fetched: ${why}`;
  const here = `this is ${process.version}`;
  return { refusal: `needs Node ${pinnedVersion}, which ${state} (${here}); ${remedy()}` };
}

function remedy() {
  const named = `name one in ${RUNTIME_VARIABLE}`;
  return root.split('/').includes('node_modules')
    ? `run npm install node-${process.platform}-${process.arch}@${pinnedVersion}, or ${named}`
    : `run npm ci (or npm install) without --omit=optional, or ${named}`;
}

function genuine(runtime) {
  if (isGenuine(runtime)) return { binary: runtime.binary };
  const is = `is not Node ${runtime.version} as it was released (its SHA-256 differs)`;
  return {
    refusal: `${runtime.binary} ${is}; delete its directory and install sluice again`,
  };
}

/**
 * The programs to try, the best first: a newer Node of the same major version is preferred, because
 * it has security fixes. Each is a path and a version.
 */
function installedRuntimes() {
  return [...packageDirectories(), ...ownDirectories()]
    .map(runtimeIn)
    .filter((one) => one !== null && !isRunning(one.binary))
    .sort((a, b) => b.version.localeCompare(a.version, 'en', { numeric: true }));
}

/** Whether that program is the Node that runs this. */
export function isRunning(binary) {
  try {
    return realpathSync(binary) === realpathSync(process.execPath);
  } catch {
    return false;
  }
}

function packageDirectories() {
  const require = createRequire(import.meta.url);
  const names = [`sluice-node-linux-${process.arch}`, `node-${process.platform}-${process.arch}`];
  return names.flatMap((name) =>
    (require.resolve.paths(name) ?? []).map((path) => join(path, name)),
  );
}

/** Where one is put that was fetched: with the package, or where that cannot be, with the user. */
function ownDirectories() {
  return homes().map((path) => join(path, `node-${process.platform}-${process.arch}`));
}

function homes() {
  return [join(root, 'runtime'), inCache('runtime')].filter((path) => path !== null);
}

/** A path in the user's cache directory; null where there cannot be one. */
function inCache(...names) {
  try {
    return join(cacheDirectory(), ...names);
  } catch {
    return null;
  }
}

function runtimeIn(directory) {
  const binary = join(directory, 'bin', 'node');
  if (!existsSync(binary)) return null;
  const version = versionIn(directory);
  return isCandidate(version) ? { binary, version } : null;
}

function versionIn(directory) {
  try {
    return JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')).version ?? '0.0.0';
  } catch {
    return '0.0.0';
  }
}

/**
 * Whether a program is the one that was released. Versions that came after this sluice are not
 * known here: of those the package manager has compared the sum with the registry's.
 *
 * What has been compared once is remembered by all that changes when a file does: reading 150 MB
 * takes half a second.
 */
function isGenuine({ binary, version }) {
  const expected = pinned.sha256[version]?.[process.arch];
  if (expected === undefined) return true;
  const { size, mtimeMs, ctimeMs, ino, dev } = statSync(binary);
  const identity = [realpathSync(binary), size, mtimeMs, ctimeMs, ino, dev, expected].join(' ');
  const name = createHash('sha256').update(identity).digest('hex');
  const memory = inCache('genuine', name);
  if (memory !== null && existsSync(memory)) return true;
  if (sumOf(binary) !== expected) return false;
  try {
    if (memory === null) return true;
    mkdirSync(dirname(memory), { recursive: true, mode: 0o700 });
    writeFileSync(memory, '');
  } catch {
    // Nothing can be kept, as with a read-only file system: it is compared again next time.
  }
  return true;
}

const CHUNK_BYTES = 1 << 20;

function sumOf(path) {
  const hash = createHash('sha256');
  const chunk = Buffer.alloc(CHUNK_BYTES);
  const fd = openSync(path, 'r');
  try {
    for (let count = 1; count > 0; ) {
      count = readSync(fd, chunk, 0, CHUNK_BYTES, null);
      hash.update(chunk.subarray(0, count));
    }
  } finally {
    closeSync(fd);
  }
  return hash.digest('hex');
}

/** Whether one may be fetched: not into a checkout, whose `npm ci` brings one. */
function mayFetch() {
  return root.split('/').includes('node_modules') && process.env[FETCH_VARIABLE] !== 'off';
}

/**
 * Fetches the pinned Node with npm, which knows the registry, the proxies and the sums. Says why not
 * when it could not, else null.
 */
function fetchRuntime(tell) {
  const name = `node-${process.platform}-${process.arch}`;
  const target = homes().find(isWritable);
  if (target === undefined) return 'there is no directory to put one into';
  const temporary = `${target}.${process.pid}`;
  tell(`fetches Node ${pinnedVersion} (${pinned.megabytes} MB) once, into ${target}`);
  mkdirSync(temporary, { recursive: true });
  try {
    const { error, status, stderr } = spawnSync('npm', npmWords(temporary, name), {
      stdio: ['ignore', 'ignore', 'pipe'],
      encoding: 'utf8',
      env: { ...process.env, npm_config_global: 'false', npm_config_dry_run: 'false' },
    });
    if (error !== undefined) return `npm cannot be run (${error.code})`;
    if (status !== 0) return `npm says: ${stderr.trim().split('\n')[0]}`;
    rmSync(target, { recursive: true, force: true });
    renameSync(join(temporary, 'node_modules'), target);
    return null;
  } catch (failure) {
    return `${failure.path ?? target} cannot be written (${failure.code})`;
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

function npmWords(prefix, name) {
  const quiet = ['--no-audit', '--no-fund', '--loglevel=error', '--no-save', '--no-package-lock'];
  const harmless = ['--no-bin-links', '--ignore-scripts', '--install-strategy=hoisted'];
  return ['install', '--prefix', prefix, ...quiet, ...harmless, `${name}@${pinnedVersion}`];
}

function isWritable(directory) {
  try {
    mkdirSync(dirname(directory), { recursive: true });
    accessSync(dirname(directory), constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
