import assert from 'node:assert/strict';
import test from 'node:test';
import { FloodGate } from './flood-gate.ts';
import { eventOf, type LogDetail } from './log-event.ts';
import { textOf } from './log-lines.ts';

const limits = { windowMs: 10, eventsMax: 3, detailedMax: 5, kindsMax: 10 };

function event(message: string, detail: LogDetail = {}) {
  return eventOf(message, detail, { timeMs: 0, worker: -1, pid: 1 });
}

test('a flood of one kind is summed up, and hides no other', () => {
  const gate = new FloodGate(limits);
  let passed = 0;
  for (let i = 0; i < 1207; i++) if (gate.passes(event(`no. ${i} fails`))) passed++;
  assert.equal(passed, 3);
  assert.ok(gate.passes(event('another')));
  const sums = gate.turn();
  assert.deepEqual(sums.map(textOf), ['no. 1206 fails … 1,203 more like it']);
  assert.ok(gate.passes(event('no. 1 fails')), 'a new window begins');
  assert.deepEqual(gate.turn(), []);
});

test('what a code names is one kind whatever its words are', () => {
  const gate = new FloodGate(limits);
  const words = ['a', 'b', 'c', 'd'];
  const passed = words.filter((word) => gate.passes(event(word, { event: 'same' })));
  assert.deepEqual(passed, ['a', 'b', 'c']);
});

test('kinds without end take no memory without end', () => {
  const gate = new FloodGate(limits);
  let passed = 0;
  for (let i = 0; i < 1000; i++) if (gate.passes(event('x', { event: `c${i}` }))) passed++;
  assert.equal(passed, limits.kindsMax + limits.eventsMax);
});
