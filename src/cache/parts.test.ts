import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Lines, requestOf, storedOf } from '../../test/cache/messages.ts';
import fc from '../../test/support/fast-check.ts';
import type { StoredResponse, StoreHit } from './contract.ts';
import {
  isCombinable,
  lengthOf,
  PART_SLOTS,
  partsOf,
  replaces,
  sectionsOf,
  wholeOf,
} from './parts.ts';

function partOf(first: number, last: number, length: number, lines: Lines = [['etag', '"a"']]) {
  return storedOf([['content-range', `bytes ${first}-${last}/${length}`], ...lines], {
    status: 206,
    contentLength: last - first + 1,
  });
}

function hitOf(response: StoredResponse): StoreHit {
  return { response, prepared: () => null, open: () => assert.fail('not read') };
}

test('only the same strong validator and length make parts of one representation', () => {
  const part = partOf(0, 4, 10);
  const others: [StoredResponse, boolean][] = [
    [partOf(5, 9, 10), true],
    [partOf(5, 9, 10, [['etag', '"b"']]), false],
    [partOf(5, 9, 10, [['etag', 'W/"a"']]), false],
    [partOf(5, 9, 10, []), false],
    [partOf(5, 9, 11), false],
    [storedOf([['etag', '"a"']], { contentLength: 10 }), true],
  ];
  for (const [other, expected] of others) assert.equal(isCombinable(part, other), expected);
  const dated = (last: string) =>
    partOf(0, 4, 10, [
      ['date', 'Sun, 22 Nov 2026 12:00:00 GMT'],
      ['last-modified', last],
    ]);
  const old = 'Sun, 22 Nov 2026 11:00:00 GMT';
  assert.equal(isCombinable(dated(old), dated(old)), true);
  // Modified in the second in which it was sent: may have changed since (RFC 9110 §8.8.2.2).
  const now = 'Sun, 22 Nov 2026 12:00:00 GMT';
  assert.equal(isCombinable(dated(now), dated(now)), false);
});

test('a part replaces what began where it begins, and parts of another version', () => {
  const part = partOf(5, 9, 100);
  assert.equal(replaces(part, partOf(5, 7, 100)), true);
  assert.equal(replaces(part, partOf(6, 9, 100)), false);
  assert.equal(replaces(part, partOf(5 + PART_SLOTS, 50, 100)), true);
  assert.equal(replaces(part, partOf(6, 9, 100, [['etag', '"b"']])), true);
  const complete = storedOf([['etag', '"a"']], { contentLength: 100 });
  assert.equal(replaces(part, complete), false);
  assert.equal(replaces(complete, part), true);
});

test('parts of another variant or version are left alone', () => {
  const selected = hitOf(partOf(0, 4, 10));
  const same = hitOf(partOf(7, 9, 10));
  const hits = [hitOf(partOf(5, 6, 10, [['etag', '"b"']])), same, selected];
  assert.deepEqual(partsOf(selected, hits, requestOf().fields), [selected, same]);
  const whole = wholeOf(selected.response);
  assert.equal(whole.status, 200);
  assert.equal(lengthOf(whole), 10);
  assert.equal(whole.fields.has('content-range'), false);
});

test('sections cover what was asked for exactly once, with what is stored where it is', () => {
  const length = 60;
  const range = fc.tuple(fc.nat(length - 1), fc.nat(length - 1));
  const ordered = range.map(([a, b]) => ({ first: Math.min(a, b), last: Math.max(a, b) }));
  const property = fc.property(fc.array(ordered, { maxLength: 6 }), ordered, (stored, wanted) => {
    const parts = stored.map(({ first, last }) => hitOf(partOf(first, last, length)));
    const has = new Set(stored.flatMap(({ first, last }) => run(first, last + 1)));
    const pieces = [{ start: wanted.first, end: wanted.last + 1 }];
    const bytes: number[] = [];
    for (const section of sectionsOf(pieces, parts)) {
      assert.ok(section.kind !== 'made' && section.start < section.end);
      const first = section.kind === 'stored' ? section.hit.response.partial!.first : 0;
      const isStored = section.kind === 'stored';
      for (const byte of run(first + section.start, first + section.end)) {
        bytes.push(byte);
        assert.equal(has.has(byte), isStored);
      }
      if (section.kind === 'stored') {
        assert.ok(section.end <= section.hit.response.contentLength);
      }
    }
    assert.deepEqual(bytes, run(wanted.first, wanted.last + 1));
  });
  fc.assert(property);
});

function run(start: number, end: number): number[] {
  return Array.from({ length: end - start }, (_, i) => start + i);
}
