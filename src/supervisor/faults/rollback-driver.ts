/** The rollbacks at work: kept over restarts, told to the operator, put into the workers' options. */

import { hostname } from 'node:os';
import { readCarefully, replaceFile } from '../../base/careful-files.ts';
import type { SluiceOptions } from '../../config/options.ts';
import type { Report } from '../../telemetry/log-event.ts';
import {
  DANGER_PREFIX,
  type FeatureSwitches,
  featureNamed,
  isOn,
  PLUGIN_PREFIX,
} from '../../tls/features.ts';
import type { Incident } from '../../triage/incident.ts';
import { type AdminRequest, type AdminRoute, failure, success } from '../admin/admin-routes.ts';
import type { FeaturesAnswer } from '../dashboard/answers.ts';
import { weakenings } from '../weakens.ts';
import {
  FeatureRollback,
  type Rollback,
  type RollbackMemory,
  type RollbackStep,
  type Suspect,
} from './feature-rollback.ts';

/** How long a webhook may take to answer. */
const WEBHOOK_TIMEOUT_MS = 5_000;
/** Steps that `/features` lists; enough for days. */
const STEPS_KEPT = 100;
/** A change that is older than this is no suspect of a death: what it breaks shows soon. */
export const SUSPECT_CHANGE_MS = 300_000;
/** The name under which the last change of the configuration is a suspect. */
export const CONFIGURATION = 'configuration';

/** What of the options matters here; the rest is passed on, and compared. */
export type RevertibleOptions = Pick<SluiceOptions, 'autoDisable' | 'features'> & {
  readonly plugins?: readonly { readonly name: string }[];
};

export interface RollbackDriverInput<O extends RevertibleOptions> {
  /** Where the state is kept; null for nowhere. */
  readonly file: string | null;
  readonly options: O;
  nowMs(): number;
  /** What is off has changed: workers are to be told. */
  onChange(): void;
  onStep(action: RollbackStep['action']): void;
  /** Fingerprints of ClientHellos that are refused now. */
  refusedHellos(): readonly string[];
  /** An operator wants everything as it was. */
  onReset(): void;
  readonly report: Report;
}

interface ToldStep {
  /** ISO 8601. */
  readonly time: string;
  readonly action: RollbackStep['action'];
  readonly message: string;
}

/** What is asked of the incident of a death. */
export type FatalIncident = Pick<Incident, 'kind' | 'signature' | 'suspect' | 'features'>;

export class RollbackDriver<O extends RevertibleOptions> {
  readonly #input: RollbackDriverInput<O>;
  readonly #box: FeatureRollback;
  readonly #told: ToldStep[] = [];
  #options: O;
  /** Those before the last change; null when there was none. */
  #before: O | null = null;
  /** When that was. */
  #changedMs = 0;
  #hasToldWeaker = false;

  constructor(input: RollbackDriverInput<O>) {
    this.#input = input;
    this.#options = input.options;
    this.#box = new FeatureRollback(input.options.autoDisable, rememberedBy(input));
  }

  /** Names of what is off, whatever the options say. */
  get overrides(): readonly string[] {
    return this.#box.overrides;
  }

  /** What workers are to serve by, for options that are wanted. */
  effective(wanted: O): O {
    const { overrides } = this.#box;
    if (overrides.length === 0) return wanted;
    const isUndone = overrides.includes(CONFIGURATION) && wanted === this.#options;
    const options = isUndone ? (this.#before ?? wanted) : wanted;
    const off = overrides.filter((name) => name !== CONFIGURATION).map((name) => [name, false]);
    return { ...options, features: { ...options.features, ...Object.fromEntries(off) } };
  }

  /** Other options are applied. */
  adopt(options: O): void {
    this.#before = this.#options;
    this.#options = options;
    this.#changedMs = this.#input.nowMs();
    this.#hasToldWeaker = false;
    // What was undone is not what was changed now.
    if (this.#box.overrides.includes(CONFIGURATION)) this.#take(this.#box.switchOn(CONFIGURATION));
  }

  /** A worker has died; `without` is what was off in it, `number` its incident's, or ''. */
  died(incident: FatalIncident, without: readonly string[], number: string): void {
    // Who was killed did nothing, and who switched rollbacks off wants to see for themselves.
    if (!this.#options.autoDisable.enabled || incident.kind === 'killed') return;
    const { signature, suspect } = incident;
    const death = {
      incident: number,
      signature,
      observer: featureOf(suspect?.observer ?? ''),
      without,
      suspects: this.#suspects(incident),
    };
    this.#take(this.#box.died(death, this.#input.nowMs()));
    this.#save();
  }

  look(): void {
    this.#take(this.#box.look(this.#input.nowMs()));
  }

  routes(): AdminRoute[] {
    return [
      {
        path: '/features',
        summary:
          'GET: what is disabled, and why; POST {"disable": NAME}, {"enable": NAME}, {"reset": true}',
        keys: ['disable', 'enable', 'reset'],
        get: () => success(this.state() satisfies FeaturesAnswer),
        post: ({ body }) => this.#command(body),
      },
    ];
  }

  state() {
    const { rollbacks } = this.#box.memory;
    const { deathsMax, windowMs, enabled } = this.#options.autoDisable;
    const refused = this.#input.refusedHellos();
    return {
      enabled,
      deathsMax,
      windowMs,
      rollbacks: rollbacks.map(shown),
      refused,
      steps: this.#told,
    };
  }

  #command(body: AdminRequest['body']) {
    const names = Object.keys(body);
    const [action] = names;
    const name = body[action ?? ''];
    if (names.length === 1 && action === 'reset' && name === true) {
      this.#take(this.#box.reset());
      this.#input.onReset();
      return success(this.state());
    }
    if (
      names.length !== 1 ||
      (action !== 'enable' && action !== 'disable') ||
      typeof name !== 'string'
    ) {
      return failure(400, 'write {"disable": NAME}, {"enable": NAME} or {"reset": true}');
    }
    if (
      action === 'disable' &&
      featureNamed(name) === undefined &&
      !name.startsWith(DANGER_PREFIX) &&
      !this.#isPlugin(name)
    ) {
      return failure(404, `there is no feature ${name}`);
    }
    const isKnown = this.#box.memory.rollbacks.some((rollback) => rollback.name === name);
    if (action === 'enable' && !isKnown) return failure(404, `${name} was not disabled here`);
    const box = this.#box;
    this.#take(action === 'enable' ? box.switchOn(name) : box.switchOff(name, this.#input.nowMs()));
    return success(this.state());
  }

  /** The observer that was running, what was switched on last, the last change, early data. */
  #suspects({ suspect, features }: FatalIncident): Suspect[] {
    const suspects: Suspect[] = [];
    const add = (name: string, reason: string, kind: Suspect['kind'] = 'feature') => {
      // Whoever can crash workers must not get rid of a rule by it, also of one that is a feature.
      if (kind === 'feature' && !this.#mayBeOff(name)) return;
      if (!suspects.some((one) => one.name === name)) suspects.push({ kind, name, reason });
    };
    const observer = suspect?.observer ?? null;
    if (observer !== null) {
      const [, hook] = observer.split(':');
      const what = hook === undefined ? 'it' : `its hook ${hook}`;
      const why = `${what} was running when the worker died`;
      const isLeft = hook === 'background';
      add(featureOf(observer), isLeft ? 'the worker died of what it had left running' : why);
    }
    const isFresh = this.#input.nowMs() - this.#changedMs <= SUSPECT_CHANGE_MS;
    if (this.#before !== null && isFresh) {
      for (const name of switchedOn(this.#before.features, this.#options.features)) {
        add(name, 'it was enabled last');
      }
      if (this.#mayGoBack(this.#before)) {
        add(CONFIGURATION, 'it is the last change of the configuration', 'configuration');
      }
    }
    if (features['early-data'] === true && suspect !== null && suspect.call !== null) {
      add('early-data', 'it changes how handshakes are driven, and can be done without');
    }
    return suspects;
  }

  #isPlugin(name: string): boolean {
    const { plugins = [] } = this.#options;
    return plugins.some((plugin) => `${PLUGIN_PREFIX}${plugin.name}` === name);
  }

  #mayBeOff(name: string): boolean {
    const features = { ...this.#options.features, [name]: false };
    return weakenings(this.#options, { ...this.#options, features }).length === 0;
  }

  /**
   * Whoever can crash workers must not get rid of a rule by it: only a change of a moment ago is
   * suspected, and only one without which nobody may do more. The rest is the operator's.
   */
  #mayGoBack(before: O): boolean {
    const [first] = weakenings(this.#options, before);
    if (first === undefined) return true;
    if (!this.#hasToldWeaker) {
      this.#hasToldWeaker = true;
      this.#input.report(
        `rollback: workers die soon after a change of the configuration, which is not undone by itself: ` +
          `without it more might be allowed (${first}); put the file back and run sluice reload if it ` +
          'is to blame',
        { event: 'rollback-left-to-operator' },
      );
    }
    return false;
  }

  #take(steps: readonly RollbackStep[]): void {
    if (steps.length === 0) return;
    for (const { action, message } of steps) {
      this.#told.push({ time: new Date(this.#input.nowMs()).toISOString(), action, message });
      if (this.#told.length > STEPS_KEPT) this.#told.shift();
      this.#input.report(`rollback: ${message}`, { event: `rollback-${action}` });
      this.#input.onStep(action);
    }
    this.#save();
    this.#input.onChange();
    for (const { message } of steps) this.#callWebhook(message);
  }

  #callWebhook(message: string): void {
    const { webhook } = this.#options.autoDisable;
    if (webhook === null) return;
    const time = new Date(this.#input.nowMs()).toISOString();
    const text = JSON.stringify({ time, host: hostname(), message, ...this.state() });
    fetch(webhook, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: text,
      redirect: 'error',
      signal: AbortSignal.timeout(WEBHOOK_TIMEOUT_MS),
    }).then(
      async (response) => {
        await response.body?.cancel();
        if (!response.ok) {
          const event = 'webhook-failed';
          this.#input.report(`rollback: the webhook answered ${response.status}`, { event });
        }
      },
      (error: Error) =>
        this.#input.report(`rollback: the webhook was not reached: ${error.message}`, {
          event: 'webhook-failed',
        }),
    );
  }

  #save(): void {
    const { file, report } = this.#input;
    if (file === null) return;
    try {
      replaceFile(file, JSON.stringify(this.#box.memory));
    } catch (error) {
      report(`rollback: the state cannot be kept over a restart: ${(error as Error).message}`);
    }
  }
}

function switchedOn(before: FeatureSwitches, after: FeatureSwitches): string[] {
  const names = Object.keys(after) as (keyof FeatureSwitches)[];
  return names.filter((name) => isFeatureOn(name, after) && !isFeatureOn(name, before));
}

function isFeatureOn(name: keyof FeatureSwitches, switches: FeatureSwitches): boolean {
  const feature = featureNamed(name);
  if (feature !== undefined) return isOn(feature.name, switches);
  return switches[name] ?? name.startsWith(PLUGIN_PREFIX);
}

/** Of a plugin the recorder notes the hook as well: `plugin-auth:onRequest`. */
function featureOf(observer: string): string {
  return observer.split(':', 1)[0]!;
}

function shown(rollback: Rollback) {
  const { sinceMs, untilMs, ...rest } = rollback;
  return {
    ...rest,
    since: new Date(sinceMs).toISOString(),
    until: untilMs === null ? null : new Date(untilMs).toISOString(),
  };
}

const NOTHING: RollbackMemory = { rollbacks: [], deaths: {} };

/**
 * Whether one may go back to the options before the last change depends on both, and after a restart
 * the former are not known: what was undone is active, and is suspected anew if it is to blame.
 */
function rememberedBy({
  file,
  report,
}: Pick<RollbackDriverInput<never>, 'file' | 'report'>): RollbackMemory {
  const memory = readMemory(file, report);
  const isUndone = ({ name, kind, state }: Rollback) =>
    (kind === 'configuration' || name === CONFIGURATION) && state !== 'watched';
  const rollbacks = memory.rollbacks.filter((rollback) => !isUndone(rollback));
  if (rollbacks.length < memory.rollbacks.length) {
    report(
      'rollback: the last change of the configuration stays applied: sluice was started with it',
      {
        event: 'rollback-forgotten',
      },
    );
  }
  return { ...memory, rollbacks };
}

/** A file that is not there, or not ours, is an empty memory. */
function readMemory(file: string | null, report: Report): RollbackMemory {
  if (file === null) return NOTHING;
  try {
    const text = readCarefully(file).toString('utf8');
    const { rollbacks, deaths = {} } = JSON.parse(text) as Partial<RollbackMemory>;
    const isWhole = Array.isArray(rollbacks) && rollbacks.every(isRollback);
    const areTimes = (times: unknown) => Array.isArray(times) && times.every(Number.isFinite);
    if (isWhole && Object.values(deaths).every(areTimes))
      return { rollbacks: rollbacks.map(withNumber), deaths };
    report(`rollback: ${file} is not what was written there: it is ignored`);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT') report(`rollback: ${file} cannot be read: it is ignored`);
  }
  return NOTHING;
}

/** A file of before has none. */
function withNumber(rollback: Rollback): Rollback {
  const { incident } = rollback as Partial<Rollback>;
  return { ...rollback, incident: typeof incident === 'string' ? incident : '' };
}

function isRollback(value: unknown): value is Rollback {
  const { name, kind, state, signature, sinceMs, untilMs, trips } = (value ??
    {}) as Partial<Rollback>;
  const isTimed = typeof untilMs === 'number' || (untilMs === null && state === 'manual');
  return (
    typeof name === 'string' &&
    typeof signature === 'string' &&
    (kind === 'feature' || kind === 'configuration') &&
    ['trying', 'holding', 'watched', 'manual'].includes(state ?? '') &&
    Number.isFinite(sinceMs) &&
    Number.isFinite(trips) &&
    isTimed
  );
}
