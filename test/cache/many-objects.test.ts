// Runs alone: measures time.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { StoreHit } from '../../src/cache/contract.ts';
import { DiskStore } from '../../src/cache/disk/disk-store.ts';
import { storedOf } from './messages.ts';

const MIB = 1_048_576;
/** The bench has a million (bench/README.md). */
const OBJECTS = 20_000;

function openAt(directory: string): DiskStore {
  return DiskStore.open({ directory, capacityBytes: 256 * MIB, memoryBytes: 4 * MIB });
}

function keyOf(i: number): string {
  return `http://h/object/${i}`;
}

test('a store with many objects is ready at once, and reads nothing but what is asked for', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'many-objects-'));
  try {
    const first = openAt(directory);
    const response = storedOf([], { contentLength: 100 });
    const content = Buffer.alloc(100, 'x');
    for (let i = 0; i < OBJECTS; i++) {
      const writer = first.create(keyOf(i), response)!;
      writer.write(content);
      writer.commit(null);
      if (i % 2_000 === 0) await first.flushed();
    }
    await first.close();

    const times: number[] = [];
    // The best of three: only what it takes each time is ours.
    while (times.length < 3 && !(times.at(-1)! < 1_000)) {
      const startedMs = performance.now();
      const store = openAt(directory);
      const hits = await new Promise<readonly StoreHit[]>((resolve) =>
        store.lookup(keyOf(OBJECTS / 2), resolve),
      );
      times.push(performance.now() - startedMs);
      assert.equal(hits.length, 1);
      assert.equal(store.entryCount, OBJECTS);
      assert.equal(store.files.residentReads + store.files.threadReads, 1);
      await store.close();
    }
    assert.ok(times.at(-1)! < 1_000, `ready after ${times.join(', ')} ms`);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
