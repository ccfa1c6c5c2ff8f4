import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { connectionsFor, DESCRIPTORS_KEPT, descriptorsMax } from './descriptors.ts';

const directory = mkdtempSync(join(tmpdir(), 'sluice-limits-'));
after(() => rmSync(directory, { recursive: true }));

test('with descriptors enough, a worker takes as many connections as it wants', () => {
  assert.equal(connectionsFor(Number.POSITIVE_INFINITY, 30_000), 30_000);
  assert.equal(connectionsFor(30_000 + DESCRIPTORS_KEPT, 30_000), 30_000);
});

test('with fewer, what it needs for origins, cache and logs is kept back', () => {
  assert.equal(connectionsFor(20_000, 30_000), 20_000 - DESCRIPTORS_KEPT);
  assert.equal(connectionsFor(1_024, 30_000), 512);
  assert.equal(connectionsFor(1, 30_000), 1);
  for (let descriptors = 2; descriptors < 40_000; descriptors += 97) {
    const connections = connectionsFor(descriptors, 30_000);
    assert.ok(connections >= 1 && connections < descriptors, `${descriptors}: ${connections}`);
    assert.ok(connections <= connectionsFor(descriptors + 1, 30_000), 'more never gives fewer');
  }
});

test('the limit is read from what the kernel says of the process', () => {
  const file = join(directory, 'limits');
  writeFileSync(
    file,
    'Max open files            1024                 4096                 files\n',
  );
  assert.equal(descriptorsMax(file), 1024);
  writeFileSync(
    file,
    'Max open files            unlimited            unlimited            files\n',
  );
  assert.equal(descriptorsMax(file), Number.POSITIVE_INFINITY);
  assert.equal(descriptorsMax(join(directory, 'none')), Number.POSITIVE_INFINITY);
  assert.ok(descriptorsMax() > 0);
});
