/**
 * Where questions of a triage are answered: each by as many runs on a sandbox as it takes, once. All
 * answers are evidence; those of an interrupted triage are not asked for again.
 */
import { createHash } from 'node:crypto';
import { UsageError } from '../base/errors.ts';
import type { PlayedOutcome, ReplayScript } from './replay/script.ts';
import type {
  OpenSandbox,
  Sandbox,
  SandboxRun,
  SandboxRunSettings,
  SandboxSetting,
} from './sandbox.ts';

const triageStages = [
  'reproduction',
  'features',
  'rules',
  'configuration',
  'input',
  'explanation',
  'commits',
  'proof',
] as const;
export type TriageStage = (typeof triageStages)[number];

export interface Experiment {
  readonly stage: TriageStage;
  /** What is tried, in words, as `only danger-hang on`. */
  readonly question: string;
  readonly setting: SandboxSetting;
  readonly scripts: readonly ReplayScript[];
  /** How each run is made. */
  readonly run: SandboxRunSettings;
  /** The commit that is checked out, when it is another one: directories come and go. */
  readonly commit?: string;
}

/** One row of the table of evidence: a question, and what came of it. */
export interface Evidence {
  /** From 1, in the order of asking. */
  readonly number: number;
  readonly stage: TriageStage;
  readonly question: string;
  /** `same` fault, `other` fault, `lives`, or `cannot` be tried. */
  readonly outcome: 'same' | 'other' | 'lives' | 'cannot';
  /** How often it was tried, and how often the fault was the same. */
  readonly runs: number;
  readonly same: number;
  /** Signature of the last fault, or why it cannot be tried; '' for none. */
  readonly detail: string;
  /**
   * Of a script that is played many times: how many requests or handshakes the worker had had at each
   * death.
   */
  readonly ages?: readonly number[];
  /** What the server has answered in the last run, to the first script. */
  readonly received: readonly string[];
  readonly durationMs: number;
  /** Hash of all that the answer depends on. */
  readonly key: string;
}

export interface RunVerdict {
  readonly outcome: 'same' | 'other' | 'lives';
  /** Signature of the fault, or ''. */
  readonly detail: string;
}

export interface ExperimentsInput {
  readonly openSandbox: OpenSandbox;
  /** What a run has come to, compared with what is looked for. */
  judge(run: SandboxRun): RunVerdict;
  /** Of an interrupted triage of the same incident. */
  readonly known: readonly Evidence[];
  /** Each row as soon as it is there, so that it can be kept. */
  onEvidence(row: Evidence, isKnown: boolean): void;
  readonly signal: AbortSignal;
}

const DIGITS = 32;

export class Experiments implements AsyncDisposable {
  readonly #input: ExperimentsInput;
  readonly #known: Map<string, Evidence>;
  readonly #asked = new Map<string, Evidence>();
  #sandbox: { readonly key: string; readonly sandbox: Sandbox } | null = null;

  constructor(input: ExperimentsInput) {
    this.#input = input;
    this.#known = new Map(input.known.map((row) => [row.key, row]));
  }

  get evidence(): readonly Evidence[] {
    return [...this.#asked.values()];
  }

  /**
   * Up to so many runs: with `untilSame` the first of the same fault ends them. Rejects for an abort
   * only.
   */
  async ask(experiment: Experiment, runs: number, untilSame: boolean): Promise<Evidence> {
    const { options, features } = experiment.setting;
    const key = hash([
      options,
      features,
      experiment.commit ?? '',
      experiment.scripts,
      experiment.run,
      experiment.stage === 'proof',
      runs,
      untilSame,
    ]);
    const before = this.#asked.get(key);
    if (before !== undefined) return before;
    const known = this.#known.get(key);
    const row = known ?? (await this.#find(experiment, runs, untilSame, key));
    const numbered = { ...row, number: this.#asked.size + 1 };
    this.#asked.set(key, numbered);
    this.#input.onEvidence(numbered, known !== undefined);
    return numbered;
  }

  async #find(
    experiment: Experiment,
    runs: number,
    untilSame: boolean,
    key: string,
  ): Promise<Evidence> {
    const { stage, question } = experiment;
    const startedAtMs = performance.now();
    const row = { number: 0, stage, question, key };
    const tookMs = () => Math.round(performance.now() - startedAtMs);
    try {
      const found = await this.#run(experiment, runs, untilSame);
      return { ...row, ...found, durationMs: tookMs() };
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      await this.#close();
      const { message: detail } = error;
      const nothing = { outcome: 'cannot', runs: 0, same: 0, received: [] } as const;
      return { ...row, ...nothing, detail, durationMs: tookMs() };
    }
  }

  async #run({ setting, scripts, run: how }: Experiment, runsMax: number, untilSame: boolean) {
    const { signal } = this.#input;
    const sandbox = await this.#sandboxFor(setting);
    let [runs, same, others] = [0, 0, 0];
    let detail = '';
    let played: readonly PlayedOutcome[] = [];
    const ages: number[] = [];
    while (runs < runsMax && !(untilSame && same > 0)) {
      const run = await sandbox.run(scripts, signal, how);
      runs++;
      played = run.played;
      const verdict = this.#input.judge(run);
      if (verdict.outcome === 'lives') continue;
      if (verdict.outcome === 'same') {
        same++;
        ages.push(...ageAt(run, scripts[0]));
      }
      if (verdict.outcome === 'other') others++;
      detail = verdict.detail;
    }
    const outcome = same > 0 ? 'same' : others > 0 ? 'other' : 'lives';
    const aged = ages.length > 0 ? { ages } : {};
    return { outcome, runs, same, detail, ...aged, received: played[0]?.received ?? [] } as const;
  }

  /** The one that is open, when it is for this setting. */
  async #sandboxFor(setting: SandboxSetting): Promise<Sandbox> {
    const key = hash(setting);
    if (this.#sandbox?.key === key) return this.#sandbox.sandbox;
    await this.#close();
    const sandbox = await this.#input.openSandbox(setting, this.#input.signal);
    this.#sandbox = { key, sandbox };
    return sandbox;
  }

  async #close(): Promise<void> {
    const open = this.#sandbox;
    this.#sandbox = null;
    await open?.sandbox[Symbol.asyncDispose]();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#close();
  }
}

/** Of a script that is played many times; else nothing. */
function ageAt({ death }: SandboxRun, script: ReplayScript | undefined): number[] {
  if (death === null || script === undefined || (script.times ?? 1) === 1) return [];
  const { requests = 0, handshakes } = death.recorder;
  return [script.mode === 'request' ? requests : handshakes];
}

function hash(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, DIGITS);
}
