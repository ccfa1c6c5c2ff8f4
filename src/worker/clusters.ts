/** The cluster that a worker belongs to: one connection, over all reloads that leave it as it is. */
import type { ClusterOptions } from '../cluster/options.ts';
import { RedisRegister } from '../cluster/register.ts';
import type { Report } from '../telemetry/log-event.ts';
import type { ClusterRegister } from '../tls/cluster.ts';
import type { WorkerInput } from './contract.ts';

export class ClusterRegisters implements Disposable {
  readonly #input: Pick<WorkerInput, 'metrics' | 'workerIndex' | 'log'>;
  /** By the options as JSON. Former ones stay: connections of former configurations use them. */
  readonly #registers = new Map<string, RedisRegister>();

  constructor(input: Pick<WorkerInput, 'metrics' | 'workerIndex' | 'log'>) {
    this.#input = input;
  }

  registerOf(options: ClusterOptions | null): ClusterRegister | null {
    if (options === null) return null;
    const key = JSON.stringify(options);
    let register = this.#registers.get(key);
    if (register === undefined) {
      const { metrics, workerIndex, log } = this.#input;
      const told = log.for('cluster');
      // All workers meet the same server: one of them tells, and the metrics have the others.
      const report: Report = (message, detail) => {
        if (workerIndex === 0) told(message, detail);
      };
      const onFault = (error: unknown) => {
        const { stack } = error as Error;
        told(`cluster: a fault of sluice: ${stack}`, { level: 'error', event: 'part-failed' });
      };
      register = new RedisRegister({ options, metrics: metrics.tickets, report, onFault });
      this.#registers.set(key, register);
    }
    return register;
  }

  [Symbol.dispose](): void {
    for (const register of this.#registers.values()) register[Symbol.dispose]();
    this.#registers.clear();
  }
}
