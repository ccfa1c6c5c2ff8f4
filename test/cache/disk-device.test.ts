import assert from 'node:assert/strict';
import * as nodeFiles from 'node:fs';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { StoreHit } from '../../src/cache/contract.ts';
import { COHERENCE_MS, DiskStore } from '../../src/cache/disk/disk-store.ts';
import type { StoreFault } from '../../src/cache/disk/faults.ts';
import { READ_MS_MAX } from '../../src/cache/disk/limits.ts';
import { type FileOperations, SegmentFiles } from '../../src/cache/disk/segments/segment-files.ts';
import { until } from '../support/waiting.ts';
import { storedOf } from './messages.ts';

const MIB = 1_048_576;

/** A file system that opens files as `open` says; to open is what no page cache spares. */
function openWith(t: TestContext, open: typeof nodeFiles.open) {
  const directory = mkdtempSync(join(tmpdir(), 'disk-device-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const faults: StoreFault[] = [];
  const operations: FileOperations = { ...nodeFiles, open };
  const sizes = { capacityBytes: 64 * MIB, memoryBytes: MIB };
  const onFault = (fault: StoreFault) => faults.push(fault);
  return { directory, faults, options: { directory, ...sizes, onFault, operations } };
}

async function fill(directory: string): Promise<void> {
  const store = DiskStore.open({ directory, capacityBytes: 64 * MIB, memoryBytes: MIB });
  const writer = store.create('k', storedOf([], { contentLength: -1 }))!;
  writer.write(Buffer.from('hello'));
  writer.commit(null);
  await store.close();
}

function lookup(store: DiskStore): Promise<readonly StoreHit[]> {
  return new Promise((resolve) => store.lookup('k', resolve));
}

test('a device that does not answer is a miss after a while, told once, until it answers', async (t) => {
  const held: (() => void)[] = [];
  const open = ((...words: Parameters<typeof nodeFiles.open>) => {
    held.push(() => nodeFiles.open(...words));
  }) as typeof nodeFiles.open;
  const { directory, faults, options } = openWith(t, open);
  await fill(directory);
  const store = DiskStore.open(options);
  t.after(() => store.close());
  assert.deepEqual(await lookup(store), []);
  assert.deepEqual(
    faults.map(({ code }) => code),
    ['cache-disk-slow'],
  );
  // Nothing more is asked of it, and nobody waits.
  assert.deepEqual(await lookup(store), []);
  assert.equal(held.length, 1);
  for (const answer of held.splice(0)) answer();
  await until(() => !store.files.isStalled, 'the answer');
  const found = lookup(store);
  for (const answer of held) answer();
  assert.equal((await found).length, 1, 'what it has was not forgotten');
});

test('a device with errors is a miss, and the response is stored anew', async (t) => {
  const open = ((path: string, flags: string, ...rest: unknown[]) => {
    const callback = rest.at(-1) as (error: Error) => void;
    setImmediate(() => callback(Object.assign(new Error('EIO: i/o error'), { code: 'EIO' })));
    return [path, flags];
  }) as unknown as typeof nodeFiles.open;
  const { directory, faults, options } = openWith(t, open);
  await fill(directory);
  const store = DiskStore.open(options);
  t.after(() => store.close());
  assert.deepEqual(await lookup(store), []);
  const writer = store.create('k', storedOf([], { contentLength: -1 }))!;
  writer.write(Buffer.from('hello'));
  writer.commit(null);
  assert.equal((await lookup(store)).length, 1, 'in memory');
  await until(() => faults.some(({ code }) => code === 'cache-write-failed'), 'the fault');
});

test('without a descriptor for it, what is on disk is a miss for now, and is not forgotten', async (t) => {
  let isShort = true;
  const open = ((...words: Parameters<typeof nodeFiles.open>) => {
    if (!isShort) return nodeFiles.open(...words);
    const callback = words.at(-1) as unknown as (error: Error) => void;
    setImmediate(() => callback(Object.assign(new Error('EMFILE: too many'), { code: 'EMFILE' })));
  }) as typeof nodeFiles.open;
  const { directory, faults, options } = openWith(t, open);
  await fill(directory);
  const store = DiskStore.open(options);
  assert.deepEqual(await lookup(store), []);
  await store.close();
  isShort = false;
  const later = DiskStore.open(options);
  t.after(() => later.close());
  assert.equal((await lookup(later)).length, 1);
  assert.deepEqual(faults, []);
});

test('a process that stood still holds it against no device: its answers had only not been heard', (t) => {
  const { directory, options } = openWith(t, (() => {}) as unknown as typeof nodeFiles.open);
  let nowMs = 1_000;
  t.mock.method(performance, 'now', () => nowMs);
  const files = new SegmentFiles(join(directory, 'segments'), options.operations);
  const given: unknown[] = [];
  files.read(1, 0, 10, (bytes) => given.push(bytes));
  nowMs += 10 * READ_MS_MAX;
  assert.equal(files.giveUpLate(), 0, 'one look after a long time');
  assert.deepEqual(given, []);
  let looks = 0;
  while (files.giveUpLate() === 0) {
    nowMs += COHERENCE_MS;
    looks++;
  }
  assert.ok(looks > 30 && looks * COHERENCE_MS <= READ_MS_MAX + COHERENCE_MS, `${looks} looks`);
  assert.deepEqual(given, [null]);
});
