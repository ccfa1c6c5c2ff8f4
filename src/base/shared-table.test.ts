import assert from 'node:assert/strict';
import test from 'node:test';
import { Worker } from 'node:worker_threads';
import { KEPT, SharedTable, sharedTableWords, type TableShape } from './shared-table.ts';

const SHAPE: TableShape = { places: 16, words: 4, probes: 4 };
const VALUE = 2;

/** As two processes see one memory. */
function tables(worthOf?: (words: Int32Array, at: number) => number) {
  const words = new Int32Array(new SharedArrayBuffer(4 * sharedTableWords(SHAPE)));
  const open = () => new SharedTable(words, SHAPE, (at) => worthOf?.(words, at) ?? KEPT);
  return [open(), open()] as const;
}

/** Gives a key a place with a value; whether there was room. */
function put(table: SharedTable, hash: number, key: number, value = 0): boolean {
  const at = table.take(hash, key, key);
  if (at === -1) return false;
  table.words[at + VALUE] = value;
  table.complete(at, key);
  return true;
}

test('what one process puts in the others find, and only under its key', () => {
  const [a, b] = tables();
  assert.equal(b.find(3, 7, 7), -1);
  put(a, 3, 7, 42);
  assert.equal(b.words[b.find(3, 7, 7) + VALUE], 42);
  assert.equal(b.find(3, 7, 8), -1, 'the other half counts as well');
  assert.equal(b.find(3, 8, 7), -1);
  assert.equal(b.take(3, 7, 7), b.find(3, 7, 7));
  assert.equal(b.isNew, false);
});

test('keys of one place lie beside one another, also across the end of the table', () => {
  const [a, b] = tables();
  const keys = [1, 2, 3, 4];
  for (const key of keys) assert.equal(put(a, 15, key, key * 10), true);
  assert.deepEqual(
    keys.map((key) => b.words[b.find(15, key, key) + VALUE]),
    [10, 20, 30, 40],
  );
  assert.equal(put(b, 15, 5), false, 'there is no room for more');
  assert.equal(a.find(15, 5, 5), -1);
});

test('where all is taken, what is worth least makes room, unless it is to be kept', () => {
  const [a, b] = tables((words, at) => words[at + VALUE] || KEPT);
  for (const [key, value] of [
    [1, 30],
    [2, 10],
    [3, 0],
    [4, 20],
  ] as const) {
    put(a, 5, key, value);
  }
  assert.equal(put(b, 5, 9), true);
  assert.equal(a.find(5, 2, 2), -1);
  for (const key of [1, 3, 4, 9]) assert.notEqual(a.find(5, key, key), -1);
});

test('a place whose key is half written is in doubt the same', () => {
  const [a, b] = tables();
  const at = a.take(1, 7, 7);
  assert.equal(a.isNew, true);
  assert.equal(b.find(1, 7, 99), at);
  a.complete(at, 7);
  assert.equal(b.find(1, 7, 99), -1);
});

test('a place is claimed by one, who must know what was in it', () => {
  const [a, b] = tables();
  const at = a.at(4, 0);
  assert.equal(a.claim(at, 0, 11), true);
  assert.equal(b.claim(at, 0, 12), false);
  assert.equal(b.claim(at, 11, 12), true);
});

/** Takes every key of a table in its own order, and says how many were new. */
const RACER = `
const { parentPort, workerData } = require('node:worker_threads');
import(workerData.module).then(({ SharedTable }) => {
  const { buffer, shape, keys, gate } = workerData;
  const table = new SharedTable(new Int32Array(buffer), shape);
  Atomics.add(new Int32Array(gate), 0, 1);
  while (Atomics.load(new Int32Array(gate), 0) < 2);
  let taken = 0;
  for (let key = 1; key <= keys; key++) {
    const at = table.take(key, key, key);
    if (table.isNew) taken++;
    table.complete(at, key);
  }
  parentPort.postMessage(taken);
});`;

test('of two that want a place for one key at the same time, one gets it', async () => {
  const shape = { places: 65_536, words: 2, probes: 64 };
  const keys = 30_000;
  const workerData = {
    ...{ shape, keys },
    module: new URL('./shared-table.ts', import.meta.url).href,
    buffer: new SharedArrayBuffer(4 * sharedTableWords(shape)),
    gate: new SharedArrayBuffer(4),
  };
  const counts = [1, 2].map(() => {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    new Worker(RACER, { eval: true, workerData }).once('message', resolve).once('error', reject);
    return promise;
  });
  const [first, second] = await Promise.all(counts);
  assert.equal(first! + second!, keys);
});
