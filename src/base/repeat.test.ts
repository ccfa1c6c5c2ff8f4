import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '../../test/support/waiting.ts';
import { repeat } from './repeat.ts';

test('a timer goes on after its body has thrown, and tells so once until it is well again', async () => {
  const told: string[] = [];
  let calls = 0;
  const timer = repeat(
    1,
    () => {
      calls++;
      if (calls !== 3) throw new Error(`call ${calls}`);
    },
    ({ message }) => told.push(message),
  );
  await until(() => calls >= 6, 'six calls');
  clearInterval(timer);
  assert.deepEqual(told, ['call 1', 'call 4']);
});
