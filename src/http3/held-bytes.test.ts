import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from '../../test/support/fast-check.ts';
import { HeldBytes } from './held-bytes.ts';

test('what is appended and put back is taken in the same order', () => {
  const step = fc.tuple(fc.constantFrom('append', 'take', 'part'), fc.nat(5_000));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const held = new HeldBytes();
      let next = 0;
      let expected = 0;
      const check = (bytes: Uint8Array) => {
        for (const byte of bytes) assert.equal(byte, expected++ & 0xff);
      };
      for (const [kind, length] of steps) {
        if (kind === 'append') {
          const bytes = Uint8Array.from({ length }, () => next++ & 0xff);
          held.append(bytes);
          bytes.fill(0xdd);
        } else {
          const bytes = held.take();
          const read = kind === 'take' ? bytes.length : Math.min(length, bytes.length);
          check(bytes.subarray(0, read));
          held.putBack(bytes.subarray(read));
        }
        assert.equal(held.length, next - expected);
      }
      while (held.length > 0) check(held.take());
      assert.equal(expected, next);
    }),
  );
});

test('small pieces lie in blocks, so that a byte costs no object of its own', () => {
  const held = new HeldBytes();
  for (let i = 0; i < 50_000; i++) held.append(Uint8Array.of(1));
  let blocks = 0;
  for (; held.length > 0; blocks++) held.take();
  assert.equal(blocks, Math.ceil(50_000 / 2_048));
});
