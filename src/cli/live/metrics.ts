/** `sluice metrics`: all numbers of a running sluice, once or anew every second. */
import { setTimeout as sleep } from 'node:timers/promises';
import { UsageError } from '../../base/errors.ts';
import { type ActionArguments, parseFlags } from '../action-arguments.ts';
import { askAdmin, askAdminText } from '../admin-client.ts';
import type { Command } from '../command.ts';
import { leaveScreen, print, printFrame, printJson, printLines, screenSize } from '../terminal.ts';
import {
  found,
  holds,
  type MetricRow,
  type MetricsAnswer,
  metricRows,
  metricsFrame,
  metricsHelp,
  metricsKeyPressed,
  plainMetricsView,
} from './metrics-frame.ts';
import { readKeys } from './terminal-keys.ts';

const FLAGS = { admin: true, json: false, search: true, watch: false };

export const metricsCommand: Command = { flags: FLAGS, run };

const INTERVAL_MS = 1_000;
const EXIT_NOTHING = 1;

/** As Prometheus reads them, as JSON, or those that a search has found; 1 when it finds none. */
async function run(args: readonly string[]): Promise<number> {
  const parsed = parseFlags('metrics', FLAGS, args);
  const { flags } = parsed;
  const search = flags.get('search') ?? '';
  if (flags.has('watch') && process.stdout.isTTY === true) return watch(parsed, search);
  if (flags.has('watch')) {
    throw new UsageError(
      'metrics: --watch draws on a terminal, and standard output is none',
      'leave it out, or write --search WORDS',
    );
  }
  if (flags.has('json')) {
    printJson(
      search === '' ? await read(parsed) : found(metricRows(await read(parsed), null, 1), search),
    );
  } else if (search === '') print(await askAdminText(parsed, '/metrics'));
  else {
    const text = await askAdminText(parsed, '/metrics');
    const lines = text.split('\n').filter(holds(search));
    printLines(lines);
    return lines.length === 0 ? EXIT_NOTHING : 0;
  }
  return 0;
}

async function watch(args: ActionArguments, search: string): Promise<never> {
  let view = { ...plainMetricsView, filter: search };
  let before: MetricsAnswer | null = null;
  let rows: readonly MetricRow[] = [];
  let away = '';
  const show = () => {
    const { columns, rows: height } = screenSize();
    const lines = view.isHelp ? metricsHelp : metricsFrame(rows, view, height);
    const shown = away === '' ? lines : [away, ...lines.slice(1)];
    printFrame(
      shown.map((line) => (line.length > columns ? `${line.slice(0, columns - 1)}…` : line)),
      (line) => line === away,
    );
  };
  readKeys((key) => {
    view = metricsKeyPressed(view, key) ?? leaveScreen();
    show();
  });
  for (let atMs = performance.now(); ; await sleep(INTERVAL_MS)) {
    if (view.isPaused) continue;
    try {
      const now = await read(args);
      const nowMs = performance.now();
      rows = metricRows(now, before, (nowMs - atMs) / 1_000);
      before = now;
      atMs = nowMs;
      away = '';
    } catch (error) {
      // One that was there once may come back, as after an upgrade.
      if (before === null || !(error instanceof UsageError)) throw error;
      away = `AWAY: ${error.message}; trying again. Before:`;
    }
    show();
  }
}

async function read(args: ActionArguments): Promise<MetricsAnswer> {
  const { metrics } = (await askAdmin(args, '/stats')) as { metrics: MetricsAnswer };
  return metrics;
}
