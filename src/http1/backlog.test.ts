import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from '../../test/support/fast-check.ts';
import { Backlog } from './backlog.ts';

test('bytes come out in order, once, and early ones are told from the others', () => {
  const appends = fc.array(fc.tuple(fc.uint8Array({ maxLength: 900 }), fc.boolean()), {
    maxLength: 12,
  });
  const takes = fc.array(fc.nat(1_500), { maxLength: 24 });
  const property = fc.property(appends, takes, (pieces, counts) => {
    const backlog = new Backlog();
    // Early data comes before all other bytes of a connection (RFC 8446 §4.2.10).
    const early = pieces.filter(([, isEarly]) => isEarly);
    const inOrder = [...early, ...pieces.filter(([, isEarly]) => !isEarly)];
    const expected = inOrder.flatMap(([bytes, isEarly]) => [...bytes].map((c) => [c, isEarly]));
    const came: [number, boolean][] = [];
    const take = (count: number): void => {
      if (backlog.length === 0) return;
      const { isEarly } = backlog;
      const next = backlog.next();
      const taken = Math.min(count, next.length);
      for (const c of next.subarray(0, taken)) came.push([c, isEarly]);
      backlog.consume(taken);
    };
    for (const [i, [bytes, isEarly]] of inOrder.entries()) {
      const copy = bytes.slice();
      if (copy.length > 0) backlog.append(copy, isEarly);
      copy.fill(0xaa);
      take(counts[i] ?? 0);
    }
    assert.equal(backlog.length, expected.length - came.length);
    while (backlog.length > 0) take(700);
    assert.deepEqual(came, expected);
  });
  fc.assert(property);
});

test('what was handed out stays as it was while more arrives', () => {
  const backlog = new Backlog();
  backlog.append(Buffer.from('first'), false);
  const view = backlog.next();
  for (let i = 0; i < 100; i++) backlog.append(Buffer.alloc(100, i), false);
  assert.equal(Buffer.from(view).toString(), 'first');
  backlog.consume(view.length);
  assert.equal(backlog.length, 10_000);
});

test('bytes that drip in are not copied over and over', () => {
  const backlog = new Backlog();
  const one = Buffer.from('x');
  backlog.append(one, false);
  let memory = backlog.next().buffer;
  let moves = 0;
  for (let i = 0; i < 100_000; i++) {
    backlog.append(one, false);
    const now = backlog.next().buffer;
    if (now !== memory) moves++;
    memory = now;
  }
  assert.ok(moves < 20, `moved ${moves} times`);
});
