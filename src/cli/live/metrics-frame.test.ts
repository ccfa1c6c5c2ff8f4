import assert from 'node:assert/strict';
import test from 'node:test';
import {
  found,
  type MetricsView,
  metricRows,
  metricsFrame,
  metricsKeyPressed,
  plainMetricsView,
} from './metrics-frame.ts';

const reading = (hits: number) => ({
  sluice_requests_total: [
    { labels: { cache: 'hit', method: 'GET' }, value: hits },
    { labels: { cache: 'miss', method: 'GET' }, value: 3 },
  ],
  sluice_connections_open: [{ labels: {}, value: 0 }],
  sluice_request_duration_seconds: [{ labels: {}, count: hits }],
});

const press = (...keys: string[]) =>
  keys.reduce<MetricsView | null>(
    (view, key) => view && metricsKeyPressed(view, key),
    plainMetricsView,
  );

test('each number is shown with its rate, by the name that Prometheus has for it', () => {
  const rows = metricRows(reading(1_500), reading(1_000), 2);
  assert.deepEqual(metricsFrame(rows, plainMetricsView, 10).slice(0, -1), [
    '         value           rate  1 to 3 of 3',
    '         1,500          250/s  sluice_requests_total{cache="hit",method="GET"}',
    '             3            0/s  sluice_requests_total{cache="miss",method="GET"}',
    '         1,500          250/s  sluice_request_duration_seconds_count',
  ]);
});

test('a search finds every word in names and labels, in any order', () => {
  const rows = metricRows(reading(1), null, 1);
  const names = (filter: string) => found(rows, filter).map(({ name }) => name);
  assert.deepEqual(names('MISS requests'), ['sluice_requests_total{cache="miss",method="GET"}']);
  assert.deepEqual(names('nothing like it'), []);
  assert.match(metricsFrame(rows, { ...plainMetricsView, filter: 'no' }, 9)[0]!, /nothing found/);
});

test('keys search, sort, show zeros, move and quit', () => {
  const searching = press('/', 'm', 'i', 'x', '\x7f', 's', '\r')!;
  assert.deepEqual([searching.filter, searching.isTyping], ['mis', false]);
  assert.equal(press('/', 'q')!.filter, 'q', 'a key is a letter while somebody types');
  assert.equal(press('q'), null);
  assert.equal(press('/', '\x03'), null);
  assert.equal(press('down', 'down', 'up', 'page-down')!.offset, 21);
  assert.equal(press('up')!.offset, 0);
  const rows = metricRows(reading(9), reading(1), 1);
  const first = (view: MetricsView) => metricsFrame(rows, view, 3)[1]!;
  assert.match(first(press('z', 's')!), /8\/s {2}sluice_requests_total\{cache="hit"/);
  assert.equal(metricsFrame(rows, press('z')!, 10).length, 6);
  // Never below the last row.
  assert.match(first(press('page-down')!), /duration_seconds_count$/);
});
