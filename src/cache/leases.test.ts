import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type Claim,
  LEASES_BYTES,
  type LeaseKey,
  LeaseTable,
  leaseMemory,
  type Sight,
} from './leases.ts';

/** Processes with these numbers over one memory; `dead` may be added to. */
function machine(...owners: readonly number[]) {
  const buffer = new ArrayBuffer(LEASES_BYTES);
  const state = { nowMs: 1_000, dead: new Set<number>() };
  const tables = owners.map((owner) => {
    const isAlive = (other: number) => !state.dead.has(other);
    return new LeaseTable({
      memory: leaseMemory(buffer, 0),
      owner,
      isAlive,
      now: () => state.nowMs,
    });
  });
  return { tables: tables as [LeaseTable, LeaseTable, LeaseTable], state };
}

function claim(table: LeaseTable, key: LeaseKey, generation: number): Claim {
  return table.claim(key, generation, table.versionOf(key));
}

function granted(claim: Claim) {
  assert.ok(claim.kind === 'granted', claim.kind);
  return claim.lease;
}

function sightOf(claim: Claim): Sight {
  assert.ok(claim.kind === 'held', claim.kind);
  return claim.place.look();
}

const KEY: LeaseKey = { a: -7, b: 9 };

test('one process asks for a key, and the others see how far it is', () => {
  const { tables } = machine(10, 11);
  const [a, b] = tables;
  const lease = granted(claim(a, KEY, 7));
  const held = claim(b, KEY, 7);
  assert.deepEqual(sightOf(held), { kind: 'asking' });
  const content = { segment: 5, headLength: 300, seed: 0xffff_fffe, length: 1_000_000 };
  lease.fills(content);
  lease.hasFlushed(262_144);
  assert.deepEqual(sightOf(held), { kind: 'filling', flushed: 262_144, ...content });
  assert.equal(lease.isWanted, false);
  assert.ok(held.kind === 'held');
  held.place.want();
  assert.equal(lease.isWanted, true);
  lease.end();
  assert.deepEqual(sightOf(held), { kind: 'over' });
  granted(claim(b, KEY, 7));
});

test('who has looked before another fetch began must look again before it asks', () => {
  const { tables } = machine(10, 11);
  const [a, b] = tables;
  let version = b.versionOf(KEY);
  const lease = granted(claim(a, KEY, 0));
  assert.equal(b.claim(KEY, 0, version).kind, 'held');
  // Looks while the other one has not stored anything, and claims when it has.
  version = b.versionOf(KEY);
  lease.end();
  assert.equal(b.claim(KEY, 0, version).kind, 'late');
  granted(claim(b, KEY, 0));
});

test('of no use to others: nobody waits, for a while', () => {
  const { tables, state } = machine(10, 11);
  const [a, b] = tables;
  const lease = granted(claim(a, KEY, 0));
  const held = claim(b, KEY, 0);
  lease.pass();
  lease.end();
  assert.deepEqual(sightOf(held), { kind: 'passed' });
  assert.equal(claim(a, KEY, 0).kind, 'passed');
  assert.equal(claim(b, KEY, 0).kind, 'passed');
  state.nowMs += 10_001;
  granted(claim(b, KEY, 0));
});

test('a dead process is seen at once, and one that says nothing after a minute', () => {
  const { tables, state } = machine(10, 11, 12);
  const [a, b, c] = tables;
  granted(claim(a, KEY, 0));
  const held = claim(b, KEY, 0);
  state.dead.add(10);
  assert.deepEqual(sightOf(held), { kind: 'over' });
  const lease = granted(claim(b, KEY, 0));
  state.nowMs += 50_000;
  lease.isGoingOn();
  state.nowMs += 50_000;
  assert.equal(claim(c, KEY, 0).kind, 'held');
  state.nowMs += 10_001;
  const later = granted(claim(c, KEY, 0));
  // Who was taken for dead cannot end what is now another's.
  lease.end();
  assert.equal(claim(b, KEY, 0).kind, 'held');
  later.end();
});

test('who asks after a removal does not wait for a fetch from before it', () => {
  const { tables } = machine(10, 11);
  const [a, b] = tables;
  granted(claim(a, KEY, 1));
  assert.equal(claim(b, KEY, 2).kind, 'none');
  assert.equal(claim(b, KEY, 1).kind, 'held');
});

test('when no place is left, everybody asks; what a former process left is freed', () => {
  const { tables } = machine(10, 11);
  const [a, b] = tables;
  // The same places for all of these keys.
  const keys = Array.from({ length: 5 }, (_, i) => ({ a: 5, b: i }));
  for (const key of keys.slice(0, 4)) granted(claim(a, key, 0));
  assert.equal(claim(b, keys[4]!, 0).kind, 'none');
  a.forgetOwn();
  granted(claim(b, keys[4]!, 0));
});

test('without its memory a table claims nothing that others see', () => {
  const { tables } = machine(10, 11);
  const [a, b] = tables;
  a.detach();
  granted(claim(a, KEY, 0)).end();
  granted(claim(b, KEY, 0));
});
