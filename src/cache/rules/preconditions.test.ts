import assert from 'node:assert/strict';
import { test } from 'node:test';
import { date, type Lines, NOW, storedOf } from '../../../test/cache/messages.ts';
import { FieldSection } from '../../http/field-section.ts';
import {
  evaluatePreconditions,
  notModifiedFields,
  type PreconditionOutcome,
} from './preconditions.ts';

type Case = [stored: Lines, request: Lines, PreconditionOutcome, status?: number];

const tag = ['etag', '"a"'] as const;
const weak = ['etag', 'W/"a"'] as const;
const modified = ['last-modified', date(-3000)] as const;

const CASES: readonly Case[] = [
  [[tag], [], 'proceed'],
  [[tag], [['if-none-match', '"a"']], 'not-modified'],
  [[tag], [['if-none-match', 'W/"a"']], 'not-modified'],
  [[weak], [['if-none-match', '"a"']], 'not-modified'],
  [[tag], [['if-none-match', '"x", "a", "y"']], 'not-modified'],
  [[tag], [['if-none-match', '"x","y"']], 'proceed'],
  [[tag], [['if-none-match', '"x, a"']], 'proceed'],
  // Without its quotes, as some send it; but never in place of another one.
  [[tag], [['if-none-match', 'a']], 'not-modified'],
  [[['etag', 'a']], [['if-none-match', 'a']], 'not-modified'],
  [[['etag', 'a']], [['if-none-match', 'b']], 'proceed'],
  [[tag], [['if-none-match', '*']], 'not-modified'],
  [[], [['if-none-match', '"a"']], 'proceed'],
  [
    [tag, modified],
    [
      ['if-none-match', '"a"'],
      ['if-modified-since', date(-9000)],
    ],
    'not-modified',
  ],
  [
    [tag, modified],
    [
      ['if-none-match', '"b"'],
      ['if-modified-since', date(-10)],
    ],
    'proceed',
  ],
  [[modified], [['if-modified-since', date(-3000)]], 'not-modified'],
  [[modified], [['if-modified-since', date(-2000)]], 'not-modified'],
  [[modified], [['if-modified-since', date(-3001)]], 'proceed'],
  [[modified], [['if-modified-since', 'yesterday']], 'proceed'],
  [
    [modified],
    [
      ['if-modified-since', date(-1)],
      ['if-modified-since', date(-1)],
    ],
    'proceed',
  ],
  // RFC 9111 §4.3.2: without Last-Modified, Date stands for it.
  [[['date', date(-5)]], [['if-modified-since', date(-5)]], 'not-modified'],
  [[['date', date(-5)]], [['if-modified-since', date(-6)]], 'proceed'],
  [[tag], [['if-none-match', '"a"']], 'proceed', 404],
  // Only the origin can refuse: a cache that would, forwards.
  [[tag], [['if-match', '"a"']], 'proceed'],
  [[tag], [['if-match', '"b"']], 'forward'],
  [[weak], [['if-match', 'W/"a"']], 'forward'],
  [[modified], [['if-unmodified-since', date(-3000)]], 'proceed'],
  [[modified], [['if-unmodified-since', date(-3001)]], 'forward'],
  [[], [['if-unmodified-since', date(0)]], 'forward'],
];

for (const [stored, request, expected, status = 200] of CASES) {
  const [has, asks] = [JSON.stringify(stored), JSON.stringify(request)];
  test(`${has} (${status}) asked with ${asks}: ${expected}`, () => {
    const response = storedOf(stored, { status });
    const outcome = evaluatePreconditions(FieldSection.of(...request), response, NOW);
    assert.equal(outcome, expected);
  });
}

test('a 304 has the validators and the control fields, not those of content', () => {
  const fields = notModifiedFields(
    FieldSection.of(
      tag,
      ['content-type', 'text/html'],
      ['content-length', '5'],
      ['cache-control', 'max-age=5'],
      ['content-location', '/x'],
      ['vary', 'foo'],
    ),
  );
  assert.deepEqual(fields.names, ['etag', 'cache-control', 'content-location', 'vary']);
});
