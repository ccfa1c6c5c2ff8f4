import assert from 'node:assert/strict';
import test from 'node:test';
import { eventOf, type LogDetail } from '../telemetry/log-event.ts';
import { Troubles } from './troubles.ts';

function board() {
  const clock = { nowMs: 0 };
  const troubles = new Troubles(() => clock.nowMs);
  const note = (message: string, detail: LogDetail, worker = -1) =>
    troubles.note(eventOf(message, detail, { timeMs: 1_000, worker, pid: 1 }));
  const shown = () => troubles.list().map(({ what }) => what);
  return { clock, troubles, note, shown };
}

test('a refused reload is wrong until one succeeds, however long that takes', () => {
  const { clock, troubles, note, shown } = board();
  note('reload: refused: a.yaml:3: unknown key\n  did you mean b?', { event: 'reload-refused' });
  clock.nowMs = 1e9;
  assert.deepEqual(shown(), ['reload: refused: a.yaml:3: unknown key']);
  assert.match(troubles.list()[0]!.remedy, /sluice check/);
  note('reload: done', { event: 'reload-done' });
  assert.deepEqual(shown(), []);
});

test('a certificate that is mended leaves the others wrong', () => {
  const { note, shown } = board();
  for (const file of ['a.pem', 'b.pem']) {
    note(`${file}: no key`, { level: 'error', event: 'certificate-refused' });
  }
  note('a.pem: reloaded; until 2030', { event: 'certificate-replaced' });
  assert.deepEqual(shown(), ['b.pem: no key']);
});

test('what a worker has met ends with it; what several have met is there once', () => {
  const { note, shown } = board();
  for (const worker of [0, 1]) note('cluster: r:1: gone', { event: 'cluster-away' }, worker);
  assert.deepEqual(shown(), ['cluster: r:1: gone']);
  note('cluster: connected', { event: 'cluster-back' }, 0);
  assert.deepEqual(shown(), ['cluster: r:1: gone']);
  const fields = { worker: 1 };
  note('worker 1 died', { level: 'error', event: 'worker-died', fields });
  assert.deepEqual(shown(), ['worker 1 died']);
});

test('an error of whatever kind is wrong for some minutes, and their number is bounded', () => {
  const { clock, note, shown } = board();
  note('odd', { level: 'error', event: 'of-a-kind-that-nobody-listed' });
  note('a notice', { level: 'notice', event: 'purge' });
  note('descriptors for 18,000', { level: 'info', event: 'few-descriptors' });
  assert.deepEqual(shown(), ['odd']);
  clock.nowMs = 299_000;
  assert.deepEqual(shown(), ['odd']);
  clock.nowMs = 301_000;
  assert.deepEqual(shown(), []);
  for (let i = 0; i < 200; i++) note(`odd ${i}: x`, { level: 'error' });
  assert.equal(shown().length, 50);
  assert.equal(shown()[0], 'odd 199: x');
});
