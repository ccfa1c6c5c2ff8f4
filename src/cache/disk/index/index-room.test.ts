// LMDB that is refused something while it opens ends the process: so each case is asked of a child.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { run } from '../../../../test/support/programs.ts';
import { mountSmall } from '../../../../test/support/small-disk.ts';
import { temporaryDirectory } from '../../../../test/support/temporary.ts';

const root = temporaryDirectory();

/** `attempt` says what becomes of an index in a directory: a segment's number, or who was told what. */
const prelude = `
  import * as fs from 'node:fs';
  const { DiskIndex } = await import(process.argv[1]);
  const { isFull } = await import(process.argv[2]);
  const directory = process.argv[3];
  async function attempt(at) {
    let told = '';
    try {
      const index = new DiskIndex(at, {
        onFailure: (error) => { told = 'failed: ' + error.message; },
        onFull: () => { told = 'full'; },
      });
      const id = index.allocateSegment(1, 1e9, 1);
      await index.close();
      return told || 'segment ' + id;
    } catch (error) {
      return isFull(error) ? 'full' : 'refused: ' + (error.code ?? error.message);
    }
  }
`;

async function linesOf(program: string, directory: string, limit = 'true'): Promise<string[]> {
  const modules = ['./disk-index.ts', '../faults.ts'];
  const words = ['--input-type=module', '--disable-warning=ExperimentalWarning', '-e'];
  words.push(prelude + program, ...modules.map((name) => new URL(name, import.meta.url).href));
  const shell = ['-c', `${limit} && exec "$@"`, 'sh', process.execPath, ...words, directory];
  const { code, text, stderr } = await run('sh', shell);
  assert.equal(code, 0, `${text}\n${stderr}`);
  return text.trim().split('\n');
}

/** So many pages are free, from none to enough; then all are. */
const onFullDevice = `
  const [ballast, index] = [directory + '/ballast', directory + '/index'];
  for (let free = 0; ; free++) {
    fs.rmSync(index, { recursive: true, force: true });
    const fd = fs.openSync(ballast, 'w');
    try {
      for (;;) fs.writeSync(fd, Buffer.alloc(4_096));
    } catch {
      fs.ftruncateSync(fd, fs.fstatSync(fd).size - free * 4_096);
    }
    fs.closeSync(fd);
    const first = await attempt(index);
    const again = await attempt(index);
    fs.rmSync(ballast);
    console.log(free + ': ' + first + ', ' + again + ', ' + await attempt(index));
    if (first.startsWith('segment')) break;
  }
`;

test('an index that is begun on a device with too little room is told of as that, and kept', async (t) => {
  const directory = join(root, 'small');
  const obstacle = mountSmall(directory, '256k');
  if (obstacle !== false) return t.skip(obstacle);
  const lines = await linesOf(onFullDevice, directory);
  assert.ok(lines.length > 5, lines.join('\n'));
  for (const line of lines.slice(0, -1))
    assert.match(line, /^\d+: full, (full|segment 1), segment [12]$/);
  assert.match(lines.at(-1)!, /^\d+: segment 1, /);
});

const whatIsThere = `
  const bytes = Buffer.alloc(8_192, 'not an index');
  const cases = [
    ['data: other bytes', 'data.mdb', bytes],
    ['data: cut short', 'data.mdb', bytes.subarray(0, 100)],
    ['data: a directory', 'data.mdb', null],
    ['locks: other bytes', 'lock.mdb', bytes],
    ['locks: cut short', 'lock.mdb', bytes.subarray(0, 100)],
    ['locks: a directory', 'lock.mdb', null],
  ];
  for (const [what, name, content] of cases) {
    const at = directory + '/' + cases.findIndex((one) => one[0] === what);
    fs.mkdirSync(content === null ? at + '/' + name : at, { recursive: true });
    if (content !== null) fs.writeFileSync(at + '/' + name, content);
    console.log(what + ': ' + await attempt(at));
  }
  const fds = [];
  try {
    for (;;) fds.push(fs.openSync('/dev/null'));
  } catch {}
  const outcomes = new Set();
  while (fds.length > 0 && !outcomes.has('segment 1')) {
    outcomes.add(await attempt(directory + '/few'));
    fs.closeSync(fds.pop());
  }
  console.log('few descriptors: ' + [...outcomes].join(', '));
`;

test('whatever is found where an index should be, or is refused to it, is an error at most', async () => {
  const directory = join(root, 'odd');
  mkdirSync(directory);
  assert.deepEqual(await linesOf(whatIsThere, directory, 'ulimit -n 200'), [
    'data: other bytes: refused: it is not an index',
    'data: cut short: segment 1',
    'data: a directory: refused: EISDIR',
    'locks: other bytes: segment 1',
    'locks: cut short: segment 1',
    'locks: a directory: refused: EISDIR',
    'few descriptors: refused: EMFILE, segment 1',
  ]);
  // In KiB: less than the 64 GiB that it is mapped with.
  const little = `console.log(await attempt(directory + '/little'));`;
  const lines = await linesOf(little, directory, 'ulimit -v 60000000');
  assert.deepEqual(lines, ['refused: out-of-resources']);
});
