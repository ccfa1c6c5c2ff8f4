import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, test } from 'node:test';
import { sampleIncident } from '../../../test/support/incident-sample.ts';
import type { Incident } from '../../triage/incident.ts';
import { encodeIncident } from '../../triage/incident-file.ts';
import { nameOfIncident } from '../../triage/incident-name.ts';
import { defaultIncidentLimits } from '../../triage/options.ts';
import { IncidentStore } from './incident-store.ts';

const root = mkdtempSync(join(tmpdir(), 'sluice-store-'));
after(() => rmSync(root, { recursive: true }));

const START_MS = Date.parse('2026-11-23T00:00:00Z');

function incident(kind: Incident['kind'], atMs: number, bytes = 0): Incident {
  const writtenAt = new Date(START_MS + atMs).toISOString();
  const noise = randomBytes(bytes).toString('base64');
  return { ...sampleIncident, kind, writtenAt, signature: noise };
}

test('thousands of odd handshakes and deaths within an hour leave a few files', () => {
  const directory = join(root, 'flood');
  const store = new IncidentStore(directory, assert.fail);
  for (let i = 0; i < 5_000; i++) {
    store.save(incident('handshake-failure', i * 10));
    store.save(incident('crash', i * 10));
  }
  const names = readdirSync(directory);
  const { failuresPerHour, deathsPerHour } = defaultIncidentLimits;
  assert.equal(names.filter((name) => name.includes('failure')).length, failuresPerHour);
  assert.equal(names.filter((name) => name.includes('crash')).length, deathsPerHour);
  // And in the next hour there is room for what is new.
  assert.notEqual(store.save(incident('crash', 3_700_000)), null);
});

test('the oldest go when there are too many, and other files stay', () => {
  const directory = join(root, 'many');
  const store = new IncidentStore(directory, assert.fail);
  store.save(incident('crash', 0));
  writeFileSync(join(directory, 'notes.txt'), 'mine');
  const { incidentsMax } = defaultIncidentLimits;
  for (let i = 1; i <= 2 * incidentsMax; i++) store.save(incident('crash', i * 61_000));
  const names = readdirSync(directory).sort();
  assert.equal(names.pop(), 'notes.txt');
  assert.equal(names.length, incidentsMax);
  const oldest = new Date(START_MS + (incidentsMax + 1) * 61_000).toISOString();
  assert.ok(names[0]!.startsWith(oldest.replace(/[-:.]/g, '')), names.join());
});

test('no flood of odd handshakes pushes a crash out, and one example of each death stays', () => {
  const directory = join(root, 'worth');
  mkdirSync(directory, { mode: 0o700 });
  /** As an earlier process has left it. */
  const left = (kind: Incident['kind'], signature: string, second: number) => {
    const one = { ...incident(kind, second * 1_000), signature };
    const name = nameOfIncident(one, false);
    writeFileSync(join(directory, name), encodeIncident(one, false), { mode: 0o600 });
    return name;
  };
  const { incidentsMax } = defaultIncidentLimits;
  const rare = left('exit', 'exit/TypeError/place/no observer', 0);
  const early = left('crash', 'crash/SIGSEGV/often/no observer', 1);
  for (let second = 2; second < incidentsMax; second++) {
    left('handshake-failure', `handshake-failure/${second}`, second);
  }
  const store = new IncidentStore(directory, assert.fail);
  const save = (signature: string, second: number) =>
    basename(store.save({ ...incident('crash', second * 1_000), signature })!);
  const late = save('crash/SIGSEGV/often/no observer', 200);
  const failures = () => readdirSync(directory).filter((name) => name.includes('failure')).length;
  assert.equal(failures(), incidentsMax - 3, 'a failure has made room');
  for (let second = 201; second <= 200 + incidentsMax; second++) {
    left('crash', 'crash/SIGSEGV/other/no observer', second);
  }
  save('crash/SIGSEGV/other/no observer', 400);
  const names = readdirSync(directory);
  assert.equal(names.length, incidentsMax);
  assert.equal(failures(), 0);
  assert.ok(names.includes(rare), 'the one exception is there');
  assert.ok(names.includes(late), 'the latest of the frequent crash is there');
  assert.ok(!names.includes(early), 'its earlier one is not');
});

test('the bytes of all together are bounded, and the newest is kept whatever its size', () => {
  const directory = join(root, 'large');
  const store = new IncidentStore(directory, assert.fail);
  const { bytesMax } = defaultIncidentLimits;
  for (let i = 0; i < 5; i++) store.save(incident('crash', i * 1_000, bytesMax / 4));
  const sizes = readdirSync(directory).map((name) => statSync(join(directory, name)).size);
  assert.ok(sizes.length >= 2 && sizes.length < 5, `${sizes.length} files`);
  assert.ok(sizes.reduce((sum, size) => sum + size, 0) <= bytesMax);
});

test('files are for their owner only; a directory that cannot be written is reported once each', () => {
  const directory = join(root, 'modes', 'incidents');
  const file = new IncidentStore(directory, assert.fail).save(incident('hang', 0))!;
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.equal(statSync(directory).mode & 0o777, 0o700);
  const reports: string[] = [];
  const nowhere = new IncidentStore(join(file, 'below-a-file'), (message) => reports.push(message));
  assert.equal(nowhere.save(incident('crash', 0)), null);
  assert.match(reports.join(), /^an incident cannot be written: ENOTDIR/);
  assert.equal(new IncidentStore(null, assert.fail).save(incident('crash', 0)), null);
});

test('an incident’s number is known before it is written, and none is told that will not be', () => {
  const directory = join(root, 'numbers');
  const store = new IncidentStore(directory, assert.fail);
  const { deathsPerHour } = defaultIncidentLimits;
  for (let i = 0; i < deathsPerHour; i++) {
    const next = incident('crash', i);
    const number = store.numberFor(next);
    assert.equal(store.save(next), join(directory, `${number}.json.gz`));
  }
  assert.equal(store.numberFor(incident('crash', deathsPerHour)), '');
  assert.equal(new IncidentStore(null, assert.fail).numberFor(incident('crash', 0)), '');
});
