import assert from 'node:assert/strict';
import test from 'node:test';
import { emptySummary } from './exchange-summary.ts';
import { metricLayouts, metricsRegionBytes, regionSlotCount } from './metric-layout.ts';
import { type HandshakeFacts, Metrics } from './metrics.ts';
import { NumberCheck } from './number-check.ts';

const complete: HandshakeFacts = {
  ...{ outcome: 'complete', version: 'TLSv1.3', cipher: 'TLS_AES_128_GCM_SHA256', group: 'x25519' },
  ...{ resumed: false, earlyData: 'accepted', earlyDataReason: '', earlyDataBytes: 10 },
  ...{ helloRetryRequest: true, signature: '', durationMs: 2, bytesReceived: 300, bytesSent: 200 },
  errorCode: '',
};
const failed: HandshakeFacts = {
  ...{ ...complete, outcome: 'failed', errorCode: 'tls-handshake-cut', group: '' },
  ...{ earlyData: 'rejected', earlyDataReason: 'replayed' },
};

/** A process that has counted some of everything. */
function counting() {
  const region = new Uint8Array(metricsRegionBytes);
  const slots = new Float64Array(region.buffer, 0, regionSlotCount);
  const metrics = new Metrics(region);
  const count = () => {
    metrics.connectionAccepted('https');
    metrics.handshakeEnded(complete);
    metrics.handshakeEnded(failed);
    metrics.exchangeFinished({ ...emptySummary(), status: 200, version: '2', scheme: 'https' });
    metrics.connectionClosed('https');
  };
  return { region, slots, metrics, count };
}

test('what is counted rightly is never called wrong', () => {
  const { region, count } = counting();
  const check = new NumberCheck(region);
  for (let second = 0; second < 5; second++) {
    count();
    assert.deepEqual(check.look(), []);
  }
});

const { handshakes, earlyDataOffered, requestVersions, handshakeDuration } = metricLayouts;
for (const [rule, { firstSlot }] of Object.entries({
  handshakes,
  'early-data': earlyDataOffered,
  'request-versions': requestVersions,
  'handshake-durations': handshakeDuration,
})) {
  test(`one too many is told once, with the numbers: ${rule}`, () => {
    const { region, slots, count } = counting();
    const check = new NumberCheck(region);
    count();
    slots[firstSlot]! += 1;
    const wrong = check.look();
    assert.ok(wrong.some((one) => one.rule === rule && /\d+ on one side, and \d+/.test(one.text)));
    count();
    assert.deepEqual(check.look(), [], 'it is known');
    slots[firstSlot]! += 1;
    assert.ok(check.look().some((one) => one.rule === rule));
  });
}

test('a counter that falls, and a connection that is closed twice, are told', () => {
  const { region, slots, metrics, count } = counting();
  const check = new NumberCheck(region);
  count();
  assert.deepEqual(check.look(), []);
  slots[metricLayouts.handshakeBytes.firstSlot]! -= 5_170;
  assert.deepEqual(
    check.look().map(({ rule }) => rule),
    ['fell-sluice_tls_handshake_bytes_total'],
  );
  metrics.connectionClosed('https');
  assert.deepEqual(
    check.look().map(({ rule }) => rule),
    ['connections-open'],
  );
});

test('what a process has left that died in the middle of counting is not its successor’s', () => {
  const { region, slots, count } = counting();
  slots[handshakes.firstSlot]! += 1;
  new Metrics(region);
  const check = new NumberCheck(region);
  count();
  assert.deepEqual(check.look(), []);
});
