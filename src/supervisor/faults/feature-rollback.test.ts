import assert from 'node:assert/strict';
import test from 'node:test';
import {
  defaultRollbackLimits,
  FeatureRollback,
  type RollbackStep,
  type Suspect,
  type WorkerDeath,
} from './feature-rollback.ts';

const settings = { deathsMax: 3, windowMs: 60_000 };
const MINUTE = 60_000;
const DAY = 86_400_000;
const SIGNATURE = 'crash/SIGSEGV/SSL_read_early_data/probe';

function suspect(name: string): Suspect {
  const kind = name === 'configuration' ? name : 'feature';
  return { kind, name, reason: 'it is a test' };
}

function death(parts: Partial<WorkerDeath> = {}): WorkerDeath {
  const suspects = ['probe', 'configuration', 'early-data'].map(suspect);
  return {
    incident: '7-crash-1',
    signature: SIGNATURE,
    observer: 'probe',
    without: [],
    suspects,
    ...parts,
  };
}

function told(steps: readonly RollbackStep[]): string[] {
  return steps.map(({ action, name }) => `${action} ${name}`.trim());
}

/** Dies often enough to trip. */
function tripped(box: FeatureRollback, nowMs: number): RollbackStep[] {
  return [0, 1, 2].flatMap((second) => box.died(death(), nowMs + second));
}

test('the third death of a kind within the window switches the observer off that it names', () => {
  const box = new FeatureRollback(settings);
  assert.deepEqual(told(box.died(death(), 0)), []);
  assert.deepEqual(told(box.died(death(), 1_000)), []);
  assert.deepEqual(told(box.died(death(), 2_000)), ['off probe']);
  assert.deepEqual(box.overrides, ['probe']);
});

test('what is disabled automatically says for which incident, as long as it stays so', () => {
  const box = new FeatureRollback(settings);
  const [off] = tripped(box, 0);
  assert.match(off!.message, /probe is disabled automatically \(incident 7-crash-1\), because /);
  const [kept] = box.look(2 * MINUTE);
  assert.match(
    kept!.message,
    /^probe stays disabled automatically \(incident 7-crash-1\) for 10 min/,
  );
  assert.equal(box.memory.rollbacks[0]!.incident, '7-crash-1');
  // Without a directory for incidents there is none to name.
  const unrecorded = new FeatureRollback({ ...settings, deathsMax: 1 });
  const [step] = unrecorded.died(death({ incident: '' }), 0);
  assert.match(step!.message, /probe is disabled automatically, because /);
});

test('deaths that are far apart, or of different kinds, trip nothing', () => {
  const box = new FeatureRollback(settings);
  for (let i = 0; i < 9; i++) assert.deepEqual(box.died(death(), i * 31_000), []);
  for (const signature of ['a', 'b', 'c', 'd']) {
    assert.deepEqual(box.died(death({ signature }), 300_000), []);
  }
  assert.deepEqual(box.overrides, []);
});

test('how many are too many, and how far apart they may be, is as set', () => {
  const deathsUntilOff = (deathsMax: number, windowMs: number) => {
    const box = new FeatureRollback({ deathsMax, windowMs });
    for (let i = 1; i <= 9; i++) if (box.died(death(), i * 20_000).length > 0) return i;
    return Number.POSITIVE_INFINITY;
  };
  assert.equal(deathsUntilOff(1, 60_000), 1);
  assert.equal(deathsUntilOff(2, 60_000), 2);
  assert.equal(deathsUntilOff(2, 10_000), Number.POSITIVE_INFINITY);
  assert.equal(deathsUntilOff(7, 600_000), 7);
});

test('a change that helps is kept for its time, then undone and watched, then forgotten', () => {
  const box = new FeatureRollback(settings);
  tripped(box, 0);
  assert.deepEqual(told(box.look(59_000)), []);
  assert.deepEqual(told(box.look(60_002)), ['kept probe']);
  assert.deepEqual(box.overrides, ['probe']);
  assert.deepEqual(told(box.look(60_002 + defaultRollbackLimits.holdMs)), ['expired probe']);
  assert.deepEqual(box.overrides, []);
  assert.deepEqual(
    told(box.look(60_002 + defaultRollbackLimits.holdMs + defaultRollbackLimits.watchMs)),
    ['forgotten probe'],
  );
  assert.deepEqual(box.memory.rollbacks, []);
});

test('a change that does not help is undone, and the next suspect is tried', () => {
  const box = new FeatureRollback(settings);
  tripped(box, 0);
  // One that was started before the change, or on a connection from before, says nothing of it.
  assert.deepEqual(told(box.died(death(), 3_000)), []);
  for (const nowMs of [3_500, 3_600, 3_700, 3_800]) {
    assert.deepEqual(told(box.died(death({ without: ['probe'] }), nowMs)), []);
  }
  const next = box.died(death({ observer: '', without: ['probe'], signature: unnamed() }), 4_000);
  assert.deepEqual(told(next), ['undone probe', 'off configuration']);
  const then = box.died(death({ observer: '', without: ['configuration'] }), 5_000);
  assert.deepEqual(told(then), ['undone configuration', 'off early-data']);
  const last = box.died(death({ observer: '', without: ['early-data'] }), 6_000);
  assert.deepEqual(told(last), ['undone early-data', 'helpless']);
  assert.deepEqual(box.overrides, []);
});

function unnamed(): string {
  return SIGNATURE.replace('probe', 'no observer');
}

test('without early data the same fault is met in another call: early data is not to blame', () => {
  const box = new FeatureRollback(settings);
  const suspects = [suspect('early-data')];
  const inEarlyData = {
    ...{ signature: 'crash/SIGSEGV/SSL_read_early_data/no observer', observer: '', suspects },
  };
  const inHandshake = {
    ...inEarlyData,
    signature: 'crash/SIGSEGV/SSL_do_handshake/no observer',
    without: ['early-data'],
  };
  for (const nowMs of [0, 1, 2]) box.died(death(inEarlyData), nowMs);
  assert.deepEqual(box.overrides, ['early-data']);
  assert.deepEqual(told(box.died(death(inHandshake), 3_000)), ['undone early-data', 'helpless']);
  // Another signal, or a call that drives no handshake, is another fault.
  for (const signature of [
    'crash/SIGABRT/SSL_do_handshake/no observer',
    'crash/SIGSEGV/SSL_write/no observer',
  ]) {
    const other = new FeatureRollback(settings);
    for (const nowMs of [0, 1, 2]) other.died(death(inEarlyData), nowMs);
    assert.deepEqual(told(other.died(death({ ...inHandshake, signature }), 3_000)), []);
  }
});

test('another fault at the same time is another matter', () => {
  const box = new FeatureRollback(settings);
  tripped(box, 0);
  const other = death({
    signature: SIGNATURE.replace('probe', 'other'),
    observer: 'other',
    without: ['probe'],
    suspects: [suspect('other')],
  });
  const steps = [1, 2, 3].flatMap((second) => box.died(other, second * 1_000));
  assert.deepEqual(told(steps), ['off other']);
  assert.deepEqual(box.overrides, ['probe', 'other']);
});

test('whoever comes back holds it off longer each time, never more than a day, never for good', () => {
  const box = new FeatureRollback(settings);
  let now = 0;
  tripped(box, now);
  let longest = 0;
  for (let round = 0; round < 20; round++) {
    now += MINUTE + 10;
    assert.deepEqual(told(box.look(now)), ['kept probe']);
    const held = box.memory.rollbacks[0]!.untilMs! - now;
    assert.ok(held >= longest && held <= DAY);
    longest = held;
    now += held;
    assert.deepEqual(told(box.look(now)), ['expired probe'], 'it always comes back');
    assert.deepEqual(told(box.died(death(), ++now)), ['off probe'], 'one death is enough now');
  }
  assert.equal(longest, DAY);
});

test('what an attacker can make it remember is bounded', () => {
  const box = new FeatureRollback(settings);
  for (let i = 0; i < 1_000; i++) {
    const one = death({ signature: `s${i}`, suspects: [suspect(`f${i}`)] });
    for (let second = 0; second < 3; second++) box.died(one, i);
  }
  assert.equal(box.memory.rollbacks.length, defaultRollbackLimits.rollbacksMax);
});

test('an operator has the last word, over a restart too', () => {
  const box = new FeatureRollback(settings);
  assert.deepEqual(told(box.switchOff('ja4', 0)), ['off ja4']);
  assert.deepEqual(told(box.look(10 * DAY)), []);
  tripped(box, 10 * DAY);
  const restarted = new FeatureRollback(settings, JSON.parse(JSON.stringify(box.memory)));
  assert.deepEqual(restarted.overrides, ['ja4', 'probe']);
  assert.deepEqual(told(restarted.switchOn('probe')), ['forgotten probe']);
  assert.deepEqual(told(restarted.switchOn('probe')), []);
  assert.deepEqual(told(restarted.reset()), ['forgotten ja4']);
  assert.deepEqual(restarted.overrides, []);
});
