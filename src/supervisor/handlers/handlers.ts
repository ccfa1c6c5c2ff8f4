/**
 * All handlers of a sluice. A reload begins new processes for those that are new or others, and puts
 * them in the place of the old ones when the new options are active: sockets change hands by a rename,
 * and the old process ends when its last connection has been let go.
 */
import { after, type OnFault, owned } from '../../base/owned.ts';
import type { HostSetup } from '../../handler/contract.ts';
import { defaultHandlerLimits } from '../../handler/limits.ts';
import type { HandlerMetrics } from '../../telemetry/handler-metrics.ts';
import type { Report } from '../../telemetry/log-event.ts';
import type { OriginGroupOptions } from '../../upstream/options.ts';
import { socketPathOf } from '../../upstream/server-names.ts';
import type { Identity } from '../privileges.ts';
import { HandlerProcess } from './handler-process.ts';

export interface HandlersInput {
  readonly metrics: HandlerMetrics;
  readonly report: Report;
  readonly onFault: OnFault;
}

/** New versions that have loaded and do not serve yet. */
export interface PreparedHandlers {
  /** Names of handlers whose module has changed, though their options have not. */
  readonly renewed: readonly string[];
  /** They serve from now on. */
  commit(): Promise<void>;
  /** They are not wanted. */
  abandon(): void;
}

/** Connections to sockets that have changed hands may be on their way so long. Milliseconds. */
const DRAIN_MS_MIN = 1_000;

type Groups = readonly OriginGroupOptions[];

export class Handlers {
  readonly #input: HandlersInput;
  readonly #active = new Map<string, HandlerProcess>();
  /** Whom their processes run as. */
  #identity: Identity = {};
  /** Those that drain. */
  readonly #leaving = new Set<HandlerProcess>();

  constructor(input: HandlersInput) {
    this.#input = input;
  }

  /** Resolves when all serve. Throws UsageError for one that cannot be loaded. */
  async start(groups: Groups, identity: Identity): Promise<void> {
    this.#identity = identity;
    const prepared = await this.prepare(groups);
    await prepared.commit();
  }

  /** Throws UsageError for one that cannot be loaded: then everything is as before. */
  async prepare(groups: Groups): Promise<PreparedHandlers> {
    const wanted = groups.flatMap((group) => setupOf(group) ?? []);
    const next = wanted.filter((setup) => {
      const active = this.#active.get(setup.name);
      return active === undefined || active.isOutdated || !isSame(active.setup, setup);
    });
    const processes = next.map((setup) => this.#processOf(setup));
    try {
      await Promise.all(processes.map((one) => one.start()));
      // Sockets that nobody listens at yet: whoever tries the new options needs them.
      await Promise.all(processes.map((one) => one.publish(this.#missing(one.setup))));
    } catch (error) {
      for (const one of processes) one.kill();
      throw error;
    }
    const renewed = next.filter((setup) => {
      const active = this.#active.get(setup.name);
      return active !== undefined && isSame(active.setup, setup);
    });
    return {
      renewed: renewed.map(({ name }) => name),
      commit: () => this.#commit(processes, wanted),
      abandon() {
        for (const one of processes) one.kill();
      },
    };
  }

  /** Ends all, when what runs in them has ended. */
  async stop(timeoutMs: number): Promise<void> {
    const all = [...this.#active.values(), ...this.#leaving];
    this.#active.clear();
    await Promise.all(all.map((one) => one.drain(0, timeoutMs)));
  }

  kill(): void {
    for (const one of [...this.#active.values(), ...this.#leaving]) one.kill();
  }

  #processOf(setup: HostSetup): HandlerProcess {
    return new HandlerProcess({ ...this.#input, identity: this.#identity, setup });
  }

  #missing({ name, sockets }: HostSetup): number[] {
    const present = this.#active.get(name)?.setup.sockets.length ?? 0;
    return [...sockets.keys()].filter((thread) => thread >= present);
  }

  async #commit(processes: readonly HandlerProcess[], wanted: readonly HostSetup[]): Promise<void> {
    await Promise.all(processes.map((one) => one.publish([...one.setup.sockets.keys()])));
    const names = new Set(wanted.map(({ name }) => name));
    for (const name of [...this.#active.keys()].filter((one) => !names.has(one))) {
      // Clients' connections keep the options with which they began.
      this.#leave(name, defaultHandlerLimits.handlerDrainMsMax);
    }
    for (const one of processes) {
      this.#leave(one.setup.name, 0);
      this.#active.set(one.setup.name, one);
    }
  }

  #leave(name: string, afterMs: number): void {
    const old = this.#active.get(name);
    if (old === undefined) return;
    this.#active.delete(name);
    this.#leaving.add(old);
    const end = async () => {
      await old.drain(DRAIN_MS_MIN, defaultHandlerLimits.handlerDrainMsMax);
      this.#leaving.delete(old);
    };
    if (afterMs === 0) owned(end(), this.#input.onFault);
    else after(afterMs, end, this.#input.onFault).unref();
  }
}

function setupOf({ name, handler, servers }: OriginGroupOptions): HostSetup | null {
  if (handler === null) return null;
  return { name, options: handler, sockets: servers.map(({ host }) => socketPathOf(host) ?? '') };
}

function isSame(one: HostSetup, other: HostSetup): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
