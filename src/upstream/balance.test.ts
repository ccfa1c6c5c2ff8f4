import assert from 'node:assert/strict';
import test from 'node:test';
import fc from '../../test/support/fast-check.ts';
import { type Candidate, nextByHash, nextByLoad, nextByTurn } from './balance.ts';
import { hashText } from './hash.ts';

interface Named extends Candidate {
  readonly name: string;
  activeCount: number;
  share: number;
}

function candidates(shares: Record<string, number>): Named[] {
  return Object.entries(shares).map(([name, share]) => {
    return { name, share, activeCount: 0, seed: hashText(name), credit: 0 };
  });
}

function takeTurns(count: number, all: Named[], next: (all: Named[]) => Named): string {
  return Array.from({ length: count }, () => next(all).name).join('');
}

test('round robin spreads a heavy server’s turns instead of bunching them', () => {
  assert.equal(takeTurns(7, candidates({ a: 5, b: 1, c: 1 }), nextByTurn), 'aabacaa');
  assert.equal(takeTurns(6, candidates({ a: 1, b: 1, c: 1 }), nextByTurn), 'abcabc');
});

test('round robin is exact over a whole round, whatever the weights', () => {
  const weights = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(weights, (list) => {
      const all = candidates(Object.fromEntries(list.map((weight, i) => [`s${i}`, weight])));
      const round = list.reduce((sum, weight) => sum + weight, 0);
      const counts = new Map<Named, number>();
      for (let i = 0; i < round; i++) {
        const chosen = nextByTurn(all);
        counts.set(chosen, (counts.get(chosen) ?? 0) + 1);
      }
      for (const one of all) assert.equal(counts.get(one) ?? 0, one.share);
    }),
  );
});

test('least connections gives the next request to whoever has least to do for its weight', () => {
  const all = candidates({ a: 1, b: 1, c: 2 });
  const [a, b, c] = all as [Named, Named, Named];
  a.activeCount = 1;
  b.activeCount = 0;
  c.activeCount = 1;
  assert.equal(nextByLoad(all), b);
  b.activeCount = 1;
  // c has 1 for 2, the others 1 for 1.
  assert.equal(nextByLoad(all), c);
  c.activeCount = 2;
  const chosen = new Set([nextByLoad(all), nextByLoad(all), nextByLoad(all), nextByLoad(all)]);
  assert.deepEqual(chosen, new Set([a, b, c]));
});

test('least connections: idle servers get their shares, the lighter one too', () => {
  const order = takeTurns(60, candidates({ heavy: 2, light: 1 }), nextByLoad);
  assert.equal(order.split('heavy').length - 1, 40);
  assert.equal(order.split('light').length - 1, 20);
});

test('least connections: a server just out of the tie owes nothing for the time', () => {
  const all = candidates({ a: 1, b: 1 });
  all[0]!.activeCount = 5;
  for (let i = 0; i < 10; i++) assert.equal(nextByLoad(all).name, 'b');
  all[0]!.activeCount = 0;
  assert.equal(takeTurns(10, all, nextByLoad).split('a').length - 1, 5);
});

test('least connections takes turns among the idle', () => {
  const order = takeTurns(300, candidates({ a: 1, b: 1, c: 1 }), nextByLoad);
  for (const name of 'abc') assert.equal(order.split(name).length - 1, 100);
});

const keys = Array.from({ length: 2_000 }, (_, i) => hashText(`/path/${i}?q=${i * 7}`));
const place = (all: Named[]) => keys.map((key) => nextByHash(all, key, 1e9).name);

test('consistent hashing: a server that goes moves its own keys and no others', () => {
  const names = fc.uniqueArray(fc.nat().map(String), { minLength: 2, maxLength: 12 });
  fc.assert(
    fc.property(names, fc.nat(), (list, which) => {
      const all = candidates(Object.fromEntries(list.map((name) => [`x${name}`, 1])));
      const gone = all[which % all.length]!;
      const before = place(all);
      const after = place(all.filter((one) => one !== gone));
      before.forEach((name, i) => {
        if (name !== gone.name) assert.equal(after[i], name);
      });
    }),
    { numRuns: 30 },
  );
});

test('consistent hashing: keys are spread by weight', () => {
  const placed = place(candidates({ a: 1, b: 1, c: 2 }));
  const shareOf = (name: string) => placed.filter((one) => one === name).length / keys.length;
  assert.ok(Math.abs(shareOf('a') - 0.25) < 0.04, `a has ${shareOf('a')}`);
  assert.ok(Math.abs(shareOf('c') - 0.5) < 0.04, `c has ${shareOf('c')}`);
});

test('consistent hashing: no server gets more than its bound, and the rest goes one way', () => {
  const all = candidates({ a: 1, b: 1, c: 1, d: 1 });
  const key = hashText('/popular');
  const count = 100;
  for (let i = 0; i < count; i++) nextByHash(all, key, 1.25).activeCount++;
  for (const { name, activeCount } of all) {
    assert.ok(activeCount <= Math.ceil((1.25 * count) / 4), `${name} has ${activeCount}`);
  }
  assert.equal(
    all.reduce((sum, one) => sum + one.activeCount, 0),
    count,
  );
});
