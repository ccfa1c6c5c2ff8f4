import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { tableRows } from './pages.ts';

const url = new URL('../../docs/explanation/threat-model.md', import.meta.url);
const page = readFileSync(url, 'utf8');
const claims = tableRows(page).filter(({ heading }) => heading !== 'Who is trusted');
const LINK = /^\[(.+)\]\((\.\.\/\.\.\/(?:src|test)\/\S+\.test\.ts)\)$/;

test('every claim names the test that shows it', () => {
  assert.ok(claims.length > 60, `${claims.length} claims`);
  for (const { heading, cells } of claims) {
    assert.equal(cells.length, 2, `${heading}: ${cells[0]}`);
    assert.match(cells[1]!, LINK, `${heading}: ${cells[0]}`);
  }
});

test('every test that the threat model names is there, under a title that it has', () => {
  const missing = claims.flatMap(({ cells }) => {
    const [, title, path] = LINK.exec(cells[1]!)!;
    const titles = titlesIn(readFileSync(new URL(path!, url), 'utf8'));
    return titles.some((one) => one.includes(title!)) ? [] : [`“${title}” in ${path}`];
  });
  assert.deepEqual(missing, []);
});

test('of all that a client can hold, the bounds and a test are named', () => {
  const held = new URL('what-a-client-can-hold.md', url);
  const rows = tableRows(readFileSync(held, 'utf8'));
  assert.ok(rows.length >= 15, `${rows.length} things`);
  for (const { cells } of rows) {
    assert.equal(cells.length, 4, `${cells[0]}`);
    const [, title, path] = LINK.exec(cells[3]!) ?? assert.fail(`no test: ${cells[0]}`);
    const titles = titlesIn(readFileSync(new URL(path!, held), 'utf8'));
    assert.ok(
      titles.some((one) => one.includes(title!)),
      `no “${title}” in ${path}`,
    );
  }
});

test('no claim stands twice, and what is not covered is said', () => {
  const texts = claims.map(({ cells }) => cells[0]!);
  assert.equal(new Set(texts).size, texts.length);
  const [, uncovered = ''] = page.split('\n## What is not covered\n');
  assert.ok((uncovered.match(/^- \*\*/gm) ?? []).length >= 10);
});

/** Texts of calls to `test`, `describe` and `it`, as they are written; no title that only a comment has. */
function titlesIn(source: string): string[] {
  const call = /\b(?:test|describe|it)\(\s*(?:'((?:[^'\\]|\\.)*)'|`([^`]*)`|"([^"]*)")/g;
  return [...source.matchAll(call)].map((match) =>
    (match[1] ?? match[2] ?? match[3] ?? '').replaceAll("\\'", "'"),
  );
}
