import assert from 'node:assert/strict';
import { test } from 'node:test';
import { date, type Lines, NOW, requestOf, storedOf } from '../../../test/cache/messages.ts';
import fc from '../../../test/support/fast-check.ts';
import { FieldSection } from '../../http/field-section.ts';
import type { StoredResponse } from '../contract.ts';
import { planRange } from './range.ts';

const CONTENT = Buffer.from('0123456789');

/** What a client gets: status, Content-Range or the multipart's text, and content. */
function answer(request: Lines, stored: StoredResponse, content = CONTENT): string {
  const plan = planRange(FieldSection.of(...request), stored, NOW, 'B');
  if (plan.kind === 'whole' || plan.kind === 'forward') return plan.kind;
  const pieces = plan.pieces.map((piece) =>
    'bytes' in piece ? piece.bytes : content.subarray(piece.start, piece.end),
  );
  const all = Buffer.concat(pieces);
  assert.equal(all.length, plan.contentLength);
  return `${plan.status} ${plan.fields.combined('content-range') ?? 'multipart'} ${all}`;
}

const complete = storedOf([
  ['content-type', 'text/plain'],
  ['etag', '"a"'],
  ['last-modified', date(-100)],
]);
const part = storedOf([['content-range', 'bytes 4-8/10']], {
  status: 206,
  contentLength: 5,
});

const SINGLE: readonly [range: string, expected: string][] = [
  ['bytes=0-1', '206 bytes 0-1/10 01'],
  ['Bytes=0-1', '206 bytes 0-1/10 01'],
  ['bytes=8-', '206 bytes 8-9/10 89'],
  ['bytes=8-99', '206 bytes 8-9/10 89'],
  ['bytes=-1', '206 bytes 9-9/10 9'],
  ['bytes=-99', '206 bytes 0-9/10 0123456789'],
  ['bytes=0-0,99-', '206 bytes 0-0/10 0'],
  ['bytes=10-', '416 bytes */10 '],
  ['bytes=-0', '416 bytes */10 '],
  ['bytes=3-1', 'whole'],
  ['bytes=a-b', 'whole'],
  ['bytes=', 'whole'],
  ['lines=0-1', 'whole'],
  // Overlapping ranges would make the answer larger than the whole.
  ['bytes=0-9,0-9', 'whole'],
  [`bytes=${'0-0,'.repeat(65)}`, 'whole'],
];

for (const [range, expected] of SINGLE) {
  test(`Range: ${range.slice(0, 30)} of ten bytes: ${expected}`, () => {
    assert.equal(answer([['range', range]], complete), expected);
  });
}

test('several ranges come as multipart/byteranges with their type and place', () => {
  const expected = [
    '--B\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-1/10\r\n\r\n01',
    '\r\n--B\r\nContent-Type: text/plain\r\nContent-Range: bytes 8-9/10\r\n\r\n89',
    '\r\n--B--\r\n',
  ].join('');
  assert.equal(answer([['range', 'bytes=0-1, -2']], complete), `206 multipart ${expected}`);
});

const IF_RANGE: readonly [condition: string, served: boolean][] = [
  ['"a"', true],
  ['"b"', false],
  ['W/"a"', false],
  ['a', true],
  ['W/a', false],
  [date(-100), true],
  [date(-99), false],
  ['nonsense', false],
];

for (const [condition, served] of IF_RANGE) {
  test(`If-Range: ${condition}: ${served ? 'the range' : 'the whole'}`, () => {
    const lines: Lines = [
      ['range', 'bytes=0-0'],
      ['if-range', condition],
    ];
    assert.equal(answer(lines, complete), served ? '206 bytes 0-0/10 0' : 'whole');
  });
}

test('Range is ignored for a stored response other than 200', () => {
  assert.equal(answer([['range', 'bytes=0-0']], storedOf([], { status: 404 })), 'whole');
});

const OF_PART: readonly [range: string, expected: string][] = [
  ['bytes=4-8', '206 bytes 4-8/10 45678'],
  ['bytes=6-7', '206 bytes 6-7/10 67'],
  ['bytes=6-', 'forward'],
  ['bytes=-1', 'forward'],
  ['bytes=3-5', 'forward'],
  ['bytes=10-', '416 bytes */10 '],
  ['nonsense', 'forward'],
];

for (const [range, expected] of OF_PART) {
  test(`from a stored part 4-8 of ten bytes, ${range}: ${expected}`, () => {
    assert.equal(answer([['range', range]], part, CONTENT.subarray(4, 9)), expected);
  });
}

test('a stored part is of no use to a request without Range', () => {
  assert.equal(answer([], part), 'forward');
});

test('a single range is the same bytes as a slice of the content', () => {
  const bound = fc.nat({ max: 15 });
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 12 }), bound, bound, (bytes, a, b) => {
      const content = Buffer.from(bytes);
      const stored = storedOf([], { contentLength: content.length });
      const request = requestOf([['range', `bytes=${a}-${b}`]]).fields;
      const plan = planRange(request, stored, NOW, 'B');
      if (b < a) assert.equal(plan.kind, 'whole');
      else if (a >= content.length) assert.equal(plan.kind, 'unsatisfiable');
      else {
        assert.ok(plan.kind === 'part');
        const [piece] = plan.pieces;
        assert.ok(piece !== undefined && 'start' in piece);
        const expected = content.subarray(a, b + 1);
        assert.deepEqual(content.subarray(piece.start, piece.end), expected);
      }
    }),
  );
});
