import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CLUSTER_WINDOW_MS, readStrike } from './strike-keys.ts';

const RUN = 'a1b2c3';
const NOW_S = 1_700_000_000;
const time = [String(NOW_S), '500000'];
const nowMs = NOW_S * 1_000 + 500;
const reply = (...values: unknown[]) => values.map((value) => [null, value] as const);
const begun = (agoMs: number, run = RUN) => `${run} ${nowMs - agoMs}`;

describe('what a cluster’s register says', () => {
  for (const [name, replies, strike, isLost] of [
    ['new to an old register', reply(time, begun(CLUSTER_WINDOW_MS), 'OK'), 'first', false],
    ['seen before', reply(time, begun(CLUSTER_WINDOW_MS), null), 'replayed', false],
    [
      'new to a young register',
      reply(time, begun(CLUSTER_WINDOW_MS - 1), 'OK'),
      'too-young',
      false,
    ],
    ['new to one from the future', reply(time, begun(-5_000), 'OK'), 'too-young', false],
    ['new after a flush', reply(time, null, 'OK'), 'too-young', true],
    ['new after a restart', reply(time, begun(1e6, 'other'), 'OK'), 'too-young', true],
    ['new to nonsense', reply(time, `${RUN} soon`, 'OK'), 'too-young', false],
    ['new to an odd clock', reply('noon', begun(1e6), 'OK'), 'too-young', false],
    ['a transaction that was broken off', null, 'unanswered', false],
    ['too short an answer', reply(time, begun(1e6)), 'unanswered', false],
    ['an error in it', [...reply(time, begun(1e6)), [new Error('OOM'), null]], 'unanswered', false],
  ] as const) {
    test(`${name} is ${strike}`, () => {
      assert.deepEqual(readStrike(replies as Parameters<typeof readStrike>[0], RUN), {
        strike,
        isLost,
      });
    });
  }
});
