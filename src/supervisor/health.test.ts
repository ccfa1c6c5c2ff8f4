import assert from 'node:assert/strict';
import test from 'node:test';
import { type HealthFacts, healthOfAll, isServing, readinessOf } from './health.ts';

const two: HealthFacts = {
  state: 'running',
  workers: [0, 1].map((index) => ({ index, state: 'running' })),
  unserved: [],
  apart: [],
};

const starting = { index: 1, state: 'starting' };

const cases: readonly [what: string, Partial<HealthFacts>, status: string, why: string][] = [
  ['all workers serve', {}, 'ok', ''],
  [
    'one is being replaced',
    { workers: [two.workers[0]!, starting], unserved: [1] },
    'degraded',
    'worker 1 does not run',
  ],
  ['one hangs', { unserved: [0] }, 'degraded', 'worker 0 does not respond or ends'],
  [
    'one has put the cache directory aside',
    { apart: [1] },
    'degraded',
    'worker 1 cannot use the cache directory',
  ],
  [
    'none serves',
    { workers: [two.workers[0]!, starting], unserved: [0, 1] },
    'down',
    'worker 0 does not respond or ends; worker 1 does not run',
  ],
  ['it ends', { state: 'draining' }, 'draining', 'it ends'],
];

for (const [what, facts, status, why] of cases) {
  test(`health when ${what}: ${status}`, () => {
    const health = healthOfAll({ ...two, ...facts });
    assert.deepEqual({ ...health, why: health.why.join('; ') }, { status, why });
    assert.equal(isServing(health), status === 'ok' || status === 'degraded');
  });
}

const alive = { status: 'ok', why: [] } as const;
const well = { name: 'a:1', state: 'up', trouble: null };
const failing = { name: 'b:2', state: 'failing', trouble: 'connection refused' };
const unhealthy = { name: 'c:3', state: 'unhealthy', trouble: null };

test('sluice is ready while some server may be asked, and says which are in trouble', () => {
  const readiness = (...servers: (typeof failing | typeof well)[]) =>
    readinessOf(alive, [{ name: 'app', servers }]);
  assert.deepEqual(readinessOf(alive, []), alive);
  assert.deepEqual(readiness(well), alive);
  const why = ['origin app: b:2 is failing: connection refused', 'origin app: c:3 is unhealthy'];
  // Without requests nobody would see that it answers again.
  assert.deepEqual(readiness(failing, unhealthy), { status: 'degraded', why });
  assert.deepEqual(readiness(unhealthy), { status: 'down', why: [why[1]!] });
  const other = { name: 'other', servers: [well] };
  assert.equal(
    readinessOf(alive, [{ name: 'app', servers: [unhealthy] }, other]).status,
    'degraded',
  );
  assert.equal(readinessOf({ status: 'draining', why: ['it ends'] }, []).status, 'draining');
});
