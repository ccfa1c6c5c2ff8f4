import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import test from 'node:test';

const root = new URL('../../', import.meta.url);
const page = readFileSync(new URL('ARCHITECTURE.md', root), 'utf8');

const map = page.slice(page.indexOf('\n## Code map'), page.indexOf('\n## What always holds'));
const parts = map.split(/\n### /).slice(1);

test('every file and folder on the map is there', () => {
  const named = [...page.matchAll(/`((?:src|bin|test|tools|dev|bench|docs)\/[\w./-]*)`/g)];
  assert.ok(named.length > 30);
  for (const [, path] of named) {
    assert.ok(existsSync(new URL(path!, root)), `ARCHITECTURE.md: there is no ${path}`);
  }
});

/** Pages that lead through the source, and write most of its files and folders in short. */
const guides = [
  'ARCHITECTURE.md',
  'dev/README.md',
  'src/config/schema/README.md',
  ...['explanation', 'development'].flatMap((folder) =>
    readdirSync(new URL(`docs/${folder}/`, root)).map((name) => `docs/${folder}/${name}`),
  ),
];

test('every file and folder that a guide names in short is there', () => {
  const paths = ['src/', 'test/', 'tools/', 'dev/', 'bench/', 'demo/', 'bin/']
    .flatMap((folder) =>
      readdirSync(new URL(folder, root), { recursive: true, withFileTypes: true }).map(
        (entry) => `${entry.parentPath}/${entry.name}${entry.isDirectory() ? '/' : ''}`,
      ),
    )
    .map((path) => path.replaceAll('//', '/'));
  const isThere = (name: string) => paths.some((path) => path.endsWith(`/${name}`));
  let found = 0;
  for (const guide of guides) {
    const text = readFileSync(new URL(guide, root), 'utf8');
    for (const [, written] of text.matchAll(/`((?:\.\.\/)*[\w.-]+(?:\/[\w.-]+)*(?:\.ts|\/))`/g)) {
      const name = written!.replace(/^(?:\.\.\/)+/, '');
      if (name.startsWith('docs/') || /(?:^|\/)x\.(?:test\.)?ts$/.test(name)) continue;
      found++;
      assert.ok(
        isThere(name) || existsSync(new URL(name, root)),
        `${guide}: there is no ${written}`,
      );
    }
  }
  assert.ok(found > 100, `${found} names looked at`);
});

test('every folder of src/ is on the map and in the table of layers', () => {
  const headings = parts.map((part) => part.split('\n', 1)[0]!).join(' ');
  const table = page.slice(page.indexOf('\n## Layers'), page.indexOf('\n## Code map'));
  for (const folder of readdirSync(new URL('src/', root))) {
    assert.ok(headings.includes(`\`src/${folder}/\``), `src/${folder}/ has no part on the map`);
    assert.ok(table.includes(`\`${folder}\``), `${folder} is in no layer`);
  }
});

test('every part of the map fits on a screen, with its invariant and its boundary', () => {
  for (const part of parts) {
    const heading = part.split('\n', 1)[0]!;
    if (heading.startsWith('Beside')) continue;
    assert.match(part, /\n- \*\*Invariant\*\*: /, heading);
    assert.match(part, /\n- \*\*Boundary\*\*: /, heading);
    assert.ok(part.split('\n').length < 30, heading);
  }
});
