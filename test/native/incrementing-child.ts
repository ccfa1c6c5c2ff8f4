/** For shared-memory.test.ts: counts to the first argument in the memory of descriptor 3. */
import { SharedMemory } from '../../src/native/shared-memory.ts';

using memory = SharedMemory.open(3, 64);
const integers = memory.int32(0, 2);
const wide = memory.bigInt64(8, 1);
for (let count = Number(process.argv[2]); count > 0; count--) {
  Atomics.add(integers, 1, 1);
  Atomics.add(wide, 0, 1n);
}
memory.float64(16, 1)[0] = 0.5;
