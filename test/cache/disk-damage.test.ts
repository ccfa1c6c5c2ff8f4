// Invariant: whatever is damaged in a cache directory, an answer has the right bytes or is a miss.
import assert from 'node:assert/strict';
import {
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { StoreHit } from '../../src/cache/contract.ts';
import { DiskStore } from '../../src/cache/disk/disk-store.ts';
import type { StoreFault } from '../../src/cache/disk/faults.ts';
import {
  decodeEntry,
  encodeEntry,
  INDEX_ENTRY_BYTES,
  type IndexEntry,
} from '../../src/cache/disk/index/index-entry.ts';
import { findIndexDamage, readIndexFile } from '../../src/cache/disk/index/index-file.ts';
import { verifyDirectory } from '../../src/cache/disk/index/verify.ts';
import { RECORD_NAME_BYTES } from '../../src/cache/disk/segments/record.ts';
import { NOW, storedOf } from './messages.ts';
import { contentOf } from './rule-driven-cache.ts';

const MIB = 1_048_576;
const SEED = Number(process.env.FUZZ_SEED ?? Date.now() % 1_000_000);
const ROUNDS = process.env.SLUICE_LONG === '1' ? 200 : 3;

/** Lengths of which a flipped bit makes a multiple of a fragment's, and others. */
const LENGTHS = [0, 1, 65_537, 131_073, 131_072, 300_000, 1_310_721, 2_621_440];

function keyOf(i: number): string {
  return `http://h/${i}`;
}

/** Follows from the key alone. */
function bytesOf(i: number): Buffer {
  const bytes = Buffer.alloc(LENGTHS[i % LENGTHS.length]!);
  for (let at = 0; at < bytes.length; at++) bytes[at] = (at * 7 + (at >> 8) + i * 31) & 0xff;
  return bytes;
}

function openAt(directory: string) {
  const faults: StoreFault[] = [];
  const store = DiskStore.open({
    directory,
    capacityBytes: 64 * MIB,
    memoryBytes: 8 * MIB,
    onFault: (fault) => faults.push(fault),
    now: () => NOW,
  });
  return { store, faults };
}

function lookup(store: DiskStore, key: string): Promise<readonly StoreHit[]> {
  return new Promise((resolve) => store.lookup(key, resolve));
}

/** A directory with two responses of each length; the last is purged. */
async function filled(t: TestContext): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'disk-damage-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const { store } = openAt(directory);
  for (let i = 0; i < 2 * LENGTHS.length; i++) {
    const content = bytesOf(i);
    const writer = store.create(keyOf(i), storedOf([['x-key', keyOf(i)]], { contentLength: -1 }))!;
    for (let at = 0; at < content.length; at += 50_000)
      writer.write(content.subarray(at, at + 50_000));
    writer.commit(null);
    await store.flushed();
  }
  store.purge({ kind: 'prefix', prefix: keyOf(2 * LENGTHS.length - 1) }, false, NOW);
  await store.close();
  return directory;
}

const PURGED = 2 * LENGTHS.length - 1;

/** Reads all that is stored; asserts that it is right, and returns how many were hits. */
async function readAll(directory: string, what: string): Promise<number> {
  const { store } = openAt(directory);
  let hits = 0;
  try {
    for (let i = 0; i <= PURGED; i++) {
      const [hit] = await lookup(store, keyOf(i));
      if (hit === undefined) continue;
      assert.notEqual(i, PURGED, `${what}: what was purged has come back`);
      assert.equal(hit.response.fields.first('x-key'), keyOf(i), what);
      assert.equal(hit.response.status, 200, what);
      assert.equal(hit.response.contentLength, bytesOf(i).length, `${what}: another length`);
      // Content that breaks off with an error is no wrong byte: the rest is asked for.
      const content = await contentOf(hit).catch(() => null);
      if (content === null) continue;
      assert.ok(content.equals(bytesOf(i)), `${what}: wrong bytes`);
      hits++;
    }
  } finally {
    await store.close();
  }
  return hits;
}

test('any bit that changes in an entry of the index is noticed', () => {
  const entry: IndexEntry = {
    name: Buffer.alloc(RECORD_NAME_BYTES, 5),
    headSegment: 3,
    headOffset: 65_536,
    headLength: 300,
    contentSegment: 3,
    contentOffset: 65_836,
    contentLength: 131_073,
    seed: 0x1234_5678,
    purgeSequence: 7,
    markedStaleMs: NOW,
    pinnedUntilMs: NOW + 1000,
  };
  const bytes = encodeEntry(entry);
  assert.deepEqual(decodeEntry(entry.name, bytes), entry);
  for (let bit = 0; bit < INDEX_ENTRY_BYTES * 8; bit++) {
    const damaged = Buffer.from(bytes);
    damaged[bit >> 3]! ^= 1 << (bit & 7);
    assert.equal(decodeEntry(entry.name, damaged), undefined, `bit ${bit}`);
  }
  for (let bit = 0; bit < RECORD_NAME_BYTES * 8; bit++) {
    const name = Buffer.from(entry.name);
    name[bit >> 3]! ^= 1 << (bit & 7);
    assert.equal(decodeEntry(name, bytes), undefined, `bit ${bit} of the name`);
  }
});

test('a content that an intact entry says to end elsewhere is damaged, at any fragment', async (t) => {
  const directory = await filled(t);
  const { store } = openAt(directory);
  t.after(() => store.close());
  const { keyHash } = await import('../../src/cache/disk/segments/record.ts');
  for (const i of [3, 4, 6, 7]) {
    const [entry] = store.index.entriesOf(keyHash(keyOf(i)));
    for (const length of [65_536, 131_072, entry!.contentLength + 65_536]) {
      if (length === entry!.contentLength) continue;
      await store.index.put({ ...entry!, contentLength: length });
      const [hit] = await lookup(store, keyOf(i));
      const content = hit === undefined ? null : await contentOf(hit).catch(() => null);
      assert.equal(content, null, `${entry!.contentLength} bytes told to be ${length}`);
    }
  }
});

test('every bit of every entry in the file: the right bytes or a miss, and verify tells', async (t) => {
  const directory = await filled(t);
  const path = join(directory, 'index', 'data.mdb');
  const whole = readFileSync(path);
  const values: Buffer[] = [];
  readIndexFile(path, { objects: (_, value) => values.push(Buffer.from(value)) });
  assert.equal(values.length, PURGED + 1);
  assert.deepEqual(verifyDirectory(directory).damaged, []);
  const entry = values[3]!;
  const places: number[] = [];
  for (let at = whole.indexOf(entry); at !== -1; at = whole.indexOf(entry, at + 1)) places.push(at);
  assert.ok(places.length > 0);
  for (let bit = 0; bit < INDEX_ENTRY_BYTES * 8; bit += 11) {
    const damaged = Buffer.from(whole);
    for (const at of places) damaged[at + (bit >> 3)]! ^= 1 << (bit & 7);
    writeFileSync(path, damaged);
    assert.match(verifyDirectory(directory).damaged[0]?.what ?? '', /entry .* damaged/);
    if (bit % 5 === 0) await readAll(directory, `bit ${bit}`);
  }
});

function filesIn(directory: string, isMeant: (path: string) => boolean): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .map((name) => join(directory, name))
    .filter((path) => statSync(path).isFile() && statSync(path).size > 0 && isMeant(path));
}

/** A generator of numbers from 0 to `below` - 1; the same for the same seed. */
function randomOf(seed: number): (below: number) => number {
  let state = seed | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

const DAMAGES: Record<string, (bytes: Buffer, random: (below: number) => number) => Buffer> = {
  'a bit': (bytes, random) => flipped(bytes, random, 1),
  '10 bits': (bytes, random) => flipped(bytes, random, 10),
  '1,000 bits': (bytes, random) => flipped(bytes, random, 1_000),
  'a page of zeros': (bytes, random) => {
    const at = random(Math.ceil(bytes.length / 4_096)) * 4_096;
    return Buffer.from(bytes).fill(0, at, Math.min(bytes.length, at + 4_096));
  },
  'a page of anything': (bytes, random) => {
    const damaged = Buffer.from(bytes);
    const at = random(Math.ceil(bytes.length / 4_096)) * 4_096;
    for (let i = at; i < Math.min(at + 4_096, bytes.length); i++) damaged[i] = random(256);
    return damaged;
  },
  'a cut': (bytes, random) => bytes.subarray(0, random(bytes.length)),
};

function flipped(bytes: Buffer, random: (below: number) => number, count: number): Buffer {
  const damaged = Buffer.from(bytes);
  for (let i = 0; i < count; i++) damaged[random(bytes.length)]! ^= 1 << random(8);
  return damaged;
}

test('random damage to the index: the right bytes, a miss, or a new cache', async (t) => {
  t.diagnostic(`FUZZ_SEED=${SEED}`);
  const random = randomOf(SEED);
  const original = await filled(t);
  const directory = `${original}-copy`;
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const index = readFileSync(join(original, 'index', 'data.mdb'));
  let anew = 0;
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, damage] of Object.entries(DAMAGES)) {
      rmSync(directory, { recursive: true, force: true });
      cpSync(original, directory, { recursive: true });
      writeFileSync(join(directory, 'index', 'data.mdb'), damage(index, random));
      const isUseless = findIndexDamage(directory) !== null;
      const hits = await readAll(directory, `seed ${SEED}, round ${round}: ${name}`);
      if (isUseless) assert.equal(hits, 0);
      if (isUseless) anew++;
    }
  }
  assert.ok(anew >= ROUNDS, 'most damage is seen before the index is opened');
});

test('random damage to segments: the right bytes or a miss', async (t) => {
  t.diagnostic(`FUZZ_SEED=${SEED}`);
  const random = randomOf(SEED);
  const original = await filled(t);
  const directory = `${original}-copy`;
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  for (let round = 0; round < Math.ceil(ROUNDS / 4); round++) {
    for (const [name, damage] of Object.entries(DAMAGES)) {
      rmSync(directory, { recursive: true, force: true });
      cpSync(original, directory, { recursive: true });
      for (const path of filesIn(directory, (path) => path.endsWith('.segment'))) {
        writeFileSync(path, damage(readFileSync(path), random));
      }
      await readAll(directory, `seed ${SEED}, round ${round}: ${name}`);
    }
  }
});

test('a purge that the index has lost takes everything with it that may have been meant', async (t) => {
  const directory = await filled(t);
  const path = join(directory, 'index', 'data.mdb');
  const bytes = readFileSync(path);
  const text = Buffer.from('"selector":{"kind":"prefix"');
  let count = 0;
  for (let at = bytes.indexOf(text); at !== -1; at = bytes.indexOf(text, at + 1)) {
    bytes[at + 3]! ^= 1;
    count++;
  }
  assert.ok(count > 0);
  writeFileSync(path, bytes);
  assert.equal(findIndexDamage(directory), null, 'the tree is whole');
  assert.equal(await readAll(directory, 'a damaged purge'), 0);
});

test('a cache of another version is put aside, and so is what is left of one', async (t) => {
  const directory = await filled(t);
  assert.equal(await readAll(directory, 'as it was'), PURGED);
  writeFileSync(join(directory, 'format'), 'sluice cache 3 0011223344556677\n');
  assert.equal(await readAll(directory, 'of another version'), 0);
  assert.match(
    readFileSync(join(directory, 'format'), 'latin1'),
    /^sluice cache 5 [0-9a-f]{16}\n$/,
  );
});
