/** The two forms in which metrics leave the process: Prometheus text and JSON. */
import { histogramBounds } from './metric-layout.ts';
import type { MetricSnapshot, Series } from './metrics-reader.ts';
import { quantile } from './quantile.ts';

export const prometheusContentType = 'text/plain; version=0.0.4; charset=utf-8';

/** Prometheus text exposition format 0.0.4. */
export function prometheusText(snapshots: readonly MetricSnapshot[]): string {
  let text = '';
  for (const { definition, series } of snapshots) {
    const { name, type, help, labels } = definition;
    text += `# HELP ${name} ${help.replaceAll('\\', '\\\\')}\n# TYPE ${name} ${type}\n`;
    const names = labels.map((label) => label.name);
    for (const one of series) {
      if (type === 'histogram') text += histogramLines(name, names, one);
      else text += `${name}${labelSet(names, one.labels)} ${one.value}\n`;
    }
  }
  return text;
}

function histogramLines(name: string, names: readonly string[], series: Series): string {
  let text = '';
  let cumulated = 0;
  for (const [i, count] of series.buckets.entries()) {
    cumulated += count;
    const bound = i < histogramBounds.length ? String(histogramBounds[i]) : '+Inf';
    const set = labelSet([...names, 'le'], [...series.labels, bound]);
    text += `${name}_bucket${set} ${cumulated}\n`;
  }
  const set = labelSet(names, series.labels);
  return `${text}${name}_sum${set} ${series.sum}\n${name}_count${set} ${cumulated}\n`;
}

function labelSet(names: readonly string[], values: readonly string[]): string {
  if (names.length === 0) return '';
  return `{${names.map((name, i) => `${name}="${escaped(values[i]!)}"`).join(',')}}`;
}

function escaped(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

/** One series in `/stats`. Durations are in seconds; quantiles are the upper bounds of buckets. */
export interface StatsSeries {
  readonly labels: Record<string, string>;
  readonly value?: number;
  readonly count?: number;
  readonly sum?: number;
  readonly p50?: number | null;
  readonly p99?: number | null;
}

/** Metrics by name, for `/stats`. */
export function statsObject(snapshots: readonly MetricSnapshot[]): Record<string, StatsSeries[]> {
  return Object.fromEntries(
    snapshots.map(({ definition, series }) => [
      definition.name,
      series.map((one) => ({
        labels: Object.fromEntries(definition.labels.map((l, i) => [l.name, one.labels[i]!])),
        ...(definition.type === 'histogram'
          ? { count: one.value, sum: one.sum, p50: boundOf(one, 0.5), p99: boundOf(one, 0.99) }
          : { value: one.value }),
      })),
    ]),
  );
}

/** Null without any, or beyond the last bound: JSON has no number for that. */
function boundOf({ buckets }: Series, fraction: number): number | null {
  const bound = quantile(buckets, histogramBounds, fraction);
  return bound === Number.POSITIVE_INFINITY ? null : bound;
}
