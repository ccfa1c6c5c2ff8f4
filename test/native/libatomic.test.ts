/** The library that stands in for libatomic.so.1 on a machine without it. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { run, unlessInstalled } from '../support/programs.ts';
import { temporaryDirectory } from '../support/temporary.ts';

// Plain JavaScript for any Node, so without types of its own.
const { writeLibrary } = (await import(
  new URL('../../bin/libatomic.js', import.meta.url).href
)) as { writeLibrary(directory: string, arch?: string): void };

const child = fileURLToPath(new URL('exchanging-child.ts', import.meta.url));

test('the pinned Node starts with it, and its function compares and exchanges', async () => {
  const directory = temporaryDirectory();
  writeLibrary(directory);
  const env = { ...process.env, LD_LIBRARY_PATH: directory };
  const words = ['--disable-warning=ExperimentalWarning', child];
  const { code, text, stderr } = await run(process.execPath, words, { env });
  assert.equal(code, 0, stderr);
  assert.deepEqual(JSON.parse(text), {
    libraries: [join(directory, 'libatomic.so.1')],
    same: [1, '7', String(2n ** 63n + 5n), '7'],
    other: [0, '5', '5', '7'],
    sum: 2_000,
  });
});

for (const arch of ['x64', 'arm64']) {
  test(`it is a library as others are, for ${arch}`, {
    skip: unlessInstalled('readelf'),
  }, async () => {
    const directory = temporaryDirectory();
    writeLibrary(directory, arch);
    const words = ['--wide', '--use-dynamic', '--dynamic', '--segments', '--syms'];
    const path = join(directory, 'libatomic.so.1');
    const { code, text, stderr } = await run('readelf', [...words, path]);
    assert.deepEqual([code, stderr], [0, '']);
    assert.match(text, /SONAME.*\[libatomic\.so\.1\]/);
    assert.match(text, / FUNC +GLOBAL DEFAULT +1 __atomic_compare_exchange@@LIBATOMIC_1\.0/);
    assert.doesNotMatch(text, /RWE/, 'nothing can be written and executed');
  });
}
