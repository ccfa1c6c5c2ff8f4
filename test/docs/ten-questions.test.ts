import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import test from 'node:test';
import { tableRows } from './pages.ts';

const page = new URL('../../docs/development/ten-questions.md', import.meta.url);
const rows = tableRows(readFileSync(page, 'utf8'));

/** What is wrong with a row: a file that is not there, or one that does not define the name. */
function mistakesOf(cells: readonly string[]): string[] {
  const [question = '', files = '', name = ''] = cells;
  const paths = [...files.matchAll(/\]\(([^)]+)\)/g)].map((match) => match[1]!);
  const missing = paths.filter((path) => !existsSync(new URL(path, page)));
  if (paths.length === 0 || missing.length > 0) return [`${question}: no file ${missing.join()}`];
  const symbol = /^`(\w+)`$/.exec(name)?.[1] ?? '';
  const source = readFileSync(new URL(paths[0]!, page), 'utf8');
  const defined = new RegExp(`^export (?:async )?(?:function|class) ${symbol}\\b`, 'm');
  return symbol !== '' && defined.test(source) ? [] : [`${question}: ${paths[0]} has no ${name}`];
}

test('each of the ten questions leads to a file that has what is named', () => {
  assert.equal(rows.length, 10);
  assert.deepEqual(
    rows.flatMap(({ cells }) => mistakesOf(cells)),
    [],
  );
});

test('a file that has moved, and a name that has changed, would be found', () => {
  const [question, files, name] = rows[0]!.cells;
  assert.equal(mistakesOf([question!, '[x](../../src/moved.ts)', name!]).length, 1);
  assert.equal(mistakesOf([question!, files!, '`decideNothing`']).length, 1);
});

test('README and ARCHITECTURE lead to the ten questions', () => {
  for (const file of ['README.md', 'ARCHITECTURE.md']) {
    const text = readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8');
    assert.match(text, /\]\(docs\/development\/ten-questions\.md\)/, file);
  }
});
