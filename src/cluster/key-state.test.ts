import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import { TICKET_KEYS_MAX } from '../tls/ticket-ring.ts';
import {
  firstState,
  KEY_LEAD_MS,
  type KeyState,
  merged,
  readState,
  ringOf,
  stateText,
  turned,
} from './key-state.ts';

const makeKey = () => randomBytes(80);
const times = { rotationMs: 60_000, lifetimeMs: 150_000 };

describe('the keys of a cluster', () => {
  test('are known for a while before tickets are issued under them', () => {
    const first = firstState(makeKey(), 0);
    assert.equal(turned(first, makeKey, 60_000 - KEY_LEAD_MS - 1, times), null);
    const next = turned(first, makeKey, 60_000 - KEY_LEAD_MS, times)!;
    const [young, old] = next.keys.map(({ key }) => key);
    assert.deepEqual(ringOf(next, 59_999), [old, young]);
    assert.deepEqual(ringOf(next, 60_000), [young, old]);
  });

  test('decrypt as long as a ticket under them is valid, and no longer', () => {
    const first = firstState(makeKey(), 0);
    let state: KeyState = first;
    for (let nowMs = 0; nowMs <= 300_000; nowMs += 1_000) {
      state = turned(state, makeKey, nowMs, times) ?? state;
      const ofFirst = ringOf(state, nowMs).some((key) => key.equals(first.keys[0]!.key));
      // Its last ticket was issued at 60 s.
      if (nowMs <= 210_000) assert.ok(ofFirst, `at ${nowMs}`);
      assert.ok(state.keys.length <= 5);
    }
    assert.ok(!state.keys.some(({ key }) => key.equals(first.keys[0]!.key)));
  });

  test('are never more than a ring holds', () => {
    let state = firstState(makeKey(), 0);
    for (let nowMs = 0; nowMs < 100_000; nowMs += 100) {
      state = turned(state, makeKey, nowMs, { rotationMs: 100, lifetimeMs: 1e9 }) ?? state;
    }
    assert.equal(state.keys.length, TICKET_KEYS_MAX);
  });

  test('turn again after the clock of the server was put back', () => {
    const ahead = firstState(makeKey(), 1e9);
    assert.notEqual(turned(ahead, makeKey, 0, times), null);
  });

  test('survive a Redis that has forgotten them, together with those that were begun meanwhile', () => {
    const ours: KeyState = { ...firstState(makeKey(), 1_000), version: 7 };
    assert.equal(merged(ours, null), ours);
    const theirs = firstState(makeKey(), 2_000);
    const both = merged(ours, theirs);
    assert.equal(both.version, 8);
    assert.deepEqual(ringOf(both, 3_000), [ours.keys[0]!.key, theirs.keys[0]!.key]);
  });

  test('are read as they were written', () => {
    const state = turned(firstState(makeKey(), 0), makeKey, 60_000, times)!;
    assert.deepEqual(readState(stateText(state)), state);
  });

  for (const text of [
    ...['', 'null', '[]', '{}', '{"version":1,"keys":[]}', '{"version":1,"keys":[null]}'],
    '{"version":1,"keys":[{"key":"AAAA","fromMs":1}]}',
    `{"version":1.5,"keys":[{"key":"${makeKey().toString('base64')}","fromMs":1}]}`,
    `{"version":1,"keys":[{"key":"${makeKey().toString('base64')}","fromMs":"x"}]}`,
  ]) {
    test(`are not read from ${text.slice(0, 50)}`, () => assert.equal(readState(text), null));
  }
});
