import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import test from 'node:test';
import { corruptFile } from '../support/damage.ts';
import { startOrigin } from '../support/origins.ts';
import { type RunningSluice, startSluice } from '../support/sluice.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { inParallel, sleep, until } from '../support/waiting.ts';

const MIB = 2 ** 20;

/** `/NAME/SIZE`: bytes that follow from the target alone, fresh for an hour. */
const origin = await startOrigin((request, response) => {
  const content = contentOf(request.url!);
  response.setHeader('Cache-Control', 'max-age=3600');
  response.setHeader('Content-Length', content.length);
  if (request.url!.includes('ranged')) {
    response.setHeader('ETag', '"a"');
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
    if (first !== undefined) {
      const part = content.subarray(Number(first), Number(last) + 1);
      const end = Number(first) + part.length - 1;
      response.setHeader('Content-Length', part.length);
      response.writeHead(206, { 'Content-Range': `bytes ${first}-${end}/${content.length}` });
      response.end(part);
      return;
    }
  }
  if (request.url!.includes('tagged')) response.setHeader('Surrogate-Key', 'all-of-them');
  response.end(content);
});
test.after(() => origin[Symbol.asyncDispose]());

function contentOf(target: string): Buffer {
  const size = Number(/\/(\d+)$/.exec(target)?.[1] ?? 0);
  const word = createHash('sha256').update(target).digest();
  return Buffer.alloc(size, word);
}

function start(directory: string, workers = 1, flags: string[] = []): Promise<RunningSluice> {
  const words = ['--cache-dir', directory, '--cache-size', '128MiB', ...flags];
  return startSluice({ origin: origin.url, workers, flags: words });
}

interface Got {
  readonly isHit: boolean;
  readonly content: Buffer;
}

/**
 * On a connection of its own, so that any worker may answer; for one host, whatever the port. Reads
 * after `pauseMs`.
 */
function get(sluice: RunningSluice, target: string, pauseMs = 0): Promise<Got> {
  const { promise, resolve, reject } = Promise.withResolvers<Got>();
  const { httpPort: port } = sluice;
  const options = { port, path: target, headers: { host: 'a.example' }, agent: false } as const;
  const request = http.get(options, async (response) => {
    try {
      assert.equal(response.statusCode, 200);
      const cacheStatus = String(response.headers['cache-status']);
      await sleep(pauseMs);
      const content = Buffer.concat(await response.toArray());
      resolve({ isHit: cacheStatus.startsWith('sluice; hit'), content });
    } catch (error) {
      reject(error);
    }
  });
  request.on('error', reject);
  return promise;
}

/** Asserts the bytes and says whether it was a hit. */
async function getRight(sluice: RunningSluice, target: string): Promise<boolean> {
  const { isHit, content } = await get(sluice, target);
  assert.ok(content.equals(contentOf(target)), `${target}: wrong bytes`);
  return isHit;
}

const targets = ['/empty/0', '/small/10', '/page/40000', '/image/700000', '/film/9000000'];

test('what was stored is a hit after a restart, whatever its size, and for nobody else to read', async () => {
  const directory = temporaryDirectory();
  {
    // The worst that an operator's shell may hand down.
    const umask = process.umask(0);
    await using sluice = await start(directory).finally(() => process.umask(umask));
    for (const target of targets) assert.equal(await getRight(sluice, target), false, target);
    for (const target of targets) assert.equal(await getRight(sluice, target), true, target);
    assert.equal(await sluice.stop(), 0);
  }
  const made = readdirSync(directory, { recursive: true, encoding: 'utf8' });
  assert.ok(made.length > 5, made.join());
  for (const path of made) assert.equal(statSync(join(directory, path)).mode & 0o077, 0, path);
  const asked = origin.seen.length;
  await using sluice = await start(directory);
  for (const target of targets) assert.equal(await getRight(sluice, target), true, target);
  // The second time from memory, where it fits.
  for (const target of targets) assert.equal(await getRight(sluice, target), true, target);
  assert.equal(origin.seen.length, asked);
  await until(async () => (await sluice.sum('sluice_cache_disk_entries')) === 5, 'the count');
  assert.ok((await sluice.sum('sluice_cache_disk_bytes')) > 9 * MIB);
});

test('what one worker has stored is a hit for the others', async () => {
  await using sluice = await start(temporaryDirectory(), 3);
  let stored = 0;
  /** Whether all workers serve what one of them has fetched. */
  const isShared = async (target: string) => {
    await getRight(sluice, target);
    stored++;
    const isKnown = async () => (await sluice.sum('sluice_cache_disk_entries')) >= stored;
    await until(isKnown, 'it to be in the index');
    // That of the one that has stored it; on a busy machine the others look again only later.
    await sleep(300);
    for (let i = 0; i < 24; i++) if (!(await getRight(sluice, target))) return false;
    return origin.asked(target).length === 1;
  };
  for (const size of [5_000, 3_000_000]) {
    let attempts = 0;
    while (!(await isShared(`/shared/${attempts}/${size}`))) {
      assert.ok(++attempts < 4, `${size} bytes: several workers have fetched it, each time`);
    }
  }
});

test('a response larger than memory goes to a slow client and to disk', async () => {
  await using sluice = await start(temporaryDirectory(), 1, ['--cache-memory', '8MiB']);
  const target = '/large/30000000';
  const [slow, fast] = await Promise.all([
    get(sluice, target, 400),
    sleep(50).then(() => get(sluice, target)),
  ]);
  assert.ok(slow.content.equals(contentOf(target)), 'the slow client');
  assert.ok(fast.content.equals(contentOf(target)), 'the one who joined');
  await until(async () => (await get(sluice, target)).isHit, 'a hit');
  assert.equal(origin.asked(target).length, 1);
});

test('workers and all of sluice killed at any moment: never a wrong byte', async () => {
  const directory = temporaryDirectory();
  let hits = 0;
  for (let round = 0; round < 3; round++) {
    await using sluice = await start(directory, 2);
    const pids = await sluice.workerPids();
    let answered = 0;
    let isEnding = false;
    const readers = inParallel(400, 8, async (i) => {
      if (isEnding) return;
      const size = [100, 20_000, 300_000, 2_500_000][i % 4];
      const target = `/killed/${(i * 7 + round) % 60}/${size}`;
      try {
        const { isHit, content } = await get(sluice, target);
        assert.ok(content.equals(contentOf(target)), `${target}: wrong bytes`);
        answered++;
        if (isHit) hits++;
      } catch (error) {
        // Whose worker was killed has an error, never wrong bytes.
        if (error instanceof assert.AssertionError) throw error;
      }
    });
    // Some have been stored, and others are on their way.
    await until(() => answered > 30 * (round + 1), 'some answers');
    process.kill(pids[round % 2]!, 'SIGKILL');
    await sleep(150);
    isEnding = true;
    for (const pid of await sluice.workerPids().catch(() => [])) {
      try {
        if (pid > 0) process.kill(pid, 'SIGKILL');
      } catch {
        // The one that was killed before: it has gone since it was listed.
      }
    }
    sluice.signal('SIGKILL');
    await readers;
    await sluice.end();
  }
  await using sluice = await start(directory, 2);
  for (let i = 0; i < 60; i++) {
    for (const size of [100, 20_000, 300_000]) {
      if (await getRight(sluice, `/killed/${i}/${size}`)) hits++;
    }
  }
  assert.ok(hits > 20, `${hits} hits`);
});

test('a flipped bit in a segment is a miss, a line for the operator and a count', async () => {
  const directory = temporaryDirectory();
  const names = Array.from({ length: 20 }, (_, i) => `/flipped/${i}/100000`);
  {
    await using sluice = await start(directory);
    for (const target of names) await getRight(sluice, target);
    await sluice.stop();
  }
  for (const segment of segmentsIn(directory)) {
    for (let i = 1; i < 10; i++) corruptFile(segment, 'flip', i / 10);
  }
  await using sluice = await start(directory);
  let misses = 0;
  for (const target of names) if (!(await getRight(sluice, target))) misses++;
  assert.ok(misses > 0 && misses < 20, `${misses} misses`);
  for (const target of names) assert.equal(await getRight(sluice, target), true);
  assert.match(sluice.output, /^sluice: cache: cache-body-damaged: a record in segment \d+/m);
  const lines = sluice.output.match(/cache-body-damaged/g)!;
  assert.equal(lines.length, 1, 'one line for all of them');
  const counted = await sluice.sum('sluice_cache_faults_total', { code: 'cache-body-damaged' });
  assert.equal(counted, misses);
});

test('what is damaged in the middle of a large response comes from the origin', async () => {
  const directory = temporaryDirectory();
  const target = '/ranged/4000000';
  {
    await using sluice = await start(directory);
    await getRight(sluice, target);
    await sluice.stop();
  }
  const segment = segmentsIn(directory).find((path) => statSync(path).size > 3_000_000)!;
  corruptFile(segment, 'flip', 0.6);
  await using sluice = await start(directory);
  assert.equal(await getRight(sluice, target), true);
  const ranges = origin.asked(target).map((request) => request.headers.range ?? 'all');
  assert.deepEqual(ranges, ['all', 'bytes=2097152-3145727', 'bytes=3145728-3999999']);
  assert.match(sluice.output, /^sluice: cache: cache-body-damaged: a record in segment \d+/m);
});

function segmentsIn(directory: string): string[] {
  const folder = join(directory, 'segments');
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => path.endsWith('.segment') && statSync(path).size > 0);
}

test('what is no cache, or of another version, is begun anew with one line', async () => {
  const directory = temporaryDirectory();
  mkdirSync(join(directory, 'index'));
  writeFileSync(join(directory, 'index', 'data.mdb'), Buffer.alloc(65_536, 'not an index'));
  await using sluice = await start(directory);
  const lines = sluice.output.match(/^.*is of another version of sluice; the cache is emptied$/gm);
  assert.equal(lines?.length, 1);
  assert.equal(await getRight(sluice, '/page/40000'), false);
  assert.equal(await getRight(sluice, '/page/40000'), true);
});

test('a path that can be no directory is refused in one line', async () => {
  const file = join(temporaryDirectory(), 'file');
  writeFileSync(file, '');
  await assert.rejects(
    start(join(file, 'below')),
    /--cache-dir .* cannot be used \(ENOTDIR\); name/,
  );
});

test('what is on disk is counted from the first second after a start', async () => {
  const directory = temporaryDirectory();
  {
    await using sluice = await start(directory, 2);
    for (const target of targets) await getRight(sluice, target);
    await sluice.stop();
  }
  await using sluice = await start(directory, 2);
  assert.equal(await sluice.sum('sluice_cache_disk_entries'), targets.length);
  assert.ok((await sluice.sum('sluice_cache_disk_bytes')) > 9 * MIB);
});
