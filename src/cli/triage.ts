/** `sluice triage INCIDENT`: from an incident to what is to blame. */

import { basename, dirname, join, resolve } from 'node:path';
import { UsageError } from '../base/errors.ts';
import { nearestWord } from '../config/suggestion.ts';
import type { Evidence, TriageStage } from '../triage/experiments.ts';
import type { Incident, JsonValue } from '../triage/incident.ts';
import { playScript } from '../triage/replay/player.ts';
import type { TriageReport } from '../triage/report/report.ts';
import { TriageDirectory } from '../triage/report/triage-directory.ts';
import { softwareNow } from '../triage/trace-identity.ts';
import { type History, type TriageDimension, triage, triageDimensions } from '../triage/triage.ts';
import { type ActionArguments, parseWithArgument } from './action-arguments.ts';
import type { Command } from './command.ts';
import { incidentPath, readIncidentFile } from './incidents.ts';
import { packageVersion } from './package-version.ts';
import { sandboxWith } from './sandbox/sandbox-process.ts';
import { printJson, printLines, printNote, printProgress } from './terminal.ts';

/** True for flags with a value. */
const FLAGS = {
  out: true,
  dimensions: true,
  runs: true,
  repo: true,
  good: true,
  bad: true,
  'danger-module': true,
  'incident-dir': true,
  fresh: false,
  json: false,
};

export const triageCommand: Command = { flags: FLAGS, run };

const EXIT_FOUND = 0;
/** It could not be reproduced, or nothing is to blame. */
const EXIT_NOTHING = 1;
/** Ctrl-C, as shells have it. */
const EXIT_STOPPED = 130;

const RUNS_DEFAULT = 3;
const RUNS_MAX = 100;

/** Resolves with the exit code. Throws UsageError. */
async function run(args: readonly string[]): Promise<number> {
  const { parsed, argument } = parseWithArgument('triage', FLAGS, args, 'INCIDENT');
  const file = incidentPath(argument, parsed);
  const incident = withModules(readIncidentFile(file), parsed);
  const dimensions = dimensionsOf(parsed);
  const history = historyOf(parsed);
  const runs = runsOf(parsed);
  const name = basename(file).replace(/\.json(\.gz)?$/, '');
  const out = resolve(parsed.flags.get('out') ?? join(dirname(resolve(file)), `triage-${name}`));
  const software = softwareNow(packageVersion());
  const about = [JSON.stringify(incident), JSON.stringify(software)];
  const directory = openDirectory(out, about, parsed.flags.has('fresh'));
  const progress = new Progress();
  const stop = stopOnSignal();
  try {
    const report = await triage({
      incident,
      file: basename(file),
      dimensions,
      runs,
      history,
      openSandbox: sandboxWith(playScript),
      known: directory.evidence,
      onStage: (stage) => progress.stage(stage),
      onEvidence(row, isKnown) {
        if (!isKnown && row.outcome !== 'cannot') directory.add(row);
        progress.evidence(row, isKnown);
      },
      signal: stop,
      software,
      nowMs: Date.now(),
    });
    progress.end();
    const paths = directory.finish(report);
    if (parsed.flags.has('json')) printJson(report);
    else printLines([...linesOf(report), ...paths.map((path) => `  ${path}`)]);
    return report.verdict === 'cause-found' ? EXIT_FOUND : EXIT_NOTHING;
  } catch (error) {
    progress.end();
    if (!stop.aborted) throw error;
    printNote(`sluice: triage: stopped; the same command continues from here (${out})\n`);
    return EXIT_STOPPED;
  }
}

function openDirectory(out: string, about: readonly string[], isFresh: boolean): TriageDirectory {
  try {
    return new TriageDirectory(out, about, isFresh);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new UsageError(`${out}: cannot be written (${code})`, 'name a directory with --out DIR');
  }
}

/** Modules are where they are on this machine. */
function withModules(incident: Incident, { flags }: ActionArguments): Incident {
  const module = flags.get('danger-module');
  if (module === undefined) return incident;
  const options = incident.configuration.options as Record<string, JsonValue> | null;
  const changed = { ...options, dangerModules: [resolve(module)] };
  return { ...incident, configuration: { ...incident.configuration, options: changed } };
}

function dimensionsOf({ flags }: ActionArguments): readonly TriageDimension[] {
  const given = flags.get('dimensions');
  if (given === undefined) return triageDimensions;
  return given.split(',').map((name) => {
    const dimension = triageDimensions.find((known) => known === name);
    if (dimension !== undefined) return dimension;
    const near = nearestWord(name, triageDimensions);
    const remedy =
      near === undefined ? `write some of ${triageDimensions.join(',')}` : `did you mean ${near}?`;
    throw new UsageError(`--dimensions: unknown ${JSON.stringify(name)}`, remedy);
  });
}

function runsOf({ flags }: ActionArguments): number {
  const given = flags.get('runs');
  const runs = given === undefined ? RUNS_DEFAULT : Number(given);
  if (Number.isInteger(runs) && runs >= 1 && runs <= RUNS_MAX) return runs;
  throw new UsageError(
    `--runs ${JSON.stringify(given)}: not a number from 1 to ${RUNS_MAX}`,
    'write --runs N, as in --runs 20',
  );
}

function historyOf({ flags }: ActionArguments): History | null {
  const [repository, good] = [flags.get('repo'), flags.get('good')];
  if (repository === undefined && good === undefined) return null;
  if (repository === undefined || good === undefined) {
    throw new UsageError(
      repository === undefined ? '--good: no repository' : '--repo: no good commit',
      'write --repo DIR --good COMMIT, as in --repo . --good v1.2.0',
    );
  }
  return { repository: resolve(repository), good, bad: flags.get('bad') ?? 'HEAD' };
}

function stopOnSignal(): AbortSignal {
  const abort = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => abort.abort(new Error('stopped')));
  }
  return abort.signal;
}

/** One line that moves on a terminal, and a line for each question elsewhere. */
class Progress {
  readonly #isTerminal = process.stderr.isTTY === true;
  readonly #startedAtMs = performance.now();
  #stage: TriageStage = 'reproduction';

  stage(stage: TriageStage): void {
    this.#stage = stage;
    this.#show(`${stage} …`);
  }

  evidence({ number, question, outcome, runs, same }: Evidence, isKnown: boolean): void {
    const how = runs > 1 ? ` (${same} of ${runs} runs)` : '';
    const known = isKnown ? ', known already' : '';
    this.#show(`${this.#stage}: ${number}. ${question}: ${outcome}${how}${known}`);
  }

  end(): void {
    if (this.#isTerminal) printProgress('');
  }

  #show(text: string): void {
    const seconds = ((performance.now() - this.#startedAtMs) / 1000).toFixed(1);
    const line = `${seconds.padStart(6)} s  ${text}`;
    if (!this.#isTerminal) {
      printNote(`${line}\n`);
      return;
    }
    const width = Math.max(20, (process.stderr.columns ?? 80) - 1);
    printProgress(line.length > width ? `${line.slice(0, width - 1)}…` : line);
  }
}

function linesOf({ summary, advice, evidence, trigger }: TriageReport): string[] {
  const runs = evidence.reduce((sum, row) => sum + row.runs, 0);
  const lines = [summary, ''];
  if (trigger !== null) {
    lines.push(`trigger  ${trigger.words}`);
    lines.push(`         ${trigger.bytes} bytes, of ${trigger.bytesBefore} recorded`);
  }
  lines.push(`evidence ${evidence.length} questions, ${runs} runs`, '', ...advice, '');
  return lines;
}
