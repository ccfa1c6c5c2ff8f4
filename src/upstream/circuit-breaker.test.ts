import assert from 'node:assert/strict';
import test from 'node:test';
import { CircuitBreaker } from './circuit-breaker.ts';

const options = { failureShare: 0.5, requestsMin: 4, windowMs: 1000, openMs: 100, trials: 2 };

function fail(breaker: CircuitBreaker, count: number, nowMs: number): void {
  for (let i = 0; i < count; i++) {
    if (breaker.admits(nowMs)) breaker.ended('failed', breaker.state === 'half-open', nowMs);
  }
}

test('a few failures open nothing; the share of a window does', () => {
  const breaker = new CircuitBreaker(options);
  fail(breaker, 3, 0);
  assert.equal(breaker.state, 'closed');
  assert.ok(breaker.admits(1));
  breaker.ended('ok', false, 1);
  assert.equal(breaker.state, 'closed', 'a success is no reason to open');
  fail(breaker, 1, 2);
  assert.equal(breaker.state, 'open');
  assert.ok(!breaker.admits(101));
});

test('failures of different windows do not add up', () => {
  const breaker = new CircuitBreaker(options);
  for (let window = 0; window < 5; window++) fail(breaker, 3, window * 1000);
  assert.equal(breaker.state, 'closed');
});

test('after its time so many requests try as are set, and close it when all succeed', () => {
  const breaker = new CircuitBreaker(options);
  fail(breaker, 4, 0);
  assert.deepEqual(
    [breaker.admits(100), breaker.admits(100), breaker.admits(100)],
    [true, true, false],
  );
  breaker.ended('ok', breaker.state === 'half-open', 101);
  assert.equal(breaker.state, 'half-open');
  breaker.ended('ok', breaker.state === 'half-open', 102);
  assert.equal(breaker.state, 'closed');
});

test('a trial that fails opens it again, for longer each time', () => {
  const breaker = new CircuitBreaker(options);
  fail(breaker, 4, 0);
  fail(breaker, 1, 100);
  assert.equal(breaker.state, 'open');
  assert.ok(!breaker.admits(299), 'twice as long as the first time');
  assert.ok(breaker.admits(300));
});

test('a trial whose client left lets another one try', () => {
  const breaker = new CircuitBreaker(options);
  fail(breaker, 4, 0);
  assert.ok(breaker.admits(100) && breaker.admits(100));
  breaker.ended('cancelled', breaker.state === 'half-open', 101);
  assert.ok(breaker.admits(102));
});

test('what began before it opened decides nothing', () => {
  const breaker = new CircuitBreaker(options);
  assert.ok(breaker.admits(0));
  fail(breaker, 4, 0);
  breaker.ended('ok', false, 50);
  assert.equal(breaker.state, 'open');
  assert.ok(breaker.admits(100));
  breaker.ended('ok', false, 101);
  breaker.ended('failed', false, 101);
  breaker.ended('ok', true, 101);
  assert.equal(breaker.state, 'half-open', 'one trial is not enough');
});
