import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { readKept } from './kept-modules.ts';
import { Program } from './program.ts';

const directory = mkdtempSync(join(tmpdir(), 'sluice-'));
test.after(() => rmSync(directory, { recursive: true }));

const file = join(directory, 'kept', 'program');
const main = join(directory, 'main.ts');
const part = join(directory, 'part.ts');
const later = join(directory, 'later.ts');

writeFileSync(part, 'export function word(): string { return "first"; }\n');
writeFileSync(later, "import { word } from './part.ts';\nexport const said: string = word();\n");
writeFileSync(
  main,
  `import { parse } from 'yaml';
import { word } from './part.ts';
/** Überall. */
export const ready: string = \`\${word()} \${parse('é')}\`;
export const later = (): Promise<{ said: string }> => import('./later.ts');
`,
);

async function loaded(keptFile: string | null = file) {
  const program = new Program(keptFile);
  const { ready, later: load } = (await program.load(main)) as {
    ready: string;
    later(): Promise<{ said: string }>;
  };
  return { program, ready, load };
}

test('a program runs as it is written, and what it used is kept with its code', async () => {
  const { program, ready, load } = await loaded();
  assert.equal(ready, 'first é');
  program.keep();
  assert.deepEqual([...readKept(file).keys()].sort(), [main, part].sort());
  assert.equal((await load()).said, 'first');
  program.keep();
  const kept = readKept(file);
  assert.deepEqual([...kept.keys()].sort(), [later, main, part].sort());
  for (const { code } of kept.values()) assert.ok(code !== null && code.length > 0);
});

test('the next start takes it from there, and writes nothing anew', async () => {
  const before = readFileSync(file);
  const { program, ready, load } = await loaded();
  assert.equal(ready, 'first é');
  assert.equal((await load()).said, 'first');
  rmSync(file);
  program.keep();
  assert.equal(existsSync(file), false);
  writeFileSync(file, before);
});

test('a module whose source is another is read again, and only that', async () => {
  writeFileSync(part, 'export function word(): string { return "other"; }\n');
  const { program, ready, load } = await loaded();
  assert.equal(ready, 'other é');
  program.keep();
  assert.equal((await load()).said, 'other');
  assert.equal((await loaded()).ready, 'other é');
});

test('a kept file that is damaged, cut or of no use is as none', async () => {
  const whole = readFileSync(file);
  for (const at of [0, 5, 20, whole.length >> 1, whole.length - 1]) {
    const damaged = Buffer.from(whole);
    damaged[at]! ^= 4;
    writeFileSync(file, damaged);
    assert.equal(readKept(file).size, 0, `byte ${at}`);
    assert.equal((await loaded()).ready, 'other é');
    writeFileSync(file, whole.subarray(0, at));
    assert.equal((await loaded()).ready, 'other é');
  }
  writeFileSync(file, whole);
});

test('where nothing can be kept, the program runs all the same', async () => {
  const { program, ready } = await loaded(join(main, 'no', 'directory'));
  assert.equal(ready, 'other é');
  program.keep();
  assert.equal((await loaded(null)).ready, 'other é');
});

test('modules that lead back to themselves are named, and so is what cannot be read', async () => {
  writeFileSync(join(directory, 'a.ts'), "import { b } from './b.ts';\nexport const a = b;\n");
  writeFileSync(join(directory, 'b.ts'), "import { a } from './a.ts';\nexport const b = a;\n");
  await assert.rejects(
    new Program(null).load(join(directory, 'a.ts')),
    /a\.ts leads back to itself/,
  );
  writeFileSync(join(directory, 'c.ts'), "\nexport * as x from './a.ts';\n");
  await assert.rejects(
    new Program(null).load(join(directory, 'c.ts')),
    /c\.ts: line 2: export \* as x/,
  );
});
