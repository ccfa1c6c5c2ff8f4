import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SHORTAGE_OVER_MS, Shortages } from './shortages.ts';

test('a shortage is told once while it lasts, and again when it comes back', () => {
  const lines: string[] = [];
  let nowMs = 0;
  const shortages = new Shortages(
    (line) => lines.push(line),
    () => nowMs,
  );
  const emfile = new Error('accept: run out (EMFILE)');
  for (; nowMs < 10 * SHORTAGE_OVER_MS; nowMs += 100) shortages.note(emfile);
  assert.equal(lines.length, 1);
  shortages.note(new Error('connect: run out (EADDRNOTAVAIL)'));
  assert.equal(lines.length, 2, 'another one is told as well');
  nowMs += SHORTAGE_OVER_MS;
  shortages.note(emfile);
  assert.equal(lines.length, 3);
});
