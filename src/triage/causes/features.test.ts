import assert from 'node:assert/strict';
import test from 'node:test';
import { featuresToBlame } from './features.ts';

const OBSERVER = 'danger-group-in-callback';
const on = ['handshake-metrics', 'ja4', 'early-data', 'session-tickets', OBSERVER, 'danger-hang'];

async function blame(suspect: string | null, fails: (on: readonly string[]) => boolean | null) {
  const asked: string[] = [];
  const result = await featuresToBlame(on, suspect, async (kept, words) => {
    asked.push(words);
    return fails(kept);
  });
  return { ...result, asked };
}

test('the observer that was running is tried first, and two runs are enough', async () => {
  const { blamed, conditions, asked } = await blame(OBSERVER, (kept) => kept.includes(OBSERVER));
  assert.deepEqual([blamed, conditions], [[OBSERVER], []]);
  assert.deepEqual(asked, [`${OBSERVER} off`, `only ${OBSERVER} on`]);
});

test('an observer is to blame, and what it needs of the handshake is told apart', async () => {
  const needed = [OBSERVER, 'early-data'];
  const found = await blame(OBSERVER, (kept) => needed.every((name) => kept.includes(name)));
  assert.deepEqual([found.blamed, found.conditions], [[OBSERVER], ['early-data']]);
});

test('two features that do harm together are both to blame, and only they', async () => {
  const needed = ['danger-hang', OBSERVER];
  const found = await blame(OBSERVER, (kept) => needed.every((name) => kept.includes(name)));
  assert.deepEqual(found.blamed, [OBSERVER, 'danger-hang']);
});

test('a suspect that is innocent is cleared', async () => {
  const { blamed } = await blame('ja4', (kept) => kept.includes('danger-hang'));
  assert.deepEqual(blamed, ['danger-hang']);
});

test('without an observer a part of the handshake is to blame', async () => {
  const { blamed, conditions } = await blame(null, (kept) => kept.includes('early-data'));
  assert.deepEqual([blamed, conditions], [['early-data'], []]);
});

test('what fails with everything off is to blame on no feature', async () => {
  const { blamed, asked } = await blame(OBSERVER, () => true);
  assert.deepEqual(blamed, []);
  assert.deepEqual(asked, [`${OBSERVER} off`, 'all features off']);
});

test('what cannot be tried neither blames nor clears', async () => {
  const without = (name: string, answer: boolean) => (kept: readonly string[]) =>
    kept.includes(name) ? answer && kept.includes('danger-hang') : null;
  const suspected = await blame(OBSERVER, without(OBSERVER, true));
  assert.deepEqual([suspected.blamed, suspected.unclear], [['danger-hang'], [OBSERVER]]);
  const stuck = await blame(null, (kept) => (kept.length === on.length - 1 ? null : false));
  assert.deepEqual([stuck.blamed, stuck.conditions, stuck.unclear], [[], [], on]);
});
