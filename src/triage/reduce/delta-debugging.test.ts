import assert from 'node:assert/strict';
import test from 'node:test';
import fc from '../../../test/support/fast-check.ts';
import { minimalSubset } from './delta-debugging.ts';

const items = Array.from({ length: 12 }, (_, index) => index);

/** It fails when every one of some, or every one of some others, is there. */
const oracle = fc.tuple(fc.subarray(items), fc.subarray(items));

function failsBy([one, other]: readonly (readonly number[])[]) {
  return (kept: readonly number[]) =>
    [one!, other!].some((needed) => needed.every((item) => kept.includes(item)));
}

test('what is left fails, and with any one of it left out it does not', async () => {
  await fc.assert(
    fc.asyncProperty(oracle, async (needed) => {
      const fails = failsBy(needed);
      const { items: found } = await minimalSubset(items, async (kept) => fails(kept));
      assert.ok(fails(found));
      for (const item of found) assert.ok(!fails(found.filter((one) => one !== item)));
    }),
    { numRuns: 300 },
  );
});

test('with one reason, exactly that is left, in its order', async () => {
  await fc.assert(
    fc.asyncProperty(fc.subarray(items), async (needed) => {
      const fails = failsBy([needed, needed]);
      const found = await minimalSubset(items, async (kept) => fails(kept));
      assert.deepEqual(found, { items: needed, unclear: [] });
    }),
    { numRuns: 100 },
  );
});

test('no question is asked twice, and one reason in many is found with few', async () => {
  const many = Array.from({ length: 128 }, (_, index) => index);
  const asked: string[] = [];
  const { items: found } = await minimalSubset(many, async (kept) => {
    assert.ok(kept.length < many.length, 'that all of them fail is known');
    asked.push(kept.join());
    return kept.includes(77);
  });
  assert.deepEqual(found, [77]);
  assert.equal(new Set(asked).size, asked.length);
  assert.ok(asked.length <= 20, `${asked.length} questions`);
});

test('when it fails without any of them, none is left', async () => {
  const none = { items: [], unclear: [] };
  assert.deepEqual(await minimalSubset(items, async () => true), none);
  assert.deepEqual(await minimalSubset([], async () => true), none);
});

test('what cannot be left out is kept, and said to be unclear', async () => {
  await fc.assert(
    fc.asyncProperty(fc.subarray(items), fc.constantFrom(...items), async (needed, stuck) => {
      const fails = failsBy([needed, needed]);
      const answer = (kept: readonly number[]) => (kept.includes(stuck) ? fails(kept) : null);
      const found = await minimalSubset(items, async (kept) => answer(kept));
      assert.deepEqual(
        found.items,
        items.filter((item) => needed.includes(item) || item === stuck),
      );
      assert.deepEqual(found.unclear, [stuck]);
    }),
    { numRuns: 100 },
  );
});

test('an error of the question ends it', async () => {
  const broken = minimalSubset(items, () => Promise.reject(new Error('stopped')));
  await assert.rejects(broken, /stopped/);
});
