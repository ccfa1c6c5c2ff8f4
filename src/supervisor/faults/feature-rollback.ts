/**
 * What is done when workers die in the same way again and again: one suspect after the other is
 * switched off, until the deaths stop. A state machine without clock, process or file: time is an
 * argument, and what is to be done comes back as steps.
 *
 * Whoever can crash a worker must not be able to take a good feature away for good: a change that
 * does not help is undone, one that helps expires, and only the time that it holds grows, up to a
 * day, while the deaths come back.
 */

import { durationText } from '../../base/duration-text.ts';

/** What can be switched off: a feature, or the last change of the configuration. */
export interface Suspect {
  readonly kind: 'feature' | 'configuration';
  /** The feature's name; `configuration` for the last change. */
  readonly name: string;
  /** Why it is suspected, in words. */
  readonly reason: string;
}

export interface WorkerDeath {
  /** The number of its incident; '' when none is written. */
  readonly incident: string;
  /** Of the incident; see triage/assemble.ts. */
  readonly signature: string;
  /** The observer that was running, or ''. */
  readonly observer: string;
  /** What the worker had switched off, by name, the configuration included. */
  readonly without: readonly string[];
  /** In the order in which they are to be tried; only what is on. */
  readonly suspects: readonly Suspect[];
}

export type RollbackState =
  /** Switched off, and whether that helps is not known yet. */
  | 'trying'
  /** It has helped; off until it expires. */
  | 'holding'
  /** On again; the next death in this way trips it at once. */
  | 'watched'
  /** Switched off by an operator, who alone switches it on again. */
  | 'manual';

export interface Rollback {
  readonly name: string;
  readonly kind: Suspect['kind'];
  readonly state: RollbackState;
  /** Of the deaths that tripped it; '' for a manual one. */
  readonly signature: string;
  /** The number of the incident that tripped it; '' for none. */
  readonly incident: string;
  readonly reason: string;
  /** Wall-clock milliseconds of the last change of state. */
  readonly sinceMs: number;
  /** When the state ends by itself; null for a manual one. */
  readonly untilMs: number | null;
  /** Times that it has tripped since it was last at rest. */
  readonly trips: number;
}

/** What has happened, for the operator; the effect is in `overrides`. */
export interface RollbackStep {
  readonly action: 'off' | 'kept' | 'undone' | 'expired' | 'forgotten' | 'helpless';
  readonly name: string;
  readonly message: string;
}

export interface RollbackSettings {
  readonly deathsMax: number;
  readonly windowMs: number;
}

export interface RollbackLimits {
  /** How long a rollback that has helped lasts, the first time. Doubles each time. */
  readonly holdMs: number;
  readonly holdMsMax: number;
  /** How long after its end a rollback is repeated by a single death. */
  readonly watchMs: number;
  /** Rollbacks remembered. */
  readonly rollbacksMax: number;
  /** Ways to die that are counted at a time. */
  readonly waysToDieMax: number;
}

/**
 * holdMs: enough for an operator to look, and no loss if none does. holdMsMax: a day is the worst
 * that an attacker can do. watchMs: a fault that comes back within a day is the same one.
 * rollbacksMax: more than there are features. waysToDieMax: a program has few.
 */
export const defaultRollbackLimits: RollbackLimits = {
  holdMs: 600_000,
  holdMsMax: 86_400_000,
  watchMs: 86_400_000,
  rollbacksMax: 32,
  waysToDieMax: 64,
};

/** What a file keeps from one start to the next. */
export interface RollbackMemory {
  readonly rollbacks: readonly Rollback[];
  /** Times of deaths within the window, in wall-clock milliseconds, by signature. */
  readonly deaths: Readonly<Record<string, readonly number[]>>;
}

export class FeatureRollback {
  readonly #settings: RollbackSettings;
  readonly #rollbacks = new Map<string, Rollback>();
  /** Times of deaths by signature, within the window. */
  readonly #deaths = new Map<string, number[]>();
  /** By signature, what was tried and did not help. */
  readonly #tried = new Map<string, Set<string>>();

  constructor(settings: RollbackSettings, memory: RollbackMemory = { rollbacks: [], deaths: {} }) {
    this.#settings = settings;
    for (const rollback of memory.rollbacks.slice(0, defaultRollbackLimits.rollbacksMax))
      this.#rollbacks.set(rollback.name, rollback);
    for (const [signature, times] of Object.entries(memory.deaths)) {
      this.#deaths.set(signature, [...times]);
    }
    dropOldest(this.#deaths, defaultRollbackLimits.waysToDieMax);
  }

  get memory(): RollbackMemory {
    return { rollbacks: [...this.#rollbacks.values()], deaths: Object.fromEntries(this.#deaths) };
  }

  /** Names of what is off now. */
  get overrides(): string[] {
    return [...this.#rollbacks.values()]
      .filter(({ state }) => state !== 'watched')
      .map((one) => one.name);
  }

  /** A worker has died. */
  died(death: WorkerDeath, nowMs: number): RollbackStep[] {
    const steps = this.#passTime(nowMs);
    // On a connection from before the change, which keeps what it began with: nothing new.
    if (this.overrides.includes(death.observer)) return steps;
    const trying = this.#inVain(death);
    if (trying !== undefined) return [...steps, ...this.#undo(trying, death, nowMs)];
    const count = this.#count(death.signature, nowMs);
    const isWatched = [...this.#rollbacks.values()].some(
      ({ state, signature }) => state === 'watched' && signature === death.signature,
    );
    if (count >= this.#settings.deathsMax || isWatched) steps.push(...this.#trip(death, nowMs));
    return steps;
  }

  /** Time has passed. */
  look(nowMs: number): RollbackStep[] {
    return this.#passTime(nowMs);
  }

  /** An operator switches a feature off until further notice. */
  switchOff(name: string, nowMs: number): RollbackStep[] {
    this.#put({
      name,
      kind: 'feature',
      state: 'manual',
      signature: '',
      incident: '',
      reason: 'an operator disabled it',
      sinceMs: nowMs,
      untilMs: null,
      trips: 0,
    });
    return [{ action: 'off', name, message: `${name} is disabled by operator` }];
  }

  /** An operator ends whatever is the matter with it. No step when nothing is. */
  switchOn(name: string): RollbackStep[] {
    const rollback = this.#rollbacks.get(name);
    if (rollback === undefined) return [];
    this.#rollbacks.delete(name);
    this.#deaths.delete(rollback.signature);
    this.#tried.delete(rollback.signature);
    return [{ action: 'forgotten', name, message: `${name} is enabled again by operator` }];
  }

  /** An operator wants everything as it was, and a clean sheet. */
  reset(): RollbackStep[] {
    const steps = [...this.#rollbacks.keys()].flatMap((name) => this.switchOn(name));
    this.#deaths.clear();
    this.#tried.clear();
    return steps;
  }

  /** The rollback that is being tried when this worker died without what it switches off. */
  #inVain({ signature, observer, without }: WorkerDeath): Rollback | undefined {
    return [...this.#rollbacks.values()].find(
      (rollback) =>
        rollback.state === 'trying' &&
        without.includes(rollback.name) &&
        isSameWithout(rollback, { signature, observer }),
    );
  }

  /** Deaths in this way within the window, this one included. */
  #count(signature: string, nowMs: number): number {
    const since = nowMs - this.#settings.windowMs;
    const times = (this.#deaths.get(signature) ?? []).filter((time) => time > since);
    times.push(nowMs);
    this.#deaths.delete(signature);
    this.#deaths.set(signature, times.slice(-this.#settings.deathsMax));
    dropOldest(this.#deaths, defaultRollbackLimits.waysToDieMax);
    return times.length;
  }

  #trip(death: WorkerDeath, nowMs: number): RollbackStep[] {
    const { signature, incident, suspects } = death;
    const tried = this.#tried.get(signature);
    const next = suspects.find(
      ({ name }) => tried?.has(name) !== true && !this.overrides.includes(name),
    );
    if (next === undefined) {
      // From here on everything may be tried again, should the deaths go on.
      this.#tried.delete(signature);
      this.#deaths.delete(signature);
      const message = `workers die (${signature}), and disabling what is suspected does not help`;
      return [{ action: 'helpless', name: '', message }];
    }
    const { name, kind, reason } = next;
    const trips = (this.#rollbacks.get(name)?.trips ?? 0) + 1;
    const untilMs = nowMs + this.#settings.windowMs;
    const of = { name, kind, signature, incident, reason };
    this.#put({ ...of, state: 'trying', sinceMs: nowMs, untilMs, trips });
    this.#deaths.delete(signature);
    const how = `disabled automatically${numbered(incident)}`;
    const message = `workers die (${signature}): ${name} is ${how}, because ${reason}`;
    return [{ action: 'off', name, message }];
  }

  #undo(rollback: Rollback, death: WorkerDeath, nowMs: number): RollbackStep[] {
    const { name, signature } = rollback;
    this.#rollbacks.delete(name);
    const tried = this.#tried.get(signature) ?? new Set();
    tried.add(name);
    this.#tried.delete(signature);
    this.#tried.set(signature, tried);
    dropOldest(this.#tried, defaultRollbackLimits.waysToDieMax);
    const message = `${name} is enabled again: without it workers die just the same`;
    // The deaths go on in the way that tripped the rollback, whatever the last one looked like.
    const next = this.#trip({ ...death, signature }, nowMs);
    return [{ action: 'undone', name, message }, ...next];
  }

  #passTime(nowMs: number): RollbackStep[] {
    const steps: RollbackStep[] = [];
    for (const rollback of [...this.#rollbacks.values()]) {
      if (rollback.untilMs !== null && nowMs >= rollback.untilMs)
        steps.push(...this.#expire(rollback, nowMs));
    }
    return steps;
  }

  #expire(rollback: Rollback, nowMs: number): RollbackStep[] {
    const { name, trips, signature } = rollback;
    const { holdMs, holdMsMax, watchMs } = defaultRollbackLimits;
    if (rollback.state === 'trying') {
      const held = Math.min(holdMs * 2 ** Math.min(trips - 1, 20), holdMsMax);
      this.#rollbacks.set(name, {
        ...rollback,
        state: 'holding',
        sinceMs: nowMs,
        untilMs: nowMs + held,
      });
      this.#tried.delete(signature);
      const time = durationText(held);
      const how = `stays disabled automatically${numbered(rollback.incident)} for ${time}`;
      const message = `${name} ${how}: without it no worker has died this way`;
      return [{ action: 'kept', name, message }];
    }
    if (rollback.state === 'holding') {
      this.#rollbacks.set(name, {
        ...rollback,
        state: 'watched',
        sinceMs: nowMs,
        untilMs: nowMs + watchMs,
      });
      const message = `${name} is enabled again after its time; the next death in this way disables it`;
      return [{ action: 'expired', name, message }];
    }
    this.#rollbacks.delete(name);
    return [{ action: 'forgotten', name, message: `${name} is no longer watched` }];
  }

  #put(rollback: Rollback): void {
    this.#rollbacks.delete(rollback.name);
    this.#rollbacks.set(rollback.name, rollback);
    dropOldest(this.#rollbacks, defaultRollbackLimits.rollbacksMax);
  }
}

function numbered(incident: string): string {
  return incident === '' ? '' : ` (incident ${incident})`;
}

/** By these calls a handshake is driven: which of them does it depends on early data. */
const DRIVING_CALLS: ReadonlySet<string> = new Set(['SSL_do_handshake', 'SSL_read_early_data']);

/**
 * Whether a death is the one that tripped the rollback, though what the rollback switches off was
 * missing: then no observer need be named, and another call may drive the handshake.
 */
function isSameWithout(
  { signature }: Rollback,
  death: Pick<WorkerDeath, 'signature' | 'observer'>,
): boolean {
  const [kind, how, call = '', observer] = signature.split('/');
  const [otherKind, otherHow, otherCall = '', otherObserver] = death.signature.split('/');
  if (kind !== otherKind || how !== otherHow) return false;
  const isSameCall =
    call === otherCall || (DRIVING_CALLS.has(call) && DRIVING_CALLS.has(otherCall));
  return isSameCall && (observer === otherObserver || death.observer === '');
}

function dropOldest(map: Map<string, unknown>, max: number): void {
  for (const key of map.keys()) {
    if (map.size <= max) return;
    map.delete(key);
  }
}
