import assert from 'node:assert/strict';
import { test } from 'node:test';
import { getCiphers } from 'node:tls';
import { metricsRegionBytes } from '../../src/telemetry/metric-layout.ts';
import { metricTable } from '../../src/telemetry/metric-table.ts';
import { Metrics } from '../../src/telemetry/metrics.ts';
import { readMetrics } from '../../src/telemetry/metrics-reader.ts';
import { implementedGroups } from '../../src/tls/groups.ts';
import { clientContext, Pair, serverContext } from './wire.ts';

/** Runs handshakes' records into metrics, and reads what one label of a metric has become. */
function valuesOf(metric: string, label: string, facts: readonly object[]): Map<string, number> {
  const memory = new Uint8Array(metricsRegionBytes);
  const metrics = new Metrics(memory);
  for (const one of facts) metrics.handshakeEnded({ ...record, ...one });
  const { definition, series } = readMetrics([memory]).find(
    (snapshot) => snapshot.definition.name === metric,
  )!;
  const position = definition.labels.findIndex(({ name }) => name === label);
  const values = new Map<string, number>();
  for (const { labels, value } of series) {
    const name = labels[position]!;
    values.set(name, (values.get(name) ?? 0) + value);
  }
  return values;
}

using server = serverContext();
using client = clientContext();
using pair = new Pair(server, client).settle();
const { record } = pair.server;

test('every group of this OpenSSL, of TLS 1.3 and 1.2, is counted by its name', () => {
  const names = [...new Set([...implementedGroups('TLSv1.3'), ...implementedGroups('TLSv1.2')])];
  assert.ok(names.includes('X25519MLKEM768') && names.includes('ffdhe8192'));
  const facts = names.map((group) => ({ group }));
  for (const metric of [metricTable.handshakes, metricTable.handshakeDuration]) {
    const counted = valuesOf(metric.name, 'group', facts);
    assert.deepEqual([...counted.keys()].toSorted(), names.toSorted());
    assert.ok([...counted.values()].every((count) => count === 1));
  }
});

test('every group of TLS 1.3 has its place in advance', () => {
  const [, group] = metricTable.handshakes.labels;
  assert.deepEqual(
    implementedGroups('TLSv1.3').filter((name) => !group!.values.includes(name)),
    [],
  );
});

test('every cipher suite with a certificate is counted by its name', () => {
  // Those of TLS 1.3 bear their IANA names here, the others stand for as many.
  const names = getCiphers()
    .filter((name) => !/psk|srp/.test(name))
    .map((name) => name.toUpperCase());
  assert.ok(names.length > 25);
  const counted = valuesOf(
    metricTable.handshakes.name,
    'cipher',
    names.map((cipher) => ({ cipher })),
  );
  assert.deepEqual([...counted.keys()].toSorted(), names.toSorted());
});

test('the signature of a handshake is counted by its name in RFC 8446', () => {
  const [scheme] = metricTable.handshakeSignatures.labels;
  assert.ok(record.signature !== '' && scheme!.values.includes(record.signature));
});
