import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { SluiceOptions } from '../config/options.ts';
import { shareCache } from './shared-cache.ts';

const MIB = 1_048_576;
const fileSystem = mkdtempSync(join(tmpdir(), 'sluice-shared-'));
after(() => rmSync(fileSystem, { recursive: true }));

const noWarning = (message: string) => assert.fail(message);

function options(more: Partial<SluiceOptions>): SluiceOptions {
  const base = { workers: 4, cacheDirectory: null, cacheSizeBytes: 256 * MIB, cacheMemoryBytes: 0 };
  return { ...base, ...more } as SluiceOptions;
}

test('several workers get a directory of their own to share, within --cache-size', () => {
  const shared = shareCache(options({}), noWarning, fileSystem);
  const { cacheDirectory, cacheSizeBytes, cacheMemoryBytes } = shared.options;
  assert.ok(existsSync(cacheDirectory!));
  assert.equal(cacheSizeBytes + cacheMemoryBytes, 256 * MIB);
  shared.remove();
  assert.deepEqual(readdirSync(fileSystem), []);
});

test('one worker, a directory of the operator, or no cache at all: nothing changes', () => {
  for (const more of [{ workers: 1 }, { cacheDirectory: '/srv/cache' }, { cacheSizeBytes: 0 }]) {
    const given = options(more);
    assert.equal(shareCache(given, noWarning, fileSystem).options, given);
  }
});

test('without room to share, workers cache apart and the operator is told', () => {
  const warnings: string[] = [];
  const small = options({ cacheSizeBytes: 8 * MIB });
  assert.equal(shareCache(small, (line) => warnings.push(line), fileSystem).options, small);
  const missing = options({});
  assert.equal(shareCache(missing, (line) => warnings.push(line), '/nowhere').options, missing);
  assert.equal(warnings.length, 2);
});

test('a file system that cannot be used in whatever way costs the sharing, not the start', () => {
  const warnings: string[] = [];
  const given = options({ cacheSizeBytes: 64 * MIB });
  // It has room, and nothing can be made in it.
  const file = join(fileSystem, 'file');
  writeFileSync(file, '');
  assert.equal(shareCache(given, (line) => warnings.push(line), file).options, given);
  assert.match(warnings.join(), /cannot hold a shared cache .*: each worker caches for itself/);
  rmSync(file);
  assert.deepEqual(readdirSync(fileSystem), []);
});

test('what a killed supervisor left behind is removed, what a living one uses is not', () => {
  const made = shareCache(options({}), noWarning, fileSystem);
  const own = made.options.cacheDirectory!;
  made.remove();
  const dead = own.replace(`-${process.pid}-`, '-999999999-');
  const living = own.replace(`-${process.pid}-`, `-${process.ppid}-`);
  mkdirSync(dead);
  mkdirSync(living);
  const shared = shareCache(options({}), noWarning, fileSystem);
  assert.ok(!existsSync(dead));
  assert.ok(existsSync(living));
  shared.remove();
});
