import assert from 'node:assert/strict';
import test from 'node:test';
import { Watchdog } from './watchdog.ts';

function workers(...beats: number[]) {
  return new Map(beats.map((heartbeat, index) => [index, { heartbeat, pid: 100 + index }]));
}

test('a worker that stands still for the time is named once, and the others are not', () => {
  const dog = new Watchdog(10_000);
  assert.equal(dog.intervalMs, 1_000);
  for (let second = 0; second < 10; second++) {
    assert.deepEqual([...dog.look(workers(second, 7), second * 1_000)], []);
  }
  assert.deepEqual([...dog.look(workers(10, 7), 10_000)], [[1, 10_000]]);
  assert.deepEqual([...dog.look(workers(11, 7), 11_000)], []);
});

test('a replacement begins anew', () => {
  const dog = new Watchdog(10_000);
  for (let second = 0; second < 10; second++) dog.look(workers(1), second * 1_000);
  const replaced = new Map([[0, { heartbeat: 1, pid: 200 }]]);
  assert.deepEqual([...dog.look(replaced, 10_000)], []);
});

test('after the machine has slept nobody is blamed', () => {
  const dog = new Watchdog(10_000);
  dog.look(workers(1), 0);
  assert.deepEqual([...dog.look(workers(1), 3_600_000)], []);
  for (let second = 1; second < 10; second++) {
    assert.deepEqual([...dog.look(workers(1), 3_600_000 + second * 1_000)], []);
  }
  assert.deepEqual([...dog.look(workers(1), 3_610_000)], [[0, 10_000]]);
});
