import assert from 'node:assert/strict';
import test from 'node:test';
import { GENERATIONS_BYTES, Generations } from './generations.ts';

const KEY = 'http://h/a';

/** Another key on the counter of KEY. */
function neighbour(generations: Generations): string {
  for (let i = 0; ; i++) {
    const key = `http://h/other/${i}`;
    if (generations.placeOf(key) === generations.placeOf(KEY)) return key;
  }
}

test('who shares the memory sees what is removed, and takes no neighbour for it', () => {
  const words = new Int32Array(GENERATIONS_BYTES / 4);
  const [one, other] = [new Generations(words), new Generations(words)];
  const before = other.changesOf(KEY);
  const stamp = other.stampOf(KEY);
  assert.equal(other.mayHaveChanged(KEY, before), false);
  one.noteTarget(neighbour(one));
  assert.notEqual(other.changesOf(KEY), before);
  assert.equal(other.mayHaveChanged(KEY, before), false);
  one.noteStale(KEY);
  assert.equal(other.mayHaveChanged(KEY, before), false, 'stale is not removed');
  assert.notEqual(other.stampOf(KEY), stamp);
  one.noteTarget(KEY);
  assert.equal(other.mayHaveChanged(`${KEY}\nslice 65536 0`, before), true, 'and all made of it');
  assert.equal(other.mayHaveChanged(KEY, other.changesOf(KEY)), false, 'what came after is right');
});

test('a replacement concerns memory, and not what is being fetched', () => {
  const generations = new Generations();
  const [changes, stamp] = [generations.changesOf(KEY), generations.stampOf(KEY)];
  generations.noteReplaced(KEY);
  assert.equal(generations.mayHaveChanged(KEY, changes), true);
  assert.equal(generations.stampOf(KEY), stamp);
});

test('when too much has happened to be told, a key counts as removed', () => {
  const generations = new Generations();
  const before = generations.changesOf(KEY);
  const key = neighbour(generations);
  for (let i = 0; i < 4; i++) generations.noteTarget(key);
  assert.equal(generations.mayHaveChanged(KEY, before), false);
  generations.noteTarget(key);
  assert.equal(generations.mayHaveChanged(KEY, before), true);
});

test('without the memory of others it goes on with what it has counted', () => {
  const words = new Int32Array(GENERATIONS_BYTES / 4);
  const generations = new Generations(words);
  generations.noteTarget(KEY);
  const before = generations.stampOf(KEY);
  generations.detach();
  words.fill(0);
  assert.equal(generations.stampOf(KEY), before);
});
