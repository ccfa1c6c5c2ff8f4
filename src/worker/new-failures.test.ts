import assert from 'node:assert/strict';
import test from 'node:test';
import type { HandshakeRecord } from '../tls/contract.ts';
import { defaultIncidentLimits } from '../triage/options.ts';
import { NewFailures } from './new-failures.ts';

function record(parts: Partial<HandshakeRecord>): HandshakeRecord {
  const none = { alert: '', callbackFault: '' };
  const failed = { outcome: 'failed', lastState: 'S', errorCode: 'tls-alert', ...none };
  return { ...failed, ...parts } as HandshakeRecord;
}

test('each way to fail is told once, and what succeeds or never began is not', () => {
  const told: string[] = [];
  const failures = new NewFailures(
    () => 0,
    ({ signature }) => told.push(signature),
  );
  for (const alert of ['unknown_ca', 'unknown_ca', 'decode_error']) {
    failures.look(record({ alert }), 1, 't13d1516h2_8daaf6152771_e5627efa2ab1');
  }
  failures.look(record({ outcome: 'complete' }), 2, '');
  failures.look(record({ errorCode: 'tls-handshake-not-begun' }), 3, '');
  assert.deepEqual(told, [
    'handshake-failure/S/tls-alert/unknown_ca/t13d1516h2',
    'handshake-failure/S/tls-alert/decode_error/t13d1516h2',
  ]);
});

test('ever new ways to fail are told so many times an hour, and no more', () => {
  let [nowMs, told] = [0, 0];
  const failures = new NewFailures(
    () => nowMs,
    () => told++,
  );
  const flood = () => {
    for (let i = 0; i < 10_000; i++) failures.look(record({ alert: `${nowMs} ${i}` }), i, '');
  };
  flood();
  assert.equal(told, defaultIncidentLimits.failuresPerHour);
  nowMs = 3_600_000;
  flood();
  assert.equal(told, 2 * defaultIncidentLimits.failuresPerHour);
});

test('an exception of ours is told as one fault, whoever met it and whatever came of it', () => {
  const told: string[] = [];
  const failures = new NewFailures(
    () => 0,
    ({ kind, signature }) => told.push(`${kind} ${signature}`),
  );
  const faulty = { callbackFault: 'alpn', errorCode: 'internal-error' } as const;
  for (const alert of ['a', 'b']) failures.look(record({ ...faulty, alert }), 1, `t13d_${alert}`);
  failures.look(record({ outcome: 'complete', callbackFault: 'key-log', errorCode: '' }), 2, '');
  assert.deepEqual(told, [
    'callback-fault callback-fault/alpn/failed/internal-error',
    'callback-fault callback-fault/key-log/complete/no error',
  ]);
});
