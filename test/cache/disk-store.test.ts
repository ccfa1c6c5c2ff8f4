import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { ListPage, PurgeSelector, StoreHit } from '../../src/cache/contract.ts';
import { DiskStore, type DiskStoreOptions } from '../../src/cache/disk/disk-store.ts';
import type { StoreFault } from '../../src/cache/disk/faults.ts';
import { corruptFile } from '../support/damage.ts';
import { until } from '../support/waiting.ts';
import { type Lines, NOW, requestOf, storedOf } from './messages.ts';
import { contentOf } from './rule-driven-cache.ts';

const MIB = 1_048_576;

interface Opened {
  readonly store: DiskStore;
  readonly faults: StoreFault[];
}

/** A directory of its own for each test, gone afterwards. */
function directoryFor(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'disk-store-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

function openAt(directory: string, options: Partial<DiskStoreOptions> = {}): Opened {
  const faults: StoreFault[] = [];
  const store = DiskStore.open({
    directory,
    capacityBytes: 64 * MIB,
    memoryBytes: 8 * MIB,
    onFault: (fault) => faults.push(fault),
    ...options,
  });
  return { store, faults };
}

function put(store: DiskStore, key: string, content: Uint8Array | string, lines: Lines = []): void {
  const writer = store.create(key, storedOf(lines, { contentLength: -1 }));
  const bytes = Buffer.from(content);
  for (let at = 0; at < bytes.length; at += 50_000) writer?.write(bytes.subarray(at, at + 50_000));
  writer?.commit(null);
}

function lookup(store: DiskStore, key: string): Promise<readonly StoreHit[]> {
  return new Promise((resolve) => store.lookup(key, resolve));
}

async function textOf(store: DiskStore, key: string): Promise<string | undefined> {
  const [hit] = await lookup(store, key);
  return hit === undefined ? undefined : (await contentOf(hit)).toString('latin1');
}

function pattern(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 31 + (i >> 8)) & 0xff;
  return bytes;
}

const LENGTHS = [0, 1, 1000, 65_536, 65_537, 262_144, 300_000, MIB, MIB + 1, 5 * MIB + 12_345];

for (const length of LENGTHS) {
  test(`content of ${length} bytes outlives a restart, whole and from any offset`, async (t) => {
    const directory = directoryFor(t);
    const content = pattern(length);
    const first = openAt(directory);
    put(first.store, 'k', content, [
      ['etag', '"a"'],
      ['x-note', '\xfc'],
    ]);
    await first.store.close();
    const { store, faults } = openAt(directory);
    t.after(() => store.close());
    const [hit] = await lookup(store, 'k');
    assert.equal(hit!.response.fields.first('x-note'), '\xfc');
    assert.equal(hit!.response.contentLength, length);
    assert.ok((await contentOf(hit!)).equals(content));
    const from = Math.floor(length / 3);
    const part = await readPart(hit!, from, from + 100);
    assert.ok(part.equals(content.subarray(from, from + 100)));
    assert.deepEqual(faults, []);
  });
}

function readPart(hit: StoreHit, offset: number, end: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  return new Promise((resolve, reject) => {
    // Pauses after every piece, as a slow client would.
    const reading = hit.open().read(
      offset,
      {
        onBytes(bytes) {
          parts.push(Buffer.from(bytes));
          setImmediate(() => reading.resume());
          return false;
        },
        onEnd: (error) => (error === null ? resolve(Buffer.concat(parts)) : reject(error)),
      },
      end,
    );
  });
}

test('a slow reader gets all of a large stored content', async (t) => {
  const directory = directoryFor(t);
  const content = pattern(3 * MIB + 7);
  const { store } = openAt(directory);
  t.after(() => store.close());
  put(store, 'k', content);
  await store.flushed();
  const [hit] = await lookup(store, 'k');
  assert.ok((await readPart(hit!, 0, content.length)).equals(content));
});

test('what was just stored is found at once, before it is on disk', async (t) => {
  const { store } = openAt(directoryFor(t));
  t.after(() => store.close());
  put(store, 'k', 'hello');
  assert.equal(await textOf(store, 'k'), 'hello');
  assert.equal(store.peek('k')!.length, 1);
  assert.equal(store.peek('other'), undefined);
});

test('readers of a large fill in progress get all of it, early and late ones', async (t) => {
  const { store } = openAt(directoryFor(t));
  t.after(() => store.close());
  const content = pattern(4 * MIB);
  const writer = store.create('k', storedOf([], { contentLength: content.length }))!;
  const early = contentOf(writer.hit);
  const readers = [early];
  for (let at = 0; at < content.length; at += 100_000) {
    writer.write(content.subarray(at, at + 100_000));
    if (at % 1_000_000 === 0) readers.push(contentOf(writer.hit));
    await new Promise(setImmediate);
  }
  // Memory holds only what the disk has not taken.
  await until(() => store.memory.bytesUsed <= MIB, 'the disk to take the rest');
  writer.commit(null);
  readers.push(contentOf(writer.hit));
  for (const reader of readers) assert.ok((await reader).equals(content));
  await store.flushed();
  assert.equal(store.memory.bytesUsed, 0);
});

test('an origin that pauses when told to loses nothing, however fast it is', async (t) => {
  const { store } = openAt(directoryFor(t), { capacityBytes: 256 * MIB });
  t.after(() => store.close());
  const content = pattern(48 * MIB);
  const writer = store.create('k', storedOf([], { contentLength: content.length }))!;
  let pauses = 0;
  for (let at = 0; at < content.length; at += 65_536) {
    if (writer.write(content.subarray(at, at + 65_536))) continue;
    pauses++;
    await new Promise<void>((resolve) => writer.whenDrained(resolve));
    assert.ok(store.memory.bytesUsed < 6 * MIB, `${store.memory.bytesUsed} bytes`);
  }
  writer.commit(null);
  await store.flushed();
  assert.ok(pauses > 3);
  assert.ok((await contentOf((await lookup(store, 'k'))[0]!)).equals(content));
});

test('a fill that is broken off leaves nothing, and its readers hear of it', async (t) => {
  const { store } = openAt(directoryFor(t));
  t.after(() => store.close());
  const writer = store.create('k', storedOf([], { contentLength: 3 * MIB }))!;
  const reader = contentOf(writer.hit);
  writer.write(pattern(2 * MIB));
  writer.abort();
  await assert.rejects(reader, /broken off/);
  assert.deepEqual(await lookup(store, 'k'), []);
  assert.equal(store.memory.bytesUsed, 0);
});

test('variants, an update and a part outlive a restart', async (t) => {
  const directory = directoryFor(t);
  const first = openAt(directory).store;
  for (const language of ['en', 'de']) {
    const request = requestOf([['foo', language]]);
    const writer = first.create('k', storedOf([['vary', 'foo']], { request, contentLength: 2 }))!;
    writer.write(Buffer.from(language));
    writer.commit(null);
  }
  const part = storedOf([['content-range', 'bytes 2-3/9']], { status: 206, contentLength: 2 });
  const writer = first.create('p', part)!;
  writer.write(Buffer.from('cd'));
  writer.commit(null);
  await first.flushed();
  const hits = await lookup(first, 'k');
  const english = hits.find((hit) => hit.response.varyFields[0]![1] === 'en')!;
  const request = requestOf([['foo', 'en']]);
  first.update(
    'k',
    english.response,
    storedOf(
      [
        ['vary', 'foo'],
        ['x', '2'],
      ],
      { request },
    ),
  );
  await first.close();
  const { store } = openAt(directory);
  t.after(() => store.close());
  const found = await lookup(store, 'k');
  assert.equal(found.length, 2);
  const again = found.find((hit) => hit.response.varyFields[0]![1] === 'en')!;
  assert.equal(again.response.fields.first('x'), '2');
  assert.equal((await contentOf(again)).toString(), 'en');
  const [stored] = await lookup(store, 'p');
  assert.deepEqual(stored!.response.partial, { first: 2, last: 3, completeLength: 9 });
});

test('an update is seen at once, in memory or not, and after it is written', async (t) => {
  const { store } = openAt(directoryFor(t), { memoryBytes: MIB });
  t.after(() => store.close());
  // Too large for the RAM tier, and small.
  for (const length of [200_000, 100]) {
    put(store, 'k', pattern(length), [['x', '1']]);
    await store.flushed();
    const [hit] = await lookup(store, 'k');
    const updated = store.update('k', hit!.response, storedOf([['x', '2']]))!;
    assert.ok((await contentOf(updated)).equals(pattern(length)));
    for (const _ of ['at once', 'when written']) {
      const hits = await lookup(store, 'k');
      assert.equal(hits.length, 1);
      assert.equal(hits[0]!.response.fields.first('x'), '2');
      await store.flushed();
    }
  }
});

test('workers share what they store and what they purge', async (t) => {
  const directory = directoryFor(t);
  const [a, b] = [openAt(directory).store, openAt(directory).store];
  t.after(() => Promise.all([a.close(), b.close()]));
  put(a, 'http://h/1', 'one');
  put(b, 'http://h/2', 'two');
  await Promise.all([a.flushed(), b.flushed()]);
  assert.equal(await textOf(b, 'http://h/1'), 'one');
  assert.equal(await textOf(a, 'http://h/2'), 'two');
  a.invalidate('http://h/1');
  assert.deepEqual(await lookup(a, 'http://h/1'), []);
  a.purge({ kind: 'host', host: 'h' }, false, NOW);
  assert.deepEqual(await lookup(a, 'http://h/2'), []);
  for (const key of ['http://h/1', 'http://h/2']) {
    await until(async () => (await lookup(b, key)).length === 0, 'the other to know');
  }
  put(b, 'http://h/2', 'anew');
  await b.flushed();
  assert.equal(await textOf(a, 'http://h/2'), 'anew');
});

test('what one worker removes is gone in the others at once, before the index knows', async (t) => {
  const directory = directoryFor(t);
  const [a, b] = [openAt(directory).store, openAt(directory).store];
  t.after(() => Promise.all([a.close(), b.close()]));
  const [inMemory, onDisk, unwritten] = ['http://h/1', 'http://h/2', 'http://h/3'];
  for (const key of [inMemory, onDisk]) put(a, key, 'old');
  await a.flushed();
  assert.equal(await textOf(b, inMemory), 'old');
  put(b, unwritten, 'old');
  assert.equal(b.peek(unwritten)?.length, 1);
  for (const key of [inMemory, onDisk, unwritten]) a.invalidate(key);
  // Without a turn of the event loop in between.
  for (const key of [inMemory, onDisk, unwritten]) {
    assert.equal(b.peek(key), undefined);
    let found: readonly StoreHit[] | null = null;
    b.lookup(key, (hits) => {
      found = hits;
    });
    assert.deepEqual(found ?? (await lookup(b, key)), []);
  }
  // And it stays so: what was on its way to the index does not come back.
  await b.flushed();
  await a.flushed();
  await Promise.all([a.close(), b.close()]);
  const again = openAt(directory).store;
  t.after(() => again.close());
  for (const key of [inMemory, onDisk, unwritten]) assert.deepEqual(await lookup(again, key), []);
});

test('what one worker stores takes the place of what others have in memory', async (t) => {
  const directory = directoryFor(t);
  const [a, b] = [openAt(directory).store, openAt(directory).store];
  t.after(() => Promise.all([a.close(), b.close()]));
  put(a, 'http://h/1', 'old');
  await a.flushed();
  assert.equal(await textOf(b, 'http://h/1'), 'old');
  assert.equal(b.peek('http://h/1')?.length, 1);
  put(a, 'http://h/1', 'new');
  await a.flushed();
  assert.equal(b.peek('http://h/1'), undefined);
  assert.equal(await textOf(b, 'http://h/1'), 'new');
  assert.equal(a.peek('http://h/1')?.length, 1, 'its own memory stays');
});

test('long content is kept in memory once it is asked for again soon', async (t) => {
  const directory = directoryFor(t);
  const first = openAt(directory).store;
  const content = pattern(MIB);
  const keys = Array.from({ length: 40 }, (_, i) => `http://h/${i}`);
  for (const key of keys) {
    put(first, key, content);
    await first.flushed();
  }
  await first.close();
  const { store } = openAt(directory);
  t.after(() => store.close());
  const read = async (key: string) => {
    const [hit] = await lookup(store, key);
    assert.ok((await contentOf(hit!)).equals(content));
  };
  for (const key of keys) await read(key);
  assert.deepEqual(
    keys.filter((key) => store.peek(key) !== undefined),
    [],
    'asked for once',
  );
  await read(keys[0]!);
  assert.equal(store.peek(keys[0]!), undefined, 'too many others have been asked for since');
  await read(keys[0]!);
  assert.equal(store.peek(keys[0]!)?.length, 1);
  await read(keys[0]!);
});

test('content that memory has no room for is read from disk again and again', async (t) => {
  const directory = directoryFor(t);
  const { store } = openAt(directory, { memoryBytes: 4 * MIB });
  t.after(() => store.close());
  put(store, 'k', pattern(MIB));
  await store.flushed();
  for (let i = 0; i < 4; i++) {
    const [hit] = await lookup(store, 'k');
    assert.ok((await contentOf(hit!)).equals(pattern(MIB)));
    assert.equal(store.peek('k'), undefined);
  }
});

const SELECTORS: readonly [PurgeSelector, left: string[]][] = [
  [{ kind: 'key', key: 'http://a.example/x/1' }, ['2', '3', '4']],
  [{ kind: 'prefix', prefix: 'http://a.example/x/' }, ['3', '4']],
  [{ kind: 'host', host: 'a.example' }, ['4']],
  [{ kind: 'tag', tag: 'news' }, ['2', '4']],
  [{ kind: 'all' }, []],
];

for (const [selector, left] of SELECTORS) {
  for (const soft of [false, true]) {
    test(`a ${soft ? 'soft' : 'hard'} purge by ${selector.kind} outlives a restart`, async (t) => {
      const directory = directoryFor(t);
      const first = openAt(directory).store;
      const keys = ['http://a.example/x/1', 'http://a.example/x/2', 'http://a.example/3'];
      keys.push('http://b.example/4');
      const tags = ['Sport News', '', 'news', 'newspaper'];
      for (const [i, key] of keys.entries()) {
        const lines: Lines = [
          ['surrogate-key', tags[i]!],
          ['cache-control', 'max-age=60'],
        ];
        put(first, key, String(i + 1), lines);
      }
      await first.flushed();
      first.purge(selector, soft, NOW);
      const seen = await untouched(first, keys);
      await first.close();
      const { store } = openAt(directory);
      t.after(() => store.close());
      assert.deepEqual(seen, left);
      assert.deepEqual(await untouched(store, keys), left);
      assert.equal((await lookup(store, keys[0]!)).length, soft ? 1 : 0);
    });
  }
}

async function untouched(store: DiskStore, keys: readonly string[]): Promise<string[]> {
  const texts: string[] = [];
  for (const key of keys) {
    const [hit] = await lookup(store, key);
    if (hit === undefined || hit.response.freshness.lifetimeMs === 0) continue;
    texts.push((await contentOf(hit)).toString());
  }
  return texts;
}

test('a purge beats a fill that had begun before it', async (t) => {
  const { store } = openAt(directoryFor(t));
  t.after(() => store.close());
  for (const length of [10, 2 * MIB]) {
    const writer = store.create('http://h/x', storedOf([], { contentLength: length }))!;
    writer.write(pattern(length));
    store.purge({ kind: 'all' }, false, NOW);
    writer.commit(null);
    await new Promise((resolve) => setTimeout(resolve, 50));
    await store.flushed();
    assert.deepEqual(await lookup(store, 'http://h/x'), []);
  }
});

function segmentFiles(directory: string): string[] {
  const names = readdirSync(join(directory, 'segments'), { recursive: true, encoding: 'utf8' });
  return names
    .filter((name) => name.endsWith('.segment'))
    .map((name) => join(directory, 'segments', name));
}

/** Bytes of everything below a directory, the directories included. */
function diskUsage(directory: string): number {
  const names = readdirSync(directory, { recursive: true, encoding: 'utf8' });
  // A segment may go while others are counted.
  const sizeOf = (name: string) =>
    statSync(join(directory, name), { throwIfNoEntry: false })?.size ?? 0;
  return names.reduce((sum, name) => sum + sizeOf(name), 0);
}

test('the bound on disk is honoured, the oldest go first, and what is used stays', async (t) => {
  const directory = directoryFor(t);
  const capacityBytes = 24 * MIB;
  const { store, faults } = openAt(directory, { capacityBytes, memoryBytes: MIB });
  t.after(() => store.close());
  const content = pattern(60_000);
  put(store, 'hot', content);
  for (let i = 0; i < 900; i++) {
    put(store, `k${i}`, content);
    if (i % 10 !== 0) continue;
    await store.flushed();
    // Out of memory, so that it is read from disk.
    store.memory.drop('hot');
    const [hit] = await lookup(store, 'hot');
    assert.ok(hit !== undefined, `lost after ${i}`);
    assert.ok(diskUsage(directory) <= capacityBytes, `${diskUsage(directory)} bytes after ${i}`);
    assert.ok(store.bytesUsed <= capacityBytes);
  }
  assert.ok(store.space.evictedSegments > 5);
  assert.deepEqual(await lookup(store, 'k0'), []);
  assert.equal((await lookup(store, 'k899')).length, 1);
  assert.deepEqual(faults, []);
});

test('what processes share is allocated before it is mapped: a full device ends nobody', (t) => {
  const directory = directoryFor(t);
  openAt(directory).store[Symbol.dispose]();
  const [name] = readdirSync(directory).filter((each) => each.startsWith('shared-'));
  const { size, blocks } = statSync(join(directory, name!));
  assert.ok(size > 0 && blocks * 512 >= size, `${blocks} blocks for ${size} bytes`);
});

test('large contents are evicted like small ones', async (t) => {
  const directory = directoryFor(t);
  const capacityBytes = 32 * MIB;
  const { store } = openAt(directory, { capacityBytes, memoryBytes: 4 * MIB });
  t.after(() => store.close());
  const content = pattern(3 * MIB);
  for (let i = 0; i < 30; i++) {
    // Room is made as soon as some is missing: who comes too early is told so, and comes again.
    await until(async () => {
      const writer = store.create(`k${i}`, storedOf([], { contentLength: content.length }));
      writer?.write(content);
      writer?.commit(null);
      await store.flushed();
      return (await lookup(store, `k${i}`)).length === 1;
    }, `room for content ${i}`);
    assert.ok(diskUsage(directory) <= capacityBytes, `${diskUsage(directory)} bytes after ${i}`);
  }
  assert.ok(store.space.evictedSegments > 15);
  assert.deepEqual(await lookup(store, 'k0'), []);
  await store.flushed();
  assert.ok((await contentOf((await lookup(store, 'k29'))[0]!)).equals(content));
});

test('damage is reported and the response is fetched anew afterwards', async (t) => {
  for (const damage of ['flip', 'truncate', 'remove'] as const) {
    for (const length of [700, 300_000, 3 * MIB]) {
      const directory = directoryFor(t);
      const content = pattern(length);
      const first = openAt(directory).store;
      put(first, 'k', content);
      await first.close();
      corruptFile(segmentFiles(directory)[0]!, damage, 0.7);
      const { store, faults } = openAt(directory);
      const [hit] = await lookup(store, 'k');
      if (hit !== undefined) await assert.rejects(contentOf(hit), /missing or damaged/);
      assert.equal(faults[0]?.code, 'cache-body-damaged', `${damage} ${length}`);
      await store.flushed();
      assert.deepEqual(await lookup(store, 'k'), []);
      put(store, 'k', content);
      assert.ok((await contentOf((await lookup(store, 'k'))[0]!)).equals(content));
      await store.close();
    }
  }
});

test('a full device is reported; responses are still served, and kept in memory', async (t) => {
  const directory = directoryFor(t);
  const { store, faults } = openAt(directory);
  t.after(() => store.close());
  // The first segments' files are the device that is always full.
  for (let id = 1; id < 40; id++) symlinkSync('/dev/full', store.files.path(id));
  const small = pattern(100);
  put(store, 'k', small);
  await store.flushed();
  await until(() => faults.length > 0, 'the fault to be told');
  assert.equal(faults[0]?.code, 'cache-disk-full');
  assert.ok((await contentOf((await lookup(store, 'k'))[0]!)).equals(small));
  put(store, 'later', small);
  assert.ok((await contentOf((await lookup(store, 'later'))[0]!)).equals(small));
});

test('what another worker invalidates while it arrives is not stored', async (t) => {
  const directory = directoryFor(t);
  const [a, b] = [openAt(directory).store, openAt(directory).store];
  t.after(() => Promise.all([a.close(), b.close()]));
  for (const length of [10, 2 * MIB]) {
    const version = a.versionOf('http://h/x');
    const writer = a.create('http://h/x', storedOf([], { contentLength: length }))!;
    writer.write(pattern(length));
    b.invalidate('http://h/x');
    assert.notEqual(a.versionOf('http://h/x'), version);
    writer.commit(null);
    await a.flushed();
    for (const store of [a, b]) assert.deepEqual(await lookup(store, 'http://h/x'), []);
  }
});

test('a key takes with it what rules and slices have made of it', async (t) => {
  const { store } = openAt(directoryFor(t));
  t.after(() => store.close());
  const keys = ['http://h/x', 'http://h/x\ncookie a=b', 'http://h/x\nslice 3'];
  const removals = [
    () => store.invalidate('http://h/x'),
    () => store.purge({ kind: 'key', key: 'http://h/x' }, false, NOW),
  ];
  for (const remove of removals) {
    for (const key of [...keys, 'http://h/xy']) put(store, key, key);
    await store.flushed();
    for (const key of keys) store.memory.drop(key);
    remove();
    for (const key of keys) assert.deepEqual(await lookup(store, key), []);
    assert.equal(await textOf(store, 'http://h/xy'), 'http://h/xy');
  }
});

test('parts are kept side by side, and outlive a restart; the whole takes their places', async (t) => {
  const directory = directoryFor(t);
  const first = openAt(directory).store;
  const partAt = (from: number, etag: string) =>
    storedOf(
      [
        ['content-range', `bytes ${from}-${from + 1}/9`],
        ['etag', etag],
      ],
      { status: 206, contentLength: 2 },
    );
  for (const from of [0, 4, 2]) {
    const writer = first.create('k', partAt(from, '"a"'))!;
    writer.write(Buffer.from([from, from + 1]));
    writer.commit(null);
  }
  await first.close();
  const { store } = openAt(directory);
  t.after(() => store.close());
  const hits = await lookup(store, 'k');
  assert.deepEqual(hits.map((hit) => hit.response.partial!.first).sort(), [0, 2, 4]);
  for (const hit of hits) {
    const { first: from } = hit.response.partial!;
    assert.deepEqual([...(await contentOf(hit))], [from, from + 1]);
  }
  put(store, 'k', '012345678', [['etag', '"a"']]);
  await store.flushed();
  store.memory.drop('k');
  assert.equal(await textOf(store, 'k'), '012345678');
  assert.equal(store.entryCount, 1);
});

for (const length of [1000, 3 * MIB]) {
  test(`of ${length} bytes that break off, those that came are kept as a part`, async (t) => {
    const directory = directoryFor(t);
    const first = openAt(directory).store;
    const content = pattern(length);
    const cut = Math.floor(length * 0.7);
    for (const [key, lines] of [
      ['strong', [['etag', '"a"']]],
      ['weak', [['etag', 'W/"a"']]],
    ] as const) {
      const writer = first.create(key, storedOf(lines, { contentLength: length }))!;
      const reader = contentOf(writer.hit);
      for (let at = 0; at < cut; at += 50_000) {
        writer.write(content.subarray(at, Math.min(cut, at + 50_000)));
      }
      writer.cut();
      await assert.rejects(reader, /broken off/);
    }
    await first.flushed();
    await first.close();
    const { store, faults } = openAt(directory);
    t.after(() => store.close());
    const [hit] = await lookup(store, 'strong');
    assert.deepEqual(hit!.response.partial, { first: 0, last: cut - 1, completeLength: length });
    assert.ok((await contentOf(hit!)).equals(content.subarray(0, cut)));
    assert.deepEqual(await lookup(store, 'weak'), []);
    assert.deepEqual(faults, []);
  });
}

test('what is stored is listed page by page, by prefix, without what was purged', async (t) => {
  const { store } = openAt(directoryFor(t));
  t.after(() => store.close());
  const keys = Array.from({ length: 12 }, (_, i) => `http://h/${i % 2 === 0 ? 'a' : 'b'}/${i}`);
  for (const key of keys) put(store, key, key);
  await store.flushed();
  store.purge({ kind: 'prefix', prefix: 'http://h/a/10' }, false, NOW);
  const listed = async (prefix: string, limit: number) => {
    const found: string[] = [];
    let after: string | null = '';
    while (after !== null) {
      const query = { prefix, after, limit };
      const page: ListPage = await new Promise((resolve) => store.list(query, resolve));
      assert.ok(page.entries.length <= limit);
      found.push(...page.entries.map((entry) => entry.key));
      after = page.next;
    }
    return found.sort();
  };
  const isOfA = (key: string) => key.startsWith('http://h/a/') && !key.endsWith('10');
  assert.deepEqual(await listed('http://h/a/', 2), keys.filter(isOfA).sort());
  assert.equal((await listed('', 100)).length, 11);
  assert.deepEqual(await listed('http://other/', 5), []);
  assert.deepEqual(store.measure('http://h/a/0'), { responses: 1, bytes: 12 });
});

test('what is pinned outlives others, within a quarter of the room, until its time', async (t) => {
  const directory = directoryFor(t);
  const capacityBytes = 24 * MIB;
  let nowMs = NOW;
  const { store } = openAt(directory, { capacityBytes, memoryBytes: 4 * MIB, now: () => nowMs });
  t.after(() => store.close());
  const pin = (key: string, length: number) => {
    const response = storedOf([], { contentLength: length, policy: { pinMs: 60_000 } });
    const writer = store.create(key, response)!;
    for (let at = 0; at < length; at += 65_536) {
      writer.write(pattern(Math.min(65_536, length - at)));
    }
    writer.commit(null);
  };
  pin('short', 60_000);
  pin('long', 2 * MIB);
  // More than a quarter: some of these have to go.
  for (let i = 0; i < 4; i++) {
    await store.flushed();
    pin(`many ${i}`, 2 * MIB);
  }
  await store.flushed();
  const others = async (name: string) => {
    for (let i = 0; i < 600; i++) {
      put(store, `${name} ${i}`, pattern(60_000));
      if (i % 10 === 0) await store.flushed();
      assert.ok(diskUsage(directory) <= capacityBytes);
    }
    for (const key of ['short', 'long']) store.memory.drop(key);
  };
  const lengthOf = async (key: string) => (await lookup(store, key))[0]?.response.contentLength;
  await others('first');
  assert.equal(await lengthOf('short'), 60_000);
  assert.equal(await lengthOf('long'), 2 * MIB);
  assert.equal(await lengthOf('many 3'), undefined);
  nowMs += 60_001;
  await others('second');
  assert.equal(await lengthOf('short'), undefined);
  assert.equal(await lengthOf('long'), undefined);
});
