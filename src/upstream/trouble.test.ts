import assert from 'node:assert/strict';
import test from 'node:test';
import { type AttemptFailure, CALM_MS, Trouble, type TroubleNews } from './trouble.ts';

const refused: AttemptFailure = {
  code: 'connection-refused',
  message: 'connection refused',
  request: 'GET example.org/a',
};
const slow: AttemptFailure = { code: 'read-timeout', message: 'nothing came', request: 'GET b/' };

function watched() {
  const told: TroubleNews[] = [];
  return { trouble: new Trouble((news) => told.push(news)), told };
}

test('the first failure is told at once, with the request that met it', () => {
  const { trouble, told } = watched();
  trouble.failed(refused, 0);
  assert.deepEqual(told, [{ kind: 'begins', failure: refused }]);
});

test('what follows is summed up, with the last error: after ten seconds, then each minute', () => {
  const { trouble, told } = watched();
  for (let second = 0; second <= 130; second++) {
    trouble.failed(second < 60 ? refused : slow, second * 1_000);
    trouble.sweep(second * 1_000);
  }
  assert.deepEqual(told.slice(1), [
    { kind: 'lasts', failure: refused, failures: 10, lastedMs: 10_000 },
    // Another kind of failure is said at once, too.
    { kind: 'begins', failure: slow },
    { kind: 'lasts', failure: slow, failures: 59, lastedMs: 70_000 },
    { kind: 'lasts', failure: slow, failures: 60, lastedMs: 130_000 },
  ]);
});

test('it is over when something has succeeded and nothing failed for a while', () => {
  const { trouble, told } = watched();
  trouble.failed(refused, 0);
  trouble.failed(refused, 3_000);
  trouble.sweep(60_000);
  assert.notEqual(trouble.present, null, 'nobody has asked it since');
  trouble.succeeded(60_500);
  trouble.sweep(61_000);
  assert.deepEqual(told.at(-1), { kind: 'ends', failures: 2, lastedMs: 60_500 });
  assert.equal(trouble.present, null);
});

test('a server of which some requests fail is in trouble once, and not again and again', () => {
  const { trouble, told } = watched();
  for (let second = 0; second < 9 * CALM_MS; second += 1_000) {
    if (second % 5_000 === 0) trouble.failed(refused, second);
    else trouble.succeeded(second);
    trouble.sweep(second);
  }
  assert.equal(told.filter(({ kind }) => kind === 'begins').length, 1);
  assert.equal(told.filter(({ kind }) => kind === 'ends').length, 0);
});

test('while nobody asks it, nothing is said again', () => {
  const { trouble, told } = watched();
  trouble.failed(refused, 0);
  for (let second = 1; second < 600; second++) trouble.sweep(second * 1_000);
  assert.equal(told.length, 1);
});

test('in a worker that is asked nothing any more it is over when another worker succeeds', () => {
  const { trouble, told } = watched();
  trouble.failed(refused, 0);
  trouble.succeededElsewhere(1_000);
  trouble.sweep(CALM_MS + 1_000);
  assert.notEqual(trouble.present, null, 'that may have been before it failed here');
  trouble.succeededElsewhere(CALM_MS + 2_000);
  trouble.sweep(CALM_MS + 2_000);
  assert.deepEqual(told.at(-1), { kind: 'ends', failures: 1, lastedMs: CALM_MS + 2_000 });
});
