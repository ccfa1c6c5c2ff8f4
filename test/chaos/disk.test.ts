/** The cache's disk is full, read-only or gone while clients ask: each byte is right, none fails. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { startOrigin } from '../support/origins.ts';
import { type RunningSluice, startSluice, wordsSeenByAll } from '../support/sluice.ts';
import { mountSmall } from '../support/small-disk.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { until } from '../support/waiting.ts';
import { answerWithBody, countOf, faultsIn, KeptClients, randomOf, seedOf } from './identity.ts';

const isLong = process.env.SLUICE_LONG === '1';
const ROUNDS = isLong ? 20 : 2;
/** Answers between two happenings. */
const ANSWERS = isLong ? 400 : 60;
const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;

const origin = await startOrigin(answerWithBody);
test.after(() => origin[Symbol.asyncDispose]());

/** Some are asked for again and again, and others come and go, so that there is always much to write. */
function busyClients({ httpPort }: RunningSluice, random: (below: number) => number): KeptClients {
  return new KeptClients(httpPort, {
    count: 8,
    path: () => `/kept/${random(2) === 0 ? random(30) : 100 + random(3_000)}`,
    pauseMs: () => random(5),
  });
}

async function assertAllRight(clients: KeptClients, sluice: RunningSluice): Promise<void> {
  const answers = await clients.end();
  assert.equal(countOf(answers, 'right'), answers.length, `${faultsIn(answers)}\n${sluice.output}`);
  assert.doesNotMatch(sluice.output, /died/);
}

async function untilStored(sluice: RunningSluice): Promise<void> {
  const before = await sluice.sum('sluice_cache_disk_bytes');
  await until(async () => (await sluice.sum('sluice_cache_disk_bytes')) > 0, `more than ${before}`);
}

test('a disk that fills up and empties: nothing wrong, nothing fails, and it heals', async (t) => {
  const directory = join(temporaryDirectory(), 'small');
  const obstacle = mountSmall(directory, '24m');
  if (obstacle !== false) return t.skip(obstacle);
  const random = randomOf(seedOf(t));
  // Twice as much as there is.
  const flags = ['--cache-dir', join(directory, 'cache'), '--cache-size', '48MiB'];
  await using sluice = await startSluice({ origin: origin.url, workers: 2, flags });
  await using clients = busyClients(sluice, random);
  for (let round = 0; round < ROUNDS; round++) {
    await clients.more(ANSWERS);
    const ballast = join(directory, 'ballast');
    try {
      writeFileSync(ballast, Buffer.alloc(24 * 2 ** 20));
    } catch {
      // As full as it can be.
    }
    await clients.more(ANSWERS);
    rmSync(ballast);
  }
  await until(() => sluice.output.includes('cache-disk-full'), 'the operator to be told');
  await untilStored(sluice);
  await assertAllRight(clients, sluice);
});

test('a directory that becomes read-only, and writable again: nothing wrong, nothing fails', async (t) => {
  const directory = join(temporaryDirectory(), 'cache');
  mkdirSync(directory);
  if (isRoot) {
    const as = ['setpriv', '--reuid', String(NOBODY), '--regid', String(NOBODY), '--clear-groups'];
    const [command, ...words] = wordsSeenByAll(['--version'], as);
    if (spawnSync(command!, words).status !== 0)
      return t.skip('nobody may read where this checkout is');
    chmodSync(join(directory, '..'), 0o755);
    chownSync(directory, NOBODY, NOBODY);
  }
  const random = randomOf(seedOf(t));
  const flags = ['--cache-dir', directory, '--cache-size', '48MiB', '--incident-dir', 'off'];
  if (isRoot) flags.push('--user', 'nobody');
  await using sluice = await startSluice({
    origin: origin.url,
    workers: 2,
    flags,
    seenByAll: isRoot,
  });
  await using clients = busyClients(sluice, random);
  for (let round = 0; round < ROUNDS; round++) {
    await clients.more(ANSWERS);
    setModes(directory, 0o500, 0o400);
    await clients.more(ANSWERS);
    setModes(directory, 0o700, 0o600);
  }
  await untilStored(sluice);
  await assertAllRight(clients, sluice);
});

function setModes(directory: string, ofDirectories: number, ofFiles: number): void {
  const names = ['', ...readdirSync(directory, { recursive: true, encoding: 'utf8' })];
  for (const name of names) {
    const path = join(directory, name);
    const stats = statSync(path, { throwIfNoEntry: false });
    try {
      if (stats !== undefined) chmodSync(path, stats.isDirectory() ? ofDirectories : ofFiles);
    } catch {
      // A segment that went meanwhile.
    }
  }
}

/** What somebody does to the directory. */
const HAPPENINGS: Record<string, (directory: string) => void> = {
  'all of it removed': (directory) =>
    rmSync(directory, { recursive: true, force: true, maxRetries: 20 }),
  'its segments removed': (directory) =>
    rmSync(join(directory, 'segments'), { recursive: true, force: true, maxRetries: 20 }),
  'its index removed': (directory) =>
    rmSync(join(directory, 'index'), { recursive: true, force: true, maxRetries: 20 }),
  'moved away': (directory) => {
    try {
      renameSync(directory, `${directory}-${process.hrtime.bigint()}`);
    } catch {
      // It is not there just now.
    }
  },
};

test('a directory that is removed, whole or in part: nothing wrong, nothing fails', async (t) => {
  const random = randomOf(seedOf(t));
  for (let round = 0; round < Math.ceil(ROUNDS / 2); round++) {
    const directory = join(temporaryDirectory(), 'cache');
    const flags = ['--cache-dir', directory, '--cache-size', '48MiB'];
    await using sluice = await startSluice({ origin: origin.url, workers: 2, flags });
    await using clients = busyClients(sluice, random);
    for (const happen of Object.values(HAPPENINGS)) {
      await clients.more(ANSWERS);
      happen(directory);
    }
    await clients.more(ANSWERS);
    await assertAllRight(clients, sluice);
  }
});
