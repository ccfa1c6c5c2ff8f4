import assert from 'node:assert/strict';
import test from 'node:test';
import { SHARED_HEALTH_ENTRIES, SharedHealth, sharedHealthWords } from './shared-health.ts';

function tables() {
  const state = { seconds: 1_000_000 };
  const words = new Int32Array(sharedHealthWords);
  const open = () => new SharedHealth(words, () => state.seconds);
  return { state, first: open(), second: open() };
}

test('what one worker writes, the others read, for each group and server apart', () => {
  const { first, second } = tables();
  assert.equal(second.isWell('app', '10.0.0.1:80'), true);
  assert.equal(second.adminStateOf('app', 'a:80'), 'up');
  first.setWell('app', '10.0.0.1:80', false);
  first.setAdminState('app', 'a:80', 'drain');
  assert.equal(second.isWell('app', '10.0.0.1:80'), false);
  assert.equal(second.adminStateOf('app', 'a:80'), 'drain');
  assert.equal(second.isWell('other', '10.0.0.1:80'), true);
  assert.equal(second.adminStateOf('app', 'b:80'), 'up');
  second.setAdminState('app', 'a:80', 'up');
  assert.equal(first.adminStateOf('app', 'a:80'), 'up');
});

test('a group’s checks are made by one, and by another when that one has gone', () => {
  const { state, first, second } = tables();
  assert.equal(first.takeTurn('app', 0, 3), true);
  assert.equal(second.takeTurn('app', 1, 3), false);
  assert.equal(second.takeTurn('other', 1, 3), true, 'each group has its own');
  state.seconds += 3;
  assert.equal(first.takeTurn('app', 0, 3), true, 'it has asked again');
  state.seconds += 3;
  assert.equal(second.takeTurn('app', 1, 3), false);
  state.seconds += 1;
  assert.equal(second.takeTurn('app', 1, 3), true, 'silent for too long');
  assert.equal(first.takeTurn('app', 0, 3), false);
});

test('a full table says what is so without it, and what is old makes room', () => {
  const { state, first } = tables();
  for (let i = 0; i < SHARED_HEALTH_ENTRIES * 2; i++) first.setWell('app', `10.0.0.1:${i}`, false);
  state.seconds += 10_000;
  first.setWell('app', 'new:1', false);
  assert.equal(first.isWell('app', 'new:1'), false);
});

test('that a server answers one worker is news to the others, for a moment', () => {
  const { state, first, second } = tables();
  assert.equal(second.succeedsElsewhere('app', 'a:80'), false);
  first.noteSuccess('app', 'a:80');
  assert.equal(second.succeedsElsewhere('app', 'a:80'), true);
  assert.equal(second.succeedsElsewhere('app', 'b:80'), false);
  state.seconds += 3;
  assert.equal(second.succeedsElsewhere('app', 'a:80'), false);
});
