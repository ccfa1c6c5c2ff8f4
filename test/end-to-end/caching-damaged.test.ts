import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import test from 'node:test';
import { startOrigin } from '../support/origins.ts';
import { type RunningSluice, startSluice } from '../support/sluice.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { inParallel, until } from '../support/waiting.ts';

const isLong = process.env.SLUICE_LONG === '1';
const MIB = 2 ** 20;

/** `/NAME/SIZE`: bytes that follow from the target alone, fresh for an hour. */
const origin = await startOrigin((request, response) => {
  response.setHeader('Cache-Control', 'max-age=3600');
  response.end(contentOf(request.url!));
});
test.after(() => origin[Symbol.asyncDispose]());

function contentOf(target: string): Buffer {
  const size = Number(/\/(\d+)$/.exec(target)?.[1] ?? 0);
  return Buffer.alloc(size, createHash('sha256').update(target).digest());
}

function start(directory: string, workers: number, size = '128MiB'): Promise<RunningSluice> {
  const flags = ['--cache-dir', directory, '--cache-size', size];
  return startSluice({ origin: origin.url, workers, flags });
}

/** On a connection of its own; rejects for whatever is not the whole of the right content. */
function get({ httpPort: port }: RunningSluice, target: string): Promise<boolean> {
  const { promise, resolve, reject } = Promise.withResolvers<boolean>();
  const options = { port, path: target, headers: { host: 'a.example' }, agent: false } as const;
  const request = http.get(options, async (response) => {
    try {
      const content = Buffer.concat(await response.toArray());
      assert.equal(response.statusCode, 200);
      assert.ok(content.equals(contentOf(target)), `${target}: wrong bytes`);
      resolve(String(response.headers['cache-status']).startsWith('sluice; hit'));
    } catch (error) {
      reject(error);
    }
  });
  request.on('error', reject);
  return promise;
}

function targetOf(i: number): string {
  return `/${i}/${[100, 20_000, 300_000, 1_500_000][i % 4]}`;
}

async function askAll(sluice: RunningSluice): Promise<void> {
  await inParallel(40, 4, async (i) => void (await get(sluice, targetOf(i))));
}

async function isHitAgain(sluice: RunningSluice, word: string): Promise<void> {
  let i = 0;
  // Both workers have to see it, on disk or each for itself.
  await until(async () => {
    await get(sluice, `/${word}/${i}/5000`);
    const isHit = await get(sluice, `/${word}/${i}/5000`);
    i++;
    return isHit;
  }, 'a hit');
}

for (const workers of [1, 2]) {
  test(`an index cut while sluice is stopped is a new cache: ${workers} workers`, async () => {
    const directory = temporaryDirectory();
    {
      await using sluice = await start(directory, workers);
      await askAll(sluice);
      await sluice.stop();
    }
    // Of the pages at the end all may be free; of those that stay, two are meta pages.
    truncateSync(join(directory, 'index', 'data.mdb'), 3 * 4_096);
    await using sluice = await start(directory, workers);
    await askAll(sluice);
    await isHitAgain(sluice, 'again');
    const lines = sluice.output.match(/cache-index-failed: its index is damaged: .*is emptied/g);
    assert.equal(lines?.length, 1, sluice.output);
    assert.doesNotMatch(sluice.output, /died/);
  });
}

/** What is done to a directory while sluice uses it, or before. */
const HAPPENINGS: Record<string, (directory: string) => void> = {
  'is removed': (directory) => rmSync(directory, { recursive: true, maxRetries: 20 }),
  'is moved away': (directory) => renameSync(directory, `${directory}-moved`),
  'loses its index': (directory) =>
    rmSync(join(directory, 'index'), { recursive: true, maxRetries: 20 }),
  'loses its segments': (directory) =>
    rmSync(join(directory, 'segments'), { recursive: true, maxRetries: 20 }),
  'is a file now': (directory) => {
    // A worker that finds it gone may make it again between the two.
    for (let attempt = 1; ; attempt++) {
      rmSync(directory, { recursive: true, maxRetries: 20 });
      try {
        writeFileSync(directory, '');
        return;
      } catch (error) {
        if (attempt === 20) throw error;
      }
    }
  },
};

for (const [what, happen] of Object.entries(HAPPENINGS)) {
  test(`a directory that ${what} while it is used: no request fails, and no worker`, async () => {
    const directory = join(temporaryDirectory(), 'cache');
    await using sluice = await start(directory, 2);
    const pids = await sluice.workerPids();
    await askAll(sluice);
    happen(directory);
    for (let round = 0; round < (isLong ? 3 : 2); round++) await askAll(sluice);
    await isHitAgain(sluice, 'again');
    assert.deepEqual(await sluice.workerPids(), pids);
    assert.match(sluice.output, /cache-(index-failed|write-failed|content-damaged)/);
  });
}

const isRoot = process.getuid?.() === 0;

test('a directory of another user: the cache is in memory, and says so once', async () => {
  const directory = join(temporaryDirectory(), 'cache');
  mkdirSync(directory, { mode: 0o700 });
  const flags = ['--cache-dir', directory, '--cache-size', '128MiB'];
  // Root may write anywhere: a directory that cannot be made stands for it there.
  const place = isRoot ? '/proc/cache' : directory;
  if (!isRoot) chmodSync(directory, 0o500);
  flags[1] = place;
  await using sluice = await startSluice({ origin: origin.url, workers: 1, flags });
  assert.equal(await get(sluice, '/a/5000'), false);
  assert.equal(await get(sluice, '/a/5000'), true);
  const lines = sluice.output.match(/cache-index-failed: .*; the cache is in memory until/g);
  assert.equal(lines?.length, 1, sluice.output);
});

/** Bytes that open descriptors of a process keep, of files that have no name any more. */
function bytesKeptBy(pid: number): number {
  let bytes = 0;
  for (const fd of readdirSync(`/proc/${pid}/fd`)) {
    const path = `/proc/${pid}/fd/${fd}`;
    try {
      if (/\.segment \(deleted\)$/.test(readlinkSync(path))) bytes += statSync(path).blocks * 512;
    } catch {
      // Closed meanwhile.
    }
  }
  return bytes;
}

function bytesIn(directory: string): number {
  let bytes = 0;
  for (const name of readdirSync(directory, { recursive: true, encoding: 'utf8' })) {
    bytes += statSync(join(directory, name), { throwIfNoEntry: false })?.blocks ?? 0;
  }
  return bytes * 512;
}

test('what two workers have on disk, evicted and open included, is within --cache-size', async () => {
  const directory = temporaryDirectory();
  await using sluice = await start(directory, 2, '24MiB');
  const pids = await sluice.workerPids();
  const bound = 24 * MIB + 2 * 2 * MIB;
  for (let i = 0; i < (isLong ? 60 : 30); i++) {
    // Both workers read each.
    for (let time = 0; time < 5; time++) await get(sluice, `/kept/${i}/2000000`);
  }
  const taken = () => pids.reduce((sum, pid) => sum + bytesKeptBy(pid), bytesIn(directory));
  await until(() => taken() <= bound, `${taken()} bytes to be at most ${bound}`);
  await until(async () => (await sluice.sum('sluice_cache_disk_kept_bytes')) === 0, 'none kept');
});
