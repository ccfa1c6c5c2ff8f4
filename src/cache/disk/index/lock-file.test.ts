import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { run } from '../../../../test/support/programs.ts';

const root = mkdtempSync(join(tmpdir(), 'sluice-locks-'));
after(() => rmSync(root, { recursive: true }));

const NO_THREAD = 'ffffff3f';
const cases: readonly (readonly [what: string, at: number, hex: string])[] = [
  ['writers: taken by no thread', 64, NO_THREAD],
  ['writers: taken by a process that has nothing to do with it', 64, '01000000'],
  ['writers: somebody waits, and nobody has it', 64, '00000080'],
  ['readers: taken by no thread', 24, NO_THREAD],
  ['device: taken by no thread', 104, NO_THREAD],
  ['readers: another kind of lock', 40, '91000000'],
  ['writers: another kind of lock', 80, '10000000'],
  ['device: another kind of lock', 120, '00000000'],
  ['more readers than there is room for', 16, '7f000000'],
  ['another file', 0, '00'],
  ['another format', 4, 'ff'],
  // And one that is no damage: LMDB has a way for it.
  ['writers: whoever had it died', 64, '00000040'],
];

/** Each on an index of its own: written to, altered, written to again. Says what its owner is told. */
const program = `
  import { openSync, writeSync } from 'node:fs';
  const { DiskIndex } = await import(process.argv[1]);
  for (const [what, at, hex] of JSON.parse(process.argv[3])) {
    let told = 'nothing';
    const directory = process.argv[2] + '/' + at + hex;
    const onFailure = (error) => { told = error.message; };
    const index = new DiskIndex(directory, { onFailure, onFull: onFailure });
    index.allocateSegment(1, 1e9, 1);
    writeSync(openSync(directory + '/lock.mdb', 'r+'), Buffer.from(hex, 'hex'), 0, hex.length / 2, at);
    const id = index.allocateSegment(1, 1e9, 1);
    console.log(what + ': ' + told + ', segment ' + id);
  }
  process.exit();
`;

test('a lock that is damaged while it is used ends the use of the index, and holds nobody up', async () => {
  const module = new URL('./disk-index.ts', import.meta.url).href;
  const words = ['--input-type=module', '--disable-warning=ExperimentalWarning', '-e', program];
  words.push(module, root, JSON.stringify(cases));
  const { code, text, stderr } = await run(process.execPath, words);
  const damaged = cases.map(([what]) => `${what}: its locks are damaged, segment undefined`);
  const last = cases.at(-1)![0];
  const expected = [...damaged.slice(0, -1), `${last}: nothing, segment 2`];
  assert.deepEqual(text.trim().split('\n'), expected, stderr);
  assert.equal(code, 0);
});
