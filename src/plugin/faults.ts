/** Faults of plugins: counted each, and told in the log without flooding it. */
import { SluiceError } from '../base/errors.ts';
import type { PLUGIN_FAULTS, PLUGIN_PLACES } from '../telemetry/metric-table.ts';
import { defaultPluginLimits } from './limits.ts';

/**
 * - `threw`: an exception, or a change that is not allowed.
 * - `rejected`: the promise of an asynchronous hook was rejected.
 * - `timed-out`: it was not settled in time.
 * - `overran`: one call took too much processor time; what it returned counts.
 * - `returned`: something that the hook cannot return.
 * - `exited`: it tried to end the process.
 * - `globals`: it changed what all code of the process uses; that is put back.
 * - `disabled`: not called, because the plugin is disabled, or could not be set up.
 */
export type PluginFault = (typeof PLUGIN_FAULTS)[number];

/** A hook, or what else of a plugin runs: `background` for its timers and promises that nobody awaits. */
export type FaultPlace = (typeof PLUGIN_PLACES)[number];

export interface FaultReport {
  readonly plugin: string;
  readonly place: FaultPlace;
  readonly fault: PluginFault;
  /** In words. */
  readonly words: string;
  /** Of the same kind since the last report, this one included. */
  readonly count: number;
}

export interface FaultSinks {
  count(plugin: string, place: FaultPlace, fault: PluginFault): void;
  report(fault: FaultReport): void;
  monotonicMs(): number;
}

interface Told {
  nextMs: number;
  since: number;
}

export class PluginFaults {
  readonly #sinks: FaultSinks;
  readonly #told = new Map<string, Told>();

  constructor(sinks: FaultSinks) {
    this.#sinks = sinks;
  }

  add(plugin: string, place: FaultPlace, fault: PluginFault, words: string): void {
    this.#sinks.count(plugin, place, fault);
    const nowMs = this.#sinks.monotonicMs();
    const key = `${plugin}/${place}/${fault}`;
    const told = this.#told.get(key) ?? { nextMs: 0, since: 0 };
    this.#told.set(key, told);
    told.since++;
    if (nowMs < told.nextMs) return;
    this.#sinks.report({ plugin, place, fault, words, count: told.since });
    told.nextMs = nowMs + defaultPluginLimits.logIntervalMs;
    told.since = 0;
  }
}

// Made once: a flood of such requests must not cost a stack trace each time.
export const PLUGIN_FAILED = new SluiceError('plugin-failed', 'a plugin of the route failed', {
  blame: 'internal',
});
export const PLUGIN_DISABLED = new SluiceError(
  'plugin-disabled',
  'a plugin of the route is disabled',
  { blame: 'self' },
);

/** Also for what is thrown that is no error, and for errors that throw when they are looked at. */
export function wordsOf(error: unknown): string {
  try {
    if (error instanceof Error) return `${error.name}: ${error.message}`.slice(0, 300);
    return `${String(error)}`.slice(0, 300);
  } catch {
    return 'it threw what cannot be read';
  }
}
