import assert from 'node:assert/strict';
import { test } from 'node:test';
import { storedOf } from '../../test/cache/messages.ts';
import { CollapseTable, type InFlightFetch, type Joined, type Waiter } from './collapse.ts';
import type { StoreHit } from './contract.ts';

const hit: StoreHit = {
  response: storedOf([]),
  prepared: () => null,
  open: () => {
    throw new Error('not read here');
  },
};

/** A waiter that notes what it was told. */
function waiterThatNotes(notes: string[], name: string): Waiter {
  return {
    onResponse: () => notes.push(`${name} response`),
    onRelease: (reason) => notes.push(`${name} ${reason}`),
  };
}

function fetchOf(joined: Joined): InFlightFetch {
  assert.ok('inFlight' in joined);
  return joined.inFlight;
}

test('the first request fetches, others wait and share its response', () => {
  const table = new CollapseTable();
  const notes: string[] = [];
  const leader = table.join('k', waiterThatNotes(notes, 'a'), 0, 0);
  assert.equal(leader.role, 'leader');
  assert.equal(table.join('k', waiterThatNotes(notes, 'b'), 0, 0).role, 'waiter');
  assert.equal(table.join('other', waiterThatNotes(notes, 'c'), 0, 0).role, 'leader');
  assert.equal(table.waiterCount, 1);
  fetchOf(leader).share(hit);
  assert.deepEqual(notes, ['b response']);
  // Who comes while the content arrives reads along at once.
  assert.equal(table.join('k', waiterThatNotes(notes, 'd'), 0, 0).role, 'reader');
  fetchOf(leader).end();
  assert.equal(table.join('k', waiterThatNotes(notes, 'e'), 0, 0).role, 'leader');
  assert.equal(table.waiterCount, 0);
});

test('an uncacheable response lets all go at once, and the next request fetches anew', () => {
  const table = new CollapseTable();
  const notes: string[] = [];
  const inFlight = fetchOf(table.join('k', waiterThatNotes(notes, 'a'), 0, 0));
  table.join('k', waiterThatNotes(notes, 'b'), 0, 0);
  table.join('k', waiterThatNotes(notes, 'c'), 0, 0);
  inFlight.release('uncacheable');
  inFlight.end();
  assert.deepEqual(notes, ['b uncacheable', 'c uncacheable']);
  assert.equal(table.size, 0);
});

test('a fetch that fails before its head releases those who wait', () => {
  const table = new CollapseTable();
  const notes: string[] = [];
  const inFlight = fetchOf(table.join('k', waiterThatNotes(notes, 'a'), 0, 0));
  table.join('k', waiterThatNotes(notes, 'b'), 0, 0);
  inFlight.end();
  assert.deepEqual(notes, ['b failed']);
});

test('who waits too long goes alone; who leaves is told nothing', () => {
  const table = new CollapseTable({ waitersMax: 10, waitMs: 100 });
  const notes: string[] = [];
  const inFlight = fetchOf(table.join('k', waiterThatNotes(notes, 'a'), 0, 0));
  const gone = waiterThatNotes(notes, 'b');
  table.join('k', gone, 0, 0);
  table.join('k', waiterThatNotes(notes, 'c'), 10, 0);
  table.join('k', waiterThatNotes(notes, 'd'), 50, 0);
  inFlight.leave(gone);
  table.expire(110);
  assert.deepEqual(notes, ['c timeout']);
  inFlight.share(hit);
  assert.deepEqual(notes, ['c timeout', 'd response']);
  assert.equal(table.waiterCount, 0);
});

test('the number of those who wait for one key is bounded', () => {
  const table = new CollapseTable({ waitersMax: 1, waitMs: 100 });
  const notes: string[] = [];
  const roles = ['a', 'b', 'c'].map(
    (name) => table.join('k', waiterThatNotes(notes, name), 0, 0).role,
  );
  assert.deepEqual(roles, ['leader', 'waiter', 'alone']);
});

test('a fetch from before a removal is not joined', () => {
  const table = new CollapseTable();
  const notes: string[] = [];
  const before = fetchOf(table.join('k', waiterThatNotes(notes, 'a'), 0, 1));
  table.join('k', waiterThatNotes(notes, 'b'), 0, 1);
  const after = table.join('k', waiterThatNotes(notes, 'c'), 0, 2);
  assert.equal(after.role, 'leader');
  assert.deepEqual(notes, ['b uncacheable']);
  before.share(hit);
  assert.equal(table.join('k', waiterThatNotes(notes, 'd'), 0, 2).role, 'waiter');
});
