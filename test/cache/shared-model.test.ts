/**
 * Two stores that share a directory, as two workers do, against a naive model under random fills,
 * cuts and tombstones. What began before a removal is never found after it, in either of them, however
 * late it ends; and what is found is whole.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ContentWriter, StoreHit } from '../../src/cache/contract.ts';
import { DiskStore } from '../../src/cache/disk/disk-store.ts';
import fc from '../support/fast-check.ts';
import { NOW, storedOf } from './messages.ts';
import { contentOf } from './rule-driven-cache.ts';

const MIB = 1_048_576;
const TARGETS = ['http://h/a', 'http://h/b'];
/** As rules and slices extend them. */
const KEYS = TARGETS.flatMap((target) => [target, `${target}\nslice 65536 0`]);

const operation = fc.record({
  kind: fc.constantFrom('begin', 'begin', 'end', 'end', 'cut', 'invalidate', 'purge', 'check'),
  store: fc.constantFrom(0, 1),
  key: fc.nat(KEYS.length - 1),
  length: fc.constantFrom(10, 70_000, 1_200_000),
});

type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never;

/** Goes on with every operation. */
let nowMs = NOW;

interface Begun {
  readonly number: number;
  readonly key: string;
  readonly length: number;
  readonly writer: ContentWriter;
  readonly tombstones: number;
}

test('no worker finds what began before a removal in any', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(operation, { minLength: 8, maxLength: 30 }), runAgainstModel),
    { numRuns: 10 },
  );
});

function contentFor(number: number, length: number): Buffer {
  const content = Buffer.alloc(length, number & 0xff);
  content.writeUInt32LE(number, 0);
  return content;
}

async function runAgainstModel(operations: readonly Operation[]): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'shared-model-'));
  const now = () => nowMs;
  const sizes = { capacityBytes: 64 * MIB, memoryBytes: 8 * MIB };
  const options = { directory, ...sizes, isShared: true, now };
  const stores = [DiskStore.open(options), DiskStore.open(options)] as const;
  const model = new Model();
  try {
    for (const each of operations) {
      nowMs++;
      const store = stores[each.store as 0 | 1];
      const key = KEYS[each.key]!;
      if (each.kind === 'begin') model.begin(store, key, each.length);
      else if (each.kind === 'end') model.end(false);
      else if (each.kind === 'cut') model.end(true);
      else if (each.kind === 'invalidate') model.invalidate(store, key);
      else if (each.kind === 'purge') model.purge(store);
      await check(stores, key, model);
    }
    while (model.end(false)) await check(stores, KEYS[0]!, model);
    for (const key of KEYS) await check(stores, key, model);
  } finally {
    for (const store of stores) await store.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

/** What was begun under which key, and how often something has been removed since. */
class Model {
  readonly #open: Begun[] = [];
  readonly begun = new Map<number, Begun>();
  readonly #tombstones = new Map<string, number>();
  #count = 0;

  removalsOf(key: string): number {
    return this.#tombstones.get(key) ?? 0;
  }

  begin(store: DiskStore, key: string, length: number): void {
    const number = ++this.#count;
    const lines = [
      ['etag', `"${number}"`],
      ['cache-tag', 'all'],
    ] as const;
    const writer = store.create(
      key,
      storedOf(lines, { contentLength: length, requestTimeMs: nowMs, responseTimeMs: nowMs }),
    );
    if (writer === undefined) return;
    const one = { number, key, length, writer, tombstones: this.removalsOf(key) };
    this.#open.push(one);
    this.begun.set(number, one);
  }

  /** Ends the oldest fill; false when none is open. */
  end(isCut: boolean): boolean {
    const one = this.#open.shift();
    if (one === undefined) return false;
    const content = contentFor(one.number, one.length);
    one.writer.write(isCut ? content.subarray(0, one.length / 2) : content);
    if (isCut) one.writer.cut();
    else one.writer.commit(null);
    return true;
  }

  invalidate(store: DiskStore, key: string): void {
    const target = key.split('\n')[0]!;
    store.invalidate(target);
    for (const each of KEYS) if (each.split('\n')[0] === target) this.#noteRemoval(each);
  }

  purge(store: DiskStore): void {
    store.purge({ kind: 'tag', tag: 'all' }, false, NOW);
    for (const each of KEYS) this.#noteRemoval(each);
  }

  #noteRemoval(key: string): void {
    this.#tombstones.set(key, this.removalsOf(key) + 1);
  }
}

/**
 * What either store writes is written before the other one writes: two indexes in one process would
 * otherwise wait for one another, which two processes do not.
 */
async function settled(stores: readonly DiskStore[]): Promise<void> {
  for (const store of stores) await store.flushed();
}

async function check(stores: readonly DiskStore[], key: string, model: Model): Promise<void> {
  await settled(stores);
  for (const store of stores) {
    store.followOthers();
    const hits = await new Promise<readonly StoreHit[]>((resolve) => store.lookup(key, resolve));
    for (const hit of hits) {
      const number = Number(/\d+/.exec(hit.response.fields.first('etag')!)![0]);
      const one = model.begun.get(number)!;
      assert.equal(one.key, key);
      assert.equal(one.tombstones, model.removalsOf(key), `${number} began before a removal`);
      const content = await contentOf(hit);
      const { partial } = hit.response;
      const expected = partial === null ? one.length : partial.last + 1;
      assert.ok(content.equals(contentFor(number, one.length).subarray(0, expected)));
    }
  }
  await settled(stores);
}
