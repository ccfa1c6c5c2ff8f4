import assert from 'node:assert/strict';
import test from 'node:test';
import { BoundedMap, MAP_ENTRY_BYTES } from './bounded-map.ts';

test('the bound is of bytes: what was put in longest ago makes room, and only so much of it', () => {
  const map = new BoundedMap<number>(16 * (MAP_ENTRY_BYTES + 20));
  for (let i = 0; i < 100; i++) map.set(`key ${i}`.padEnd(10), i);
  assert.equal(map.size, 16);
  assert.equal(map.get('key 83'.padEnd(10)), undefined);
  assert.equal(map.get('key 84'.padEnd(10)), 84);
  map.set('key 84'.padEnd(10), 0);
  map.set('another one', 1);
  assert.equal(map.get('key 84'.padEnd(10)), 0, 'put in again, it is the newest');
  assert.equal(map.get('key 85'.padEnd(10)), undefined);
  map.delete('another one');
  assert.equal(map.bytes, map.size * (MAP_ENTRY_BYTES + 20));
});

test('a key that would push out many others is not kept', () => {
  const map = new BoundedMap<number>(16_384);
  map.set('a', 1);
  map.set('b'.repeat(16_384), 2);
  assert.deepEqual([...map.entries()], [['a', 1]]);
  map.set('c'.repeat(1_000), 3);
  map.set('c'.repeat(1_000), 4);
  assert.equal(map.bytes, 2 * MAP_ENTRY_BYTES + 2 * 1_001);
});

test('characters beyond latin1 are kept as they are', () => {
  const map = new BoundedMap<number>(16_384);
  for (const key of ['\u20ac \ud83d\ude00 \ud800', '\xff\0']) {
    map.set(key, 1);
    assert.equal(map.get(key), 1);
    assert.ok([...map.entries()].some(([kept]) => kept === key));
  }
});
