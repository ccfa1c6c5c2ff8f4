import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Lines, NOW, policyOf, storedOf } from '../../../test/cache/messages.ts';
import { parseRequestDirectives } from './cache-control.ts';
import type { CachePolicy } from './policy.ts';
import { ageSeconds, decideReuse, isOriginError, mayServeOnError, ttlSeconds } from './reuse.ts';

/** What is decided, in one word. */
type Outcome = 'fresh' | 'stale' | 'stale+revalidate' | 'validate:stale' | 'validate:request';
type Case = [response: string, request: string, ageS: number, Outcome, Partial<CachePolicy>?];

const CASES: readonly Case[] = [
  ['max-age=60', '', 0, 'fresh'],
  ['max-age=60', '', 59, 'fresh'],
  ['max-age=60', '', 60, 'validate:stale'],
  ['max-age=60, no-cache', '', 0, 'validate:stale'],
  ['max-age=60, must-revalidate', '', 0, 'fresh'],
  ['max-age=60', 'no-cache', 0, 'validate:request'],
  ['max-age=60', 'no-cache', 90, 'validate:stale'],
  ['max-age=60', 'no-cache', 0, 'fresh', { honourRequestDirectives: false }],
  ['max-age=60', 'max-age=10', 10, 'fresh'],
  ['max-age=60', 'max-age=10', 11, 'validate:request'],
  ['max-age=60', 'max-age=10, max-stale=5', 15, 'fresh'],
  ['max-age=60', 'max-age=10, max-stale=5', 16, 'validate:request'],
  ['max-age=60, immutable', 'max-age=0', 10, 'fresh'],
  ['max-age=60, immutable', 'max-age=0', 60, 'validate:stale'],
  ['max-age=60, immutable', 'no-cache', 10, 'validate:request'],
  ['max-age=60', 'min-fresh=20', 40, 'fresh'],
  ['max-age=60', 'min-fresh=20', 41, 'validate:request'],
  ['max-age=60', 'max-stale=10', 70, 'stale'],
  ['max-age=60', 'max-stale=10', 71, 'validate:stale'],
  ['max-age=60', 'max-stale', 1e6, 'stale'],
  ['max-age=60, must-revalidate', 'max-stale', 70, 'validate:stale'],
  ['max-age=60, proxy-revalidate', 'max-stale', 70, 'validate:stale'],
  ['s-maxage=60', 'max-stale', 70, 'validate:stale'],
  ['max-age=60, stale-while-revalidate=10', '', 70, 'stale+revalidate'],
  ['max-age=60, stale-while-revalidate=10', '', 71, 'validate:stale'],
  ['max-age=60, stale-while-revalidate=10', 'max-age=60', 65, 'validate:stale'],
  ['max-age=60, stale-while-revalidate=10, must-revalidate', '', 65, 'validate:stale'],
  ['s-maxage=60, stale-while-revalidate=10', '', 65, 'stale+revalidate'],
  ['max-age=60', '', 65, 'stale+revalidate', { staleWhileRevalidateMs: 9000 }],
  ['s-maxage=60', '', 65, 'validate:stale', { staleWhileRevalidateMs: 9000 }],
];

for (const [response, request, ageS, expected, changes] of CASES) {
  test(`"${response}", ${ageS} s old, asked for with "${request}": ${expected}`, () => {
    const policy = policyOf(changes);
    const stored = storedOf([['cache-control', response]], { policy });
    const directives = parseRequestDirectives(request);
    const decision = decideReuse(directives, stored, NOW + ageS * 1000, policy);
    const outcome =
      decision.use === 'fresh'
        ? 'fresh'
        : decision.use === 'stale'
          ? `stale${decision.revalidate ? '+revalidate' : ''}`
          : `validate:${decision.forward}`;
    assert.equal(outcome, expected);
  });
}

const ON_ERROR: readonly [response: string, request: string, ageS: number, allowed: boolean][] = [
  ['max-age=60', '', 61, false],
  ['max-age=60, stale-if-error=10', '', 70, true],
  ['max-age=60, stale-if-error=10', '', 71, false],
  ['max-age=60, stale-if-error=10', 'no-cache', 65, false],
  ['max-age=60', 'stale-if-error=10', 65, true],
  ['max-age=60, must-revalidate, stale-if-error=10', '', 65, false],
  ['s-maxage=60', 'stale-if-error=10', 65, false],
  ['s-maxage=60, stale-if-error=10', '', 65, true],
  ['no-cache, stale-if-error=10', '', 5, false],
];

for (const [response, request, ageS, allowed] of ON_ERROR) {
  test(`on an error "${response}", ${ageS} s old, with "${request}" is served: ${allowed}`, () => {
    const stored = storedOf([['cache-control', response]]);
    const directives = parseRequestDirectives(request);
    const now = NOW + ageS * 1000;
    assert.equal(mayServeOnError(directives, stored, now, policyOf()), allowed);
  });
}

test('an error is never served stale, for whatever reason', () => {
  const policy = policyOf({ staleWhileRevalidateMs: 9e6, staleIfErrorMs: 9e6 });
  for (const status of [500, 502, 503, 504]) {
    const stored = storedOf([['cache-control', 'max-age=60']], { policy, status });
    const now = NOW + 61_000;
    for (const request of ['', 'max-stale', 'stale-if-error=600']) {
      const directives = parseRequestDirectives(request);
      assert.equal(decideReuse(directives, stored, now, policy).use, 'validate');
      assert.equal(mayServeOnError(directives, stored, now, policy), false);
    }
  }
});

test('the errors of stale-if-error are 500, 502, 503 and 504', () => {
  const errors = [200, 404, 500, 501, 502, 503, 504].filter(isOriginError);
  assert.deepEqual(errors, [500, 502, 503, 504]);
});

test('Age and ttl are whole seconds; ttl goes negative', () => {
  const lines: Lines = [
    ['cache-control', 'max-age=60'],
    ['age', '5'],
  ];
  const stored = storedOf(lines);
  assert.equal(ageSeconds(stored, NOW + 1_999), 6);
  assert.equal(ttlSeconds(stored, NOW + 1_999), 53);
  assert.equal(ttlSeconds(stored, NOW + 57_000), -2);
});

test('a soft purge makes a response stale, yet usable while it is revalidated', async () => {
  const { markedStale } = await import('./stored-response.ts');
  const policy = policyOf();
  const stored = storedOf([['cache-control', 'max-age=60, stale-while-revalidate=30']]);
  const marked = markedStale(stored, NOW + 10_000);
  const at = (ms: number) => decideReuse(parseRequestDirectives(''), marked, NOW + ms, policy);
  assert.deepEqual(at(10_000), { use: 'stale', revalidate: true });
  assert.deepEqual(at(41_000), { use: 'validate', forward: 'stale' });
});
