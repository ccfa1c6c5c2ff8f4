import assert from 'node:assert/strict';
import { type StdioOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { liveNativeCounts } from '../../src/native/counters.ts';
import { nativeBytesLive } from '../../src/native/memory.ts';
import { SharedMemory } from '../../src/native/shared-memory.ts';

const CHILD = path.join(import.meta.dirname, 'incrementing-child.ts');

describe('shared memory', () => {
  it('is exact under concurrent increments by several processes', async () => {
    using memory = SharedMemory.create('sluice-test', 64);
    const [processes, each] = [3, 200_000];
    const exits = Array.from({ length: processes }, () => {
      const args = ['--disable-warning=ExperimentalWarning', CHILD, String(each)];
      const stdio: StdioOptions = ['ignore', 'inherit', 'inherit', memory.fd];
      return once(spawn(process.execPath, args, { stdio }), 'exit');
    });
    for (const exit of await Promise.all(exits)) assert.deepEqual(exit, [0, null]);
    assert.deepEqual([...memory.int32(0, 2)], [0, processes * each]);
    assert.equal(memory.bigInt64(8, 1)[0], BigInt(processes * each));
    assert.equal(memory.float64(16, 1)[0], 0.5);
  });

  it('starts zeroed and is seen through every mapping of it', () => {
    using one = SharedMemory.create('sluice-test', 8_192);
    // Opens the same memory by a descriptor of its own, as a child process inherits one.
    using two = SharedMemory.open(openSync(`/proc/self/fd/${one.fd}`, 'r+'), 4_096);
    assert.ok(two.bytes.every((byte) => byte === 0));
    Atomics.store(one.int32(0, 1), 0, 42);
    assert.equal(Atomics.load(two.int32(0, 1), 0), 42);
  });

  it('refuses views and mappings outside of it', () => {
    using memory = SharedMemory.create('sluice-test', 16);
    assert.throws(() => memory.int32(0, 5), /inside/);
    assert.throws(() => memory.bigInt64(16, 1), /inside/);
    assert.throws(() => memory.bigInt64(-8, 1), /inside/);
    assert.throws(() => memory.bigInt64(4, 1), RangeError);
    assert.throws(() => SharedMemory.open(memory.fd, 17), /as long as/);
  });

  it('is given back when closed, once', () => {
    const [bytes, { fd, mapping }] = [nativeBytesLive(), liveNativeCounts()];
    const memory = SharedMemory.create('sluice-test', 1 << 20);
    assert.equal(nativeBytesLive(), bytes + (1 << 20));
    memory[Symbol.dispose]();
    memory[Symbol.dispose]();
    assert.equal(nativeBytesLive(), bytes);
    assert.deepEqual([liveNativeCounts().fd, liveNativeCounts().mapping], [fd, mapping]);
    assert.throws(() => memory.int32(0, 1), /before it is closed/);
  });
});
