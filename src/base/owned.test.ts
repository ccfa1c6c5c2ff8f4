import assert from 'node:assert/strict';
import test from 'node:test';
import { until } from '../../test/support/waiting.ts';
import { after } from './owned.ts';

test('what is done later and fails ends no process: its owner is told', async () => {
  const told: string[] = [];
  const onFault = (error: unknown) => told.push((error as Error).message);
  after(
    0,
    () => {
      throw new Error('thrown');
    },
    onFault,
  );
  after(0, () => Promise.reject(new Error('rejected')), onFault);
  await until(() => told.length === 2, 'both');
  assert.deepEqual(told.sort(), ['rejected', 'thrown']);
});

test('what is cleared before its time is not done', async () => {
  let isDone = false;
  const note = () => {
    isDone = true;
  };
  clearTimeout(after(0, note, assert.ifError));
  await new Promise<void>((resolve) => after(5, resolve, assert.ifError));
  assert.equal(isDone, false);
});
