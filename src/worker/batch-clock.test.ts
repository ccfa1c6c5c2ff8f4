import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import { BatchClock } from './batch-clock.ts';

test('wall time stands still during a batch of events and goes on with the next', () => {
  let nowMs = 1_000;
  const deferred: (() => void)[] = [];
  const source = { wallMs: () => nowMs, monotonicMs: () => nowMs };
  const clock = new BatchClock((body) => deferred.push(body), source);
  const seen = [clock.wallMs()];
  nowMs += 5;
  seen.push(clock.wallMs());
  equal(deferred.length, 1, 'the end of the batch is asked for once');
  deferred.pop()!();
  seen.push(clock.wallMs());
  deepEqual(seen, [1_000, 1_000, 1_005]);
});

test('monotonic time is exact', () => {
  let nowMs = 7;
  const source = { wallMs: () => 0, monotonicMs: () => nowMs };
  const clock = new BatchClock(() => {}, source);
  equal(clock.monotonicMs(), 7);
  nowMs = 8;
  equal(clock.monotonicMs(), 8);
});
