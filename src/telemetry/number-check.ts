/**
 * Whether what a process has counted can be true: what is counted in two ways must be equal, and no
 * counter falls. To be asked by the process that counts, between two turns of its event loop: then
 * nothing is half counted.
 */
import { assert } from '../base/assert.ts';
import { type MetricSnapshot, readMetrics, type Series } from './metrics-reader.ts';

/** A sum over the series of some metrics. */
type Sum = (read: (name: string) => readonly Series[]) => number;

interface Equation {
  readonly name: string;
  readonly left: Sum;
  readonly right: Sum;
  /** In words, for who reads the incident. */
  readonly words: string;
}

const all =
  (name: string, ...labels: readonly string[]): Sum =>
  (read) =>
    read(name)
      .filter((series) => labels.every((label) => series.labels.includes(label)))
      .reduce((sum, { value }) => sum + value, 0);

/** What a gauge is below zero. */
const below =
  (name: string): Sum =>
  (read) =>
    read(name).reduce((sum, { value }) => sum + Math.min(0, value), 0);

const plus =
  (...sums: readonly Sum[]): Sum =>
  (read) =>
    sums.reduce((sum, one) => sum + one(read), 0);

const equations: readonly Equation[] = [
  {
    name: 'handshakes',
    left: all('sluice_tls_handshakes_total'),
    right: plus(
      all('sluice_tls_handshake_signatures_total'),
      all('sluice_tls_handshake_failures_total'),
    ),
    words: 'every handshake has a signature, or a reason why it failed',
  },
  {
    name: 'handshake-durations',
    left: all('sluice_tls_handshakes_total', 'complete'),
    right: all('sluice_tls_handshake_duration_seconds'),
    words: 'every complete handshake has a duration',
  },
  {
    name: 'early-data',
    left: all('sluice_early_data_offered_total'),
    right: plus(all('sluice_early_data_accepted_total'), all('sluice_early_data_rejected_total')),
    words: 'early data that is offered is accepted, or rejected for a reason',
  },
  {
    name: 'request-versions',
    left: all('sluice_requests_total'),
    right: all('sluice_requests_by_version_total'),
    words: 'every request has a version',
  },
  {
    name: 'request-durations',
    left: all('sluice_requests_total'),
    right: all('sluice_request_duration_seconds'),
    words: 'every request has a duration',
  },
  {
    name: 'connections-open',
    left: plus(below('sluice_connections_open'), below('sluice_origin_connections_open')),
    right: () => 0,
    words: 'no more connections are closed than were opened',
  },
];

export interface WrongNumber {
  /** The rule, and for a counter that fell its name; without spaces or `/`. */
  readonly rule: string;
  /** One sentence with the numbers. */
  readonly text: string;
}

export class NumberCheck {
  readonly #region: Uint8Array;
  /** Of each equation, what was wrong before: of a predecessor that died in the middle of counting. */
  readonly #known = new Map<string, number>();
  #before: ReadonlyMap<string, number>;

  constructor(region: Uint8Array) {
    this.#region = region;
    const metrics = readMetrics([region]);
    for (const { name, difference } of differencesIn(metrics)) this.#known.set(name, difference);
    this.#before = countersIn(metrics);
  }

  /** What has become wrong since the last look; each is told once. */
  look(): WrongNumber[] {
    const metrics = readMetrics([this.#region]);
    const wrong: WrongNumber[] = [];
    for (const { name, difference, text } of differencesIn(metrics)) {
      if (difference === this.#known.get(name)) continue;
      this.#known.set(name, difference);
      // What a predecessor has left may also be put right.
      if (difference !== 0) wrong.push({ rule: name, text });
    }
    const counters = countersIn(metrics);
    for (const [series, before] of this.#before) {
      const now = counters.get(series) ?? 0;
      if (now >= before) continue;
      const [name = ''] = series.split(' ');
      wrong.push({ rule: `fell-${name}`, text: `${series} fell from ${before} to ${now}` });
    }
    this.#before = counters;
    return wrong;
  }
}

function differencesIn(metrics: readonly MetricSnapshot[]) {
  const byName = new Map(metrics.map(({ definition, series }) => [definition.name, series]));
  const read = (name: string) => {
    const series = byName.get(name);
    assert(series !== undefined, 'what is checked is counted');
    return series;
  };
  return equations.map(({ name, left, right, words }) => {
    const [one, other] = [left(read), right(read)];
    const text = `${words}: ${one} on one side, and ${other} on the other`;
    return { name, difference: one - other, text };
  });
}

function countersIn(metrics: readonly MetricSnapshot[]): Map<string, number> {
  const counters = new Map<string, number>();
  for (const { definition, series } of metrics) {
    if (definition.type === 'gauge') continue;
    for (const { labels, value } of series) {
      counters.set([definition.name, ...labels].join(' '), value);
    }
  }
  return counters;
}
