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
