// Invariant: a worker, or all of sluice, that is killed while it stores leaves right bytes or misses.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import http from 'node:http';
import test from 'node:test';
import { startOrigin } from '../support/origins.ts';
import { type RunningSluice, startSluice } from '../support/sluice.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { inParallel, until } from '../support/waiting.ts';

const KILLS = process.env.SLUICE_LONG === '1' ? 100 : 4;
const SIZES = [100, 20_000, 300_000, 2_500_000];

function contentOf(target: string): Buffer {
  const size = Number(/\/(\d+)$/.exec(target)![1]);
  return Buffer.alloc(size, createHash('sha256').update(target).digest());
}

const origin = await startOrigin((request, response) => {
  response.setHeader('Cache-Control', 'max-age=3600');
  response.end(contentOf(request.url!));
});
test.after(() => origin[Symbol.asyncDispose]());

/** Whether it was a hit; rejects with an AssertionError for wrong bytes only. */
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

test(`${KILLS} kills during writes: never a wrong byte, and the cache is kept`, async () => {
  const directory = temporaryDirectory();
  const flags = ['--cache-dir', directory, '--cache-size', '48MiB'];
  let kills = 0;
  let hits = 0;
  while (kills < KILLS) {
    await using sluice = await startSluice({ origin: origin.url, workers: 2, flags });
    assert.doesNotMatch(
      sluice.output,
      /cache-index-failed|cache is emptied/,
      'a kill is no damage',
    );
    const before = kills;
    let answered = 0;
    let isEnding = false;
    const readers = inParallel(2_000, 6, async (i) => {
      if (isEnding) return;
      const n = before * 13 + i;
      try {
        if (await get(sluice, `/${n % 90}/${SIZES[n % SIZES.length]}`)) hits++;
        answered++;
      } catch (error) {
        if (error instanceof assert.AssertionError) throw error;
      }
    });
    // A worker twice, then everything.
    for (let i = 0; i < 2 && kills < KILLS - 1; i++) {
      const goal = answered + 15;
      await until(() => answered >= goal, 'some answers');
      const pids = await sluice.workerPids();
      process.kill(pids[kills % 2]!, 'SIGKILL');
      kills++;
    }
    const goal = answered + 10;
    await until(() => answered >= goal, 'some answers');
    isEnding = true;
    sluice.signal('SIGKILL');
    kills++;
    await readers;
    await sluice.end();
  }
  await using sluice = await startSluice({ origin: origin.url, workers: 2, flags });
  assert.doesNotMatch(sluice.output, /cache-index-failed|cache is emptied/, 'a kill is no damage');
  await inParallel(90, 4, async (i) => {
    if (await get(sluice, `/${i}/${SIZES[i % SIZES.length]}`)) hits++;
  });
  assert.ok(hits > KILLS, `${hits} hits`);
});
