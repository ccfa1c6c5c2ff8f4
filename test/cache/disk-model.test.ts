/**
 * The disk store against a naive model, under random operations and crashes. The model knows every
 * content that was ever stored under a key since its last removal: what the store returns must be
 * one of them, whole, and the youngest unless a crash came in between.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, rmSync, statSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { StoreHit } from '../../src/cache/contract.ts';
import { DiskStore } from '../../src/cache/disk/disk-store.ts';
import fc from '../support/fast-check.ts';
import { NOW, storedOf } from './messages.ts';
import { contentOf } from './rule-driven-cache.ts';

const MIB = 1_048_576;

/** Goes on with every operation. */
let nowMs = NOW;

function openAt(directory: string): DiskStore {
  const now = () => nowMs;
  return DiskStore.open({ directory, capacityBytes: 32 * MIB, memoryBytes: 2 * MIB, now });
}

function lookup(store: DiskStore, key: string): Promise<readonly StoreHit[]> {
  return new Promise((resolve) => store.lookup(key, resolve));
}

/** Content that tells which write it was. */
function contentFor(number: number, length: number): Buffer {
  const content = Buffer.alloc(Math.max(4, length), number & 0xff);
  content.writeUInt32LE(number, 0);
  return content;
}

function put(store: DiskStore, key: string, content: Buffer, tag: string): void {
  const lines = [['cache-tag', tag]] as const;
  const times = { requestTimeMs: nowMs, responseTimeMs: nowMs };
  const writer = store.create(key, storedOf(lines, { contentLength: -1, ...times }));
  writer?.write(content);
  writer?.commit(null);
}

const KEYS = ['http://h/a', 'http://h/b', 'http://g/c', 'http://g/d'];

const operation = fc.record({
  kind: fc.constantFrom('put', 'put', 'put', 'get', 'invalidate', 'purge', 'restart', 'crash'),
  key: fc.constantFrom(...KEYS),
  length: fc.constantFrom(10, 5000, 70_000, 300_000, 1_500_000),
});

test('random operations and crashes: never a wrong byte, never something purged', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(operation, { minLength: 5, maxLength: 25 }), runAgainstModel),
    { numRuns: process.env.SLUICE_LONG === '1' ? 60 : 8 },
  );
});

async function runAgainstModel(
  operations: readonly { kind: string; key: string; length: number }[],
): Promise<void> {
  const base = mkdtempSync(join(tmpdir(), 'disk-model-'));
  let directory = join(base, '0');
  let store = openAt(directory);
  /** Write numbers that may be returned for a key, the youngest last; [] for a sure miss. */
  const possible = new Map<string, number[]>(KEYS.map((key) => [key, []]));
  const contents = new Map<number, Buffer>();
  try {
    for (const [number, { kind, key, length }] of operations.entries()) {
      nowMs++;
      if (kind === 'put') {
        const content = contentFor(number, length);
        contents.set(number, content);
        put(store, key, content, 'all');
        possible.set(key, [number]);
        // A large one becomes visible to others once it is written.
        await store.flushed();
      } else if (kind === 'invalidate') {
        store.invalidate(key);
        possible.set(key, []);
      } else if (kind === 'purge') {
        store.purge({ kind: 'tag', tag: 'all' }, false, NOW);
        for (const each of KEYS) possible.set(each, []);
      } else if (kind === 'restart') {
        await store.close();
        store = openAt(directory);
      } else if (kind === 'crash') {
        // What a machine that stops would leave: the files as they are, the youngest cut short.
        await store.index.flushed();
        const copy = join(base, String(number + 1));
        cpSync(directory, copy, { recursive: true });
        await store.close();
        directory = copy;
        cutYoungest(directory);
        store = openAt(directory);
        for (const each of KEYS) possible.set(each, [...possible.get(each)!, -1]);
      }
      await check(store, key, possible.get(key)!, contents);
    }
    for (const key of KEYS) await check(store, key, possible.get(key)!, contents);
  } finally {
    await store.close();
    rmSync(base, { recursive: true, force: true });
  }
}

async function check(
  store: DiskStore,
  key: string,
  possible: readonly number[],
  contents: ReadonlyMap<number, Buffer>,
): Promise<void> {
  const [hit] = await lookup(store, key);
  const content = hit === undefined ? null : await contentOf(hit).catch(() => null);
  if (content === null) {
    assert.ok(possible.length === 0 || possible.includes(-1), `${key} is lost`);
    return;
  }
  const number = content.readUInt32LE(0);
  assert.ok(possible.includes(number), `${key} has write ${number}, not ${possible}`);
  assert.ok(content.equals(contents.get(number)!), `${key} has wrong bytes`);
}

/** Cuts the youngest segment in half. */
function cutYoungest(directory: string): void {
  const segments = join(directory, 'segments');
  const names = readdirSync(segments, { recursive: true, encoding: 'utf8' });
  const ids = names.flatMap((name) => /(\d+)\.segment$/.exec(name)?.[1] ?? []).map(Number);
  const youngest = Math.max(...ids);
  const name = names.find((each) => each.endsWith(`/${youngest}.segment`));
  if (name === undefined) return;
  const path = join(segments, name);
  truncateSync(path, Math.floor(statSync(path).size / 2));
}

const WRITER = fileURLToPath(new URL('disk-writer-process.ts', import.meta.url));

test('kill -9 of several writers at any moment: what is left is whole', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'disk-kill-'));
  try {
    for (let round = 0; round < 4; round++) {
      const writers = [0, 1].map((worker) =>
        spawn(process.execPath, [
          '--disable-warning=ExperimentalWarning',
          WRITER,
          directory,
          String(round * 2 + worker),
        ]),
      );
      const ends = writers.map((writer) => new Promise((resolve) => writer.once('exit', resolve)));
      await Promise.all(
        writers.map((writer) => new Promise((resolve) => writer.stdout.once('data', resolve))),
      );
      await new Promise((resolve) => setTimeout(resolve, 60 + round * 70));
      for (const writer of writers) writer.kill('SIGKILL');
      await Promise.all(ends);
      const store = openAt(directory);
      let found = 0;
      for (let i = 0; i < 200; i++) {
        for (let writer = 0; writer < 8; writer++) {
          const [hit] = await lookup(store, `http://h/${writer}/${i}`);
          if (hit === undefined) continue;
          const content = await contentOf(hit);
          const number = content.readUInt32LE(0);
          assert.equal(number, i);
          assert.ok(content.equals(contentFor(i, content.length)));
          found++;
        }
      }
      assert.ok(found > 0, 'nothing was stored before the kill');
      assert.ok(store.bytesUsed <= 32 * MIB);
      put(store, 'http://h/after', contentFor(1, 100), 'x');
      await store.flushed();
      assert.equal((await lookup(store, 'http://h/after')).length, 1);
      await store.close();
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
