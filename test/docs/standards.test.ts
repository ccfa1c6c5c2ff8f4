import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { tableRows } from './pages.ts';

const url = new URL('../../docs/reference/standards.md', import.meta.url);
const rows = tableRows(readFileSync(url, 'utf8'));

test('every section is done, partial or not; what works names its test', () => {
  assert.ok(rows.length > 80, `${rows.length} sections`);
  for (const { heading, cells } of rows) {
    const place = `${heading}, ${cells[0]}`;
    assert.match(cells[0]!, /^§/, place);
    assert.match(cells[1]!, /^(?:done|partial|not)$/, place);
    if (cells[1] === 'done') assert.match(cells[3]!, /^\[.+\]\(.+\)$/, place);
    else
      assert.notEqual(cells[1] === 'partial' && cells[2] === '', true, `${place} says what of it`);
  }
});

test('every test that the page names is there', () => {
  for (const { heading, cells } of rows) {
    const link = /^\[(.+)\]\((.+)\)$/.exec(cells[3]!);
    if (link === null) continue;
    const text = readFileSync(new URL(link[2]!, url), 'utf8').replaceAll("\\'", "'");
    assert.ok(text.includes(link[1]!), `${heading}, ${cells[0]}: no “${link[1]}” in ${link[2]}`);
  }
});
