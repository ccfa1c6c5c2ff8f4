import assert from 'node:assert/strict';
import { test } from 'node:test';
import { requestOf, storedOf } from '../../../../test/cache/messages.ts';
import fc from '../../../../test/support/fast-check.ts';
import {
  decodeHead,
  encodeHead,
  FRAGMENT_BYTES,
  frameContent,
  framedLength,
  keyHash,
  objectName,
  unframeContent,
} from './record.ts';

const NO_HEAD = new Uint8Array(0);

test('a head comes back as it was written', () => {
  const request = requestOf([['foo', 'b\xe4r']]);
  const stored = storedOf(
    [
      ['vary', 'foo, other'],
      ['etag', '"\xfc"'],
      ['set-cookie', 'a=1'],
      ['set-cookie', 'b=2'],
    ],
    { request },
  );
  const head = decodeHead(encodeHead('http://h/\xff', stored, 7))!;
  assert.equal(head.key, 'http://h/\xff');
  assert.equal(head.seed, 7);
  assert.deepEqual(head.facts.fields, stored.fields);
  assert.deepEqual(head.varyFields, stored.varyFields);
  assert.equal(head.facts.responseTimeMs, stored.responseTimeMs);
  assert.equal(head.partial, null);
});

test('any bit that changes in a head is noticed, and so is a missing end', () => {
  const written = encodeHead('http://h/', storedOf([['etag', '"a"']]), 0x12345678);
  for (let bit = 0; bit < written.length * 8; bit++) {
    const damaged = Buffer.from(written);
    damaged[bit >> 3]! ^= 1 << (bit & 7);
    assert.equal(decodeHead(damaged), undefined, `bit ${bit}`);
  }
  for (let length = 0; length < written.length; length++) {
    assert.equal(decodeHead(written.subarray(0, length)), undefined);
  }
});

const seed = fc.integer({ min: 0, max: 0xffff_ffff });
const content = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc
    .constantFrom(FRAGMENT_BYTES - 1, FRAGMENT_BYTES, FRAGMENT_BYTES + 1, 2 * FRAGMENT_BYTES + 5)
    .map((length) => new Uint8Array(length).map((_, i) => i)),
);

test('framed content comes back whole; damage, a cut and another seed are noticed', () => {
  fc.assert(
    fc.property(content, seed, fc.nat(), (bytes, start, somewhere) => {
      const framed = frameContent(bytes, start, NO_HEAD);
      assert.equal(framed.length, framedLength(bytes.length));
      assert.deepEqual(unframeContent(framed, bytes.length, start), Buffer.from(bytes));
      if (bytes.length === 0) return;
      assert.equal(unframeContent(framed, bytes.length, (start + 1) >>> 0), undefined);
      const cut = framed.subarray(0, somewhere % framed.length);
      assert.equal(unframeContent(cut, bytes.length, start), undefined);
      framed[somewhere % framed.length]! ^= 1 << (somewhere & 7);
      assert.equal(unframeContent(framed, bytes.length, start), undefined);
    }),
    { numRuns: 200 },
  );
});

test('fragments that changed places are noticed', () => {
  const bytes = new Uint8Array(2 * FRAGMENT_BYTES).fill(1);
  const framed = frameContent(bytes, 9, NO_HEAD);
  const half = framed.length / 2;
  const swapped = Buffer.concat([framed.subarray(half), framed.subarray(0, half)]);
  assert.equal(unframeContent(swapped, bytes.length, 9), undefined);
});

test('keys, variants, and parts have names of their own', () => {
  const plain = storedOf([]);
  const varied = storedOf([['vary', 'foo']], { request: requestOf([['foo', '1']]) });
  const part = storedOf([['content-range', 'bytes 0-1/9']], { status: 206, contentLength: 2 });
  const names = [
    objectName('a', plain),
    objectName('b', plain),
    objectName('a', varied),
    objectName('a', part),
  ].map((name) => name.toString('hex'));
  assert.equal(new Set(names).size, 4);
  assert.ok(names[2]!.startsWith(keyHash('a').toString('hex')));
});
