/**
 * Active health checks of a group: one worker of the machine asks each endpoint every so often, and
 * says on the shared health table what it found. The first answer of an endpoint counts at once;
 * after that it takes `fall` bad ones in a row to take it down and `rise` good ones to bring it back.
 */
import type { Reactor } from '../reactor/reactor.ts';
import type { Timer } from '../reactor/timer-wheel.ts';
import type { UpstreamEndpoint } from './endpoint.ts';
import type { HealthCheckOptions } from './options.ts';
import { Probe } from './probe.ts';
import { authorityOf } from './server-names.ts';
import type { SharedHealth } from './shared-health.ts';

export interface HealthCheckerInput {
  readonly group: string;
  readonly options: HealthCheckOptions;
  readonly reactor: Reactor;
  readonly sharedHealth: SharedHealth;
  readonly workerIndex: number;
  endpoints(): readonly UpstreamEndpoint[];
  /** The shared health table has news of an endpoint; `fault` is '' when it is well. */
  onVerdict(endpoint: UpstreamEndpoint, fault: string): void;
  /** From 0 to below 1. */
  readonly random: () => number;
}

/** Intervals are varied by this part, so that the groups do not check in step. */
const JITTER = 0.1;
/** Milliseconds within which the first check is made. */
const FIRST_CHECK_WITHIN_MS = 200;
/** Whoever should check is given up after so many intervals without a sign of life. */
const TURN_INTERVALS = 3;

interface Run {
  /** Answers of the same kind in a row; 0 before the first. */
  count: number;
  isWell: boolean;
  probe: Probe | null;
}

export class HealthChecker {
  readonly #input: HealthCheckerInput;
  readonly #timer: Timer;
  #runs = new Map<UpstreamEndpoint, Run>();

  constructor(input: HealthCheckerInput) {
    this.#input = input;
    this.#timer = input.reactor.timer(() => this.#round());
    this.#timer.arm(input.random() * FIRST_CHECK_WITHIN_MS);
  }

  close(): void {
    this.#timer.cancel();
    for (const { probe } of this.#runs.values()) probe?.cancel();
    this.#runs.clear();
  }

  #round(): void {
    const { options, sharedHealth, group, workerIndex, endpoints, random } = this.#input;
    const { intervalMs, timeoutMs } = options;
    this.#timer.arm(intervalMs * (1 + (random() - 0.5) * 2 * JITTER));
    const turnSeconds = Math.ceil((TURN_INTERVALS * (intervalMs + timeoutMs)) / 1000);
    if (!sharedHealth.takeTurn(group, workerIndex, turnSeconds)) return;
    const current = endpoints();
    for (const [endpoint, run] of this.#runs) {
      if (current.includes(endpoint)) continue;
      run.probe?.cancel();
      this.#runs.delete(endpoint);
    }
    for (const endpoint of current) {
      // Who is down by an operator's admin state is left alone.
      if (endpoint.server.adminState !== 'down') this.#check(endpoint);
    }
  }

  #check(endpoint: UpstreamEndpoint): void {
    let run = this.#runs.get(endpoint);
    if (run === undefined) {
      run = { count: 0, isWell: true, probe: null };
      this.#runs.set(endpoint, run);
    }
    if (run.probe !== null) return;
    const current = run;
    current.probe = new Probe({
      connection: endpoint.pool.connectionInput,
      options: this.#input.options,
      authority: authorityOf(endpoint.server.options),
      onVerdict: (fault) => {
        current.probe = null;
        this.#note(endpoint, current, fault);
      },
    });
  }

  #note(endpoint: UpstreamEndpoint, run: Run, fault: string | null): void {
    // It could not be asked: what was found last stands.
    if (fault === null) return;
    const isWell = fault === '';
    const { options, sharedHealth, group, onVerdict } = this.#input;
    const isFirst = run.count === 0;
    run.count = run.isWell === isWell ? run.count + 1 : 1;
    run.isWell = isWell;
    endpoint.checkFault = fault;
    const needed = isFirst ? 1 : isWell ? options.rise : options.fall;
    if (run.count < needed || sharedHealth.isWell(group, endpoint.key) === isWell) return;
    sharedHealth.setWell(group, endpoint.key, isWell);
    onVerdict(endpoint, fault);
  }
}
