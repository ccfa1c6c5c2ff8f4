/** `sluice log`: the latest events of a running sluice's error log, and how much is reported. */

import { setTimeout as sleep } from 'node:timers/promises';
import { UsageError } from '../base/errors.ts';
import { optionNamed } from '../config/option-table.ts';
import { parseLogLevel, parseLongDuration } from '../config/option-values.ts';
import type { logObject } from '../telemetry/log-lines.ts';
import { type ActionArguments, parseActionArguments, printAnswer } from './action-arguments.ts';
import { askAdmin } from './admin-client.ts';
import type { Command } from './command.ts';
import { printJson, printLines, printNote } from './terminal.ts';

/** True for flags with a value. */
const FLAGS = {
  show: {
    admin: true,
    json: false,
    follow: false,
    level: true,
    subsystem: true,
    limit: true,
  },
  level: { admin: true, json: false, for: true },
};

export const logCommand: Command = { flags: FLAGS, run };

/** How often somebody who follows asks. */
const POLL_MS = 250;

/** As many as are kept: none is missed between two questions, unless there are more. */
const FOLLOW_LIMIT = 1_000;

type ShownEvent = ReturnType<typeof logObject> & { readonly sequence: number };

interface ShownEvents {
  readonly events: readonly ShownEvent[];
  readonly last: number;
}

/** Resolves with the exit code; with --follow when sluice has ended. Throws UsageError. */
async function run(args: readonly string[]): Promise<number> {
  const parsed = parseActionArguments('log', FLAGS, args, 'show');
  if (parsed.action === 'level') await level(parsed);
  else await show(parsed);
  return 0;
}

async function show(args: ActionArguments): Promise<void> {
  const [unexpected] = args.arguments;
  if (unexpected !== undefined) {
    throw new UsageError(`log: unexpected ${JSON.stringify(unexpected)}`, 'write sluice log');
  }
  let { events, last } = await eventsAfter(args, 0, args.flags.get('limit'));
  if (!args.flags.has('follow')) {
    printAnswer(args, events, events.map(eventText));
    return;
  }
  // Whoever reads has seen enough.
  process.stdout.once('error', () => process.exit(0));
  while (true) {
    printEvents(args, events);
    await sleep(POLL_MS);
    const next = await eventsAfter(args, last, String(FOLLOW_LIMIT)).catch(whenEnded);
    if (next === null) return;
    // Numbers begin anew when another process has taken over.
    if (next.last < last) last = 0;
    else ({ events, last } = next);
    if (last === 0) events = [];
  }
}

/** It answered before: now it has ended, and so does who follows. Not after an upgrade. */
function whenEnded(error: unknown): null {
  if (!(error instanceof UsageError)) throw error;
  printNote(`sluice: log: nothing more to follow: ${error.message}\n`);
  return null;
}

function printEvents(args: ActionArguments, events: readonly ShownEvent[]): void {
  const isJson = args.flags.has('json');
  for (const event of events) {
    if (isJson) printJson(event, 0);
    else printLines([eventText(event)]);
  }
}

async function eventsAfter(
  args: ActionArguments,
  after: number,
  limit: string | undefined,
): Promise<ShownEvents> {
  const query = new URLSearchParams({ after: String(after) });
  for (const name of ['level', 'subsystem']) {
    const value = args.flags.get(name);
    if (value !== undefined) query.set(name, value);
  }
  if (limit !== undefined) query.set('limit', limit);
  return (await askAdmin(args, `/log?${query}`)) as ShownEvents;
}

function eventText({ time, level, subsystem, worker, message, fields, more }: ShownEvent): string {
  const who = worker === null ? subsystem : `${subsystem}[${worker}]`;
  const values = level === 'debug' || level === 'info' ? Object.entries(fields) : [];
  const shown = values.map(([name, value]) => ` ${name}=${value ?? '-'}`).join('');
  const rest = more === 0 ? '' : ` … ${more.toLocaleString('en')} more like it`;
  return `${time} ${level.padEnd(7)} ${who.padEnd(10)} ${message}${shown}${rest}`;
}

async function level(args: ActionArguments): Promise<void> {
  const levels: Record<string, string | null> = {};
  for (const text of args.arguments) {
    const [name, value] = text.split('=', 2);
    if (value === 'default') {
      levels[name!] = null;
      continue;
    }
    const given = { text, place: 'log level', directory: '/' };
    const [subsystem, wanted] = parseLogLevel(optionNamed('log-level')!, given);
    levels[subsystem ?? 'all'] = wanted;
  }
  const time = args.flags.get('for');
  const isRead = args.arguments.length === 0;
  if (isRead && time !== undefined) {
    throw new UsageError('log level: no level', 'write sluice log level tls=debug --for 10m');
  }
  const body = time === undefined ? { levels } : { levels, forMs: forOf(time) };
  const answer = await askAdmin(args, '/log/levels', isRead ? undefined : body);
  printAnswer(args, answer, levelLines(answer as Levels));
}

function forOf(text: string): number {
  const args = { name: 'for', placeholder: 'TIME', example: '10m' };
  return parseLongDuration(args, { text, place: '--for', directory: '/' });
}

interface Levels {
  readonly levels: Readonly<Record<string, string>>;
  readonly changed: readonly { readonly subsystem: string; readonly until: string | null }[];
}

function levelLines({ levels, changed }: Levels): string[] {
  return Object.entries(levels).map(([name, value]) => {
    const change = changed.find(({ subsystem }) => subsystem === name);
    const until = change?.until == null ? 'until it is changed again' : `until ${change.until}`;
    return `${name.padEnd(11)} ${value}${change === undefined ? '' : `  ${until}`}`;
  });
}
