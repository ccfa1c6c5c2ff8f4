import assert from 'node:assert/strict';
import test from 'node:test';
import { quantile } from './quantile.ts';

const bounds = [1, 2, 4];

test('a quantile is the bound of the bucket that holds it', () => {
  const counts = [50, 49, 1, 0];
  assert.equal(quantile(counts, bounds, 0.5), 1);
  assert.equal(quantile(counts, bounds, 0.51), 2);
  assert.equal(quantile(counts, bounds, 0.99), 2);
  assert.equal(quantile(counts, bounds, 1), 4);
  // No bucket that nothing is in, whatever the fraction.
  assert.equal(quantile([0, 0, 3, 0], bounds, 0), 4);
});

test('what is beyond the last bound is not said to be within it', () => {
  assert.equal(quantile([0, 0, 0, 5], bounds, 0.5), Number.POSITIVE_INFINITY);
  assert.equal(quantile([98, 0, 0, 2], bounds, 0.99), Number.POSITIVE_INFINITY);
  assert.equal(quantile([99, 0, 0, 1], bounds, 0.99), 1);
});

test('of nothing there is no quantile', () => {
  assert.equal(quantile([0, 0, 0, 0], bounds, 0.5), null);
  assert.equal(quantile([], bounds, 0.5), null);
});
