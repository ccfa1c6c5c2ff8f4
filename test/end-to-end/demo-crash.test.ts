// Runs alone: it wants rollbacks to act while a load generator keeps every core busy.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import test from 'node:test';
import { run } from '../support/programs.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const program = join(import.meta.dirname, '../../demo/crash/main.ts');

test('npm run demo:crash: from the first death to its cause, with traffic all the while', async () => {
  const { NODE_TEST_CONTEXT: _, ...environment } = process.env;
  const { code, stdout, stderr } = await run(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', program],
    { timeoutMs: 200_000, env: { ...environment, TMPDIR: temporaryDirectory() } },
  );
  const text = stdout.toString();
  assert.equal(code, 0, text + stderr);
  assert.doesNotMatch(text, /✖/);
  assert.equal(text.match(/ ✔ /g)?.length, 12);
});
