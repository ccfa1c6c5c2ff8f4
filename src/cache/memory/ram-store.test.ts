import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Lines, NOW, requestOf, storedOf } from '../../../test/cache/messages.ts';
import { contentOf } from '../../../test/cache/rule-driven-cache.ts';
import fc from '../../../test/support/fast-check.ts';
import type { PurgeSelector, StoredContentReceiver } from '../contract.ts';
import { RamStore } from './ram-store.ts';

const MIB = 1_048_576;

function put(store: RamStore, key: string, content: string, lines: Lines = [], announced = -1) {
  const writer = store.create(key, storedOf(lines, { contentLength: announced }));
  writer?.write(Buffer.from(content));
  writer?.commit(null);
  return writer;
}

function textOf(store: RamStore, key: string): string[] {
  return store.peek(key).map((hit) => Buffer.from(hit.prepared()!.content).toString());
}

test('what was stored is there at once, ready to be sent', () => {
  using store = new RamStore({ capacityBytes: MIB });
  put(store, 'k', 'hello', [['etag', '"a"']]);
  const [hit] = store.peek('k');
  assert.equal(hit!.response.contentLength, 5);
  assert.equal(hit!.prepared(), hit!.prepared());
  assert.equal(hit!.prepared()!.fields.first('etag'), '"a"');
  assert.deepEqual(textOf(store, 'k'), ['hello']);
  assert.deepEqual(store.peek('other'), []);
});

test('a second response for the same variant takes the place of the first', () => {
  using store = new RamStore({ capacityBytes: MIB });
  put(store, 'k', 'old');
  put(store, 'k', 'new');
  assert.deepEqual(textOf(store, 'k'), ['new']);
  assert.equal(store.entryCount, 1);
});

test('variants are kept side by side, up to a bound', () => {
  using store = new RamStore({ capacityBytes: MIB, variantsMax: 2 });
  for (const language of ['en', 'de', 'fr']) {
    const request = requestOf([['foo', language]]);
    const writer = store.create('k', storedOf([['vary', 'foo']], { request, contentLength: -1 }));
    writer!.write(Buffer.from(language));
    writer!.commit(null);
  }
  assert.deepEqual(textOf(store, 'k'), ['fr', 'de']);
});

test('content that ends too early is not stored, and its readers hear of it', () => {
  using store = new RamStore({ capacityBytes: MIB });
  const writer = store.create('k', storedOf([], { contentLength: 10 }))!;
  let failure: Error | null = null;
  writer.hit.open().read(0, {
    onBytes: () => true,
    onEnd: (error) => {
      failure = error;
    },
  });
  writer.write(Buffer.from('short'));
  writer.commit(null);
  assert.match(String(failure), /broken off/);
  assert.deepEqual(store.peek('k'), []);
  assert.equal(store.bytesUsed, 0);
});

test('readers of a fill in progress get all of it, whenever they come', async () => {
  using store = new RamStore({ capacityBytes: 4 * MIB });
  const writer = store.create('k', storedOf([], { contentLength: -1 }))!;
  const early = contentOf(writer.hit);
  writer.write(Buffer.from('one '));
  const middle = contentOf(writer.hit);
  writer.write(Buffer.alloc(200_000, 'x'));
  writer.write(Buffer.from(' two'));
  writer.commit(null);
  const expected = `one ${'x'.repeat(200_000)} two`;
  for (const text of [early, middle, contentOf(writer.hit)]) {
    assert.equal((await text).toString(), expected);
  }
});

test('a reader that pauses gets the rest when it resumes', () => {
  using store = new RamStore({ capacityBytes: MIB });
  const writer = store.create('k', storedOf([], { contentLength: -1 }))!;
  const got: string[] = [];
  const receiver: StoredContentReceiver = {
    onBytes(bytes) {
      got.push(Buffer.from(bytes).toString());
      return false;
    },
    onEnd: () => got.push('end'),
  };
  const reading = writer.hit.open().read(1, receiver);
  writer.write(Buffer.from('abc'));
  writer.write(Buffer.from('def'));
  assert.deepEqual(got, ['bc']);
  writer.commit(null);
  assert.deepEqual(got, ['bc']);
  reading.resume();
  assert.deepEqual(got, ['bc', 'def', 'end']);
});

test('a reader is given as much at once as it asks for', () => {
  using store = new RamStore({ capacityBytes: 16 * MIB });
  const writer = store.create('k', storedOf([], { contentLength: MIB }))!;
  writer.write(Buffer.alloc(MIB));
  writer.commit(null);
  const got: number[] = [];
  let bytesAtOnce: number | undefined;
  const receiver: StoredContentReceiver = {
    get bytesAtOnce() {
      return bytesAtOnce;
    },
    onBytes(bytes) {
      got.push(bytes.length);
      bytesAtOnce = 300_000;
      return got.length < 3;
    },
    onEnd: () => {},
  };
  writer.hit.open().read(0, receiver);
  assert.deepEqual(got, [131_072, 300_000, 300_000]);
});

test('content larger than the bound is given up, announced or not', () => {
  using store = new RamStore({ capacityBytes: MIB, contentBytesMax: 1000 });
  assert.equal(store.create('k', storedOf([], { contentLength: 1001 })), undefined);
  const writer = store.create('k', storedOf([], { contentLength: -1 }))!;
  writer.write(Buffer.alloc(600));
  writer.write(Buffer.alloc(600));
  writer.write(Buffer.alloc(600));
  assert.equal(writer.isDropped, true);
  writer.commit(null);
  assert.deepEqual(store.peek('k'), []);
  assert.equal(store.bytesUsed, 0);
});

test('who reads along gets all of a response that turns out too large to be kept', async () => {
  using store = new RamStore({ capacityBytes: MIB, contentBytesMax: 100_000 });
  const writer = store.create('k', storedOf([], { contentLength: -1 }))!;
  const whole = contentOf(writer.hit);
  for (let i = 0; i < 400; i++) {
    writer.write(Buffer.alloc(10_000, i));
    assert.ok(store.bytesUsed < 300_000, `${store.bytesUsed} bytes`);
  }
  assert.equal(writer.isDropped, true);
  await assert.rejects(contentOf(writer.hit), /no longer held/);
  writer.commit(null);
  const expected = Buffer.concat(Array.from({ length: 400 }, (_, i) => Buffer.alloc(10_000, i)));
  assert.deepEqual(await whole, expected);
  assert.deepEqual(store.peek('k'), []);
  assert.equal(store.bytesUsed, 0);
});

test('a reader that falls far behind a response too large to be kept is cut off', () => {
  using store = new RamStore({ capacityBytes: 16 * MIB, contentBytesMax: 100_000 });
  const writer = store.create('k', storedOf([], { contentLength: -1 }))!;
  let failure: Error | null = null;
  writer.hit.open().read(0, {
    onBytes: () => false,
    onEnd: (error) => {
      failure = error;
    },
  });
  for (let i = 0; i < 60; i++) writer.write(Buffer.alloc(100_000));
  assert.match(String(failure), /fell behind/);
  writer.abort();
  assert.equal(store.bytesUsed, 0);
});

test('an update keeps the content and its place, and fails for what has gone', () => {
  using store = new RamStore({ capacityBytes: MIB });
  put(store, 'k', 'text', [['x', '1']]);
  const previous = store.peek('k')[0]!.response;
  const fresh = storedOf([['x', '2']]);
  assert.equal(store.update('k', previous, fresh)!.response.fields.first('x'), '2');
  assert.deepEqual(textOf(store, 'k'), ['text']);
  assert.equal(store.update('k', previous, fresh), undefined);
});

const PURGES: readonly [PurgeSelector, left: string[]][] = [
  [{ kind: 'key', key: 'http://a.example/x/1' }, ['2', '3', '4']],
  [{ kind: 'prefix', prefix: 'http://a.example/x/' }, ['3', '4']],
  [{ kind: 'host', host: 'A.example' }, ['4']],
  [{ kind: 'tag', tag: 'News' }, ['2', '4']],
  [{ kind: 'all' }, []],
];

for (const [selector, left] of PURGES) {
  for (const soft of [false, true]) {
    test(`a ${soft ? 'soft' : 'hard'} purge by ${selector.kind}`, () => {
      using store = new RamStore({ capacityBytes: MIB });
      const keys = [
        'http://a.example/x/1',
        'http://a.example/x/2',
        'http://a.example:81/3',
        'http://b.example/4',
      ];
      const tags = ['Sport news', '', 'news', 'newspaper'];
      const max = 'max-age=60';
      for (const [i, key] of keys.entries()) {
        const lines: Lines = [
          ['surrogate-key', tags[i]!],
          ['cache-control', max],
        ];
        put(store, key, String(i + 1), lines);
      }
      assert.equal(store.purge(selector, soft, NOW), 4 - left.length);
      const untouched = keys.flatMap((key) =>
        store.peek(key).filter((hit) => hit.response.freshness.lifetimeMs > 0),
      );
      const texts = untouched.map((hit) => Buffer.from(hit.prepared()!.content).toString());
      assert.deepEqual(texts, left);
      assert.equal(store.entryCount, soft ? 4 : left.length);
    });
  }
}

test('the bound on memory is honoured at every moment, fills in progress included', () => {
  const operation = fc.record({
    key: fc.nat({ max: 30 }),
    bytes: fc.nat({ max: 9000 }),
    kind: fc.constantFrom('put', 'announced', 'begin', 'abort', 'use', 'remove'),
  });
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 200 }), (operations) => {
      const capacityBytes = 60_000;
      using store = new RamStore({ capacityBytes, contentBytesMax: 20_000 });
      const open = [];
      for (const { key, bytes, kind } of operations) {
        const name = `k${key}`;
        if (kind === 'put') put(store, name, 'x'.repeat(bytes));
        if (kind === 'announced') put(store, name, 'x'.repeat(bytes), [], bytes);
        if (kind === 'begin') {
          const writer = store.create(name, storedOf([], { contentLength: bytes }));
          if (writer !== undefined) open.push(writer);
        }
        if (kind === 'abort') open.shift()?.abort();
        if (kind === 'use') for (const hit of store.peek(name)) hit.prepared();
        if (kind === 'remove') store.invalidate(name);
        assert.ok(store.bytesUsed <= capacityBytes, `${store.bytesUsed} bytes`);
        assert.ok(store.bytesUsed >= 0);
      }
      for (const writer of open) writer.abort();
      store.purge({ kind: 'all' }, false, NOW);
      assert.equal(store.bytesUsed, 0);
      assert.equal(store.entryCount, 0);
    }),
    { numRuns: 60 },
  );
});

test('what is kept of a response once it is served counts, and may push out others', () => {
  const body = 'x'.repeat(1000);
  using store = new RamStore({ capacityBytes: 100_000 });
  for (let i = 0; i < 100; i++) put(store, `k${i}`, body, [], 1000);
  const before = store.entryCount;
  for (let i = 0; i < 100; i++) for (const hit of [...store.peek(`k${i}`)]) hit.prepared();
  assert.ok(store.entryCount < before, 'others made room');
  assert.ok(store.bytesUsed > 80_000 && store.bytesUsed <= 100_000, `${store.bytesUsed} bytes`);
  const [hit] = Array.from({ length: 100 }, (_, i) => store.peek(`k${i}`)[0]).filter(Boolean);
  const { bytesUsed } = store;
  hit!.prepared();
  assert.equal(store.bytesUsed, bytesUsed, 'once');
});

test('a scan of things used once does not push out what is used', () => {
  using store = new RamStore({ capacityBytes: 200_000 });
  const body = 'x'.repeat(1000);
  for (let i = 0; i < 20; i++) put(store, `hot${i}`, body);
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < 20; i++) for (const hit of store.peek(`hot${i}`)) hit.prepared();
  }
  for (let i = 0; i < 2000; i++) put(store, `scan${i}`, body);
  const left = Array.from({ length: 20 }, (_, i) => store.peek(`hot${i}`).length);
  assert.equal(
    left.reduce((sum, count) => sum + count),
    20,
  );
});

test('what came of a response that breaks off is a part, if the rest can be asked for', async () => {
  using store = new RamStore({ capacityBytes: MIB });
  for (const [key, etag, kept] of [
    ['strong', '"a"', true],
    ['weak', 'W/"a"', false],
  ] as const) {
    const writer = store.create(key, storedOf([['etag', etag]], { contentLength: 10 }))!;
    const reader = contentOf(writer.hit);
    writer.write(Buffer.from('0123'));
    writer.cut();
    await assert.rejects(reader, /broken off/);
    const [hit] = store.peek(key);
    assert.equal(hit !== undefined, kept);
    if (hit === undefined) continue;
    assert.deepEqual(hit.response.partial, { first: 0, last: 3, completeLength: 10 });
    assert.equal((await contentOf(hit)).toString(), '0123');
  }
});

test('what is pinned outlives others, within a quarter of the memory, until its time', () => {
  using store = new RamStore({ capacityBytes: MIB });
  let nowMs = NOW;
  const fill = (key: string, pinMs: number) => {
    const times = { requestTimeMs: nowMs, responseTimeMs: nowMs };
    const response = storedOf([], { contentLength: -1, policy: { pinMs }, ...times });
    const writer = store.create(key, response)!;
    writer.write(Buffer.alloc(50_000));
    writer.commit(null);
  };
  const isThere = (key: string) => store.peek(key).length > 0;
  for (let i = 0; i < 8; i++) fill(`pinned ${i}`, 60_000);
  for (let i = 0; i < 100; i++) fill(`other ${i}`, 0);
  const kept = Array.from({ length: 8 }, (_, i) => isThere(`pinned ${i}`));
  assert.deepEqual(kept.slice(0, 4), [true, true, true, true]);
  assert.equal(kept.filter(Boolean).length, Math.floor(MIB / 4 / 51_000));
  assert.ok(store.bytesUsed <= MIB);
  nowMs += 60_001;
  for (let i = 0; i < 100; i++) fill(`later ${i}`, 0);
  for (let i = 0; i < 8; i++) assert.equal(isThere(`pinned ${i}`), false);
});
