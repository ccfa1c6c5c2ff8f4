import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import test from 'node:test';
import { commandHelps } from '../../src/cli/command-help.ts';
import { commands } from '../../src/cli/commands.ts';
import { commandLineReference, helpText } from '../../src/config/reference.ts';
import { accessLogFields } from '../../src/telemetry/access-log-line.ts';
import { cacheOutcomes } from '../../src/telemetry/exchange-summary.ts';
import { type MetricDefinition, metricTable } from '../../src/telemetry/metric-table.ts';
import { tableRows } from './pages.ts';

const root = new URL('../../', import.meta.url);

/** Decisions record what was true when they were made. */
const documents = [
  ...['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'CHANGELOG.md'],
  ...readdirSync(new URL('docs/', root), { recursive: true, encoding: 'utf8' })
    .filter((file) => /^(?!adr\/|reference\/command-line).*\.md$/.test(file))
    .map((file) => `docs/${file}`),
].map((file) => ({ file, text: withoutRenames(readFileSync(new URL(file, root), 'utf8')) }));

/** The table of the changelog has names that are no more. */
function withoutRenames(text: string): string {
  return text.replace(/\n### Renamed[\s\S]*?(?=\n### |$)/, '');
}

const metrics = new Map(
  Object.values<MetricDefinition>(metricTable).map((metric) => [metric.name, metric]),
);
const ofCommands = (await commandHelps(commands)).flatMap(({ flags: byAction }) =>
  [...byAction.values()].flat().map(({ name }) => `--${name}`),
);
const flags = new Set([
  ...`${helpText()}${commandLineReference()}`.matchAll(/(?<!\w)--[a-z][a-z-]*/g).map(String),
  ...ofCommands,
]);

/** Flags of other programs that the documents write in code style. */
const FOREIGN_FLAGS = new Set([
  // docker run
  '--stop-timeout',
  '--now',
  '--ssl-sessions',
  '--omit',
  '--publish',
  '--perf-basic-prof',
]);

function metricOf(name: string): MetricDefinition | undefined {
  return metrics.get(name) ?? metrics.get(name.replace(/_(?:bucket|sum|count)$/, ''));
}

test('every metric in the documents exists, with the labels that it is shown with', () => {
  let found = 0;
  for (const { file, text } of documents) {
    for (const [shown, name, labels] of text.matchAll(
      /\b(sluice_[a-z0-9_]+)\b(?!\()(?:\{([^}]*)\})?/g,
    )) {
      const metric = metricOf(name!);
      assert.ok(metric !== undefined, `${file}: there is no metric ${name}`);
      for (const [, label] of (labels ?? '').matchAll(/(\w+)=/g)) {
        const known = metric.labels.some((one) => one.name === label);
        assert.ok(known, `${file}: ${shown}: no label ${label}`);
      }
      found++;
    }
  }
  assert.ok(found > 80, `${found} metrics looked at`);
});

test('every flag in the documents exists', () => {
  let found = 0;
  for (const { file, text } of documents) {
    const commands = [...text.matchAll(/(?:npx )?\bsluice (?:run |demo )?(?=--)(.*)/g)].map(String);
    const inCode = [...text.matchAll(/`(--[a-z][a-z-]*)[^`\n]*`/g)].map((match) => match[1]!);
    const inCommands = commands.flatMap((command) => command.match(/(?<=\s)--[a-z][a-z-]*/g) ?? []);
    for (const flag of [...inCode, ...inCommands]) {
      if (FOREIGN_FLAGS.has(flag)) continue;
      assert.ok(flags.has(flag), `${file}: there is no flag ${flag}`);
      found++;
    }
  }
  assert.ok(found > 60, `${found} flags looked at`);
});

test('every log field that other servers’ fields lead to exists', () => {
  const page = documents.find(({ file }) => file.endsWith('coming-from-other-servers.md'))!.text;
  const section = page.slice(page.indexOf('\nLog fields.'), page.indexOf('\nEarly data.'));
  const rows = tableRows(section);
  const names = accessLogFields.map(({ name }) => name);
  assert.ok(rows.length > 15);
  for (const { cells } of rows) {
    const field = /^`(\w+)`/.exec(cells[1]!)?.[1] ?? '';
    assert.ok(names.includes(field), `there is no log field ${cells[1]}`);
  }
  for (const outcome of cacheOutcomes) {
    if (outcome !== 'none') assert.ok(page.includes(`\`${outcome}\``), `${outcome} is on the page`);
  }
});

test('the reasons for refused early data are in the program’s words', () => {
  const { text } = documents.find(({ file }) => file.endsWith('explanation/early-data.md'))!;
  const list = /in words: ([^.]*)\./.exec(text)?.[1] ?? '';
  const listed = [...list.matchAll(/`([^`]+)`/g)].map((match) => match[1]!);
  const source = [
    'handshake-record.ts',
    'early-data/anti-replay-check.ts',
    'early-data/early-data-acceptance.ts',
  ]
    .map((file) => readFileSync(new URL(`src/tls/${file}`, root), 'utf8'))
    .join('');
  const returned = source.slice(source.indexOf('function earlyDataRejection'));
  const said = [
    ...returned.matchAll(/return '([^']+)';/g),
    ...source.matchAll(/(?:replayed|unavailable|'begun-anew'): '([^']+)'/g),
  ].map((match) => match[1]!);
  assert.ok(said.length >= 10, said.join());
  assert.deepEqual(listed.toSorted(), [...new Set(said)].toSorted());
});
