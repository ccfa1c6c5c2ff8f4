import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FieldSection } from '../../http/field-section.ts';
import {
  ABSENT,
  DELTA_SECONDS_MAX,
  NO_REQUEST_DIRECTIVES,
  NO_RESPONSE_DIRECTIVES,
  parseRequestDirectives,
  parseResponseDirectives,
  type RequestDirectives,
  type ResponseDirectives,
  requestDirectives,
} from './cache-control.ts';

const RESPONSES: readonly [string, Partial<ResponseDirectives>][] = [
  ['', {}],
  ['max-age=60', { maxAge: 60 }],
  ['MaX-aGe=60', { maxAge: 60 }],
  ['max-age="60"', { maxAge: 60 }],
  ['max-age=003600', { maxAge: 3600 }],
  ['max-age=2147483648', { maxAge: DELTA_SECONDS_MAX }],
  ['max-age=99999999999', { maxAge: DELTA_SECONDS_MAX }],
  // RFC 9111 §4.2.1: invalid freshness information makes the response stale.
  ['max-age=-1', { maxAge: 0, isMalformed: true }],
  ['max-age=1.5', { maxAge: 0, isMalformed: true }],
  ['max-age=3600a', { maxAge: 0, isMalformed: true }],
  ["max-age='3600'", { maxAge: 0, isMalformed: true }],
  ['max-age', { maxAge: 0, isMalformed: true }],
  ['max-age=', { maxAge: 0, isMalformed: true }],
  ['max-age =60', { maxAge: 0, isMalformed: true }],
  ['max-age= 60', { maxAge: 0, isMalformed: true }],
  ['max-age="60"x', { maxAge: 0, isMalformed: true }],
  // Of duplicates the most restrictive counts.
  ['max-age=1800, max-age=1', { maxAge: 1 }],
  ['max-age=1, max-age=1800', { maxAge: 1 }],
  ['max-age=10, s-maxage=20', { maxAge: 10, sMaxage: 20 }],
  // What is in a quoted string is no directive.
  ['x="max-age=3600", max-age=1', { maxAge: 1 }],
  ['max-age=1, x="max-age=3600, no-store"', { maxAge: 1 }],
  ['x="a\\", max-age=9", max-age=1', { maxAge: 1 }],
  // Nobody knows where an open quote should end: what follows permits nothing, but forbids.
  ['x="unclosed, max-age=9', { maxAge: 0, isMalformed: true }],
  ['x="unclosed, no-store', { noStore: true, isMalformed: true }],
  ['private; max-age=30', { private: true, maxAge: 0, isMalformed: true }],
  ['public; private', { private: true, isMalformed: true }],
  ['no-cache no-store', { noCache: true, noStore: true, isMalformed: true }],
  ['private="; x', { private: true, isMalformed: true }],
  ['private="a b"', { private: true }],
  ['private=true', { private: true }],
  ['no-cache="no-store"', { noCache: true }],
  ['private="set-cookie"; no-store', { private: true, noStore: true, isMalformed: true }],
  ['private, private="a"', { private: true, privateFields: ['a'] }],
  ['nocache, max-age=5', { noCache: true, maxAge: 5 }],
  ['x-private, x-no-store=1', {}],
  ['foobar, max-age=5', { maxAge: 5 }],
  [', ,max-age=5,,', { maxAge: 5 }],
  ['no-store', { noStore: true }],
  ['No-StOrE', { noStore: true }],
  ['no-cache', { noCache: true }],
  ['no-cache=""', { noCache: true }],
  ['no-cache="A, b"', { noCacheFields: ['a', 'b'] }],
  ['no-cache=a', { noCacheFields: ['a'] }],
  ['private="set-cookie", max-age=5', { privateFields: ['set-cookie'], maxAge: 5 }],
  ['private', { private: true }],
  ['public, must-revalidate', { public: true, mustRevalidate: true }],
  ['proxy-revalidate, no-transform', { proxyRevalidate: true, noTransform: true }],
  ['must-understand, no-store', { mustUnderstand: true, noStore: true }],
  ['immutable', { immutable: true }],
  ['stale-while-revalidate=10, stale-if-error=20', { staleWhileRevalidate: 10, staleIfError: 20 }],
];

for (const [value, expected] of RESPONSES) {
  test(`a response's Cache-Control is read: ${value}`, () => {
    const parsed = parseResponseDirectives(value);
    assert.deepEqual(parsed, { ...NO_RESPONSE_DIRECTIVES, ...expected });
  });
}

const REQUESTS: readonly [string, Partial<RequestDirectives>][] = [
  ['max-age=0', { maxAge: 0 }],
  ['max-age=x', { maxAge: 0 }],
  ['max-stale', { maxStale: Number.POSITIVE_INFINITY }],
  ['max-stale=10', { maxStale: 10 }],
  ['max-stale=x', { maxStale: 0 }],
  ['min-fresh=10, min-fresh=20', { minFresh: 20 }],
  ['min-fresh=x', {}],
  ['no-cache, no-store', { noCache: true, noStore: true }],
  ['only-if-cached', { onlyIfCached: true }],
  ['no-transform', { noTransform: true }],
  ['stale-if-error=5', { staleIfError: 5 }],
];

for (const [value, expected] of REQUESTS) {
  test(`a request's Cache-Control is read: ${value}`, () => {
    const parsed = parseRequestDirectives(value);
    assert.deepEqual(parsed, { ...NO_REQUEST_DIRECTIVES, ...expected });
  });
}

test('a request without directives costs no object', () => {
  const fields = FieldSection.of(['accept', '*/*']);
  assert.equal(requestDirectives(fields), NO_REQUEST_DIRECTIVES);
});

test('Pragma: no-cache counts only when there is no Cache-Control (RFC 9111 §5.4)', () => {
  assert.equal(requestDirectives(FieldSection.of(['pragma', 'no-cache'])).noCache, true);
  assert.equal(requestDirectives(FieldSection.of(['pragma', 'other'])), NO_REQUEST_DIRECTIVES);
  const both = FieldSection.of(['pragma', 'no-cache'], ['cache-control', 'max-age=5']);
  assert.equal(requestDirectives(both).noCache, false);
  assert.equal(requestDirectives(both).maxAge, 5);
  assert.equal(requestDirectives(both).maxStale, ABSENT);
});
