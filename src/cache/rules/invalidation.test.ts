import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Lines, requestOf } from '../../../test/cache/messages.ts';
import { FieldSection } from '../../http/field-section.ts';
import { invalidatedKeys } from './invalidation.ts';

const page = 'http://www.example/page';

const CASES: readonly [method: string, status: number, Lines, string[]][] = [
  ['GET', 200, [['location', '/x']], []],
  ['HEAD', 200, [], []],
  ['POST', 200, [], [page]],
  ['PUT', 204, [], [page]],
  ['DELETE', 302, [], [page]],
  ['M-SEARCH', 200, [], [page]],
  ['POST', 404, [['location', '/x']], []],
  ['POST', 500, [], []],
  ['POST', 201, [['location', 'new']], [page, 'http://www.example/new']],
  [
    'POST',
    200,
    [
      ['location', 'http://WWW.example:80/a?b'],
      ['content-location', '/c'],
    ],
    [page, 'http://www.example/a?b', 'http://www.example/c'],
  ],
  ['POST', 200, [['location', '/page']], [page]],
  // Nobody may invalidate what belongs to another origin.
  ['POST', 200, [['location', 'http://other.example/']], [page]],
  ['POST', 200, [['location', 'https://www.example/']], [page]],
  ['POST', 200, [['location', 'http://www.example:81/']], [page]],
  ['POST', 200, [['location', 'http://[']], [page]],
];

for (const [method, status, lines, expected] of CASES) {
  test(`${method} answered ${status} ${JSON.stringify(lines)} invalidates ${expected}`, () => {
    const request = requestOf([], { method });
    assert.deepEqual(invalidatedKeys(request, status, FieldSection.of(...lines)), expected);
  });
}
