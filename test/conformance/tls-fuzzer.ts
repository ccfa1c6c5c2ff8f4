/**
 * tlsfuzzer, with tlslite-ng that it stands on: where they are, or how they are fetched; and one
 * script of it run. Nothing of either is in this repository.
 *
 * SLUICE_TLSFUZZER names a directory that holds checkouts of both, tlsfuzzer/ and tlslite-ng/. Without
 * it they are cloned once, at commits that are known, into node_modules/.cache. Python 3 with the
 * module ecdsa (Debian: python3-ecdsa) is needed.
 */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findProgram, run } from '../support/programs.ts';

const REPOSITORIES = {
  /** Of 2026-11. */
  tlsfuzzer: '14555fe211456c46deccc4b2d94751dbd894aece',
  'tlslite-ng': '0d0316905c685ac88f927d44b22830ab58217da8',
} as const;

const FETCH_TIMEOUT_MS = 45_000;
const SCRIPT_TIMEOUT_MS = 110_000;

const cache = fileURLToPath(new URL('../../node_modules/.cache/', import.meta.url));

export interface TlsFuzzer {
  readonly directory: string;
  readonly python: string;
}

export type Obtained = TlsFuzzer | { readonly missing: string };

/** Where it is, or why it cannot be had. */
export async function obtainTlsFuzzer(): Promise<Obtained> {
  const python = await findPython();
  if (python === null) return { missing: 'Python has no module ecdsa (Debian: python3-ecdsa)' };
  const named = process.env.SLUICE_TLSFUZZER;
  if (named !== undefined) return { directory: named, python };
  const directory = join(cache, `tlsfuzzer-${REPOSITORIES.tlsfuzzer.slice(0, 10)}`);
  if (!existsSync(directory)) {
    const missing = await fetchBoth(directory);
    if (missing !== null) return { missing };
  }
  return { directory, python };
}

/** Debian's own comes last: another one in the path may lack its modules. */
async function findPython(): Promise<string | null> {
  for (const python of [process.env.SLUICE_PYTHON, 'python3', '/usr/bin/python3']) {
    if (python === undefined || (!python.startsWith('/') && findProgram(python) === null)) continue;
    const tried = await run(python, ['-c', 'import ecdsa']).catch(() => null);
    if (tried?.code === 0) return python;
  }
  return null;
}

async function fetchBoth(directory: string): Promise<string | null> {
  if (findProgram('git') === null) return 'git is not installed';
  mkdirSync(cache, { recursive: true });
  const own = mkdtempSync(join(cache, 'fetching-'));
  try {
    for (const [name, commit] of Object.entries(REPOSITORIES)) {
      const url = `https://github.com/tlsfuzzer/${name}.git`;
      const clone = ['clone', '--quiet', '--filter=blob:none', '--no-checkout', url, name];
      const cloned = await run('git', clone, { cwd: own, timeoutMs: FETCH_TIMEOUT_MS });
      if (cloned.code !== 0) return `git cannot fetch ${url}`;
      const words = ['-C', name, 'checkout', '--quiet', commit];
      const checkedOut = await run('git', words, { cwd: own, timeoutMs: FETCH_TIMEOUT_MS });
      if (checkedOut.code !== 0) return `${url} has no commit ${commit}`;
    }
    // Another test process may have been faster.
    if (!existsSync(directory)) renameSync(own, directory);
    return null;
  } finally {
    rmSync(own, { recursive: true, force: true });
  }
}

const PREFIX = 'test-tls13-';

/** Names of its scripts for TLS 1.3, without prefix and suffix. */
export function scriptNames({ directory }: TlsFuzzer): string[] {
  return readdirSync(join(directory, 'tlsfuzzer', 'scripts'))
    .filter((file) => file.startsWith(PREFIX) && file.endsWith('.py'))
    .map((file) => file.slice(PREFIX.length, -'.py'.length));
}

export interface ScriptResult {
  readonly passed: number;
  /** Names of probes, and what the script said of each. */
  readonly failed: readonly string[];
  readonly output: string;
}

/** Runs a script against a port of this machine. */
export async function runScript(
  { directory, python }: TlsFuzzer,
  name: string,
  port: number,
  words: readonly string[],
): Promise<ScriptResult> {
  const root = join(directory, 'tlsfuzzer');
  const script = join(root, 'scripts', `${PREFIX}${name}.py`);
  const result = await run(python, [script, '-p', String(port), ...words], {
    cwd: root,
    timeoutMs: SCRIPT_TIMEOUT_MS,
    env: { ...process.env, PYTHONPATH: `${root}:${join(directory, 'tlslite-ng')}` },
  });
  const output = result.text + result.stderr;
  const passed = Number(/^PASS: (\d+)$/m.exec(output)?.[1] ?? 0);
  const list = /^FAILED:\n((?:\t'.*'\n?)*)/m.exec(output)?.[1] ?? '';
  const failed = [...list.matchAll(/^\t'(.*)'$/gm)].map((match) => match[1]!);
  const count = Number(/^FAIL: (\d+)$/m.exec(output)?.[1] ?? -1);
  // Each of the two ends with the probe "sanity", which is listed twice.
  if (count < 0 || (count > 0 && failed.length === 0)) throw new Error(`${name}:\n${output}`);
  return { passed, failed, output };
}
