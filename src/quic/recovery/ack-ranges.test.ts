import assert from 'node:assert/strict';
import test from 'node:test';
import fc from '../../../test/support/fast-check.ts';
import { ACK_RANGES_MAX, AckRanges } from './ack-ranges.ts';

test('ranges are those of the numbers that came, whatever their order', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(60), { maxLength: 80 }), (numbers) => {
      const ranges = new AckRanges();
      const came = new Set<number>();
      for (const number of numbers) {
        assert.equal(ranges.has(number), came.has(number));
        if (!came.has(number)) ranges.add(number);
        came.add(number);
      }
      const told = [];
      for (let i = 0; i < ranges.pairs.length; i += 2) {
        for (let n = ranges.pairs[i + 1]!; n >= ranges.pairs[i]!; n--) told.push(n);
      }
      assert.deepEqual(
        told,
        [...came].sort((a, b) => b - a),
      );
      assert.equal(ranges.largest, came.size === 0 ? -1 : Math.max(...came));
    }),
  );
});

test('beyond a number of ranges the lowest is forgotten, and what is below it counts as known', () => {
  const ranges = new AckRanges();
  for (let i = 0; i <= ACK_RANGES_MAX; i++) ranges.add(2 * i);
  assert.equal(ranges.pairs.length, 2 * ACK_RANGES_MAX);
  assert.equal(ranges.has(0), true);
  assert.equal(ranges.has(1), false);
});

test('what the peer knows that we have is told no more, and still known', () => {
  const ranges = new AckRanges();
  for (const number of [0, 1, 5, 9, 10]) ranges.add(number);
  ranges.forgetUpTo(5);
  assert.deepEqual(ranges.pairs, [9, 10]);
  assert.equal(ranges.has(3), true);
  assert.equal(ranges.has(7), false);
});
