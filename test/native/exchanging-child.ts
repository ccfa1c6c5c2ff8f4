/**
 * For libatomic.test.ts, whose library this process has been started with: prints what the function
 * answers and leaves behind, then uses V8's table of WebAssembly code, for which it is there.
 */
import { readFileSync } from 'node:fs';
import { bind } from '../../src/native/load.ts';
import { addressOf, NativeBuffer } from '../../src/native/memory.ts';

const { checked } = bind({
  __atomic_compare_exchange: {
    arguments: ['u64', 'pointer', 'pointer', 'pointer', 'i32', 'i32'],
    return: 'i32',
  },
});

const SEQ_CST = 5;

/** Eight bytes each: the object, what it is expected to be, what it shall be. */
function exchange(object: bigint, expected: bigint, desired: bigint) {
  using memory = NativeBuffer.allocate(24);
  const values = [object, expected, desired];
  for (const [i, value] of values.entries()) memory.bytes.writeBigUInt64LE(value, 8 * i);
  const at = addressOf(memory);
  const words = [at, at + 8n, at + 16n] as const;
  const done = checked.__atomic_compare_exchange(8n, ...words, SEQ_CST, SEQ_CST);
  return [done, ...values.map((_, i) => String(memory.bytes.readBigUInt64LE(8 * i)))];
}

/** TypeScript has it with the types of browsers, which a server has no use for. */
const { Instance, Module } = Reflect.get(globalThis, 'WebAssembly') as {
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object) => { exports: { f(): number } };
};

/** A module with one function, which returns its number. */
function compiled(number: number): number {
  const code = [0x41, number & 0x3f, 0x0b];
  const bytes = Uint8Array.of(
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...[1, 5, 1, 0x60, 0, 1, 0x7f],
    ...[3, 2, 1, 0],
    ...[7, 5, 1, 1, 0x66, 0, 0],
    ...[10, code.length + 3, 1, code.length + 1, 0, ...code],
  );
  return new Instance(new Module(bytes)).exports.f();
}

let sum = 0;
for (let number = 0; number < 2_000; number++) sum += compiled(number) === (number & 0x3f) ? 1 : 0;

const libraries = new Set(readFileSync('/proc/self/maps', 'latin1').match(/\/\S*libatomic\S*/g));
const same = exchange(2n ** 63n + 5n, 2n ** 63n + 5n, 7n);
const other = exchange(5n, 6n, 7n);
process.stdout.write(JSON.stringify({ libraries: [...libraries], same, other, sum }));
