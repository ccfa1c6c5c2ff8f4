import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { readResident } from './file-io.ts';
import { NativeBuffer } from './memory.ts';

test('what was just written is read without waiting, at any offset, up to the end', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'file-io-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'file');
  const content = Buffer.from(Array.from({ length: 10_000 }, (_, i) => i & 0xff));
  writeFileSync(path, content);
  const fd = openSync(path, 'r');
  t.after(() => closeSync(fd));
  using target = NativeBuffer.allocate(8192);
  const count = readResident(fd, target, 100, 5000);
  // Some file systems do not know the flag: then a thread is used, and -1 says so.
  if (count === -1) {
    t.diagnostic('this file system does not read without waiting');
    return;
  }
  assert.equal(count, 100);
  assert.ok(target.bytes.subarray(0, 100).equals(content.subarray(5000, 5100)));
  assert.equal(readResident(fd, target, 8192, 9990), 10);
  assert.equal(readResident(fd, target, 100_000, 0), 8192);
  assert.equal(readResident(-1, target, 10, 0), -1);
});
