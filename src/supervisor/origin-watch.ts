/** The supervisor's view of the origins: how their servers do, and whether sluice can serve by them. */
import type { OnFault } from '../base/owned.ts';
import type { Report } from '../telemetry/log-event.ts';
import type { OriginGroupOptions } from '../upstream/options.ts';
import type { SharedHealth } from '../upstream/shared-health.ts';
import { AbsentOrigins } from './absent-origins.ts';
import { type OriginSources, originReports } from './admin/origin-routes.ts';
import { type Health, readinessOf } from './health.ts';

export interface OriginWatchInput {
  /** The groups that are active. */
  groups(): readonly OriginGroupOptions[];
  readonly sharedHealth: SharedHealth;
  /** Metrics of all workers. */
  regions(): readonly Uint8Array[];
  readonly report: Report;
  readonly onFault: OnFault;
}

export class OriginWatch {
  readonly #input: OriginWatchInput;
  readonly #absent: AbsentOrigins;

  constructor(input: OriginWatchInput) {
    this.#input = input;
    const { report, onFault } = input;
    this.#absent = new AbsentOrigins({ report, onFault, monotonicMs: () => performance.now() });
  }

  start(): Promise<void> {
    return this.#absent.start(this.#input.groups());
  }

  get sources(): OriginSources {
    const { groups, sharedHealth, regions } = this.#input;
    const isAbsent = (group: string, server: string) => this.#absent.isAbsent(group, server);
    return { groups, sharedHealth, isAbsent, regions };
  }

  readiness(health: Health): Health {
    const groups = originReports(this.sources).map(({ name, servers }) => ({
      name,
      servers: servers.map((one) => ({
        name: one.name,
        state: this.#absent.isAbsent(name, one.name) ? 'absent' : one.state,
        trouble: one.trouble?.text ?? null,
      })),
    }));
    return readinessOf(health, groups);
  }
}
