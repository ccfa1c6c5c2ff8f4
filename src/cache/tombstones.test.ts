import assert from 'node:assert/strict';
import test from 'node:test';
import { TOMBSTONES_BYTES, Tombstones, tombstoneMemory } from './tombstones.ts';

const KEY = 'http://h/a';

test('who shares the memory knows at once what is removed, and only of what was asked for before', () => {
  let nowMs = 1_000_000;
  const buffer = new ArrayBuffer(TOMBSTONES_BYTES);
  const [one, other] = [0, 1].map(() => new Tombstones(tombstoneMemory(buffer, 0), () => nowMs));
  assert.equal(other!.isRemoved(KEY, nowMs), false);
  one!.note(KEY);
  assert.equal(other!.isRemoved(KEY, nowMs), true, 'asked for in the same millisecond');
  assert.equal(other!.isRemoved(KEY, nowMs - 5_000), true);
  assert.equal(other!.isRemoved('http://h/b', nowMs - 5_000), false);
  assert.equal(other!.isRemoved(KEY, nowMs + 1), false, 'asked for after it');
  nowMs += 60_000;
  assert.equal(other!.isRemoved(KEY, 0), false, 'by now the index knows');
});

test('a clock that was set back does not make everything look removed', () => {
  let nowMs = 1_000_000;
  const tombstones = new Tombstones(
    tombstoneMemory(new ArrayBuffer(TOMBSTONES_BYTES), 0),
    () => nowMs,
  );
  tombstones.note(KEY);
  nowMs -= 3_600_000;
  assert.equal(tombstones.isRemoved(KEY, nowMs), false);
});

test('without the memory of others it has one of its own', () => {
  const tombstones = new Tombstones(
    tombstoneMemory(new ArrayBuffer(TOMBSTONES_BYTES), 0),
    () => 1_000,
  );
  tombstones.note(KEY);
  tombstones.detach();
  assert.equal(tombstones.isRemoved(KEY, 0), false);
  tombstones.note(KEY);
  assert.equal(tombstones.isRemoved(KEY, 0), true);
});
