/** One picture of `sluice top`, from two samples: pure. */
import { durationText } from '../base/duration-text.ts';
import type { GroupReport } from '../supervisor/admin/origin-routes.ts';
import { hitOutcomes } from '../telemetry/exchange-summary.ts';
import { quantile } from '../telemetry/quantile.ts';
import type { TrafficSample } from '../telemetry/traffic-sample.ts';
import { serverStateText } from '../upstream/server-state-text.ts';

export interface TopInput {
  readonly before: TrafficSample;
  readonly now: TrafficSample;
  readonly origins: readonly GroupReport[];
  readonly version: string;
  readonly uptimeSeconds: number;
  readonly workers: readonly { readonly state: string; readonly restarts: number }[];
}

const BAR_WIDTH = 24;
/** Origins' servers that are shown; the rest are counted. */
const SERVERS_SHOWN_MAX = 6;
/** A terminal of 24 lines has room for both, and the rest. */
const GROUPS_SHOWN_MAX = 4;

export function topFrame({
  before,
  now,
  origins,
  version,
  uptimeSeconds,
  workers,
}: TopInput): string {
  const seconds = Math.max(0.001, (now.atMs - before.atMs) / 1000);
  const rate = (count: number) => (count / seconds).toFixed(count / seconds < 10 ? 1 : 0);
  const between = (pick: (sample: TrafficSample) => number) => pick(now) - pick(before);
  const requests = between((sample) => sample.requests);
  const answered = countsBetween(before.byCache, now.byCache);
  const hits = hitOutcomes.reduce((sum, name) => sum + (answered[name] ?? 0), 0);
  const durations = now.durations.map((count, i) => count - (before.durations[i] ?? 0));
  const time = (fraction: number) => timeText(durations, now.bounds, fraction);
  const running = workers.filter(({ state }) => state === 'running').length;
  const restarts = workers.reduce((sum, one) => sum + one.restarts, 0);
  const died = restarts === 0 ? '' : `, ${restarts} replaced`;
  const sent = bytesText(between((sample) => sample.bytesOut) / seconds);
  const lines = [
    `sluice ${version}  up ${uptimeText(uptimeSeconds)}  ${running} of ${workers.length} workers${died}`,
    '',
    `requests    ${rate(requests)}/s   p50 ${time(0.5)}  p95 ${time(0.95)}  p99 ${time(0.99)}`,
    `hits        ${share(hits, requests)} ${bar(hits, requests)}`,
    `statuses    ${countsText(countsBetween(before.byStatus, now.byStatus), rate)}`,
    `sent        ${sent}/s over ${now.connections} connections`,
    '',
    ...handshakeLines(before, now, rate),
    '',
    ...originLines(origins),
  ];
  return `${lines.join('\n')}\n`;
}

/** The last picture, under a line that says that there is none of now. */
export function awayFrame(last: string, why: string, sinceMs: number): string {
  const seconds = Math.round(sinceMs / 1_000);
  const before = last.split('\n').slice(1).join('\n');
  return `AWAY for ${seconds} s: ${why}; trying again. Before:\n${before}`;
}

/** The lines that a terminal has room for, `last` among them; what does not fit is cut. */
export function fitted(frame: string, last: string, columns: number, rows: number): string[] {
  const lines = frame.trimEnd().split('\n');
  const shown = lines.length + 1 > rows ? lines.slice(0, Math.max(0, rows - 1)) : lines;
  return [...shown, last].map((line) =>
    line.length > columns ? `${line.slice(0, Math.max(0, columns - 1))}…` : line,
  );
}

function handshakeLines(
  before: TrafficSample,
  now: TrafficSample,
  rate: (count: number) => string,
): string[] {
  const groups = countsBetween(before.handshakes, now.handshakes);
  const total = Object.values(groups).reduce((sum, count) => sum + count, 0);
  const failed = now.handshakesFailed - before.handshakesFailed;
  const resumed = now.resumed - before.resumed;
  const accepted = now.earlyDataAccepted - before.earlyDataAccepted;
  const rejected = now.earlyDataRejected - before.earlyDataRejected;
  const largest = Object.entries(groups)
    .filter(([, count]) => count > 0)
    .sort(([, a], [, b]) => b - a)
    .slice(0, GROUPS_SHOWN_MAX);
  return [
    `handshakes  ${rate(total)}/s   ${share(resumed, total)} resumed, ${rate(failed)}/s failed`,
    `0-RTT       ${rate(accepted)}/s accepted, ${rate(rejected)}/s rejected`,
    ...largest.map(
      ([name, count]) => `  ${name.padEnd(18)} ${share(count, total)} ${bar(count, total)}`,
    ),
  ];
}

function originLines(origins: readonly GroupReport[]): string[] {
  const servers = origins.flatMap((group) => group.servers.map((server) => ({ group, server })));
  const lines = servers.slice(0, SERVERS_SHOWN_MAX).map(({ group, server }) => {
    const { name, state, underWay, meanResponseMs } = server;
    const mean = meanResponseMs === null ? '' : `, ${durationText(meanResponseMs)} on average`;
    const mark = state === 'up' ? '●' : '○';
    return `  ${mark} ${group.name}/${name}  ${serverStateText(server)}, ${underWay} under way${mean}`;
  });
  const rest = servers.length - lines.length;
  return ['origins', ...lines, ...(rest > 0 ? [`  and ${rest} more: sluice origins`] : [])];
}

function countsBetween(
  before: Readonly<Record<string, number>>,
  now: Readonly<Record<string, number>>,
): Record<string, number> {
  return Object.fromEntries(
    Object.entries(now).map(([name, count]) => [name, count - (before[name] ?? 0)]),
  );
}

function countsText(counts: Record<string, number>, rate: (count: number) => string): string {
  const shown = Object.entries(counts).filter(([, count]) => count > 0);
  if (shown.length === 0) return 'none';
  return shown.map(([name, count]) => `${name} ${rate(count)}/s`).join('  ');
}

/** The bound that so many of the requests were within, or the last one when it takes longer. */
function timeText(
  durations: readonly number[],
  bounds: readonly number[],
  fraction: number,
): string {
  const bound = quantile(durations, bounds, fraction);
  if (bound === null) return '–';
  const isBeyond = bound === Number.POSITIVE_INFINITY;
  return isBeyond ? `>${secondsText(bounds.at(-1) ?? 0)}` : `≤${secondsText(bound)}`;
}

function secondsText(seconds: number): string {
  if (seconds >= 1) return `${seconds.toFixed(1)} s`;
  const milliseconds = seconds * 1_000;
  return `${milliseconds.toFixed(milliseconds < 10 ? 1 : 0)} ms`;
}

function share(part: number, whole: number): string {
  return whole <= 0 ? '  –  ' : `${((part / whole) * 100).toFixed(0).padStart(3)} %`;
}

function bar(part: number, whole: number): string {
  const filled = whole <= 0 ? 0 : Math.round((part / whole) * BAR_WIDTH);
  return '█'.repeat(filled) + '░'.repeat(BAR_WIDTH - filled);
}

function bytesText(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1_024 && unit < units.length - 1) {
    value /= 1_024;
    unit++;
  }
  return `${value.toFixed(unit === 0 || value >= 100 ? 0 : 1)} ${units[unit]}`;
}

export function uptimeText(seconds: number): string {
  const days = Math.floor(seconds / 86_400);
  const hours = Math.floor((seconds % 86_400) / 3_600);
  const minutes = Math.floor((seconds % 3_600) / 60);
  if (days > 0) return `${days} d ${hours} h`;
  if (hours > 0) return `${hours} h ${minutes} min`;
  return minutes > 0 ? `${minutes} min` : `${seconds} s`;
}
