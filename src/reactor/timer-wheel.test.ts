import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it, mock } from 'node:test';
import fc from '../../test/support/fast-check.ts';
import { TICK_MS, TimerWheel } from './timer-wheel.ts';

/** Late by two ticks at most, and a millisecond of Node's own timer. */
const LATE_MS_MAX = 2 * TICK_MS + 1;

let nowMs: number;
let wheel: TimerWheel;

beforeEach(() => {
  mock.timers.enable({ apis: ['setTimeout'] });
  nowMs = 1_000;
  wheel = new TimerWheel({ wallMs: () => 0, monotonicMs: () => nowMs });
});

afterEach(() => {
  wheel.close();
  mock.timers.reset();
});

function pass(ms: number): void {
  for (let step = 0; step < ms; step++) {
    nowMs++;
    mock.timers.tick(1);
  }
}

/** A timer that writes down when it fires. */
function recorded(): { timer: ReturnType<TimerWheel['timer']>; firedAt: number[] } {
  const firedAt: number[] = [];
  return { timer: wheel.timer(() => firedAt.push(nowMs)), firedAt };
}

describe('a timer', () => {
  it('fires once, not early and at most two ticks late', () => {
    for (const delayMs of [0, 1, 15, 16, 17, 100, 8_191, 8_192, 8_193, 65_000]) {
      const { timer, firedAt } = recorded();
      const startMs = nowMs;
      timer.arm(delayMs);
      assert.equal(timer.isArmed, true);
      pass(delayMs + LATE_MS_MAX);
      assert.equal(firedAt.length, 1, `${delayMs} ms`);
      const lateMs = firedAt[0]! - startMs - delayMs;
      assert.ok(lateMs >= 0 && lateMs <= LATE_MS_MAX, `${delayMs} ms: ${lateMs} ms late`);
      assert.equal(timer.isArmed, false);
    }
  });

  it('does not fire when cancelled', () => {
    const { timer, firedAt } = recorded();
    timer.arm(50);
    pass(30);
    timer.cancel();
    timer.cancel();
    pass(100);
    assert.deepEqual(firedAt, []);
  });

  it('fires at the later time when moved on again and again', () => {
    const { timer, firedAt } = recorded();
    for (let count = 0; count < 100; count++) {
      timer.arm(100);
      pass(90);
    }
    assert.deepEqual(firedAt, []);
    pass(10 + LATE_MS_MAX);
    assert.equal(firedAt.length, 1);
  });

  it('fires at the earlier time when moved back', () => {
    const { timer, firedAt } = recorded();
    timer.arm(60_000);
    timer.arm(20);
    pass(20 + LATE_MS_MAX);
    assert.equal(firedAt.length, 1);
    pass(61_000);
    assert.equal(firedAt.length, 1);
  });

  it('may arm itself again in its callback', () => {
    let count = 0;
    const timer = wheel.timer(() => {
      if (++count < 5) timer.arm(0);
    });
    timer.arm(0);
    pass(5 * LATE_MS_MAX);
    assert.equal(count, 5);
  });

  it('may cancel others of the same moment in its callback', () => {
    const fired: number[] = [];
    const timers = [0, 1, 2, 3].map((index) =>
      wheel.timer(() => {
        fired.push(index);
        for (const timer of timers) timer.cancel();
      }),
    );
    for (const timer of timers) timer.arm(100);
    pass(100 + LATE_MS_MAX);
    assert.deepEqual(fired, [0]);
  });

  it('whose callback throws does not stop the others', () => {
    const { timer, firedAt } = recorded();
    const faulty = wheel.timer(() => {
      throw new Error('a mistake');
    });
    faulty.arm(100);
    timer.arm(100);
    assert.throws(() => pass(100 + LATE_MS_MAX), /a mistake/);
    pass(LATE_MS_MAX);
    assert.equal(firedAt.length, 1);
  });

  it('armed long after the last one fired is not taken for overdue', () => {
    const first = recorded();
    first.timer.arm(10);
    pass(60_000);
    const second = recorded();
    second.timer.arm(5_000);
    pass(4_999);
    assert.deepEqual(second.firedAt, []);
    pass(1 + LATE_MS_MAX);
    assert.equal(second.firedAt.length, 1);
  });

  it('fires after the loop was held up for longer than a revolution', () => {
    const timers = [10, 5_000, 12_000, 30_000].map((delayMs) => {
      const entry = recorded();
      entry.timer.arm(delayMs);
      return entry;
    });
    nowMs += 20_000;
    mock.timers.tick(20_000);
    assert.deepEqual(
      timers.map((entry) => entry.firedAt.length),
      [1, 1, 1, 0],
    );
    pass(10_000 + LATE_MS_MAX);
    assert.equal(timers[3]!.firedAt.length, 1);
  });
});

describe('a timer wheel', () => {
  it('has no timer of Node when none of its own is armed', () => {
    const { timer } = recorded();
    assert.equal(wheel.enabledCount, 0);
    timer.arm(100);
    assert.equal(wheel.enabledCount, 1);
    timer.cancel();
    assert.equal(wheel.enabledCount, 0);
    const { timers } = mock;
    timers.runAll();
    assert.equal(timer.isArmed, false);
  });

  it('agrees with a plain list of deadlines', () => {
    const command = fc.record({
      index: fc.nat(9),
      delayMs: fc.oneof(fc.nat(40), fc.nat(20_000)),
      cancel: fc.boolean(),
      passMs: fc.nat(600),
    });
    fc.assert(
      fc.property(fc.array(command, { maxLength: 60 }), (commands) => {
        const deadlines = new Map<number, number>();
        const timers = Array.from({ length: 10 }, (_, index) =>
          wheel.timer(() => {
            const lateMs = nowMs - deadlines.get(index)!;
            assert.ok(lateMs >= 0 && lateMs <= LATE_MS_MAX, `${lateMs} ms late`);
            deadlines.delete(index);
          }),
        );
        for (const { index, delayMs, cancel, passMs } of commands) {
          if (cancel) {
            timers[index]!.cancel();
            deadlines.delete(index);
          } else {
            timers[index]!.arm(delayMs);
            deadlines.set(index, nowMs + delayMs);
          }
          pass(passMs);
          for (const deadlineMs of deadlines.values()) {
            assert.ok(nowMs - deadlineMs <= LATE_MS_MAX, 'nothing is forgotten');
          }
          assert.equal(wheel.enabledCount, deadlines.size);
        }
        for (const timer of timers) timer.cancel();
      }),
      { numRuns: 50 },
    );
  });
});
