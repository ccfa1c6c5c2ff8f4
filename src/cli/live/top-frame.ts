/** One picture of `sluice top`, from two samples: pure. */
import { durationText } from '../../base/duration-text.ts';
import type { GroupReport, ServerReport } from '../../supervisor/admin/origin-routes.ts';
import { hitOutcomes } from '../../telemetry/exchange-summary.ts';
import { quantile } from '../../telemetry/quantile.ts';
import type { TrafficSample } from '../../telemetry/traffic-sample.ts';
import { serverStateText } from '../../upstream/server-state-text.ts';
import { CTRL_C, ESCAPE, typed } from './terminal-keys.ts';

type ShownServer = Pick<
  ServerReport,
  'name' | 'state' | 'underWay' | 'failures' | 'meanResponseMs' | 'trouble'
>;
type ShownGroup = Pick<GroupReport, 'name'> & { readonly servers: readonly ShownServer[] };

export interface TopInput {
  readonly before: TrafficSample;
  readonly now: TrafficSample;
  readonly origins: readonly ShownGroup[];
  readonly version: string;
  readonly uptimeSeconds: number;
  readonly workers: readonly { readonly state: string; readonly restarts: number }[];
  readonly view?: TopView;
  /** Requests a second of the latest seconds, the oldest first. */
  readonly history?: readonly number[];
}

/** What the one who looks has chosen, by keys. */
export interface TopView {
  readonly sort: 'requests' | 'errors' | 'name';
  /** Only routes and servers whose names hold it. */
  readonly filter: string;
  readonly isTyping: boolean;
  readonly isPaused: boolean;
  readonly isHelp: boolean;
}

export const plainView: TopView = {
  sort: 'requests',
  filter: '',
  isTyping: false,
  isPaused: false,
  isHelp: false,
};

const SORTS: readonly TopView['sort'][] = ['requests', 'errors', 'name'];

/** The view after a key; null to quit. */
export function keyPressed(view: TopView, key: string): TopView | null {
  if (key === CTRL_C) return null;
  if (view.isTyping) return { ...view, ...typed(view, key) };
  switch (key) {
    case 'q':
      return null;
    case 's': {
      const next = (SORTS.indexOf(view.sort) + 1) % SORTS.length;
      return { ...view, sort: SORTS[next]! };
    }
    case '/':
      return { ...view, isTyping: true, filter: '' };
    case 'p':
    case ' ':
      return { ...view, isPaused: !view.isPaused };
    case 'h':
    case '?':
      return { ...view, isHelp: !view.isHelp };
    case ESCAPE:
      return plainView;
    default:
      return view;
  }
}

/** The last line: which keys there are, and what was chosen by them. */
export function footerText({ sort, filter, isTyping, isPaused }: TopView): string {
  if (isTyping) return `filter: ${filter}_   (Enter keeps it, Esc drops it)`;
  const chosen = [
    ...(isPaused ? ['PAUSED'] : []),
    ...(sort === 'requests' ? [] : [`by ${sort}`]),
    ...(filter === '' ? [] : [`only "${filter}"`]),
  ];
  const keys = 'q quit  s sort  / filter  p pause  h help';
  return chosen.length === 0 ? keys : `${chosen.join(', ')}   ${keys}`;
}

export const helpFrame = `keys of sluice top

q, Ctrl-C   quit
s           sort routes and servers: by requests, errors, name
/           show only routes and servers whose names hold a text
p, space    pause, and go on
h, ?        this page, and back
Esc         as it was at the start

● up   ○ not up: sluice status says what to do, sluice metrics has every number
`;

const SPARKS = '▁▂▃▄▅▆▇█';
/** Seconds that the line of requests looks back. */
export const SPARKS_MAX = 20;

/** One character for each number, the largest as the highest. */
export function sparkline(values: readonly number[]): string {
  const most = Math.max(...values, 0);
  const last = SPARKS.length - 1;
  return values.map((one) => SPARKS[most === 0 ? 0 : Math.round((one / most) * last)]).join('');
}

/** How a line is to be seen: `bad` is what somebody should look at. */
export function lineTone(line: string): 'bad' | 'plain' {
  return /^ {2}○|^AWAY|^PAUSED/.test(line) ? 'bad' : 'plain';
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
  view = plainView,
  history = [],
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
    `requests    ${rate(requests)}/s   p50 ${time(0.5)}  p95 ${time(0.95)}  p99 ${time(0.99)}${history.length > 1 ? `  ${sparkline(history)}` : ''}`,
    `hits        ${share(hits, requests)} ${bar(hits, requests)}`,
    `statuses    ${countsText(countsBetween(before.byStatus, now.byStatus), rate)}`,
    `sent        ${sent}/s over ${now.connections} connections`,
    '',
    ...handshakeLines(before, now, rate),
    '',
    ...originLines(origins, view),
    ...routeLines(before, now, view, rate),
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

/** Routes that are shown; the rest are counted. */
const ROUTES_SHOWN_MAX = 10;

function routeLines(
  before: TrafficSample,
  now: TrafficSample,
  { sort, filter }: TopView,
  rate: (count: number) => string,
): string[] {
  const routes = Object.entries(now.routes)
    .filter(([name]) => name.includes(filter))
    .map(([name, route]) => {
      const last = before.routes[name];
      const requests = route.requests - (last?.requests ?? 0);
      const hits = route.hits - (last?.hits ?? 0);
      const errors = route.errors - (last?.errors ?? 0);
      const durations = route.durations.map((count, i) => count - (last?.durations[i] ?? 0));
      return { name, requests, hits, errors, p95: timeText(durations, now.bounds, 0.95) };
    })
    .sort((a, b) => (sort === 'name' ? 0 : b[sort] - a[sort]) || (a.name < b.name ? -1 : 1));
  if (routes.length === 0) return [];
  const lines = routes.slice(0, ROUTES_SHOWN_MAX).map(({ name, requests, hits, errors, p95 }) => {
    const figures = `${rate(requests)}/s, ${share(hits, requests).trim()} hits, p95 ${p95}`;
    return `  ${name.padEnd(20)} ${figures}${errors === 0 ? '' : `, ${rate(errors)}/s errors`}`;
  });
  const rest = routes.length - lines.length;
  return ['routes', ...lines, ...(rest > 0 ? [`  and ${rest} more: / filters`] : [])];
}

function originLines(origins: readonly ShownGroup[], { sort, filter }: TopView): string[] {
  const servers = origins
    .flatMap((group) => group.servers.map((server) => ({ group, server })))
    .filter(({ group, server }) => `${group.name}/${server.name}`.includes(filter));
  if (sort === 'errors') servers.sort((a, b) => b.server.failures - a.server.failures);
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
