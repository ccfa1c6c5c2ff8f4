import assert from 'node:assert/strict';
import test from 'node:test';
import { CacheFaults, FAULT_LINE_INTERVAL_MS } from './cache-faults.ts';

test('a fault that comes again and again is one line now and a count later', () => {
  let nowMs = 1_000;
  const lines: string[] = [];
  const counted: string[] = [];
  const faults = new CacheFaults(
    () => nowMs,
    { cacheFailed: (code) => counted.push(code) },
    (message) => lines.push(message),
  );
  const full = { code: 'cache-disk-full', message: 'no space' } as const;
  for (let i = 0; i < 5; i++) faults.note(full);
  faults.note({ code: 'cache-body-damaged', message: 'segment 7' });
  assert.deepEqual(lines, [
    'cache: cache-disk-full: no space',
    'cache: cache-body-damaged: segment 7',
  ]);
  assert.equal(counted.length, 6);
  nowMs += FAULT_LINE_INTERVAL_MS - 1;
  faults.tellRest();
  assert.equal(lines.length, 2);
  nowMs += 1;
  faults.tellRest();
  faults.tellRest();
  assert.deepEqual(lines.slice(2), ['cache: cache-disk-full: no space (4 times)']);
});
