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
  const before = other.ofTarget(KEY);
  assert.equal(other.mayBeRemoved(KEY, before), false);
  one.noteTarget(neighbour(one));
  assert.notEqual(other.ofTarget(KEY), before);
  assert.equal(other.mayBeRemoved(KEY, before), false);
  one.noteStale(KEY);
  assert.equal(other.mayBeRemoved(KEY, before), false, 'stale is not removed');
  one.noteTarget(KEY);
  assert.equal(other.mayBeRemoved(`${KEY}\nslice 65536 0`, before), true, 'and all made of it');
  assert.equal(other.mayBeRemoved(KEY, other.ofTarget(KEY)), false, 'what came after it is right');
});

test('when too much has happened to be told, a key counts as removed', () => {
  const generations = new Generations();
  const before = generations.ofTarget(KEY);
  const key = neighbour(generations);
  for (let i = 0; i < 4; i++) generations.noteTarget(key);
  assert.equal(generations.mayBeRemoved(KEY, before), false);
  generations.noteTarget(key);
  assert.equal(generations.mayBeRemoved(KEY, before), true);
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
