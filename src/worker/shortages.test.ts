import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SHORTAGE_LINE_MS, Shortages } from './shortages.ts';

test('a shortage is told at once, and then once a minute while it lasts', () => {
  const lines: string[] = [];
  let nowMs = 0;
  const shortages = new Shortages(
    (line) => lines.push(line),
    () => nowMs,
  );
  const emfile = new Error('accept: run out (EMFILE)');
  for (; nowMs < 10 * SHORTAGE_LINE_MS; nowMs += 100) shortages.note(emfile);
  assert.equal(lines.length, 10);
  shortages.note(new Error('connect: run out (EADDRNOTAVAIL)'));
  assert.equal(lines.length, 11, 'another one is told as well');
  nowMs += SHORTAGE_LINE_MS;
  shortages.note(emfile);
  assert.equal(lines.length, 12);
});
