// Invariant: whatever is damaged in a cache directory, each byte of each answer is right, and none fails.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import {
  closeSync,
  ftruncateSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import test from 'node:test';
import { startOrigin } from '../support/origins.ts';
import { type RunningSluice, startSluice } from '../support/sluice.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { inParallel } from '../support/waiting.ts';
import { randomOf } from './identity.ts';

const isLong = process.env.SLUICE_LONG === '1';
/** Damages in all; so many of them at once, between two starts. */
const DAMAGES = isLong ? 1_000 : 20;
const DAMAGES_PER_ROUND = 10;
const URLS = 60;
const SEED = Number(process.env.FUZZ_SEED ?? Date.now() % 1_000_000);

function lengthOf(target: string): number {
  return createHash('sha256').update(`length ${target}`).digest().readUInt32LE(0) % 400_000;
}

/** Every byte follows from the target and its place. */
function contentOf(target: string): Buffer {
  const content = Buffer.alloc(lengthOf(target));
  const word = createHash('sha256').update(target).digest();
  for (let at = 0; at < content.length; at++) {
    content[at] = word[at & 31]! ^ (at & 0xff) ^ ((at >> 8) & 0xff);
  }
  return content;
}

const origin = await startOrigin((request, response) => {
  const content = contentOf(request.url!);
  response.setHeader('Cache-Control', 'max-age=3600');
  response.setHeader('X-Target', request.url!);
  response.setHeader('ETag', `"${createHash('sha256').update(request.url!).digest('hex')}"`);
  const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? [];
  if (first === undefined) {
    response.end(content);
    return;
  }
  const end = last === '' ? content.length : Math.min(content.length, Number(last) + 1);
  const part = content.subarray(Number(first), end);
  response.setHeader('Content-Range', `bytes ${first}-${end - 1}/${content.length}`);
  response.writeHead(206).end(part);
});
test.after(() => origin[Symbol.asyncDispose]());

function get({ httpPort: port }: RunningSluice, target: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const options = { port, path: target, headers: { host: 'a.example' }, agent: false } as const;
  const request = http.get(options, async (response) => {
    try {
      const content = Buffer.concat(await response.toArray());
      assert.equal(response.statusCode, 200);
      assert.equal(response.headers['x-target'], target);
      assert.ok(content.equals(contentOf(target)), `${target}: wrong bytes`);
      resolve();
    } catch (error) {
      reject(error);
    }
  });
  request.on('error', reject);
  return promise;
}

function filesIn(directory: string, isRunning: boolean): string[] {
  return (
    readdirSync(directory, { recursive: true, encoding: 'utf8' })
      .map((name) => join(directory, name))
      .filter((path) => statSync(path).isFile() && statSync(path).size > 0)
      // Memory of running processes that has a name, and no device behind it: their locks.
      .filter((path) => !isRunning || !path.endsWith('lock.mdb'))
  );
}

/** Damages something somewhere, and says what. The index as often as all other files. */
function damage(directory: string, isRunning: boolean, random: (below: number) => number): string {
  const index = join(directory, 'index', 'data.mdb');
  const files = filesIn(directory, isRunning);
  const isIndex = random(2) === 0 && files.includes(index);
  const path = isIndex ? index : files[random(files.length)];
  if (path === undefined) return 'nothing is left';
  const { size } = statSync(path);
  const at = random(size);
  const kind = random(20);
  if (kind === 0) {
    rmSync(path);
    return `${path} removed`;
  }
  const fd = openSync(path, 'r+');
  try {
    if (kind === 1) ftruncateSync(fd, at);
    else if (kind < 5) {
      const page = Buffer.alloc(4_096);
      if (kind > 2) for (let i = 0; i < page.length; i++) page[i] = random(256);
      const start = at - (at % page.length);
      writeSync(fd, page, 0, Math.min(page.length, size - start), start);
    } else writeSync(fd, Buffer.from([random(256)]), 0, 1, at);
  } finally {
    closeSync(fd);
  }
  return `${path} at ${at}, kind ${kind}`;
}

test(`${DAMAGES} damages while sluice is stopped: each byte is right, and no request fails`, async (t) => {
  t.diagnostic(`FUZZ_SEED=${SEED}`);
  const random = randomOf(SEED);
  const directory = temporaryDirectory();
  const done: string[] = [];
  for (let round = 0; round <= DAMAGES / DAMAGES_PER_ROUND; round++) {
    const flags = ['--cache-dir', directory, '--cache-size', '64MiB'];
    await using sluice = await startSluice({ origin: origin.url, workers: 1 + (round % 2), flags });
    try {
      await inParallel(2 * URLS, 4, (i) => get(sluice, `/${i % URLS}`));
      assert.doesNotMatch(sluice.output, /died/);
    } catch (error) {
      const what = done.slice(-DAMAGES_PER_ROUND).join('\n');
      throw new Error(`seed ${SEED}, round ${round}: after\n${what}\n${sluice.output}`, {
        cause: error,
      });
    }
    await sluice.stop();
    for (let i = 0; i < DAMAGES_PER_ROUND; i++) done.push(damage(directory, false, random));
  }
});

test('damages while sluice runs: each byte is right, and no worker dies twice', async (t) => {
  t.diagnostic(`FUZZ_SEED=${SEED}`);
  const random = randomOf(SEED + 1);
  const rounds = isLong ? 20 : 1;
  for (let round = 0; round < rounds; round++) {
    const directory = temporaryDirectory();
    const flags = ['--cache-dir', directory, '--cache-size', '64MiB', '--auto-disable', 'off'];
    await using sluice = await startSluice({ origin: origin.url, workers: 2, flags });
    await inParallel(URLS, 4, (i) => get(sluice, `/${i}`));
    let wrong: unknown;
    let failed = 0;
    for (let i = 0; i < 10; i++) {
      // The mapped file of counters is nobody's to cut: that ends who has it mapped, once.
      damage(join(directory, random(2) === 0 ? 'index' : 'segments'), true, random);
      await inParallel(20, 4, (j) =>
        get(sluice, `/${(i * 20 + j) % URLS}`).catch((error) => {
          if (error instanceof assert.AssertionError) wrong = error;
          else failed++;
        }),
      );
    }
    assert.equal(wrong, undefined, `seed ${SEED}, round ${round}`);
    const deaths = sluice.output.match(/worker \d \(pid \d+\) died/g)?.length ?? 0;
    t.diagnostic(`round ${round}: ${failed} requests failed, ${deaths} deaths`);
    assert.ok(deaths <= 2, `seed ${SEED}, round ${round}: ${deaths} deaths\n${sluice.output}`);
    assert.ok(failed <= 8 * deaths, `${failed} requests failed\n${sluice.output}`);
    await inParallel(URLS, 4, (i) => get(sluice, `/${i}`));
    assert.equal(await sluice.stop(), 0);
  }
});
