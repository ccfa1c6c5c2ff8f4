import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import test from 'node:test';
import { limitsPage } from '../../tools/limits-page.ts';
import { tableRows } from './pages.ts';

const source = new URL('../../src/', import.meta.url);
const rows = tableRows(await limitsPage());

test('every limit says what it bounds, in its own words', () => {
  assert.ok(rows.length > 80, `${rows.length} limits`);
  for (const { cells } of rows) {
    assert.match(cells[0]!, /^`[\w-]+`$/);
    assert.match(cells[1]!, /^[\d,]+(?: \+ \d+\/s)?$/);
    assert.ok(cells[3]!.length > 8, `${cells[0]} is explained`);
  }
});

test('every table of limits in the program is on the page', () => {
  const shown = new Set(rows.map(({ cells }) => cells[0]!.slice(1, -1)));
  for (const file of readdirSync(source, { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.ts') || file.endsWith('.test.ts')) continue;
    const text = readFileSync(new URL(file, source), 'utf8');
    const table = /export const default\w+Limits(?:: \w+)? = \{(.*?)\n?\};?\n/s.exec(text);
    for (const [, name] of table?.[1]?.matchAll(/(?:^|,)\s*'?([\w-]+)'?: [\dA-Z]/g) ?? []) {
      if (name === 'burst' || name === 'perSecond') continue;
      assert.ok(shown.has(name!), `${name} of ${file} is not in docs/reference/limits.md`);
    }
  }
});

test('two limits are what the page says, read by eye', () => {
  const value = (heading: string, name: string) =>
    rows
      .find((row) => row.heading === heading && row.cells[0] === `\`${name}\``)
      ?.cells.slice(1, 3);
  assert.deepEqual(value('Connections to the origin', 'readTimeoutMs'), ['60,000', 'ms']);
  assert.deepEqual(value('HTTP/1.1 messages', 'headBytesMax'), ['65,536', 'bytes']);
  assert.deepEqual(value('HTTP/2 connections', 'rapid-reset'), ['256 + 32/s', 'frames']);
});
