/** The first question of a triage: whether it happens again, and how it is played best. */

import type { Experiments } from './experiments.ts';
import { type Incident, type IncidentRequest, suspectedRequest } from './incident.ts';
import { suspectedConnection, verbatimScript } from './replay/from-incident.ts';
import { reenactedScript } from './replay/re-enactment.ts';
import { requestScript } from './replay/request-script.ts';
import type { HandshakeScript, ReplayScript } from './replay/script.ts';
import type { Age, Reproduction } from './report/report.ts';
import { PATIENT, PROMPT, type SandboxRunSettings, type SandboxSetting } from './sandbox.ts';

/** Once in so many questions a fault that is rarer than it has shown may be taken for gone. */
const MISTAKE_CHANCE = 0.05;
const RUNS_PER_QUESTION_MAX = 10;

/** A worker that was older is not made as old again. */
const AGE_MAX = 5_000;
/** More than it had, for what a sandbox does not count. */
const AGE_MARGIN = 1.05;
const AGE_MORE = 8;
/** Connections go to one of two workers by chance. */
const WORKERS_MARGIN = 2.3;

export interface Reproduced {
  readonly reproduction: Reproduction;
  /** What reproduces it; null when nothing does. */
  readonly scripts: readonly ReplayScript[] | null;
  /** How each run of each question is made. */
  readonly run: SandboxRunSettings;
}

interface Way {
  readonly what: 'suspect' | 'all' | 'age';
  readonly words: string;
  readonly scripts: readonly ReplayScript[];
  readonly notes: readonly string[];
}

export async function reproduce(
  incident: Incident,
  setting: SandboxSetting,
  experiments: Experiments,
  runs: number,
): Promise<Reproduced> {
  let runsInAll = 0;
  const notes: string[] = [];
  // Of a death that nothing was under way at, it is not known what it was of, nor when.
  const isLate = incident.suspect === null && incident.death !== null;
  const fresh = isLate ? PATIENT : { ...PROMPT, isFresh: true };
  for (const way of waysOf(incident)) {
    notes.push(...way.notes.filter((note) => !notes.includes(note)));
    if (way.scripts.length === 0) continue;
    const { words: question, scripts, what } = way;
    const run = isLate || what === 'age' ? fresh : PROMPT;
    const experiment = { stage: 'reproduction', question, setting, scripts, run } as const;
    const row = await experiments.ask(experiment, runs, false);
    runsInAll += row.runs;
    if (row.outcome === 'cannot') notes.push(row.detail);
    if (row.same === 0) continue;
    const age = what === 'age' ? ageOf(scripts[0]!, row.ages ?? []) : null;
    const reproduction = {
      what,
      mode: scripts[0]!.mode,
      runs: row.runs,
      same: row.same,
      runsPerQuestion: runsPerQuestion(row.same, row.runs),
      notes: way.notes,
      ...(age === null ? {} : { age }),
    };
    return { reproduction, scripts, run };
  }
  const nothing = { what: null, mode: null, same: 0, runsPerQuestion: 0 } as const;
  return { reproduction: { ...nothing, runs: runsInAll, notes }, scripts: null, run: PROMPT };
}

function ageOf({ mode }: ReplayScript, counts: readonly number[]): Age {
  return { of: mode === 'request' ? 'requests' : 'handshakes', counts };
}

/** The simplest first. */
function waysOf(incident: Incident): Way[] {
  const ways = isOfRequest(incident) ? requestWays(incident) : [];
  // With a request at work it is that, or nothing that is known.
  if (suspectedRequest(incident) !== undefined) return ways;
  return [...ways, ...handshakeWays(incident)];
}

/** Whether a request may be what it was of. */
export function isOfRequest({ suspect, requests = [] }: Incident): boolean {
  return suspect?.call == null && requests.length > 0;
}

function requestWays(incident: Incident): Way[] {
  const { requests = [], recorder } = incident;
  const suspect = suspectedRequest(incident) ?? requests.at(-1)!;
  const { script, notes } = requestScript(suspect);
  const ways: Way[] = [];
  if (script !== null) {
    ways.push({
      what: 'suspect',
      words: 'the request that is suspected',
      scripts: [script],
      notes,
    });
    const twice = [{ ...script, times: 2 }];
    const words = 'the same request twice: the second finds what the first has left';
    ways.push({ what: 'suspect', words, scripts: twice, notes });
  } else {
    ways.push({ what: 'suspect', words: '', scripts: [], notes });
  }
  const all = requests.map((request) => atItsTime(request, requests[0]!));
  const scripts = all.flatMap((one) => (one === null ? [] : [one]));
  if (scripts.length > 1) {
    const words = 'all requests that were open, in their order';
    ways.push({ what: 'all', words, scripts, notes: [] });
  }
  const times = agedTimes(recorder.requests ?? 0);
  if (script !== null && times > 2) {
    const words = `the request up to ${times} times: the worker had as many`;
    ways.push({ what: 'age', words, scripts: [{ ...script, times }], notes });
  }
  return ways;
}

function atItsTime(request: IncidentRequest, first: IncidentRequest): ReplayScript | null {
  const { script } = requestScript(request);
  if (script === null) return null;
  return { ...script, afterMs: timeAfter(request.startedAt, first.startedAt) };
}

/** No longer than a desk waits. */
const AFTER_MS_MAX = 2_000;

function timeAfter(one: string, first: string): number {
  return Math.max(0, Math.min(Date.parse(one) - Date.parse(first), AFTER_MS_MAX));
}

/** How often something is done to make a worker as old as the one that died; 0 when it was too old. */
function agedTimes(count: number): number {
  return count > AGE_MAX || count < 2 ? 0 : Math.ceil(count * AGE_MARGIN) + AGE_MORE;
}

function handshakeWays(incident: Incident): Way[] {
  const suspect = suspectedConnection(incident);
  const ways: Way[] = [];
  let single: HandshakeScript | null = null;
  if (suspect !== null) {
    const { script, notes } = verbatimScript(suspect);
    const words = 'the connection that is suspected, byte for byte';
    ways.push({ what: 'suspect', words, scripts: script === null ? [] : [script], notes });
    const again = reenactedScript(suspect);
    ways.push({
      what: 'suspect',
      words: 'the connection that is suspected, re-enacted',
      scripts: again.script === null ? [] : [again.script],
      notes: again.notes,
    });
    single = again.script ?? script;
  }
  const clients = incident.connections.filter(({ role }) => role === 'server');
  if (clients.length > 1) {
    const [first] = clients;
    const scripts = clients.flatMap((client) => {
      const { script } = verbatimScript(client);
      const afterMs = timeAfter(client.startedAt, first!.startedAt);
      return script === null ? [] : [{ ...script, afterMs }];
    });
    const words = 'all connections of the incident, in their order';
    ways.push({ what: 'all', words, scripts, notes: [] });
  }
  const times = Math.ceil(agedTimes(incident.recorder.handshakes) * WORKERS_MARGIN);
  if (single !== null && times > 0 && incident.death !== null) {
    const words = `the connection up to ${times} times: the worker had as many for each of two`;
    ways.push({ what: 'age', words, scripts: [{ ...single, times }], notes: [] });
  }
  return ways;
}

/** So many that a fault as frequent as this is missed by all of them hardly ever. */
function runsPerQuestion(same: number, runs: number): number {
  if (same >= runs) return 1;
  const needed = Math.ceil(Math.log(MISTAKE_CHANCE) / Math.log(1 - same / runs));
  return Math.min(needed, RUNS_PER_QUESTION_MAX);
}
