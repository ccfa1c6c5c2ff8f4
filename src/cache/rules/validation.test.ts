import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  date,
  type Lines,
  NOW,
  policyOf,
  requestOf,
  storedOf,
} from '../../../test/cache/messages.ts';
import { FieldSection } from '../../http/field-section.ts';
import type { StoredResponse, StoreHit } from '../contract.ts';
import { currentAgeMs } from './freshness.ts';
import {
  addValidation,
  canValidate,
  freshen,
  freshenedBy,
  type HeadOutcome,
  headOutcome,
} from './validation.ts';

function hitOf(response: StoredResponse): StoreHit {
  return {
    response,
    prepared: () => null,
    open: () => {
      throw new Error('not read here');
    },
  };
}

const tagged = (tag: string, more: Lines = []) => storedOf([['etag', tag], ...more]);

test('a validation asks about every stored entity tag and the selected Last-Modified', () => {
  const selected = tagged('"a"', [['last-modified', date(-50)]]);
  const others = [hitOf(selected), hitOf(tagged('W/"b"')), hitOf(tagged('"bad'))];
  const fields = requestOf([
    ['if-none-match', '"client"'],
    ['if-range', '"client"'],
    ['accept', '*/*'],
  ]).fields;
  addValidation(fields, selected, others);
  assert.deepEqual(
    [...fields],
    [
      ['accept', '*/*'],
      ['if-none-match', '"a", W/"b"'],
      ['if-modified-since', date(-50)],
    ],
  );
});

test('an ETag without quotes is asked about as the origin spells it, and confirmed by it', () => {
  const selected = tagged('a1');
  assert.ok(canValidate(requestOf([]).fields, selected));
  const { fields } = requestOf([]);
  addValidation(fields, selected, []);
  assert.deepEqual([...fields], [['if-none-match', 'a1']]);
  const hit = hitOf(selected);
  assert.equal(freshenedBy(requestOf([['etag', 'a1']]).fields, hit, []), hit);
  assert.equal(freshenedBy(requestOf([['etag', 'a2']]).fields, hit, []), undefined);
});

test('Range goes along, and If-Range with it', () => {
  const range: Lines = [
    ['range', 'bytes=0-1'],
    ['if-range', '"a"'],
  ];
  const { fields } = requestOf([...range, ['if-match', '"a"']]);
  addValidation(fields, tagged('"a"'), []);
  assert.deepEqual([...fields], [...range, ['if-none-match', '"a"']]);
});

test('without a selected response only entity tags are asked about', () => {
  const fields = new FieldSection();
  addValidation(fields, undefined, [hitOf(tagged('"b"', [['last-modified', date(-50)]]))]);
  assert.deepEqual([...fields], [['if-none-match', '"b"']]);
});

test('what has no validator, or meets a precondition for the origin, cannot be validated', () => {
  const none = new FieldSection();
  assert.equal(canValidate(none, storedOf([])), false);
  assert.equal(canValidate(none, tagged('"a"')), true);
  assert.equal(canValidate(none, storedOf([['last-modified', date(-1)]])), true);
  assert.equal(canValidate(FieldSection.of(['if-match', '"a"']), tagged('"a"')), false);
});

test('a 304 freshens the stored response whose entity tag it has', () => {
  const [a, b] = [hitOf(tagged('"a"')), hitOf(tagged('W/"b"'))];
  const by = (lines: Lines, selected?: StoreHit, stored = [a, b]) =>
    freshenedBy(FieldSection.of(...lines), selected, stored);
  assert.equal(by([['etag', '"b"']], a), b);
  assert.equal(by([['etag', 'W/"a"']], a), a);
  assert.equal(by([['etag', '"other"']], a), undefined);
  assert.equal(by([['etag', '"other"']], a, [a]), undefined);
  assert.equal(by([], a), a);
  assert.equal(by([], undefined), undefined);
  assert.equal(by([], undefined, [b]), b);
});

test('a 304 with another Last-Modified freshens nothing', () => {
  const hit = hitOf(storedOf([['last-modified', date(-50)]]));
  const by = (seconds: number) =>
    freshenedBy(FieldSection.of(['last-modified', date(seconds)]), hit, [hit]);
  assert.equal(by(-50), hit);
  assert.equal(by(-40), undefined);
});

test('a 304 replaces fields and age, but nothing about the stored content (RFC 9111 §3.2)', () => {
  const stored = storedOf(
    [
      ['date', date(-100)],
      ['x-a', '1'],
      ['x-a', '2'],
      ['x-b', '3'],
      ['content-length', '10'],
      ['content-encoding', 'gzip'],
      ['etag', '"a"'],
    ],
    { responseTimeMs: NOW - 100_000 },
  );
  const head = {
    status: 304,
    contentLength: 0,
    fields: FieldSection.of(
      ['date', date(0)],
      ['x-a', '9'],
      ['content-length', '0'],
      ['content-encoding', 'br'],
      ['cache-control', 'max-age=30'],
      ['connection', 'x-c'],
      ['x-c', '1'],
    ),
  };
  const fresh = freshen({
    stored,
    request: requestOf(),
    response: head,
    requestTimeMs: NOW,
    responseTimeMs: NOW,
    policy: policyOf(),
  });
  assert.deepEqual(Object.fromEntries(fresh.fields), {
    'x-b': '3',
    'content-length': '10',
    'content-encoding': 'gzip',
    etag: '"a"',
    date: date(0),
    'x-a': '9',
    'cache-control': 'max-age=30',
  });
  assert.equal(fresh.fields.count('x-a'), 1);
  assert.equal(fresh.freshness.lifetimeMs, 30_000);
  assert.equal(currentAgeMs(fresh.freshness, NOW), 0);
  assert.equal(fresh.contentLength, stored.contentLength);
});

test('a 304 that names other fields in Vary binds the response to the request that got it', () => {
  const stored = storedOf([['vary', 'foo']], { request: requestOf([['foo', '1']]) });
  const head = { status: 304, contentLength: 0, fields: FieldSection.of(['vary', 'bar']) };
  const request = requestOf([['bar', '2']]);
  const fresh = freshen({
    stored,
    request,
    response: head,
    requestTimeMs: NOW,
    responseTimeMs: NOW,
    policy: policyOf(),
  });
  assert.deepEqual(fresh.varyFields, [['bar', '2']]);
});

const HEADS: readonly [Lines, HeadOutcome, number?][] = [
  [[], 'update'],
  [[['content-length', '10']], 'update'],
  [[['content-length', '11']], 'invalidate'],
  [[['etag', '"a"']], 'update'],
  [[['etag', '"b"']], 'invalidate'],
  [[['last-modified', date(-1)]], 'invalidate'],
  [[], 'nothing', 404],
];

for (const [lines, expected, status = 200] of HEADS) {
  test(`HEAD that answers ${status} ${JSON.stringify(lines)}: ${expected}`, () => {
    const head = { status, contentLength: 0, fields: FieldSection.of(...lines) };
    assert.equal(headOutcome(tagged('"a"'), head), expected);
  });
}
