/** What plugins get of a worker: numbers for the recorder, counters, the error log. It outlives reloads. */
import { systemClock } from '../base/clock.ts';
import { type FaultReport, PluginFaults } from '../plugin/faults.ts';
import type { MarkedPlace, PluginOptions } from '../plugin/options.ts';
import type { PluginHost, PluginMarks } from '../plugin/plugin-set.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { PLUGIN_PREFIX } from '../tls/features.ts';
import type { WorkerLog } from './worker-log.ts';

/**
 * Everything that the recorder may note as running, by its number. Hooks of plugins are added behind the
 * rest, each keeps its number, and those of plugins that are gone are left where they are: the recording may
 * name them.
 */
export class MarkNames {
  readonly #names: string[];

  constructor(fixed: readonly string[]) {
    this.#names = [...fixed];
  }

  get names(): readonly string[] {
    return this.#names;
  }

  adopt(plugins: readonly PluginOptions[]): void {
    for (const { name, hooks } of plugins) {
      for (const place of [...hooks, 'background'] as const) this.numberOf(name, place);
    }
  }

  numberOf(plugin: string, place: MarkedPlace): number {
    const name = `${PLUGIN_PREFIX}${plugin}:${place}`;
    const known = this.#names.indexOf(name);
    return known === -1 ? this.#names.push(name) - 1 : known;
  }
}

export interface PluginHostInput {
  readonly marks: PluginMarks;
  readonly names: MarkNames;
  readonly metrics: Metrics;
  readonly log: WorkerLog;
}

export function pluginHost({ marks, names, metrics, log }: PluginHostInput): PluginHost {
  return {
    marks,
    faults: new PluginFaults({
      count: (plugin, place, fault) => metrics.pluginFailed(plugin, place, fault),
      report: (fault) => reportFault(log, fault),
      monotonicMs: systemClock.monotonicMs,
    }),
    numberOf: (plugin, place) => names.numberOf(plugin, place),
    log(plugin, message) {
      const detail = { level: 'notice', event: 'plugin-message', fields: { plugin } } as const;
      log.report(`plugin ${plugin}: ${message}`, detail);
    },
  };
}

function reportFault({ report }: WorkerLog, told: FaultReport): void {
  const { plugin, place, fault, words, count } = told;
  const times = count === 1 ? '' : ` (${count} times since it was last reported)`;
  report(`plugin ${plugin}: ${place} ${SAID[fault]}: ${words}${times}`, {
    level: 'error',
    event: 'plugin-fault',
    fields: { plugin, hook: place, fault, count },
  });
}

const SAID = {
  threw: 'threw',
  rejected: 'was rejected',
  'timed-out': 'took too long',
  overran: 'held up the worker',
  returned: 'returned what it cannot',
  exited: 'tried to end the process',
  globals: 'changed what is not its own',
  disabled: 'was not called',
} as const;
