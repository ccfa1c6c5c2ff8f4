import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  date,
  type Lines,
  policyOf,
  type ResponseFacts,
  requestOf,
  storedOf,
} from '../../../test/cache/messages.ts';
import { requestDirectives } from './cache-control.ts';
import { decideStoring, type StoringDecision } from './storing.ts';

const fresh = ['cache-control', 'max-age=60'] as const;
const cookie = ['set-cookie', 'id=1'] as const;

type Case = [name: string, StoringDecision, Lines, ResponseFacts?];

const withAuthorization = { request: requestOf([['authorization', 'Basic x']]) };
const withRange = requestOf([['range', 'bytes=0-4']]);
const postHere = requestOf([], { method: 'POST' });

const CASES: readonly Case[] = [
  ['a fresh response', 'store', [fresh]],
  ['a validator alone', 'store', [['etag', '"a"']]],
  ['Last-Modified alone', 'store', [['last-modified', date(-100)]]],
  ['nothing to go by', 'no-lifetime', []],
  ['stale and without validator', 'no-lifetime', [['cache-control', 'max-age=0']]],
  [
    'stale with a validator',
    'store',
    [
      ['cache-control', 'max-age=0'],
      ['etag', '"a"'],
    ],
  ],
  ['older than its lifetime', 'no-lifetime', [fresh, ['age', '61']]],
  ['stale but usable on errors', 'store', [['cache-control', 'max-age=0, stale-if-error=9']]],
  ['an invalid entity tag', 'no-lifetime', [['etag', '"half']]],
  ['no-store', 'no-store', [['cache-control', 'no-store, max-age=60']]],
  ['private', 'private', [['cache-control', 'private, max-age=60']]],
  ['private for one field', 'store', [['cache-control', 'private="x", max-age=60']]],
  [
    'no-cache with a validator',
    'store',
    [
      ['cache-control', 'no-cache'],
      ['etag', '"a"'],
    ],
  ],
  ['no-cache without', 'no-lifetime', [['cache-control', 'no-cache, max-age=60']]],
  ['status 599, fresh', 'store', [fresh], { status: 599 }],
  [
    'status 599, must-understand',
    'status-not-understood',
    [['cache-control', 'max-age=60, no-store, must-understand']],
    { status: 599 },
  ],
  [
    'status 200, must-understand',
    'store',
    [['cache-control', 'max-age=60, no-store, must-understand']],
  ],
  ['304', 'status', [fresh], { status: 304 }],
  ['416', 'status', [fresh], { status: 416 }],
  ['103', 'status', [fresh], { status: 103 }],
  ['Vary: *', 'vary-any', [fresh, ['vary', 'Accept, *']]],
  ['Authorization', 'authorization', [fresh], withAuthorization],
  [
    'Authorization and public',
    'store',
    [['cache-control', 'public, max-age=9']],
    withAuthorization,
  ],
  ['Authorization and s-maxage', 'store', [['cache-control', 's-maxage=9']], withAuthorization],
  [
    'Authorization and must-revalidate',
    'store',
    [['cache-control', 'must-revalidate, max-age=9']],
    withAuthorization,
  ],
  [
    'Authorization and proxy-revalidate',
    'authorization',
    [['cache-control', 'proxy-revalidate, max-age=9']],
    withAuthorization,
  ],
  ['HEAD', 'method', [fresh], { request: requestOf([], { method: 'HEAD' }) }],
  ['POST', 'method', [fresh], { request: postHere }],
  [
    'POST that says it is here',
    'store',
    [fresh, ['content-location', '/page']],
    {
      request: postHere,
    },
  ],
  [
    'POST that says it is elsewhere',
    'method',
    [fresh, ['content-location', '/other']],
    {
      request: postHere,
    },
  ],
  [
    'POST with a guess only',
    'method',
    [
      ['last-modified', date(-1000)],
      ['content-location', '/page'],
    ],
    { request: postHere },
  ],
  [
    'no-store in the request',
    'request-no-store',
    [fresh],
    {
      request: requestOf([['cache-control', 'no-store']]),
    },
  ],
  [
    'no-store in a request that nobody obeys',
    'store',
    [fresh],
    {
      request: requestOf([['cache-control', 'no-store']]),
      policy: { honourRequestDirectives: false },
    },
  ],
  ['a cookie and max-age', 'store', [fresh, cookie]],
  ['a cookie and Expires', 'set-cookie', [['expires', date(60)], cookie]],
  ['a cookie and a guess', 'set-cookie', [['last-modified', date(-1000)], cookie]],
  ['a cookie, public only', 'set-cookie', [fresh, cookie], { policy: { setCookie: 'public' } }],
  [
    'a cookie and s-maxage',
    'store',
    [['cache-control', 's-maxage=9'], cookie],
    {
      policy: { setCookie: 'public' },
    },
  ],
  [
    'a cookie, never',
    'set-cookie',
    [['cache-control', 'public, s-maxage=9'], cookie],
    {
      policy: { setCookie: 'never' },
    },
  ],
  [
    'a cookie, always',
    'store',
    [['expires', date(60)], cookie],
    {
      policy: { setCookie: 'always' },
    },
  ],
  [
    'a part in its place',
    'store',
    [fresh, ['content-range', 'bytes 0-4/10']],
    {
      status: 206,
      contentLength: 5,
      request: withRange,
    },
  ],
  [
    'a part of another length than it says',
    'partial-not-combinable',
    [fresh, ['content-range', 'bytes 4-9/10']],
    { status: 206, contentLength: 5, request: withRange },
  ],
  [
    'several parts',
    'partial-not-combinable',
    [fresh],
    {
      status: 206,
      request: withRange,
    },
  ],
];

for (const [name, expected, lines, facts = {}] of CASES) {
  test(`storing: ${name}: ${expected}`, () => {
    const request = facts.request ?? requestOf();
    const stored = storedOf(lines, facts);
    const directives = requestDirectives(request.fields);
    const decision = decideStoring(request, directives, stored, policyOf(facts.policy));
    assert.equal(decision, expected);
  });
}

test('fields of the connection, of one hop, and those the origin excludes are not stored', () => {
  const stored = storedOf([
    ['connection', 'close, X-Hop'],
    ['x-hop', '1'],
    ['keep-alive', 'timeout=5'],
    ['proxy-authenticate', 'Basic'],
    ['age', '3'],
    ['cache-control', 'max-age=60, no-cache="x-a", private="x-b"'],
    ['x-a', '1'],
    ['x-b', '2'],
    ['x-c', '3'],
    ['date', date(0)],
  ]);
  assert.deepEqual(stored.fields.names, ['cache-control', 'x-c', 'date']);
});

test('a response without Date gets the time of its receipt (RFC 9110 §6.6.1)', () => {
  assert.equal(storedOf([]).fields.first('date'), date(0));
});
