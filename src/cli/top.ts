/** `sluice top`: a running sluice, drawn anew every second. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { GroupReport } from '../supervisor/origin-routes.ts';
import type { SupervisorStatus } from '../supervisor/supervisor.ts';
import type { TrafficSample } from '../supervisor/traffic-routes.ts';
import { type ActionWords, parseFlags } from './action-words.ts';
import { askAdmin } from './admin-client.ts';
import { topFrame } from './top-frame.ts';

const FLAGS = { admin: true, once: false, json: false };

const INTERVAL_MS = 1_000;
/** Clears the terminal, from its upper left corner (ECMA-48 CUP and ED). */
const CLEAR = '\x1b[H\x1b[2J';

/** Ends with Ctrl-C, or after one second's picture with --once or without a terminal. */
export async function topCommand(words: readonly string[]): Promise<number> {
  const parsed = parseFlags('top', FLAGS, words);
  const { flags } = parsed;
  const isLive = process.stdout.isTTY === true && !flags.has('once') && !flags.has('json');
  process.once('SIGINT', () => process.exit(0));
  let before = await sample(parsed);
  for (;;) {
    await sleep(INTERVAL_MS);
    const now = await sample(parsed);
    if (flags.has('json')) {
      process.stdout.write(`${JSON.stringify({ before, now }, null, 2)}\n`);
      return 0;
    }
    const frame = await frameOf(parsed, before, now);
    process.stdout.write(isLive ? `${CLEAR}${frame}\nCtrl-C ends\n` : frame);
    if (!isLive) return 0;
    before = now;
  }
}

async function sample(words: ActionWords): Promise<TrafficSample> {
  return (await askAdmin(words, '/traffic')) as TrafficSample;
}

async function frameOf(
  words: ActionWords,
  before: TrafficSample,
  now: TrafficSample,
): Promise<string> {
  const { origins } = (await askAdmin(words, '/origins')) as { origins: GroupReport[] };
  const status = (await askAdmin(words, '/stats')) as SupervisorStatus;
  return topFrame({ ...status, before, now, origins });
}
