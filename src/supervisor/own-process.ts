/** What the supervisor's process is besides: with several workers nothing, with one that worker, too. */
import type { Account } from '../config/options.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { residentBytes } from '../telemetry/process-sampler.ts';
import { outliveFaults, type Parts } from './parts.ts';
import { dropPrivileges } from './privileges.ts';

/** Steps of a start; each is called once. */
interface StartSteps {
  readonly account: Account | null;
  startAdmin(): Promise<void>;
  startWorkers(): Promise<void>;
}

export interface OwnProcess {
  start(steps: StartSteps): Promise<void>;
  /** Where the recorder of a worker in this process writes; null for none. */
  traces(open: () => Uint8Array | null): Uint8Array | null;
  /** Whatever throws in it is reported, and it goes on, where nothing else can be hurt by that. */
  outliveFaults(parts: Parts): void;
  /** Workers count their own memory. */
  sampleMemory(metrics: Metrics): void;
}

const supervisor: OwnProcess = {
  async start({ startAdmin, startWorkers }) {
    await Promise.all([startAdmin(), startWorkers()]);
  },
  traces: () => null,
  outliveFaults,
  sampleMemory: (metrics) => metrics.memoryHeld(residentBytes(), 0),
};

const supervisorAndWorker: OwnProcess = {
  async start({ account, startAdmin, startWorkers }) {
    await startAdmin();
    // What follows reads what strangers send.
    dropPrivileges(account);
    await startWorkers();
  },
  traces: (open) => open(),
  outliveFaults() {},
  sampleMemory() {},
};

export function ownProcess(workers: number): OwnProcess {
  return workers > 1 ? supervisor : supervisorAndWorker;
}
