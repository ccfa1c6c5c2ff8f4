/** Stores without end, until it is killed: for disk-model.test.ts. Arguments: directory, number. */
import { DiskStore } from '../../src/cache/disk/disk-store.ts';
import { storedOf } from './messages.ts';

const [directory, writer] = process.argv.slice(2);
const MIB = 1_048_576;
const LENGTHS = [10, 4000, 70_000, 1_300_000];

const store = DiskStore.open({
  directory: directory!,
  capacityBytes: 32 * MIB,
  memoryBytes: 4 * MIB,
});

for (let i = 0; ; i = (i + 1) % 200) {
  const content = Buffer.alloc(LENGTHS[i % LENGTHS.length]!, i & 0xff);
  content.writeUInt32LE(i, 0);
  const fill = store.create(`http://h/${writer}/${i}`, storedOf([], { contentLength: -1 }));
  fill?.write(content);
  fill?.commit(null);
  if (i % 5 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  if (i === 10) {
    await store.flushed();
    process.stdout.write('writing\n');
  }
}
