// Runs alone: it measures how long the event loop is held up.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { it } from 'node:test';

const CHILD = path.join(import.meta.dirname, 'soak-child.ts');
const MESSAGES = 50_000;

it('50,000 messages with forced garbage collection: none corrupted, nothing leaked', () => {
  const flags = ['--expose-gc', '--disable-warning=ExperimentalWarning'];
  const run = spawnSync(process.execPath, [...flags, CHILD, String(MESSAGES)], {
    encoding: 'utf8',
    timeout: 60_000,
  });
  assert.equal(run.status, 0, `${run.signal ?? ''} ${run.stderr}`);
  const result = JSON.parse(run.stdout);
  assert.ok(result.answered >= MESSAGES - 1_000, `${result.answered} messages`);
  assert.equal(result.corrupted, 0);
  assert.deepEqual(result.leaked, []);
  assert.equal(result.bytesLeaked, 0);
  assert.ok(result.delayMs < 50, `the loop was held up for ${result.delayMs} ms`);
});
