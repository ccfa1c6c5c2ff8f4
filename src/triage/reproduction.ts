/** The first question of a triage: whether it happens again, and how it is played best. */

import type { Experiments } from './experiments.ts';
import type { Incident } from './incident.ts';
import { suspectedConnection, verbatimScript } from './replay/from-incident.ts';
import { reenactedScript } from './replay/re-enactment.ts';
import type { ReplayScript } from './replay/script.ts';
import type { Reproduction } from './report/report.ts';
import type { SandboxSetting } from './sandbox.ts';

/** Once in so many questions a fault that is rarer than it has shown may be taken for gone. */
const MISTAKE_CHANCE = 0.05;
const RUNS_PER_QUESTION_MAX = 10;

export interface Reproduced {
  readonly reproduction: Reproduction;
  /** What reproduces it; null when nothing does. */
  readonly scripts: readonly ReplayScript[] | null;
}

interface Way {
  readonly what: 'suspect' | 'all';
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
  for (const way of waysOf(incident)) {
    notes.push(...way.notes.filter((note) => !notes.includes(note)));
    if (way.scripts.length === 0) continue;
    const { words: question, scripts } = way;
    const experiment = { stage: 'reproduction', question, setting, scripts } as const;
    const row = await experiments.ask(experiment, runs, false);
    runsInAll += row.runs;
    if (row.outcome === 'cannot') notes.push(row.detail);
    if (row.same === 0) continue;
    const reproduction = {
      what: way.what,
      mode: scripts[0]!.mode,
      runs: row.runs,
      same: row.same,
      runsPerQuestion: runsPerQuestion(row.same, row.runs),
      notes: way.notes,
    };
    return { reproduction, scripts };
  }
  const nothing = { what: null, mode: null, same: 0, runsPerQuestion: 0 } as const;
  return { reproduction: { ...nothing, runs: runsInAll, notes }, scripts: null };
}

/** The simplest first. */
function waysOf(incident: Incident): Way[] {
  const suspect = suspectedConnection(incident);
  const ways: Way[] = [];
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
  }
  const clients = incident.connections.filter(({ role }) => role === 'server');
  if (clients.length > 1) {
    const all = clients.map(verbatimScript);
    const scripts = all.flatMap(({ script }) => (script === null ? [] : [script]));
    ways.push({
      what: 'all',
      words: 'all connections of the incident at once',
      scripts,
      notes: [],
    });
  }
  return ways;
}

/** So many that a fault as frequent as this is missed by all of them hardly ever. */
function runsPerQuestion(same: number, runs: number): number {
  if (same >= runs) return 1;
  const needed = Math.ceil(Math.log(MISTAKE_CHANCE) / Math.log(1 - same / runs));
  return Math.min(needed, RUNS_PER_QUESTION_MAX);
}
