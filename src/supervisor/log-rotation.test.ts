import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { gunzipSync } from 'node:zlib';
import { temporaryDirectory } from '../../test/support/temporary.ts';
import { until } from '../../test/support/waiting.ts';
import { endProcess } from '../base/owned.ts';
import { type LogRotation, plainLog } from '../telemetry/log-options.ts';
import { LogRotator } from './log-rotation.ts';

const DAY_MS = 86_400_000;

function rotator(rotation: Partial<LogRotation>) {
  const directory = temporaryDirectory();
  const file = join(directory, 'a.log');
  const rotate = { sizeBytes: 0, everyMs: 0, keep: 3, gzip: false, ...rotation };
  const state = { nowMs: Date.now(), reopened: 0 };
  const reports: string[] = [];
  const one = new LogRotator({
    onFault: endProcess,
    logs: () => [{ ...plainLog, target: file, rotate }],
    reopen: () => {
      state.reopened++;
    },
    wallMs: () => state.nowMs,
    report: (message) => reports.push(message),
  });
  const text = (ending: string) => readFileSync(`${file}${ending}`, 'utf8');
  return { one, state, file, directory, reports, text };
}

test('a file is moved away when it is large enough, and no more are kept than said', () => {
  const { one, state, file, directory, text } = rotator({ sizeBytes: 4, keep: 2 });
  writeFileSync(file, 'abc');
  one.look();
  assert.deepEqual(readdirSync(directory), ['a.log']);
  for (const content of ['one.', 'two.', 'three']) {
    writeFileSync(file, content);
    one.look();
  }
  assert.deepEqual(readdirSync(directory).toSorted(), ['a.log', 'a.log.1', 'a.log.2']);
  assert.equal(text('.1'), 'three');
  assert.equal(text('.2'), 'two.');
  assert.equal(state.reopened, 3);
});

test('a file is moved away when its time is over, once, and not when it is empty', () => {
  const { one, state, file, directory } = rotator({ everyMs: DAY_MS });
  writeFileSync(file, 'x');
  one.look();
  assert.equal(state.reopened, 0);
  state.nowMs += DAY_MS;
  one.look();
  one.look();
  assert.equal(state.reopened, 1);
  writeFileSync(file, '');
  state.nowMs += DAY_MS;
  one.look();
  assert.equal(state.reopened, 1);
  assert.deepEqual(readdirSync(directory).toSorted(), ['a.log', 'a.log.1']);
});

test('old files but the latest are compressed', async () => {
  const { one, file, text } = rotator({ sizeBytes: 1, gzip: true });
  for (const content of ['first', 'second']) {
    writeFileSync(file, content);
    one.look();
  }
  await until(() => existsSync(`${file}.2.gz`) && !existsSync(`${file}.2`), 'the compressed file');
  assert.equal(text('.1'), 'second');
  assert.equal(gunzipSync(readFileSync(`${file}.2.gz`)).toString(), 'first');
});

test('a file that cannot be moved is reported once, and nobody is told to reopen', () => {
  const { one, file, reports, state } = rotator({ sizeBytes: 1, keep: 1 });
  writeFileSync(file, 'x');
  mkdirSync(`${file}.1`);
  one.look();
  one.look();
  assert.equal(reports.length, 1);
  assert.match(reports[0]!, /^log: cannot rotate /);
  assert.equal(state.reopened, 0);
});
