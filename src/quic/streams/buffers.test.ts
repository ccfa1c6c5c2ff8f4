import assert from 'node:assert/strict';
import test from 'node:test';
import fc from '../../../test/support/fast-check.ts';
import { RangeSet } from './range-set.ts';
import { ReceiveBuffer } from './receive-buffer.ts';
import { ReceiveWindow } from './receive-window.ts';
import { SendBuffer, type SendPiece } from './send-buffer.ts';

test('a set of ranges holds what was added and not removed', () => {
  const step = fc.tuple(fc.boolean(), fc.nat(50), fc.nat(12));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const set = new RangeSet();
      const model = new Set<number>();
      for (const [isAdded, start, length] of steps) {
        if (isAdded) set.add(start, start + length);
        else set.remove(start, start + length);
        for (let n = start; n < start + length; n++) {
          if (isAdded) model.add(n);
          else model.delete(n);
        }
        assert.equal(
          set.has(start, start + 1),
          model.has(start),
          `${start} of ${[...model]} in ${set.pairs}`,
        );
      }
      const all: number[] = [];
      for (let i = 0; i < set.pairs.length; i += 2) {
        assert.ok(i === 0 || set.pairs[i]! > set.pairs[i - 1]!, 'ranges neither overlap nor touch');
        for (let n = set.pairs[i]!; n < set.pairs[i + 1]!; n++) all.push(n);
      }
      assert.deepEqual(
        all,
        [...model].sort((a, b) => a - b),
      );
    }),
  );
});

test('a buffer hands content over in order and once, whatever pieces come in whatever order', () => {
  const piece = fc.tuple(fc.nat(40_000), fc.nat(9_000));
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
      const whole = Uint8Array.from({ length: 50_000 }, (_, i) => (i * 7 + (i >> 8)) & 255);
      const buffer = new ReceiveBuffer(100);
      let next = 0;
      const to = {
        onBytes: (bytes: Uint8Array, start: number) => {
          assert.equal(start, next);
          assert.equal(Buffer.compare(bytes, whole.subarray(start, start + bytes.length)), 0);
          next += bytes.length;
        },
      };
      const there = new RangeSet();
      for (const [start, length] of pieces) {
        const end = Math.min(50_000, start + length);
        assert.equal(buffer.put(start, whole.subarray(start, end), to), true);
        there.add(start, end);
        assert.equal(next, there.has(0, 1) ? there.pairs[1] : 0);
      }
      buffer.put(0, whole, to);
      assert.equal(next, 50_000);
      assert.equal(buffer.isEmpty, true);
    }),
    { numRuns: 50 },
  );
});

test('what is lost is sent again until all is acknowledged, and nothing that is', () => {
  const action = fc.tuple(fc.constantFrom('send', 'lose', 'acknowledge'), fc.nat(30), fc.nat(99));
  fc.assert(
    fc.property(fc.array(action, { maxLength: 120 }), (actions) => {
      const buffer = new SendBuffer();
      const whole = Uint8Array.from({ length: 400 }, (_, i) => i & 255);
      for (let at = 0; at < 400; at += 37) buffer.write(whole.subarray(at, Math.min(400, at + 37)));
      buffer.isFinWritten = true;
      const flying: SendPiece[] = [];
      const acknowledged = new RangeSet();
      const act = (what: string, length: number, which: number) => {
        const piece = { offset: 0, length: 0, isFin: false, isNew: false };
        if (what === 'send') {
          if (!buffer.next(piece, length + 1, 1_000)) return;
          const target = new Uint8Array(piece.length);
          buffer.copy(piece.offset, piece.length, target, 0);
          const expected = whole.subarray(piece.offset, piece.offset + piece.length);
          assert.equal(Buffer.compare(target, expected), 0);
          const isKnown = piece.length > 0 && acknowledged.has(piece.offset, piece.offset + 1);
          assert.equal(isKnown, false, 'what is acknowledged is not sent again');
          buffer.onSent(piece);
          flying.push(piece);
          return;
        }
        const [found] = flying.splice(which % Math.max(1, flying.length), 1);
        if (found === undefined) return;
        if (what === 'lose') buffer.onLost(found.offset, found.length, found.isFin);
        else {
          acknowledged.add(found.offset, found.offset + found.length);
          buffer.onAcknowledged(found.offset, found.length, found.isFin);
        }
      };
      for (const one of actions) act(...one);
      for (let i = 0; i < 2_000 && !buffer.isDone; i++)
        act(i % 2 === 0 ? 'send' : 'acknowledge', 30, 0);
      assert.equal(buffer.isDone, true);
      assert.equal(buffer.canSend(1_000), false);
    }),
  );
});

test('a window grows when it is used up within two round trips, up to its largest', () => {
  const window = new ReceiveWindow(1_000, 3_000);
  assert.equal(window.use(400), false);
  assert.equal(window.use(200), true);
  assert.equal(window.update(0, 10), 1_600);
  window.use(600);
  assert.equal(window.update(15, 10), 3_200, 'twice as large');
  window.use(1_500);
  assert.equal(window.update(16, 10), 5_700, 'three times, its largest');
  window.use(2_000);
  assert.equal(window.update(1_000, 10), 7_700, 'slow: as it was');
});
