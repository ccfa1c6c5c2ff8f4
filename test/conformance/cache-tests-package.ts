/**
 * Two editions of http-cache-tests (https://cache-tests.fyi). Neither is a dependency in package.json:
 * both bring a whole npm with them, whose command would take the place of the real one in our scripts.
 * What is fetched is kept below node_modules/.cache.
 *
 * - `published`: the package on npm, which any machine with a registry has.
 * - `current`: the repository, which has cases that the package lacks. From GitHub, or from a
 *   directory that SLUICE_CACHE_TESTS names.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from '../support/programs.ts';

export type EditionName = 'published' | 'current';

const NAME = 'http-cache-tests';
const VERSION = '0.4.5';
/** SHA-512 of the tarball, as the registry has it (`npm view http-cache-tests@0.4.5 dist`). */
const INTEGRITY =
  'DjuwN9nUZXLTW+wav1LRESCZNVxl8SshwOy4z1pxuWbWt5/ay6sM9QQ1lebBaDO6P1IMBoK6mdf+PuVP/QNL8A==';

const REPOSITORY = 'https://github.com/http-tests/cache-tests.git';
/** Of 2026-07-20. */
const COMMIT = 'b55b8bd';

const FETCH_TIMEOUT_MS = 30_000;

const cache = fileURLToPath(new URL('../../node_modules/.cache/', import.meta.url));

export type Obtained = { readonly directory: string } | { readonly missing: string };

/** Where an edition is, or why it cannot be had. */
export async function obtainCacheTests(edition: EditionName): Promise<Obtained> {
  const named = process.env.SLUICE_CACHE_TESTS;
  if (edition === 'current' && named !== undefined) return { directory: named };
  const version = edition === 'published' ? VERSION : COMMIT;
  const directory = join(cache, `${NAME}-${version}`);
  if (existsSync(join(directory, 'package.json'))) return { directory };
  mkdirSync(cache, { recursive: true });
  const own = mkdtempSync(join(cache, 'fetching-'));
  try {
    const missing = await (edition === 'published' ? fetchPackage(own) : fetchRepository(own));
    if (missing !== null) return { missing };
    // Another test process may have been faster.
    if (!existsSync(directory)) renameSync(join(own, 'package'), directory);
    return { directory };
  } finally {
    rmSync(own, { recursive: true, force: true });
  }
}

async function fetchPackage(own: string): Promise<string | null> {
  const words = ['pack', `${NAME}@${VERSION}`, '--silent', '--prefer-offline'];
  const packed = await run('npm', words, { cwd: own, timeoutMs: FETCH_TIMEOUT_MS }).catch(failed);
  if (packed?.code !== 0) return `npm cannot fetch ${NAME}@${VERSION}`;
  const tarball = join(own, `${NAME}-${VERSION}.tgz`);
  const hash = createHash('sha512').update(readFileSync(tarball)).digest('base64');
  // A wrong package is no reason to skip: somebody should know.
  if (hash !== INTEGRITY) throw new Error(`${NAME}@${VERSION} is not what it was: ${hash}`);
  const unpacked = await run('tar', ['-xzf', tarball, '-C', own]).catch(failed);
  return unpacked?.code === 0 ? null : 'tar cannot unpack it';
}

async function fetchRepository(own: string): Promise<string | null> {
  const options = { cwd: own, timeoutMs: FETCH_TIMEOUT_MS };
  const clone = ['clone', '--quiet', '--filter=blob:none', REPOSITORY, 'package'];
  const cloned = await run('git', clone, options).catch(failed);
  if (cloned?.code !== 0) return `git cannot fetch ${REPOSITORY}`;
  const words = ['-C', 'package', 'checkout', '--quiet', COMMIT];
  const checkedOut = await run('git', words, options).catch(failed);
  return checkedOut?.code === 0 ? null : `${REPOSITORY} has no commit ${COMMIT}`;
}

/** The program is not installed. */
function failed(): null {
  return null;
}
