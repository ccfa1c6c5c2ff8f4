import assert from 'node:assert/strict';
import test from 'node:test';
import { INVALIDATION_EPOCHS_BYTES, InvalidationEpochs } from './invalidation-epochs.ts';

const KEY = 'http://h/a';

/** Another key on the counter of KEY. */
function neighbour(epochs: InvalidationEpochs): string {
  for (let i = 0; ; i++) {
    const key = `http://h/other/${i}`;
    if (epochs.placeOf(key) === epochs.placeOf(KEY)) return key;
  }
}

test('who shares the memory sees what is removed, and takes no neighbour for it', () => {
  const words = new Int32Array(INVALIDATION_EPOCHS_BYTES / 4);
  const [one, other] = [new InvalidationEpochs(words), new InvalidationEpochs(words)];
  const before = other.changesOf(KEY);
  const version = other.versionOf(KEY);
  assert.equal(other.mayHaveChanged(KEY, before), false);
  one.noteTarget(neighbour(one));
  assert.notEqual(other.changesOf(KEY), before);
  assert.equal(other.mayHaveChanged(KEY, before), false);
  one.noteStale(KEY);
  assert.equal(other.mayHaveChanged(KEY, before), false, 'stale is not removed');
  assert.notEqual(other.versionOf(KEY), version);
  one.noteTarget(KEY);
  assert.equal(other.mayHaveChanged(`${KEY}\nslice 65536 0`, before), true, 'and all made of it');
  assert.equal(other.mayHaveChanged(KEY, other.changesOf(KEY)), false, 'what came after is right');
});

test('a replacement concerns memory, and not what is being fetched', () => {
  const epochs = new InvalidationEpochs();
  const [changes, version] = [epochs.changesOf(KEY), epochs.versionOf(KEY)];
  epochs.noteReplaced(KEY);
  assert.equal(epochs.mayHaveChanged(KEY, changes), true);
  assert.equal(epochs.versionOf(KEY), version);
});

test('when too much has happened to be told, a key counts as removed', () => {
  const epochs = new InvalidationEpochs();
  const before = epochs.changesOf(KEY);
  const key = neighbour(epochs);
  for (let i = 0; i < 4; i++) epochs.noteTarget(key);
  assert.equal(epochs.mayHaveChanged(KEY, before), false);
  epochs.noteTarget(key);
  assert.equal(epochs.mayHaveChanged(KEY, before), true);
});

test('without the memory of others it goes on with what it has counted', () => {
  const words = new Int32Array(INVALIDATION_EPOCHS_BYTES / 4);
  const epochs = new InvalidationEpochs(words);
  epochs.noteTarget(KEY);
  const before = epochs.versionOf(KEY);
  epochs.detach();
  words.fill(0);
  assert.equal(epochs.versionOf(KEY), before);
});
