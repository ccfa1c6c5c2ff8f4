import assert from 'node:assert/strict';
import test from 'node:test';
import { renewalAtMs, retryAtMs } from './schedule.ts';

const DAY_MS = 86_400_000;
const names = Array.from({ length: 10_000 }, (_, i) => `name-${i}.example.org`);

/** How many of these moments fall into the fullest slice of time. */
function fullest(moments: readonly number[], sliceMs: number): number {
  const counts = new Map<number, number>();
  for (const atMs of moments) {
    const slice = Math.floor(atMs / sliceMs);
    counts.set(slice, (counts.get(slice) ?? 0) + 1);
  }
  return Math.max(...counts.values());
}

test('ten thousand certificates of one day are not renewed in one hour', () => {
  const dates = { notBeforeMs: 0, notAfterMs: 90 * DAY_MS, window: null };
  const moments = names.map((name) => renewalAtMs({ name, ...dates }));
  for (const atMs of moments) {
    assert.ok(atMs >= 55 * DAY_MS && atMs <= 65 * DAY_MS, `${atMs / DAY_MS} days`);
  }
  // Nine days have 216 hours: evenly spread, 46 come in each.
  assert.ok(fullest(moments, DAY_MS / 24) < 100, `${fullest(moments, DAY_MS / 24)} in one hour`);
});

test('a window of the authority decides, wherever it is, and is used up evenly', () => {
  const window = { startMs: 10 * DAY_MS, endMs: 12 * DAY_MS };
  const dates = { notBeforeMs: 0, notAfterMs: 90 * DAY_MS, window };
  const moments = names.map((name) => renewalAtMs({ name, ...dates }));
  assert.ok(moments.every((atMs) => atMs >= window.startMs && atMs < window.endMs));
  assert.ok(fullest(moments, DAY_MS / 24) < 300);
});

test('the moment is the same each time that it is asked for, and another for the next certificate', () => {
  const at = (notBeforeMs: number) =>
    renewalAtMs({ name: 'a.test', notBeforeMs, notAfterMs: notBeforeMs + DAY_MS, window: null });
  assert.equal(at(0), at(0));
  assert.notEqual(at(0), at(DAY_MS) - DAY_MS);
});

test('failures are tried again later each time, never all at once, at least four times a day', () => {
  const after = (name: string, failures: number) => retryAtMs(name, failures, 0, 0);
  for (const name of names.slice(0, 100)) {
    for (let failures = 1; failures < 9; failures++) {
      assert.ok(after(name, failures + 1) > after(name, failures), `${failures}`);
    }
    assert.ok(after(name, 1) >= 48_000 && after(name, 1) <= 72_000);
    assert.ok(after(name, 1_000) <= 1.2 * 6 * 3_600_000);
  }
  // An authority that was away for an hour is not stormed when it is back.
  const moments = names.map((name) => after(name, 7));
  assert.ok(fullest(moments, 60_000) < 800, `${fullest(moments, 60_000)} in one minute`);
  assert.equal(retryAtMs('a.test', 1, 0, DAY_MS), DAY_MS);
});
