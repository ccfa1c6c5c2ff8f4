/**
 * Another sluice takes over without a connection lost: it is started with our listening sockets,
 * and when its workers serve, we accept no more and finish what is under way. Until then nothing
 * has changed, and one that cannot start changes nothing.
 */

import { spawn } from 'node:child_process';
import { durationText } from '../base/duration-text.ts';
import { after, type OnFault, owned, shownElsewhere } from '../base/owned.ts';
import type { Report } from '../telemetry/log-event.ts';
import { type AdminRoute, failure, success } from './admin/admin-routes.ts';
import { PASSED_SOCKETS, type PassedListener } from './inherited-sockets.ts';
import type { OpenListener } from './listeners.ts';

export type PassableListener = Pick<OpenListener, 'wanted' | 'address' | 'fds'> &
  Partial<Pick<OpenListener, 'datagrams'>>;

/** Where the next one says that it serves: a descriptor number. */
export const READY_DESCRIPTOR = 'SLUICE_READY_FD';

/** After standard input, output and error. */
const READY_FD = 3;
const FIRST_SOCKET_FD = 4;
/** A start that takes longer has gone wrong. */
const START_TIMEOUT_MS = 60_000;

/**
 * Starts the program on disk with the words of this one. Resolves with its process identifier when
 * it serves; rejects when it ends, or is not ready in time, and then it is gone.
 */
async function startSuccessor(listeners: readonly PassableListener[]): Promise<number> {
  const fds = listeners.flatMap((one) => [...one.fds, ...(one.datagrams?.fds ?? [])]);
  let nextFd = FIRST_SOCKET_FD;
  const passed: PassedListener[] = listeners.map(({ wanted, address, fds: own, datagrams }) => ({
    wanted,
    bound: address,
    fds: own.map(() => nextFd++),
    datagrams: datagrams ? { ...datagrams, fds: datagrams.fds.map(() => nextFd++) } : null,
  }));
  const child = spawn(process.execPath, [...process.execArgv, ...process.argv.slice(1)], {
    // A group of its own: what ends us, as Ctrl-C in a terminal, is not meant for it.
    detached: true,
    stdio: ['ignore', 'inherit', 'inherit', 'pipe', ...fds],
    env: {
      ...process.env,
      [PASSED_SOCKETS]: JSON.stringify(passed),
      [READY_DESCRIPTOR]: String(READY_FD),
    },
  });
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  child.on('error', reject);
  child.on('exit', (code, signal) => {
    reject(new Error(`the new sluice ended at its start (${signal ?? `exit code ${code}`})`));
  });
  const ready = child.stdio[READY_FD] as NodeJS.ReadableStream;
  ready.once('data', () => resolve(child.pid!));
  const giveUp = () => {
    child.kill('SIGKILL');
    reject(new Error(`the new sluice did not serve within ${durationText(START_TIMEOUT_MS)}`));
  };
  const timer = after(START_TIMEOUT_MS, giveUp, reject);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    child.removeAllListeners();
    child.unref();
  }
}

/** Signals that ask for work. */
export type ForwardedSignal = 'SIGHUP' | 'SIGUSR1' | 'SIGUSR2';

export interface SuccessionInput {
  /** Those that the next one gets. */
  sockets(): readonly PassableListener[];
  /** Another is being started in our place, or is not any more. */
  handOver(isHandingOver: boolean): void;
  /** The next one serves: finish. */
  onServing(pid: number): void;
  /** A fault of ours in the steps above. */
  readonly onFault: OnFault;
  readonly report: Report;
}

/** What becomes of us and the one that takes over, and of what is asked for meanwhile. */
export class Succession {
  readonly #input: SuccessionInput;
  #successor: Promise<number> | null = null;
  /** Of the one that has taken over; null before. */
  #pid: number | null = null;
  /** What was asked for while it was being started. */
  readonly #signals = new Set<ForwardedSignal>();

  constructor(input: SuccessionInput) {
    this.#input = input;
  }

  /** Another one has taken over. */
  get isDone(): boolean {
    return this.#pid !== null;
  }

  /**
   * Starts the program on disk in our place; resolves with its process identifier when it serves,
   * and we drain. Rejects when it does not, and we go on. Null when one is being started already.
   */
  begin(): Promise<number> | null {
    if (this.#successor !== null) return null;
    const { report, handOver, sockets } = this.#input;
    report('upgrade: starting the sluice that takes over', { event: 'upgrade-begun' });
    this.#signals.clear();
    handOver(true);
    this.#successor = startSuccessor(sockets());
    const concluded = this.#successor.then(
      (pid) => this.#onServing(pid),
      (error: Error) => this.#onFailure(error),
    );
    owned(concluded, this.#input.onFault);
    return this.#successor;
  }

  /** SIGUSR2: what is on disk now is to serve in the end, also when an upgrade is under way. */
  request(): void {
    const upgrade = this.begin();
    if (upgrade === null) this.passOn('SIGUSR2');
    else owned(upgrade, shownElsewhere);
  }

  /**
   * While another sluice is started in our place, or once it has taken over, what is asked of us
   * concerns that one as well: it gets the signal when it serves.
   */
  passOn(signal: ForwardedSignal): void {
    if (this.#pid === null) {
      if (this.#successor !== null) this.#signals.add(signal);
      return;
    }
    try {
      process.kill(this.#pid, signal);
    } catch {
      // It has ended: there is nobody to ask.
    }
  }

  #onServing(pid: number): void {
    this.#pid = pid;
    const { report, onServing } = this.#input;
    report(`upgrade: process ${pid} serves; finishing what is under way here`, {
      event: 'upgrade-done',
      fields: { successor: pid },
    });
    for (const signal of this.#signals) this.passOn(signal);
    onServing(pid);
  }

  #onFailure({ message }: Error): void {
    this.#successor = null;
    const { report, handOver } = this.#input;
    handOver(false);
    report(`upgrade: ${message}; going on as before`, { level: 'error', event: 'upgrade-failed' });
    // The program on disk may be another one since.
    if (this.#signals.has('SIGUSR2')) this.request();
  }
}

export function upgradeRoute(upgrade: () => Promise<number> | null): AdminRoute {
  return {
    path: '/upgrade',
    summary: 'POST: starts the program on disk in place of this one; answers when it serves',
    async post() {
      const successor = upgrade();
      if (successor === null) return failure(409, 'another sluice takes over already');
      return successor.then(
        (pid) => success({ pid }),
        (error: Error) => failure(500, error.message),
      );
    },
  };
}
