import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  date,
  type Lines,
  NOW,
  type ResponseFacts,
  storedOf,
} from '../../../test/cache/messages.ts';
import fc from '../../../test/support/fast-check.ts';
import { formatHttpDate } from '../../http/dates.ts';
import { currentAgeMs, initialAgeMs, isFresh, type LifetimeSource } from './freshness.ts';

type Case = [name: string, Lines, lifetimeS: number, LifetimeSource, ResponseFacts?];

const now = ['date', date(0)] as const;
const CASES: readonly Case[] = [
  ['max-age', [['cache-control', 'max-age=60']], 60, 'max-age'],
  ['s-maxage before max-age', [['cache-control', 'max-age=60, s-maxage=5']], 5, 's-maxage'],
  [
    's-maxage before max-age=0 and a past Expires',
    [
      ['cache-control', 'max-age=0, s-maxage=9'],
      ['expires', date(-9)],
    ],
    9,
    's-maxage',
  ],
  [
    'max-age before Expires',
    [
      ['cache-control', 'max-age=9'],
      ['expires', date(-9)],
    ],
    9,
    'max-age',
  ],
  ['Expires minus Date', [now, ['expires', date(30)]], 30, 'expires'],
  [
    'Expires minus a slow Date',
    [
      ['date', date(-10)],
      ['expires', date(10)],
    ],
    20,
    'expires',
  ],
  [
    'Expires before Date',
    [
      ['date', date(400)],
      ['expires', date(300)],
    ],
    0,
    'expires',
  ],
  ['Expires without Date', [['expires', date(30)]], 30, 'expires'],
  [
    'Expires with an invalid Date',
    [
      ['date', 'foo'],
      ['expires', date(10)],
    ],
    10,
    'expires',
  ],
  ['an invalid Expires', [now, ['expires', '0']], 0, 'expires'],
  ['Expires twice, unlike', [now, ['expires', date(9)], ['expires', date(8)]], 0, 'expires'],
  ['Expires twice, alike', [now, ['expires', date(9)], ['expires', date(9)]], 9, 'expires'],
  ['a tenth since Last-Modified', [now, ['last-modified', date(-1000)]], 100, 'heuristic'],
  ['at most a day', [now, ['last-modified', date(-1e8)]], 86_400, 'heuristic'],
  ['not for the future', [now, ['last-modified', date(5)]], 0, 'none'],
  ['not with Pragma', [now, ['last-modified', date(-1000)], ['pragma', 'no-cache']], 0, 'none'],
  ['no heuristic for 201', [now, ['last-modified', date(-1000)]], 0, 'none', { status: 201 }],
  ['a heuristic for 404', [now, ['last-modified', date(-1000)]], 100, 'heuristic', { status: 404 }],
  [
    'public makes any status heuristically cacheable',
    [now, ['last-modified', date(-1000)], ['cache-control', 'public']],
    100,
    'heuristic',
    { status: 599 },
  ],
  [
    'a targeted field replaces Cache-Control and Expires',
    [now, ['cdn-cache-control', 'max-age=7'], ['cache-control', 'max-age=9'], ['expires', date(8)]],
    7,
    'max-age',
  ],
  [
    'a targeted field without lifetime hides Expires',
    [now, ['cdn-cache-control', 'public'], ['expires', date(8)]],
    0,
    'none',
  ],
  [
    'an override',
    [['cache-control', 'max-age=9']],
    3,
    'override',
    {
      policy: { lifetimeOverrideMs: 3000 },
    },
  ],
  ['negative caching', [], 4, 'negative', { status: 404, policy: { negativeLifetimeMs: 4000 } }],
  [
    'a lifetime for one status',
    [],
    2,
    'negative',
    { status: 404, policy: { negativeLifetimeMs: 4000, negativeLifetimesMs: { 404: 2000 } } },
  ],
  [
    'none for one status',
    [],
    0,
    'none',
    { status: 404, policy: { negativeLifetimesMs: { 404: 0 } } },
  ],
  ['no override of errors', [], 0, 'none', { status: 500, policy: { lifetimeOverrideMs: 9 } }],
  ['a default', [], 5, 'default', { policy: { lifetimeDefaultMs: 5000 } }],
  [
    'a default in place of the heuristic, not of what is stated',
    [['cache-control', 'max-age=9']],
    9,
    'max-age',
    { policy: { lifetimeDefaultMs: 5000 } },
  ],
  ['no default for errors', [], 0, 'none', { status: 404, policy: { lifetimeDefaultMs: 5000 } }],
  ['at least', [['cache-control', 'max-age=1']], 7, 'max-age', { policy: { lifetimeMinMs: 7000 } }],
  [
    'at most',
    [['cache-control', 's-maxage=99']],
    7,
    's-maxage',
    { policy: { lifetimeMaxMs: 7000 } },
  ],
  ['no negative caching of 200', [], 0, 'none', { policy: { negativeLifetimeMs: 4000 } }],
  [
    'a least heuristic lifetime',
    [now, ['last-modified', date(-10)]],
    60,
    'heuristic',
    {
      policy: { heuristicLifetimeMinMs: 60_000 },
    },
  ],
  ['nothing', [], 0, 'none'],
];

for (const [name, lines, lifetimeS, source, facts] of CASES) {
  test(`freshness lifetime: ${name}`, () => {
    const { freshness } = storedOf(lines, facts);
    assert.equal(freshness.source, source);
    assert.equal(freshness.lifetimeMs, lifetimeS * 1000);
  });
}

const AGES: readonly [name: string, Lines, ageS: number][] = [
  ['none', [], 0],
  ['Age', [['age', '30']], 30],
  ['Date in the past', [['date', date(-20)]], 20],
  [
    'the greater of the two',
    [
      ['date', date(-20)],
      ['age', '30'],
    ],
    30,
  ],
  ['Date in the future', [['date', date(20)]], 0],
  ['the first of a list', [['age', '7200, 0']], 7200],
  [
    'the first line',
    [
      ['age', '0'],
      ['age', '7200'],
    ],
    0,
  ],
  ['too large a number', [['age', '99999999999']], 2_147_483_648],
  ['no number', [['age', 'abc']], 0],
  ['a negative one', [['age', '-7200']], 0],
  ['a decimal', [['age', '7200.0']], 0],
];

for (const [name, lines, ageS] of AGES) {
  test(`the age on receipt, by ${name}`, () => {
    assert.equal(currentAgeMs(storedOf(lines).freshness, NOW), ageS * 1000);
  });
}

test('what is left of the second of Date is no age', () => {
  const { fields } = storedOf([['date', date(0)]]);
  assert.equal(initialAgeMs(fields, NOW + 999, NOW + 999), 0);
  assert.equal(initialAgeMs(fields, NOW + 1_000, NOW + 1_000), 1_000);
});

test('the time the origin took counts as age (RFC 9111 §4.2.3)', () => {
  const stored = storedOf([['age', '10']], { requestTimeMs: NOW - 3000 });
  assert.equal(currentAgeMs(stored.freshness, NOW), 13_000);
});

test('a response is fresh while its lifetime is greater than its age', () => {
  const { freshness } = storedOf([['cache-control', 'max-age=10']]);
  assert.equal(isFresh(freshness, NOW + 9_999), true);
  assert.equal(isFresh(freshness, NOW + 10_000), false);
  assert.equal(freshness.lifetimeMs - currentAgeMs(freshness, NOW + 12_000), -2000);
});

test('a clock that was set back never makes a lifetime of 0 fresh', () => {
  const { freshness } = storedOf([['cache-control', 'max-age=0']]);
  assert.equal(isFresh(freshness, NOW - 5000), false);
  assert.equal(currentAgeMs(freshness, NOW - 5000), 0);
});

test('age: grows with time, is never less than Age, Date or the delay say', () => {
  const seconds = fc.integer({ min: 0, max: 1_000_000 });
  fc.assert(
    fc.property(seconds, seconds, seconds, seconds, (age, sent, delay, later) => {
      const stored = storedOf(
        [
          ['age', String(age)],
          ['date', formatHttpDate(NOW - sent * 1000)],
        ],
        { requestTimeMs: NOW - delay * 1000 },
      );
      const onReceipt = currentAgeMs(stored.freshness, NOW);
      assert.equal(onReceipt, Math.max(sent, age + delay) * 1000);
      const afterwards = currentAgeMs(stored.freshness, NOW + later * 1000);
      assert.equal(afterwards, onReceipt + later * 1000);
    }),
  );
});
