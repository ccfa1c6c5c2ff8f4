/** One picture of `sluice metrics --watch`, from two readings: pure. */
import { CTRL_C, ESCAPE, type Typing, typed } from './terminal-keys.ts';

/** As `/stats` has it. */
export type MetricsAnswer = Readonly<
  Record<
    string,
    readonly {
      readonly labels: Readonly<Record<string, string>>;
      readonly value?: number;
      /** Of a histogram. */
      readonly count?: number;
    }[]
  >
>;

export interface MetricRow {
  /** As Prometheus writes it: `sluice_requests_total{method="GET"}`. */
  readonly name: string;
  readonly value: number;
  /** Since the reading before; null for a gauge that has not changed, and for the first reading. */
  readonly perSecond: number | null;
}

export interface MetricsView extends Typing {
  readonly isByRate: boolean;
  readonly hasZeros: boolean;
  readonly isPaused: boolean;
  readonly isHelp: boolean;
  /** Rows above the first that is shown. */
  readonly offset: number;
}

export const plainMetricsView: MetricsView = {
  filter: '',
  isTyping: false,
  isByRate: false,
  hasZeros: false,
  isPaused: false,
  isHelp: false,
  offset: 0,
};

/** Rows that a page key moves by. */
const PAGE = 20;

/** The view after a key; null to quit. */
export function metricsKeyPressed(view: MetricsView, key: string): MetricsView | null {
  if (key === CTRL_C) return null;
  if (view.isTyping) return { ...view, ...typed(view, key), offset: 0 };
  const move = (rows: number) => ({ ...view, offset: Math.max(0, view.offset + rows) });
  switch (key) {
    case 'q':
      return null;
    case '/':
      return { ...view, isTyping: true, filter: '', offset: 0 };
    case 's':
      return { ...view, isByRate: !view.isByRate, offset: 0 };
    case 'z':
      return { ...view, hasZeros: !view.hasZeros, offset: 0 };
    case 'p':
    case ' ':
      return { ...view, isPaused: !view.isPaused };
    case 'h':
    case '?':
      return { ...view, isHelp: !view.isHelp };
    case 'j':
    case 'down':
      return move(1);
    case 'k':
    case 'up':
      return move(-1);
    case 'page-down':
      return move(PAGE);
    case 'page-up':
      return move(-PAGE);
    case ESCAPE:
      return plainMetricsView;
    default:
      return view;
  }
}

export function metricRows(
  now: MetricsAnswer,
  before: MetricsAnswer | null,
  seconds: number,
): MetricRow[] {
  const last = new Map(before === null ? [] : flat(before));
  return flat(now).map(([name, value]) => {
    const was = last.get(name);
    const isCounter = /_(?:total|count)(?:\{|$)/.test(name);
    const change = was === undefined ? null : (value - was) / Math.max(0.001, seconds);
    return { name, value, perSecond: change === 0 && !isCounter ? null : change };
  });
}

/** Whether a text holds every word of the filter, in any order and case. */
export function holds(filter: string): (text: string) => boolean {
  const words = filter.toLowerCase().split(' ').filter(Boolean);
  return (text) => words.every((word) => text.toLowerCase().includes(word));
}

export function found(rows: readonly MetricRow[], filter: string): MetricRow[] {
  const isFound = holds(filter);
  return rows.filter(({ name }) => isFound(name));
}

/** Room for a value and its rate before the name, which may be long. */
const NUMBER_WIDTH = 14;

/** The lines that a terminal of so many rows has room for, the last of them the keys. */
export function metricsFrame(
  rows: readonly MetricRow[],
  view: MetricsView,
  height: number,
): string[] {
  const { filter, isByRate, hasZeros, offset } = view;
  const shown = found(rows, filter).filter(({ value }) => hasZeros || value !== 0);
  if (isByRate) shown.sort((a, b) => (b.perSecond ?? 0) - (a.perSecond ?? 0));
  const room = Math.max(1, height - 2);
  const start = Math.min(offset, Math.max(0, shown.length - room));
  const lines = shown.slice(start, start + room).map(({ name, value, perSecond }) => {
    const rate = perSecond === null ? '' : `${numberText(perSecond)}/s`;
    return `${numberText(value).padStart(NUMBER_WIDTH)} ${rate.padStart(NUMBER_WIDTH)}  ${name}`;
  });
  const end = start + lines.length;
  const head = `${'value'.padStart(NUMBER_WIDTH)} ${'rate'.padStart(NUMBER_WIDTH)}  ${
    shown.length === 0 ? 'nothing found' : `${start + 1} to ${end} of ${shown.length}`
  }`;
  return [head, ...lines, metricsFooter(view)];
}

function metricsFooter({ filter, isTyping, isByRate, hasZeros, isPaused }: MetricsView): string {
  if (isTyping) return `search: ${filter}_   (Enter keeps it, Esc drops it)`;
  const chosen = [
    ...(isPaused ? ['PAUSED'] : []),
    ...(isByRate ? ['by rate'] : []),
    ...(hasZeros ? ['with zeros'] : []),
    ...(filter === '' ? [] : [`only "${filter}"`]),
  ];
  const keys = 'q quit  / search  s by rate  z zeros  p pause  ↑↓ move  h help';
  return chosen.length === 0 ? keys : `${chosen.join(', ')}   ${keys}`;
}

export const metricsHelp: readonly string[] = [
  'keys of sluice metrics --watch',
  '',
  'q, Ctrl-C      quit',
  '/              show only metrics whose names or labels hold these words',
  's              sort by rate, and by name again',
  'z              show what is zero, too',
  'p, space       pause, and go on',
  '↑ ↓, j k       move; page keys move further',
  'h, ?           this page, and back',
  'Esc            as it was at the start',
];

/** Names with their labels, in their order. */
function flat(answer: MetricsAnswer): [name: string, value: number][] {
  return Object.entries(answer).flatMap(([metric, series]) =>
    series.map(({ labels, value, count }): [string, number] => {
      const pairs = Object.entries(labels).map(([label, one]) => `${label}="${one}"`);
      const name = value === undefined ? `${metric}_count` : metric;
      return [pairs.length === 0 ? name : `${name}{${pairs.join(',')}}`, value ?? count ?? 0];
    }),
  );
}

function numberText(value: number): string {
  if (Number.isInteger(value)) return value.toLocaleString('en');
  return Math.abs(value) >= 100 ? Math.round(value).toLocaleString('en') : value.toPrecision(3);
}
