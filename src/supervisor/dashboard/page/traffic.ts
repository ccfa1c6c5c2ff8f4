/** Rates, hits, times and early data: what is between two samples. */
import { hitOutcomes } from '../../../telemetry/exchange-summary.ts';
import type { TrafficSample } from '../../../telemetry/traffic-sample.ts';
import { draw, push, type Values } from './chart.ts';
import { at, type Line, showLines } from './elements.ts';
import { short, type TimeBound, timeBound } from './words.ts';

const lines = {
  rate: [] as Values,
  hits: [] as Values,
  p50: [] as Values,
  p99: [] as Values,
  accepted: [] as Values,
  rejected: [] as Values,
};

export function showTraffic(now: TrafficSample, before: TrafficSample | null): void {
  if (before !== null && now.atMs > before.atMs) showBetween(now, before);
  showGroups(now);
}

function showBetween(now: TrafficSample, before: TrafficSample): void {
  const seconds = (now.atMs - before.atMs) / 1000;
  const per = (a: number, b: number | undefined) => since(a, b) / seconds;
  const rate = per(now.requests, before.requests);
  push(lines.rate, rate);
  at('rate').textContent = short(rate);
  draw('rate-line', lines.rate);
  showHits(now, before);
  showTimes(now, before);
  const accepted = per(now.earlyDataAccepted, before.earlyDataAccepted);
  const rejected = per(now.earlyDataRejected, before.earlyDataRejected);
  push(lines.accepted, accepted);
  push(lines.rejected, rejected);
  at('early').textContent = `${short(accepted)}, ${short(rejected)}`;
  draw('early-line', lines.accepted, lines.rejected);
  const statuses = Object.entries(now.byStatus).map(([status, count]): Line => {
    const text = short(per(count, before.byStatus[status]));
    return [status, text, status === '5xx' ? 'bad' : undefined];
  });
  showLines('statuses', statuses, 'no request yet');
}

function showHits(now: TrafficSample, before: TrafficSample): void {
  const requests = since(now.requests, before.requests);
  const counts = hitOutcomes.map((name) => since(now.byCache[name], before.byCache[name]));
  const hits = counts.reduce((sum, count) => sum + count, 0);
  const percent = requests === 0 ? 0 : (100 * hits) / requests;
  push(lines.hits, percent);
  at('hits').textContent = requests === 0 ? '–' : `${short(percent)} %`;
  draw('hits-line', lines.hits);
}

function showTimes(now: TrafficSample, before: TrafficSample): void {
  const durations = now.durations.map((count, i) => since(count, before.durations[i]));
  const p50 = timeBound(durations, now.bounds, 0.5);
  const p99 = timeBound(durations, now.bounds, 0.99);
  push(lines.p50, p50.seconds);
  push(lines.p99, p99.seconds);
  at('times').textContent = `${milliseconds(p50)}, ${milliseconds(p99)}`;
  draw('times-line', lines.p50, lines.p99);
}

function milliseconds({ seconds, isBeyond }: TimeBound): string {
  return seconds === 0 ? '–' : `${isBeyond ? '>' : '≤'} ${short(seconds * 1000)} ms`;
}

function showGroups(now: TrafficSample): void {
  const groups = Object.entries(now.handshakes)
    .filter(([, count]) => count > 0)
    .sort((a, b) => b[1] - a[1])
    .map(([name, count]): Line => [name, short(count)]);
  if (now.handshakesFailed > 0) groups.push(['failed', short(now.handshakesFailed), 'bad']);
  showLines('groups', groups, 'no handshake yet');
}

/** Counts begin anew with another process. */
function since(now: number | undefined, before: number | undefined): number {
  return Math.max(0, (now ?? 0) - (before ?? 0));
}
