import assert from 'node:assert/strict';
import test from 'node:test';
import { type ContentLimits, ContentWatch, noContentLimits } from './content-watch.ts';

const limits = {
  contentGraceMs: 20_000,
  contentBytesPerSecondMin: 500,
  contentTotalTimeoutMs: 100_000,
};

/** Seconds until it is too slow, at so many bytes a second; -1 when it never is. */
function secondsAt(
  rate: number,
  isExpected: (second: number) => boolean = () => true,
  asked: ContentLimits = limits,
): number {
  const watch = new ContentWatch();
  for (let second = 0; second < 300; second++) {
    watch.look(second * 1000, isExpected(second), rate);
    if (watch.isTooSlow(asked)) return second;
  }
  return -1;
}

test('a byte now and then ends with the grace', () => {
  assert.equal(secondsAt(0.1), 21);
});

test('whoever keeps the least rate goes on, up to the total', () => {
  assert.equal(secondsAt(500), 100);
  assert.equal(secondsAt(1_000_000), 100);
  // Half of the rate: what came in the grace helps for so long.
  assert.equal(secondsAt(250), 42);
});

test('time for which nothing is read is not counted', () => {
  assert.equal(
    secondsAt(0, () => false),
    -1,
  );
  assert.ok(secondsAt(0.1, (second) => second % 20 < 10) > 30);
});

test('request-body off: whoever is not silent goes on', () => {
  assert.equal(
    secondsAt(0.1, () => true, noContentLimits),
    -1,
  );
});

test('each request has a time of its own', () => {
  const watch = new ContentWatch();
  watch.look(0, true, 0);
  watch.look(30_000, true, 0);
  assert.ok(watch.isTooSlow(limits));
  watch.reset();
  watch.look(31_000, true, 0);
  assert.ok(!watch.isTooSlow(limits));
});
