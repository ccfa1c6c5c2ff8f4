import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from '../../test/support/fast-check.ts';
import { formatHttpDate, parseHttpDate } from './dates.ts';

const NOW = Date.UTC(2026, 10, 22);
const EXAMPLE = Date.UTC(1994, 10, 6, 8, 49, 37);

test('the three forms of RFC 9110 §5.6.7 are one date', () => {
  assert.equal(parseHttpDate('Sun, 06 Nov 1994 08:49:37 GMT', NOW), EXAMPLE);
  assert.equal(parseHttpDate('Sunday, 06-Nov-94 08:49:37 GMT', NOW), EXAMPLE);
  assert.equal(parseHttpDate('Sun Nov  6 08:49:37 1994', NOW), EXAMPLE);
});

test('a two-digit year is at most fifty years ahead', () => {
  assert.equal(parseHttpDate('Sunday, 06-Nov-75 00:00:00 GMT', NOW), Date.UTC(2075, 10, 6));
  assert.equal(parseHttpDate('Sunday, 06-Nov-77 00:00:00 GMT', NOW), Date.UTC(1977, 10, 6));
});

test('what is no date is none', () => {
  for (const text of [
    '',
    '0',
    'Sun, 06 Nov 1994 08:49:37',
    'Sun, 06 Nov 1994 08:49:37 UTC',
    'Sun, 6 Nov 1994 08:49:37 GMT',
    'Sun, 31 Feb 1994 08:49:37 GMT',
    'Sun, 00 Nov 1994 08:49:37 GMT',
    'Sun, 06 Nov 1994 24:00:00 GMT',
    'Sun, 06 Nov 1994 08:60:00 GMT',
    'Sun, 06 Nov 1994 08:49:37 GMT, again',
    '1994-11-06T08:49:37Z',
  ]) {
    assert.equal(parseHttpDate(text, NOW), undefined, text);
  }
});

test('a formatted date is read back, to the second', () => {
  const times = fc.integer({ min: 0, max: Date.UTC(9999, 11, 31) });
  const same = fc.property(times, (timeMs) => {
    assert.equal(parseHttpDate(formatHttpDate(timeMs), NOW), timeMs - (timeMs % 1000));
    // Once more, now that it is the last one formatted.
    assert.equal(formatHttpDate(timeMs), new Date(timeMs).toUTCString());
  });
  fc.assert(same);
});

test('the next second has another date', () => {
  assert.equal(formatHttpDate(EXAMPLE + 999), 'Sun, 06 Nov 1994 08:49:37 GMT');
  assert.equal(formatHttpDate(EXAMPLE + 1000), 'Sun, 06 Nov 1994 08:49:38 GMT');
  assert.equal(formatHttpDate(EXAMPLE), 'Sun, 06 Nov 1994 08:49:37 GMT');
});
