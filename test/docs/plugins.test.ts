/** docs/reference/plugins.md has what plugins are promised, and nothing else. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { hookNames } from '../../src/plugin/options.ts';
import { PLUGIN_FAULTS } from '../../src/telemetry/metric-table.ts';
import { tableRows } from './pages.ts';

const root = new URL('../../', import.meta.url);
const page = readFileSync(new URL('docs/reference/plugins.md', root), 'utf8');
const api = readFileSync(new URL('src/plugin/api.ts', root), 'utf8');
const rows = tableRows(page);

const namesUnder = (heading: string) =>
  rows
    .filter((row) => row.heading === heading)
    .map(({ cells }) => /^`(.+)`$/.exec(cells[0]!)?.[1] ?? '')
    .filter((name) => name !== '');

test('every hook is on the page, with what its fault comes to, and no other', () => {
  assert.deepEqual(namesUnder('Hooks'), [...hookNames]);
  const [refused, faults] = [hookNames.length, PLUGIN_FAULTS.length];
  assert.deepEqual(namesUnder('Faults').slice(0, refused), [...hookNames]);
  assert.deepEqual(
    namesUnder('Faults').slice(refused).toSorted(),
    [...PLUGIN_FAULTS].toSorted(),
    `${faults} kinds of faults`,
  );
});

test('a hook that may be async on the page may be so by its type, and no other', () => {
  const said = rows
    .filter(({ heading, cells }) => heading === 'Hooks' && cells[4] === 'yes')
    .map(({ cells }) => cells[0]!.slice(1, -1));
  const typed = [...api.matchAll(/^ {2}(\w+)\?\(.*Promise</gm)].map(([, name]) => name!);
  assert.deepEqual(said, typed);
});

test('whatever plugins see has its name on the page', () => {
  const body = api.slice(0, api.indexOf('export class Answer'));
  const names = [...body.matchAll(/^ {2,4}(?:readonly )?(\w+)\??[:(]/gm)].map(([, name]) => name!);
  assert.ok(names.length > 50, `${names.length} names`);
  const missing = names.filter((name) => !new RegExp(`\`[^\`]*\\b${name}\\b[^\`]*\``).test(page));
  assert.deepEqual(missing, []);
});
