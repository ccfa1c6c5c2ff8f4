import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from '../../test/support/fast-check.ts';
import { decodeHuffman, encodeHuffman, huffmanDecodedMax, huffmanLength } from './huffman.ts';

function encode(text: string): Buffer {
  const target = Buffer.alloc(huffmanLength(text) + 1, 0xee);
  const end = encodeHuffman(text, target, 0);
  assert.equal(end, huffmanLength(text), 'the length that was announced');
  assert.equal(target[end], 0xee, 'nothing beyond it');
  return target.subarray(0, end);
}

function decode(code: Uint8Array): string | null {
  const target = Buffer.alloc(huffmanDecodedMax(code.length));
  const length = decodeHuffman(code, 0, code.length, target);
  return length < 0 ? null : target.toString('latin1', 0, length);
}

test('any bytes come back', () => {
  const bytes = Array.from({ length: 256 }, (_, i) => String.fromCharCode(i)).join('');
  assert.equal(decode(encode(bytes)), bytes);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const text = Buffer.from(bytes).toString('latin1');
      return decode(encode(text)) === text;
    }),
  );
});

test('any code is decoded to what encodes to it, or refused', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      const text = decode(bytes);
      if (text !== null) assert.deepEqual(encode(text), Buffer.from(bytes));
    }),
    { numRuns: 2_000 },
  );
});

test('the code agrees with the examples of RFC 7541 Appendix C.4', () => {
  assert.equal(encode('www.example.com').toString('hex'), 'f1e3c2e5f23a6ba0ab90f4ff');
  assert.equal(encode('no-cache').toString('hex'), 'a8eb10649cbf');
});

test('padding: 7 bits of ones at most (RFC 7541 §5.2)', () => {
  assert.equal(decode(Buffer.from('1f', 'hex')), 'a');
  assert.equal(decode(Buffer.from('1e', 'hex')), null, 'a zero among them');
  assert.equal(decode(Buffer.from('1fff', 'hex')), null, '11 bits');
  assert.equal(decode(Buffer.from('ffffffff', 'hex')), null, 'EOS');
});
