import assert from 'node:assert/strict';
import test from 'node:test';
import { emptySummary } from './exchange-summary.ts';
import { prometheusText, statsObject } from './exposition.ts';
import { histogramBounds, histogramBucket, metricsRegionBytes } from './metric-layout.ts';
import { type HandshakeFacts, Metrics } from './metrics.ts';
import { readMetrics } from './metrics-reader.ts';

function region(): Uint8Array {
  return new Uint8Array(metricsRegionBytes);
}

function lines(...regions: Uint8Array[]): string[] {
  return prometheusText(readMetrics(regions)).split('\n');
}

function handshake(facts: Partial<HandshakeFacts>): HandshakeFacts {
  return {
    outcome: 'complete',
    version: 'TLSv1.3',
    cipher: 'TLS_AES_128_GCM_SHA256',
    group: 'x25519',
    resumed: false,
    earlyData: 'not-offered',
    earlyDataReason: '',
    earlyDataBytes: 0,
    helloRetryRequest: false,
    signature: '',
    durationMs: 2,
    bytesReceived: 300,
    bytesSent: 900,
    errorCode: '',
    ...facts,
  };
}

test('a finished exchange is counted under its method, status and cache outcome', () => {
  const memory = region();
  const metrics = new Metrics(memory);
  const summary = { ...emptySummary(), method: 'GET', status: 304, cache: 'revalidated' as const };
  metrics.exchangeFinished({ ...summary, scheme: 'https', version: '2', responseBytes: 12 });
  metrics.exchangeFinished({ ...summary, method: 'BREW', status: 0, cache: 'none' });
  const text = lines(memory);
  const requests = 'sluice_requests_total';
  assert.ok(text.includes(`${requests}{method="GET",status="304",cache="revalidated"} 1`));
  assert.ok(text.includes(`${requests}{method="other",status="none",cache="none"} 1`));
  assert.ok(text.includes('sluice_requests_by_version_total{version="2",scheme="https"} 1'));
  assert.ok(text.includes('sluice_response_body_bytes_total 12'));
});

test('every status from 100 to 599 has its own series', () => {
  const memory = region();
  const metrics = new Metrics(memory);
  for (let status = 100; status <= 599; status++) {
    metrics.exchangeFinished({ ...emptySummary(), method: 'GET', status });
  }
  const [requests] = readMetrics([memory]);
  assert.deepEqual(
    requests?.series.map((series) => [series.labels[1], series.value]),
    Array.from({ length: 500 }, (_, i) => [String(100 + i), 1]),
  );
});

test('a handshake is counted by version, group, cipher, resumption and outcome', () => {
  const memory = region();
  const metrics = new Metrics(memory);
  metrics.handshakeEnded(
    handshake({ group: 'X25519MLKEM768', resumed: true, helloRetryRequest: true }),
  );
  metrics.handshakeEnded(
    handshake({ outcome: 'failed', version: '', cipher: '', group: '', errorCode: 'tls-timeout' }),
  );
  const text = lines(memory);
  assert.ok(
    text.includes(
      'sluice_tls_handshakes_total{version="TLSv1.3",group="X25519MLKEM768",' +
        'cipher="TLS_AES_128_GCM_SHA256",resumed="1",outcome="complete"} 1',
    ),
  );
  assert.ok(
    text.includes(
      'sluice_tls_handshakes_total{version="none",group="none",cipher="none",' +
        'resumed="0",outcome="failed"} 1',
    ),
  );
  assert.ok(text.includes('sluice_tls_hello_retry_requests_total 1'));
  assert.ok(text.includes('sluice_tls_handshake_failures_total{code="tls-timeout"} 1'));
  const name = 'sluice_tls_handshake_duration_seconds';
  assert.ok(text.includes(`${name}_count{version="TLSv1.3",resumed="1",group="X25519MLKEM768"} 1`));
  assert.ok(
    text.includes(
      `${name}_bucket{version="TLSv1.3",resumed="1",group="X25519MLKEM768",le="0.002048"} 1`,
    ),
  );
  assert.ok(
    text.includes(
      `${name}_bucket{version="TLSv1.3",resumed="1",group="X25519MLKEM768",le="0.001024"} 0`,
    ),
  );
});

test('offered early data is counted once, as accepted or by the reason it was not', () => {
  const memory = region();
  const metrics = new Metrics(memory);
  metrics.handshakeEnded(handshake({ earlyData: 'accepted', earlyDataBytes: 100 }));
  metrics.handshakeEnded(handshake({ earlyData: 'rejected', earlyDataReason: 'replayed' }));
  metrics.handshakeEnded(handshake({}));
  const text = lines(memory);
  assert.ok(text.includes('sluice_early_data_offered_total 2'));
  assert.ok(text.includes('sluice_early_data_accepted_total 1'));
  assert.ok(text.includes('sluice_early_data_bytes_total 100'));
  assert.ok(text.includes('sluice_early_data_rejected_total{reason="replayed"} 1'));
});

test('how long handshakes took is known by version, resumption and group; who signed by scheme', () => {
  const memory = region();
  const metrics = new Metrics(memory);
  const signature = 'ecdsa_secp256r1_sha256';
  metrics.handshakeEnded(handshake({ group: 'secp384r1', signature, durationMs: 2 }));
  metrics.handshakeEnded(handshake({ group: 'secp384r1', signature, durationMs: 20 }));
  metrics.handshakeEnded(handshake({ version: 'TLSv1.2', group: '', resumed: true }));
  metrics.handshakeEnded(handshake({ outcome: 'failed', errorCode: 'tls-not-tls', signature }));
  const text = lines(memory);
  const name = 'sluice_tls_handshake_duration_seconds';
  const labels = 'version="TLSv1.3",resumed="0",group="secp384r1"';
  assert.ok(text.includes(`${name}_count{${labels}} 2`));
  assert.ok(text.includes(`${name}_sum{${labels}} 0.022`));
  assert.ok(text.includes(`${name}_bucket{${labels},le="0.002048"} 1`));
  assert.ok(text.includes(`${name}_count{version="TLSv1.2",resumed="1",group="none"} 1`));
  const signatures = text.filter((line) =>
    line.startsWith('sluice_tls_handshake_signatures_total'),
  );
  assert.deepEqual(signatures, [
    'sluice_tls_handshake_signatures_total{scheme="none"} 1',
    `sluice_tls_handshake_signatures_total{scheme="${signature}"} 2`,
  ]);
});

test('a group nobody foresaw is counted by its name, until there are too many', () => {
  const memory = region();
  const metrics = new Metrics(memory);
  for (let i = 0; i < 52; i++) metrics.handshakeEnded(handshake({ group: `new-group-${i}` }));
  const groups = readMetrics([memory])
    .find(({ definition }) => definition.name === 'sluice_tls_handshakes_total')
    ?.series.map((series) => [series.labels[1], series.value]);
  assert.equal(groups?.length, 32);
  assert.deepEqual(groups?.[0], ['new-group-0', 1]);
  assert.deepEqual(groups?.[31], ['other', 21]);
});

test("a successor goes on with its predecessor's counts and names; gauges begin anew", () => {
  const memory = region();
  const first = new Metrics(memory);
  first.handshakeEnded(handshake({ group: 'brand-new' }));
  first.connectionAccepted('https');
  const second = new Metrics(memory);
  second.handshakeEnded(handshake({ group: 'brand-new' }));
  second.connectionAccepted('https');
  const text = lines(memory);
  assert.ok(text.some((line) => /group="brand-new".* 2$/.test(line)));
  assert.ok(text.includes('sluice_connections_accepted_total{listener="https"} 2'));
  assert.ok(text.includes('sluice_connections_open{listener="https"} 1'));
});

test('workers are summed by name, even when each added its names in another order', () => {
  const [a, b] = [region(), region()];
  const [first, second] = [new Metrics(a), new Metrics(b)];
  for (const group of ['one', 'two']) first.handshakeEnded(handshake({ group }));
  for (const group of ['two', 'one', 'one']) second.handshakeEnded(handshake({ group }));
  const text = lines(a, b);
  assert.ok(text.some((line) => /group="one".* 3$/.test(line)));
  assert.ok(text.some((line) => /group="two".* 2$/.test(line)));
});

test('the event loop delay shown is that of the worst worker', () => {
  const [a, b] = [region(), region()];
  new Metrics(a).eventLoopDelayed(1, 2, 30);
  new Metrics(b).eventLoopDelayed(2, 3, 4);
  const text = lines(a, b);
  assert.ok(text.includes('sluice_event_loop_delay_seconds{statistic="p50"} 0.002'));
  assert.ok(text.includes('sluice_event_loop_delay_seconds{statistic="max"} 0.03'));
});

test('a duration falls into the first bucket whose bound is not below it', () => {
  for (const milliseconds of [0, 0.0001, 0.064, 0.0641, 0.128, 1, 67_108, 67_109, 1e9]) {
    const expected = histogramBounds.findIndex(
      (bound) => Math.ceil(milliseconds * 1000) / 1e6 <= bound,
    );
    const bucket = histogramBucket(milliseconds);
    assert.equal(bucket, expected === -1 ? histogramBounds.length : expected, `${milliseconds} ms`);
  }
});

test('statistics give quantiles as the bounds of their buckets', () => {
  const memory = region();
  const metrics = new Metrics(memory);
  const summary = { ...emptySummary(), method: 'GET', status: 200, cache: 'hit' as const };
  for (let i = 0; i < 99; i++) metrics.exchangeFinished({ ...summary, durationMs: 0.1 });
  metrics.exchangeFinished({ ...summary, durationMs: 100 });
  const [hits] = statsObject(readMetrics([memory])).sluice_request_duration_seconds ?? [];
  assert.equal(hits?.count, 100);
  assert.equal(hits?.p50, 0.000128);
  assert.equal(hits?.p99, 0.000128);
});

test('statistics give no bound for what takes longer than the last', () => {
  const memory = region();
  const metrics = new Metrics(memory);
  const summary = { ...emptySummary(), method: 'GET', status: 200, cache: 'hit' as const };
  metrics.exchangeFinished({ ...summary, durationMs: 100_000 });
  const [hits] = statsObject(readMetrics([memory])).sluice_request_duration_seconds ?? [];
  assert.deepEqual([hits?.count, hits?.p50, hits?.p99], [1, null, null]);
});

test('a name from a peer cannot break the exposition', () => {
  const memory = region();
  const errorCode = 'a"b\\c\nd';
  new Metrics(memory).exchangeFinished({ ...emptySummary(), errorCode });
  assert.ok(lines(memory).includes('sluice_request_errors_total{code="a\\"b\\\\c\\nd"} 1'));
});
