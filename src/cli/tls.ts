/** `sluice tls replay`: a client of an incident, or the trigger that a triage has found, once more. */

import { readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { durationText } from '../base/duration-text.ts';
import { UsageError } from '../base/errors.ts';
import { type Fault, faultOf, judgeBy } from '../triage/fault.ts';
import { playScript } from '../triage/replay/player.ts';
import type { PlayedOutcome, ReplayScript } from '../triage/replay/script.ts';
import { readReport } from '../triage/report/triage-directory.ts';
import type { SandboxRun, SandboxSetting } from '../triage/sandbox.ts';
import {
  type ActionArguments,
  onlyArgument,
  parseActionArguments,
  printAnswer,
} from './action-arguments.ts';
import type { Command } from './command.ts';
import { incidentPath, readIncidentFile } from './incidents.ts';
import { scriptOf } from './replay-script.ts';
import { optionsOfFile } from './sandbox/configuration.ts';
import { sandboxWith } from './sandbox/sandbox-process.ts';

/** True for flags with a value. */
const FLAGS = {
  replay: {
    connection: true,
    target: true,
    against: true,
    times: true,
    without: true,
    mode: true,
    'incident-dir': true,
    json: false,
  },
};

export const tlsCommand: Command = { flags: FLAGS, run };

const EXIT_SAME = 0;
const EXIT_NOTHING = 1;
/** A fault, and not the one that was recorded. */
const EXIT_OTHER = 3;
const TIMES_MAX = 1_000;

/** What is to be played, where, and what it came to when it was recorded. */
interface Subject {
  readonly fault: Fault;
  readonly script: ReplayScript;
  readonly notes: readonly string[];
  readonly setting: SandboxSetting;
}

/** One run, in arguments. */
interface Run {
  readonly outcome: 'same' | 'other' | 'lives';
  readonly detail: string;
  readonly played: PlayedOutcome;
}

/** Resolves with the exit code. Throws UsageError. */
async function run(args: readonly string[]): Promise<number> {
  const parsed = parseActionArguments('tls', FLAGS, args);
  const subject = await subjectOf(parsed);
  const target = parsed.flags.get('target');
  const times = timesOf(parsed);
  const runs =
    target === undefined
      ? await inSandbox(subject, times)
      : await onTarget(subject, targetOf(target), times);
  const same = runs.filter(({ outcome }) => outcome === 'same').length;
  const verdict =
    same > 0
      ? 'same'
      : runs.some(({ outcome }) => outcome === 'other')
        ? 'other'
        : 'not reproduced';
  const { fault, notes, script } = subject;
  const answer = { verdict, fault, mode: script.mode, notes, runs };
  printAnswer(parsed, answer, linesOf(subject, runs, same, verdict));
  if (verdict === 'same') return EXIT_SAME;
  return verdict === 'other' ? EXIT_OTHER : EXIT_NOTHING;
}

async function subjectOf(args: ActionArguments): Promise<Subject> {
  const file = incidentPath(onlyArgument(args, 'FILE'), args);
  const report = reportIn(file);
  const without = Object.fromEntries(
    (args.flags.get('without') ?? '').split(',').flatMap((name) => (name ? [[name, false]] : [])),
  );
  if (report !== null) {
    const { setting, trigger } = report;
    if (setting === null || trigger === null) {
      throw new UsageError(`${file}: it reproduces nothing`, 'name an incident to replay');
    }
    const features = { ...setting.features, ...without };
    const { options } = setting;
    const requests = trigger.script.mode === 'request';
    const { kind, signature, alert } = report.incident;
    return {
      fault: { kind, signature, alert },
      script: trigger.script,
      notes: [],
      setting: await against(args, { options, features, checkout: '', requests }, null),
    };
  }
  const incident = readIncidentFile(file);
  const { options, lastGood } = incident.configuration;
  const played = scriptOf(incident, args);
  const setting = {
    ...{ options, checkout: '', requests: played.script.mode === 'request' },
    features: { ...incident.features, ...without },
  };
  return {
    fault: faultOf(incident),
    ...played,
    setting: await against(args, setting, lastGood?.options ?? null),
  };
}

/** Null for what is no report: then it is to be an incident. */
function reportIn(file: string): ReturnType<typeof readReport> | null {
  try {
    return readReport(readFileSync(file));
  } catch {
    return null;
  }
}

/** `--against`: the incident's own by default, what was good before, a file, or another checkout. */
async function against(
  { flags }: ActionArguments,
  own: SandboxSetting,
  lastGood: SandboxSetting['options'],
): Promise<SandboxSetting> {
  const name = flags.get('against') ?? 'incident';
  if (name === 'incident') return own;
  if (name === 'last-good') {
    if (lastGood !== null) return { ...own, options: lastGood, features: {} };
    throw new UsageError('--against last-good: it is not known', 'name a configuration file');
  }
  const found = statSync(name, { throwIfNoEntry: false });
  if (found === undefined) {
    throw new UsageError(
      `--against ${JSON.stringify(name)}: there is no such file`,
      'write incident, last-good, a configuration file, or the directory of a checkout',
    );
  }
  if (found.isDirectory()) return { ...own, checkout: resolve(name) };
  return { ...own, options: await optionsOfFile(name), features: {}, checkout: '' };
}

function targetOf(text: string): { readonly host: string; readonly port: number } {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d+)$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port < 1 || port > 65_535) {
    throw new UsageError(
      `--target ${JSON.stringify(text)}: not an address`,
      'write --target HOST:PORT, as in --target 127.0.0.1:8443',
    );
  }
  return { host: (match[1] ?? match[2])!, port };
}

function timesOf({ flags }: ActionArguments): number {
  const given = flags.get('times') ?? '1';
  const times = Number(given);
  if (Number.isInteger(times) && times >= 1 && times <= TIMES_MAX) return times;
  throw new UsageError(
    `--times ${JSON.stringify(given)}: not a number from 1 to ${TIMES_MAX}`,
    'write --times N, as in --times 10',
  );
}

async function inSandbox({ setting, script, fault }: Subject, times: number): Promise<Run[]> {
  const { signal } = new AbortController();
  const judge = judgeBy(fault);
  await using sandbox = await sandboxWith(playScript)(setting, signal);
  const runs: Run[] = [];
  for (let run = 0; run < times; run++) {
    const result: SandboxRun = await sandbox.run([script], signal);
    runs.push({ ...judge(result), played: result.played[0]! });
  }
  return runs;
}

/** Nobody tells what became of the server: a connection that ends without a word is a sign. */
async function onTarget(
  { script, fault }: Subject,
  target: { readonly host: string; readonly port: number },
  times: number,
): Promise<Run[]> {
  const { signal } = new AbortController();
  const judge = judgeBy(fault);
  const runs: Run[] = [];
  for (let run = 0; run < times; run++) {
    const played = await playScript(script, target, signal);
    if (played.result === 'refused') {
      throw new UsageError(
        `--target ${target.host}:${target.port}: no connection`,
        'start the server, or name another one',
      );
    }
    runs.push({ ...judgeTarget(fault, played, judge), played });
  }
  return runs;
}

function judgeTarget(
  fault: Fault,
  played: PlayedOutcome,
  judge: ReturnType<typeof judgeBy>,
): Pick<Run, 'outcome' | 'detail'> {
  if (fault.kind === 'handshake-failure') return judge({ death: null, played: [played] });
  const { result } = played;
  const isSilent = fault.kind === 'hang' ? result === 'silent' : result === 'closed';
  if (isSilent) return { outcome: 'same', detail: `${result} without a word, as when it dies` };
  return { outcome: 'lives', detail: '' };
}

function linesOf(
  { fault, script, notes }: Subject,
  runs: readonly Run[],
  same: number,
  verdict: string,
): string[] {
  const lines = [`${fault.signature}, ${script.mode}`, ...notes.map((note) => `  ${note}`)];
  for (const [index, { outcome, detail, played }] of runs.entries()) {
    const { result, alert, received, durationMs } = played;
    const answer = received.length === 0 ? 'nothing received' : received.join(', ');
    const what = [detail, result, alert, answer].filter((part) => part !== '').join('; ');
    lines.push(
      `${String(index + 1).padStart(4)}. ${outcome}: ${what} (${durationText(durationMs)})`,
    );
  }
  lines.push(`${verdict}: ${same} of ${runs.length}`);
  return lines;
}
