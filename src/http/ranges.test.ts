import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from '../../test/support/fast-check.ts';
import { parseRange, RANGES_MAX, resolveRanges } from './ranges.ts';

test('ranges from both ends, and suffixes', () => {
  assert.deepEqual(parseRange('bytes=0-4, 10-, -5'), [
    { first: 0, last: 4 },
    { first: 10, last: Number.POSITIVE_INFINITY },
    { suffix: 5 },
  ]);
  assert.deepEqual(parseRange('BYTES=0-0'), [{ first: 0, last: 0 }]);
  assert.deepEqual(parseRange('bytes=,,0-0,'), [{ first: 0, last: 0 }]);
});

test('what is invalid, or in another unit, is ignored (RFC 9110 §14.2)', () => {
  for (const value of [
    '',
    'bytes',
    'bytes=',
    'bytes=,',
    'bytes=-',
    'bytes=a-b',
    'bytes=4-3',
    'bytes=0 -1',
    'bytes=0-1;2-3',
    'bytes=1-2-3',
    'bytes=--1',
    'bytes=+1-2',
    'bytes=0x1-2',
    'bytes=1e1-20',
    'lines=0-1',
    'bytes =0-1',
    `bytes=${'0-0,'.repeat(RANGES_MAX + 1)}`,
    'bytes=0-99999999999999999999',
  ]) {
    assert.equal(parseRange(value), null, value);
  }
});

test('resolved ranges lie within the representation, and none is empty', () => {
  const spec = fc.oneof(
    fc.tuple(fc.nat(50), fc.nat(50)).map(([first, more]) => ({ first, last: first + more })),
    fc.nat(50).map((suffix) => ({ suffix })),
  );
  const within = fc.property(fc.array(spec), fc.nat(40), (specs, length) => {
    for (const { first, last } of resolveRanges(specs, length)) {
      assert.ok(0 <= first && first <= last && last < length);
    }
  });
  fc.assert(within);
});

test('a suffix longer than the representation is all of it; one of 0 is nothing', () => {
  assert.deepEqual(resolveRanges([{ suffix: 9 }], 5), [{ first: 0, last: 4 }]);
  assert.deepEqual(resolveRanges([{ suffix: 0 }], 5), []);
  assert.deepEqual(resolveRanges([{ suffix: 5 }], 0), []);
});
