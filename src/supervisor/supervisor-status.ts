/** What `sluice status` and the dashboard are told of a running sluice. */
import type { EarlyDataState } from './early-data-state.ts';
import type { WorkerStatus } from './workers/worker-place.ts';

export interface SupervisorStatus {
  readonly version: string;
  readonly pid: number;
  readonly state: 'running' | 'draining';
  readonly uptimeSeconds: number;
  readonly workers: readonly WorkerStatus[];
  /** Of the process that waits to take the place of the next worker that dies. */
  readonly standbyPid: number | null;
  readonly earlyData: EarlyDataState;
}
