import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HandshakeRecord } from '../tls/contract.ts';
import { FAILURE_KINDS_MAX, FAILURE_VALUES_MAX, FailureTable } from './failure-table.ts';

function failed(facts: Partial<HandshakeRecord> = {}): HandshakeRecord {
  return {
    outcome: 'failed',
    version: '',
    errorCode: 'tls-not-tls',
    alert: '',
    alertSentBy: '',
    lastState: 'before SSL initialization',
    serverName: '',
    startedAtMs: 1_000,
    durationMs: 5,
    ...facts,
  } as HandshakeRecord;
}

test('the most frequent kind comes first, with whom it happens to most', () => {
  const table = new FailureTable();
  const alert = {
    errorCode: 'tls-alert-received',
    alert: 'unknown_ca',
    alertSentBy: 'peer',
  } as const;
  table.add(failed(), '192.0.2.9', '');
  for (let i = 0; i < 3; i++) table.add(failed({ ...alert, serverName: 'a' }), '192.0.2.1', 'ja4');
  table.add(failed({ ...alert, serverName: 'b', startedAtMs: 2_000 }), '192.0.2.2', 'ja4');
  const [first, second] = table.kinds;
  assert.equal(table.kinds.length, 2);
  assert.partialDeepStrictEqual(first, {
    error: 'tls-alert-received',
    alert: 'unknown_ca',
    count: 4,
    uncertainty: 0,
    lastAtMs: 2_005,
  });
  assert.deepEqual(
    first!.addresses.map(({ value, count }) => [value, count]),
    [
      ['192.0.2.1', 3],
      ['192.0.2.2', 1],
    ],
  );
  assert.deepEqual(first!.serverNames[0], { value: 'a', count: 3, uncertainty: 0 });
  assert.deepEqual(first!.fingerprints, [{ value: 'ja4', count: 4, uncertainty: 0 }]);
  assert.equal(second!.error, 'tls-not-tls');
  assert.deepEqual(second!.serverNames, [], 'no name is no value');
});

test('complete handshakes are not failures, nor are connections without a byte', () => {
  const table = new FailureTable();
  table.add(failed({ errorCode: 'tls-handshake-not-begun' }), '192.0.2.1', '');
  table.add(failed({ outcome: 'complete' }), '192.0.2.1', '');
  assert.deepEqual(table.kinds, []);
});

test('it stays small whatever clients send, and what is frequent stays in it', () => {
  const table = new FailureTable();
  for (let i = 0; i < 20 * FAILURE_KINDS_MAX; i++) {
    table.add(failed({ alert: `alert_${i}`, serverName: `n${i}` }), `2001:db8::${i}`, `f${i}`);
    if (i % 4 === 0)
      table.add(failed({ serverName: i % 8 === 0 ? 'often' : `m${i}` }), '192.0.2.1', '');
  }
  const { kinds } = table;
  assert.equal(kinds.length, FAILURE_KINDS_MAX);
  for (const { addresses, serverNames, fingerprints } of kinds) {
    for (const list of [addresses, serverNames, fingerprints]) {
      assert.ok(list.length <= FAILURE_VALUES_MAX);
    }
  }
  const [first] = kinds;
  assert.equal(first!.alert, '');
  // What is said may be too high by the margin that is said with it, and is never too low.
  assert.ok(first!.count >= 5 * FAILURE_KINDS_MAX);
  assert.ok(first!.count - first!.uncertainty <= 5 * FAILURE_KINDS_MAX);
  assert.equal(first!.serverNames[0]!.value, 'often');
});

test('tables of several workers add up', () => {
  const [one, other, both] = [new FailureTable(), new FailureTable(), new FailureTable()];
  one.add(failed(), '192.0.2.1', 'f');
  other.add(failed({ startedAtMs: 9_000 }), '192.0.2.1', 'g');
  other.add(failed({ errorCode: 'tls-handshake-cut' }), '192.0.2.2', '');
  for (const table of [one, other]) both.merge(structuredClone(table.kinds));
  assert.equal(both.kinds.length, 2);
  assert.partialDeepStrictEqual(both.kinds[0], { error: 'tls-not-tls', count: 2, lastAtMs: 9_005 });
  assert.deepEqual(both.kinds[0]!.addresses, [{ value: '192.0.2.1', count: 2, uncertainty: 0 }]);
});
