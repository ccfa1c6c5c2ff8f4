/**
 * From an incident to the cause: reproduces the fault on a sandbox, then asks along each dimension
 * what can be left out without its going away.
 */

import { findCommit } from './causes/commits.ts';
import { changesBetween, withChanges } from './causes/configuration.ts';
import { featuresToBlame } from './causes/features.ts';
import { type RulesFinding, rulesToBlame } from './causes/route-rules.ts';
import { type Evidence, type Experiment, Experiments, type TriageStage } from './experiments.ts';
import { faultOf, isSameKind, judgeBy } from './fault.ts';
import type { Incident, IncidentSoftware } from './incident.ts';
import { minimalSubset } from './reduce/delta-debugging.ts';
import { reducedRequest } from './reduce/request-reduction.ts';
import { reducedScript } from './reduce/script-reduction.ts';
import type { ReplayScript } from './replay/script.ts';
import { reportOf } from './report/findings.ts';
import type {
  CommitFinding,
  ConfigurationFinding,
  FeatureFinding,
  Findings,
  Proof,
  TriageReport,
} from './report/report.ts';
import { namedFeature } from './report/words.ts';
import { isOfRequest, type Reproduced, reproduce } from './reproduction.ts';
import {
  type OpenSandbox,
  PATIENT,
  PROMPT,
  type SandboxRunSettings,
  type SandboxSetting,
} from './sandbox.ts';

const noFeatures = { blamed: [], conditions: [], unclear: [] } as const;
const noChanges = { changes: [], unclear: [], changesInAll: 0 } as const;

export const triageDimensions = ['features', 'rules', 'configuration', 'input', 'commits'] as const;
export type TriageDimension = (typeof triageDimensions)[number];

export interface TriageInput {
  readonly incident: Incident;
  /** The incident's file, as the report names it. */
  readonly file: string;
  readonly dimensions: readonly TriageDimension[];
  /** Runs by which the fault is looked for at first, for each way to play it. */
  readonly runs: number;
  /** Null: no history to look at. */
  readonly history: History | null;
  readonly openSandbox: OpenSandbox;
  /** Of an interrupted triage of this incident. */
  readonly known: readonly Evidence[];
  onStage(stage: TriageStage): void;
  onEvidence(row: Evidence, isKnown: boolean): void;
  readonly signal: AbortSignal;
  /** Of this machine. */
  readonly software: IncidentSoftware;
  readonly nowMs: number;
}

/** A repository of sluice's, and two of its commits. */
export interface History {
  readonly repository: string;
  /** Without the fault. */
  readonly good: string;
  /** With it. */
  readonly bad: string;
}

/** Rejects for an abort, and with UsageError when the incident cannot be tried at all. */
export async function triage(input: TriageInput): Promise<TriageReport> {
  const { incident, openSandbox, known, onEvidence, signal } = input;
  const judge = judgeBy(faultOf(incident));
  await using experiments = new Experiments({ openSandbox, judge, known, onEvidence, signal });
  const findings = await new TriageRun(input, experiments).run();
  return reportOf(input, findings, experiments.evidence);
}

/** One pass over all dimensions, each of which begins with what the ones before have found. */
class TriageRun {
  readonly #input: TriageInput;
  readonly #experiments: Experiments;
  #setting: SandboxSetting;
  #scripts: readonly ReplayScript[] = [];
  #runsPerQuestion = 1;
  #run: SandboxRunSettings = PROMPT;

  constructor(input: TriageInput, experiments: Experiments) {
    this.#input = input;
    this.#experiments = experiments;
    const { options } = input.incident.configuration;
    const { features } = input.incident;
    this.#setting = { options, features, checkout: '', requests: isOfRequest(input.incident) };
  }

  async run(): Promise<Findings> {
    const { incident, runs, onStage } = this.#input;
    onStage('reproduction');
    const reproduced = await reproduce(incident, this.#setting, this.#experiments, runs);
    const skipped = this.#nothing(reproduced);
    if (reproduced.scripts === null) return skipped;
    this.#scripts = reproduced.scripts;
    this.#runsPerQuestion = reproduced.reproduction.runsPerQuestion;
    this.#run = reproduced.run;
    const features = await this.#features();
    const rules = await this.#rules();
    const configuration = await this.#configuration(features);
    const setting = this.#setting;
    const trigger = await this.#trigger();
    const received = trigger === null ? null : await this.#explanation(trigger, features);
    const commit = await this.#commit();
    const proof = await this.#proof(features);
    const found = { features, rules, configuration, setting, trigger, received, commit, proof };
    return { ...skipped, ...found };
  }

  #nothing({ reproduction, scripts }: Reproduced): Findings {
    return {
      reproduction,
      features: { status: 'skipped', ...noFeatures },
      rules: { status: 'skipped', rules: [] },
      proof: null,
      configuration: { status: 'skipped', ...noChanges },
      setting: scripts === null ? null : this.#setting,
      recorded: scripts?.[0] ?? null,
      trigger: null,
      received: null,
      commit: { status: 'skipped', commits: [], reason: '' },
    };
  }

  /** Null when it cannot be tried: that says nothing. */
  async #fails(
    stage: TriageStage,
    question: string,
    setting: SandboxSetting,
    scripts = this.#scripts,
  ): Promise<boolean | null> {
    const { outcome } = await this.#ask(stage, question, { setting, scripts });
    return outcome === 'cannot' ? null : outcome === 'same';
  }

  /** With what is known to be needed until now, but for what is given. */
  #ask(
    stage: TriageStage,
    question: string,
    given: Partial<Experiment>,
    runs = this.#runsPerQuestion,
  ): Promise<Evidence> {
    const known = { setting: this.#setting, scripts: this.#scripts, run: this.#run };
    return this.#experiments.ask({ stage, question, ...known, ...given }, runs, true);
  }

  /** Without the features that are to blame. */
  #settingWithout(blamed: FeatureFinding['blamed']): SandboxSetting {
    const off = Object.fromEntries(blamed.map(({ name }) => [name, false]));
    return { ...this.#setting, features: { ...this.#setting.features, ...off } };
  }

  /** A feature that is off must not be cleared, or blamed, by a death that has moved elsewhere. */
  async #diesWith(
    features: Readonly<Record<string, boolean>>,
    question: string,
  ): Promise<boolean | null> {
    const setting = { ...this.#setting, features };
    const { outcome, detail } = await this.#ask('features', question, { setting });
    if (outcome === 'cannot') return null;
    if (outcome !== 'other') return outcome === 'same';
    return isSameKind(detail, this.#input.incident.signature);
  }

  async #features(): Promise<FeatureFinding> {
    const { incident, dimensions, onStage } = this.#input;
    if (!dimensions.includes('features')) return { status: 'skipped', ...noFeatures };
    onStage('features');
    const on = Object.keys(incident.features).filter((name) => incident.features[name] === true);
    const only = (kept: readonly string[]) =>
      Object.fromEntries(Object.keys(incident.features).map((name) => [name, kept.includes(name)]));
    const suspect = incident.suspect?.observer ?? null;
    const { blamed, conditions, unclear } = await featuresToBlame(on, suspect, (kept, words) =>
      this.#diesWith(only(kept), words),
    );
    const needed = [...blamed, ...conditions, ...unclear];
    // What follows is simpler, and quicker, with nothing on that does not matter.
    this.#setting = { ...this.#setting, features: only(needed) };
    return {
      status: blamed.length > 0 ? 'found' : unclear.length > 0 ? 'unclear' : 'none',
      blamed: blamed.map(namedFeature),
      conditions: conditions.map(namedFeature),
      unclear: unclear.map(namedFeature),
    };
  }

  /** Of a request's routes. What follows is without those that do not matter. */
  async #rules(): Promise<RulesFinding> {
    const { dimensions, onStage } = this.#input;
    const isRequest = this.#scripts.some(({ mode }) => mode === 'request');
    if (!isRequest || !dimensions.includes('rules')) return { status: 'skipped', rules: [] };
    onStage('rules');
    return rulesToBlame(this.#setting.options, (options, words) =>
      this.#fails('rules', words, { ...this.#setting, options }),
    );
  }

  /** With all features as they were: a change may be that one was switched on. */
  async #configuration(features: FeatureFinding): Promise<ConfigurationFinding> {
    const { incident, dimensions, onStage } = this.#input;
    if (!dimensions.includes('configuration')) return { status: 'skipped', ...noChanges };
    const good = incident.configuration.lastGood?.options ?? null;
    if (good === null) return { status: 'unknown', ...noChanges };
    onStage('configuration');
    const all = changesBetween(good, incident.configuration.options);
    const { blamed, conditions } = features;
    const needed = [...blamed, ...conditions, ...features.unclear].map(({ name }) => name);
    const { items, unclear } = await minimalSubset(all, (changes) => {
      const words = changes.length === 0 ? 'the last good configuration' : changesWords(changes);
      const options = withChanges(good, changes);
      const switches = Object.fromEntries(needed.map((name) => [name, true]));
      // A feature that the change has switched on is a part of the change.
      const own = all.some(({ path }) => path.startsWith('/features')) ? {} : switches;
      return this.#fails('configuration', words, { ...this.#setting, options, features: own });
    });
    const changesInAll = all.length;
    const changes = items.filter((change) => !unclear.includes(change));
    const status = changes.length > 0 ? 'found' : unclear.length > 0 ? 'unclear' : 'none';
    return { status, changes, unclear, changesInAll };
  }

  /** Null when it is not asked for, or several are needed. */
  async #trigger(): Promise<ReplayScript | null> {
    const { dimensions, onStage } = this.#input;
    if (!dimensions.includes('input')) return null;
    onStage('input');
    if (this.#scripts.length > 1) this.#scripts = await this.#fewest();
    const [script, ...others] = this.#scripts;
    if (script === undefined || others.length > 0) return null;
    const least = await this.#least(script);
    this.#scripts = [least];
    return least;
  }

  async #least(script: ReplayScript): Promise<ReplayScript> {
    const least = await this.#reduced(script);
    if (least === script || this.#run.isFresh) return least;
    // Of what was played before, nothing may have been needed: else it is asked again, each alone.
    const words = 'the smallest trigger, in a process of its own';
    if (await this.#failsAlone(words, [least])) return least;
    this.#run = PATIENT;
    if (!(await this.#failsAlone('what was recorded, in a process of its own', [script]))) {
      return script;
    }
    return this.#reduced(script);
  }

  #reduced(script: ReplayScript): Promise<ReplayScript> {
    const setting = this.#setting;
    const fails = async (candidate: ReplayScript, words: string) =>
      (await this.#fails('input', words, setting, [candidate])) === true;
    return script.mode === 'request' ? reducedRequest(script, fails) : reducedScript(script, fails);
  }

  /** Of several connections or requests, those that are needed. */
  async #fewest(): Promise<readonly ReplayScript[]> {
    const all = this.#scripts;
    const { items } = await minimalSubset(all, async (some) => {
      if (some.length === 0) return false;
      return this.#fails('input', `${some.length} of ${all.length}`, this.#setting, some);
    });
    return items;
  }

  async #failsAlone(question: string, scripts = this.#scripts): Promise<boolean> {
    const { outcome } = await this.#ask('proof', question, { scripts, run: PATIENT });
    return outcome === 'same';
  }

  /** The trigger once more, both ways: what a regression test rests on. */
  async #proof({ blamed }: FeatureFinding): Promise<Proof | null> {
    if (this.#scripts.length !== 1) return null;
    this.#input.onStage('proof');
    const fails = await this.#failsAlone('the smallest trigger once more');
    if (blamed.length === 0) return { fails, passes: null };
    const question = 'the smallest trigger without what is to blame';
    const given = { setting: this.#settingWithout(blamed), run: PATIENT };
    const { outcome } = await this.#ask('proof', question, given);
    return { fails, passes: outcome === 'lives' };
  }

  /** What the server answers to the trigger when nothing is on that is to blame. */
  async #explanation(
    trigger: ReplayScript,
    { blamed }: FeatureFinding,
  ): Promise<readonly string[] | null> {
    if (blamed.length === 0 || trigger.mode === 'request') return null;
    this.#input.onStage('explanation');
    const question = 'what the server answers without it';
    const given = { setting: this.#settingWithout(blamed), scripts: [trigger], run: PROMPT };
    const { outcome, received } = await this.#ask('explanation', question, given, 1);
    return outcome === 'lives' ? received : null;
  }

  async #commit(): Promise<CommitFinding> {
    const { dimensions, history, onStage, signal } = this.#input;
    if (!dimensions.includes('commits') || history === null) {
      return { status: 'skipped', commits: [], reason: '' };
    }
    onStage('commits');
    return findCommit(
      history,
      async (checkout, { hash: commit, subject }) => {
        const setting = { ...this.#setting, checkout };
        const question = `${commit.slice(0, 10)} ${subject}`;
        const { outcome } = await this.#ask('commits', question, { setting, commit });
        return outcome === 'cannot' ? 'cannot' : outcome === 'same' ? 'fails' : 'lives';
      },
      signal,
    );
  }
}

const PATHS_SHOWN_MAX = 3;

function changesWords(changes: readonly { readonly path: string }[]): string {
  const shown = changes.slice(0, PATHS_SHOWN_MAX).map(({ path }) => path);
  const more = changes.length - shown.length;
  return `the last good configuration and ${shown.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}
