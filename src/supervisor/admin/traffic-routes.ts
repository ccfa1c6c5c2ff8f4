/** `/traffic`, `/config`, `/stop` of the admin endpoint: what there is to see at a glance, and the end. */

import type { SluiceOptions } from '../../config/options.ts';
import { histogramBounds } from '../../telemetry/metric-layout.ts';
import { type MetricSnapshot, readMetrics, type Series } from '../../telemetry/metrics-reader.ts';
import type { RouteSample, TrafficSample } from '../../telemetry/traffic-sample.ts';
import type { JsonValue } from '../../triage/incident.ts';
import { REDACTED, redacted } from '../../triage/redaction.ts';
import { type AdminRoute, success } from './admin-routes.ts';

export interface TrafficSources {
  regions(): readonly Uint8Array[];
  options(): SluiceOptions;
  /** Ends the process in order. */
  end(): void;
}

export function trafficRoutes(sources: TrafficSources): AdminRoute[] {
  return [
    {
      path: '/traffic',
      summary: 'requests, hits, times, handshakes and early data, counted since the start',
      get: () => success(trafficSample(readMetrics(sources.regions()), Date.now())),
    },
    {
      path: '/config',
      summary: 'the active options, without keys and passwords',
      get: () => success({ options: shortened(redacted(sources.options())) }),
    },
    {
      path: '/stop',
      summary:
        'POST: stops gracefully: accepts no more connections, finishes the requests under way, and ends',
      post() {
        // The answer comes first.
        setImmediate(() => sources.end());
        return success({ state: 'draining' });
      },
    },
  ];
}

export function trafficSample(metrics: readonly MetricSnapshot[], atMs: number): TrafficSample {
  const seriesOf = (name: string) =>
    metrics.find(({ definition }) => definition.name === name)?.series ?? [];
  const total = (name: string) => seriesOf(name).reduce((sum, { value }) => sum + value, 0);
  const by = (name: string, keyOf: (labels: readonly string[]) => string) => {
    const sums: Record<string, number> = {};
    for (const { labels, value } of seriesOf(name)) {
      const key = keyOf(labels);
      sums[key] = (sums[key] ?? 0) + value;
    }
    return sums;
  };
  const durations = seriesOf('sluice_request_duration_seconds').reduce<number[]>(
    (sums, { buckets }) => buckets.map((count, i) => count + (sums[i] ?? 0)),
    [],
  );
  const handshakes = 'sluice_tls_handshakes_total';
  return {
    atMs,
    requests: total('sluice_requests_total'),
    byStatus: by('sluice_requests_total', ([, status]) =>
      /^\d/.test(status!) ? `${status![0]}xx` : 'none',
    ),
    byCache: by('sluice_requests_total', (labels) => labels.at(-1)!),
    durations,
    bounds: histogramBounds,
    connections: total('sluice_connections_open'),
    handshakes: by(handshakes, ([, group]) => (group === '' ? 'none' : group!)),
    handshakesFailed: by(handshakes, (labels) => labels.at(-1)!).failed ?? 0,
    resumed: by(handshakes, (labels) => labels.at(-2)!)['1'] ?? 0,
    earlyDataAccepted: total('sluice_early_data_accepted_total'),
    earlyDataRejected: total('sluice_early_data_rejected_total'),
    bytesOut: total('sluice_response_body_bytes_total'),
    routes: routesOf(seriesOf),
  };
}

function routesOf(seriesOf: (name: string) => readonly Series[]): Record<string, RouteSample> {
  const errors: Record<string, number> = {};
  for (const { labels, value } of seriesOf('sluice_route_requests_total')) {
    const [name, status] = labels as [string, string];
    const isError = status === '5xx' || status === 'none';
    errors[name] = (errors[name] ?? 0) + (isError ? value : 0);
  }
  const hits = seriesOf('sluice_route_cache_hits_total');
  const routes = seriesOf('sluice_route_duration_seconds').map(({ labels, value, buckets }) => {
    const name = labels[0]!;
    const hit = hits.find((one) => one.labels[0] === name)?.value ?? 0;
    return [
      name,
      { requests: value, hits: hit, errors: errors[name] ?? 0, durations: buckets },
    ] as const;
  });
  return Object.fromEntries(routes);
}

/** Certificates are public, but long. */
function shortened(value: JsonValue, name = ''): JsonValue {
  if (typeof value === 'string') return /Pem$/.test(name) ? lengthOf(value) : value;
  if (Array.isArray(value)) return value.map((one) => shortened(one, name));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key, shortened(inner, key)]),
  );
}

function lengthOf(text: string): string {
  return text === REDACTED || text === '' ? text : `(${text.length} characters)`;
}
