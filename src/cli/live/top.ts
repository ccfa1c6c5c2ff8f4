/** `sluice top`: a running sluice, drawn anew every second. */

import { setTimeout as sleep } from 'node:timers/promises';
import { UsageError } from '../../base/errors.ts';
import type { GroupReport } from '../../supervisor/admin/origin-routes.ts';
import type { SupervisorStatus } from '../../supervisor/supervisor-status.ts';
import type { TrafficSample } from '../../telemetry/traffic-sample.ts';
import { type ActionArguments, parseFlags } from '../action-arguments.ts';
import { askAdmin } from '../admin-client.ts';
import type { Command } from '../command.ts';
import { leaveScreen, print, printFrame, printJson, screenSize } from '../terminal.ts';
import { readKeys } from './terminal-keys.ts';
import {
  awayFrame,
  fitted,
  footerText,
  helpFrame,
  keyPressed,
  lineTone,
  plainView,
  SPARKS_MAX,
  type TopInput,
  type TopView,
  topFrame,
} from './top-frame.ts';

const FLAGS = { admin: true, once: false, json: false };

export const topCommand: Command = { flags: FLAGS, run };

const INTERVAL_MS = 1_000;
/** Ends with q or Ctrl-C, or after one second's picture with --once or without a terminal. */
async function run(args: readonly string[]): Promise<number> {
  const parsed = parseFlags('top', FLAGS, args);
  const { flags } = parsed;
  const isLive = process.stdout.isTTY === true && !flags.has('once') && !flags.has('json');
  process.once('SIGINT', () => (isLive ? leaveScreen() : process.exit(0)));
  if (isLive) return watch(parsed);
  const before = await sample(parsed);
  await sleep(INTERVAL_MS);
  const now = await sample(parsed);
  const isJson = flags.has('json');
  if (isJson) printJson({ before, now });
  else print(await frameOf(parsed, before, now));
  return 0;
}

/** Draws for ever; a sluice that was there once and is away may come back, as after an upgrade. */
async function watch(args: ActionArguments): Promise<never> {
  let before = await sample(args);
  let seenAtMs = Date.now();
  let last = '';
  let view = plainView;
  const history: number[] = [];
  const show = () => draw(view.isHelp ? helpFrame : last, view);
  readKeys((key) => {
    view = keyPressed(view, key) ?? leaveScreen();
    show();
  });
  for (;;) {
    await sleep(INTERVAL_MS);
    if (view.isPaused) continue;
    try {
      const now = await sample(args);
      // Counts begin anew with another process.
      if (now.requests >= before.requests) {
        const seconds = Math.max(0.001, (now.atMs - before.atMs) / 1000);
        history.push((now.requests - before.requests) / seconds);
        if (history.length > SPARKS_MAX) history.shift();
        last = await frameOf(args, before, now, { view, history });
      }
      before = now;
      seenAtMs = Date.now();
      show();
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      draw(awayFrame(last, error.message, Date.now() - seenAtMs), view);
    }
  }
}

function draw(frame: string, view: TopView): void {
  const { columns, rows } = screenSize();
  const lines = fitted(frame, footerText(view), columns, rows);
  printFrame(lines, (line) => lineTone(line) === 'bad');
}

async function sample(args: ActionArguments): Promise<TrafficSample> {
  return (await askAdmin(args, '/traffic')) as TrafficSample;
}

async function frameOf(
  args: ActionArguments,
  before: TrafficSample,
  now: TrafficSample,
  more: Pick<TopInput, 'view' | 'history'> = {},
): Promise<string> {
  const { origins } = (await askAdmin(args, '/origins')) as { origins: GroupReport[] };
  const status = (await askAdmin(args, '/stats')) as SupervisorStatus;
  return topFrame({ ...status, before, now, origins, ...more });
}
