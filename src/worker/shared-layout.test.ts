import assert from 'node:assert/strict';
import { openSync } from 'node:fs';
import test from 'node:test';
import { layOut, type RegionName, SharedRegions } from './shared-layout.ts';

const WORKERS = 3;

/** Every copy of every region, with a number of its own. */
function copiesOf({ regions }: ReturnType<typeof layOut>) {
  return Object.entries(regions).flatMap(([name, { copies }]) =>
    Array.from({ length: copies }, (_, index) => ({ name: name as RegionName, index })),
  );
}

test('no region lies in another, and none beyond the memory', () => {
  const layout = layOut(WORKERS);
  using regions = SharedRegions.create(WORKERS);
  const copies = copiesOf(layout);
  for (const [i, { name, index }] of copies.entries()) regions.bytes(name, index).fill(i + 1);
  for (const [i, { name, index }] of copies.entries()) {
    const bytes = regions.bytes(name, index);
    assert.equal(bytes.length, layout.regions[name].bytes);
    assert.ok(
      bytes.every((byte) => byte === i + 1),
      `${name} ${index} is its own`,
    );
  }
});

test('each worker has what is its own, and the supervisor metrics as well', () => {
  const { regions } = layOut(WORKERS);
  assert.equal(regions.metrics.copies, WORKERS + 1);
  assert.equal(regions.traces.copies, WORKERS);
  assert.equal(regions.strikes.copies, 1);
});

test('bytes and words of a region are the same memory', () => {
  using regions = SharedRegions.create(WORKERS);
  regions.words('disk', 2)[0] = 7;
  assert.equal(regions.bytes('disk', 2)[0], 7);
  assert.equal(regions.words('disk', 1)[0], 0);
  assert.throws(() => regions.bytes('disk', WORKERS), 'there is no such worker');
});

test('who is handed the memory sees the same in it', () => {
  using regions = SharedRegions.create(WORKERS);
  const { fd, layout } = regions.handle;
  using theirs = SharedRegions.open({ fd: openSync(`/proc/self/fd/${fd}`, 'r+'), layout });
  regions.words('sharedHealth')[5] = 6;
  assert.equal(theirs.words('sharedHealth')[5], 6);
  const secret = Buffer.from(regions.bytes('rateSecret'));
  assert.notDeepEqual(secret, Buffer.alloc(secret.length), 'nobody can guess it');
  assert.deepEqual(Buffer.from(theirs.bytes('rateSecret')), secret);
});
