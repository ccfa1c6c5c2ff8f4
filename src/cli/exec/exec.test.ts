import assert from 'node:assert/strict';
import test from 'node:test';
import { UsageError } from '../../base/errors.ts';
import { parseExec } from './exec.ts';
import { isSourceFile } from './file-watch.ts';
import { appRestartDelayMs, deathsInRow, endText, exitCodeOf } from './restarts.ts';

test('what stands behind -- is the program, whatever it looks like', () => {
  const { program, commandLine, isWatching } = parseExec(
    ['--watch', '--https', '8443', '--', 'node', 'server.js', '--watch', '--origin', 'x'],
    '/',
  );
  assert.deepEqual(program, ['node', 'server.js', '--watch', '--origin', 'x']);
  assert.deepEqual([...commandLine.given.keys()], ['https']);
  assert.equal(isWatching, true);
  assert.equal(parseExec(['--', 'a'], '/').isWatching, false);
});

test('no program, or an origin beside it, is a mistake with a remedy', () => {
  for (const args of [[], ['node', 'server.js'], ['--'], ['--origin', 'http://o', '--', 'a']]) {
    assert.throws(() => parseExec(args, '/'), UsageError);
  }
});

test('an app that dies again and again is started less and less often, up to a bound', () => {
  const end = { code: 1, signal: null, livedMs: 1_000 };
  let deaths = 0;
  const delays: number[] = [];
  for (let i = 0; i < 9; i++) {
    deaths = deathsInRow(deaths, end);
    delays.push(appRestartDelayMs(deaths));
  }
  assert.deepEqual(delays, [250, 500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000, 15_000]);
  assert.equal(deathsInRow(deaths, { ...end, livedMs: 30_000 }), 1);
});

test('the end of an app is told with its reason', () => {
  const program = ['node', 'server.js'];
  const exit = { code: 7, signal: null, livedMs: 3_000 };
  const killed = { code: null, signal: 'SIGSEGV', livedMs: 500 } as const;
  assert.equal(endText(program, exit), 'node server.js exited with code 7 after 3.0 s');
  assert.equal(endText(program, killed), 'node server.js was ended by SIGSEGV after 500 ms');
  assert.equal(exitCodeOf(exit, {}), 7);
  assert.equal(exitCodeOf(killed, { SIGSEGV: 11 }), 139);
});

test('sources are watched; what is installed, made or hidden is not', () => {
  for (const path of ['server.js', 'src/routes/a.ts', 'views/index.html']) {
    assert.equal(isSourceFile(path), true, path);
  }
  for (const path of ['node_modules/a/b.js', '.git/index', 'src/.a.swp', 'dist/a.js', 'a.log']) {
    assert.equal(isSourceFile(path), false, path);
  }
});
