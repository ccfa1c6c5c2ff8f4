import assert from 'node:assert/strict';
import test from 'node:test';
import { durationText } from './duration-text.ts';

for (const [ms, text] of [
  [0, '0 ms'],
  [2.54, '2.5 ms'],
  [9.99, '10.0 ms'],
  [250, '250 ms'],
  [999.4, '999 ms'],
  [999.6, '1.0 s'],
  [1_000, '1.0 s'],
  [10_000, '10.0 s'],
  [10_240, '10.2 s'],
  [90_000, '90.0 s'],
  [120_000, '2 min'],
  [180_000, '3 min'],
  [600_000, '10 min'],
  [3_590_000, '1 h'],
  [7_500_000, '2 h 5 min'],
  [86_399_999, '1 d'],
  [86_400_000, '1 d'],
  [97_200_000, '1 d 3 h'],
] as const) {
  test(`${ms} ms reads as ${text}`, () => assert.equal(durationText(ms), text));
}
