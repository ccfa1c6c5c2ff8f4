/** All workers: their places, the process in waiting, and what is said to all or asked of each. */
import type { SluiceOptions } from '../../config/options.ts';
import type { Report } from '../../telemetry/log-event.ts';
import type {
  LastChanges,
  StartWorker,
  SupervisorLink,
  Topic,
  WorkerChange,
  WorkerSetup,
} from '../../worker/contract.ts';
import type { SharedRegions } from '../../worker/shared-layout.ts';
import { datagramsRead } from '../datagram-sockets.ts';
import type { WorkerEnd } from '../faults/crash-handler.ts';
import {
  closeListeners,
  closeUnlent,
  inheritedDatagrams,
  listenersOf,
  type OpenListener,
} from '../listeners.ts';
import type { Parts } from '../parts.ts';
import type { Identity } from '../privileges.ts';
import { LocalWorker } from './local-worker.ts';
import { defaultRestartPolicy, type RestartPolicy } from './restart-policy.ts';
import { Standby, spawnWorker } from './standby.ts';
import type { AskWorker, WorkerPlace, WorkerStatus } from './worker-place.ts';
import { WorkerProcess } from './worker-process.ts';

export interface WorkerSource {
  /** The file that a worker process runs. */
  readonly entryPoint: string;
  /** Loads what serves in this process when there is one worker. */
  load(): Promise<StartWorker>;
}

export interface WorkerSetInput {
  /** How many; one serves in this process. */
  readonly count: number;
  readonly source: WorkerSource;
  /** Of sluice. */
  readonly version: string;
  readonly regions: SharedRegions;
  /** When workers that died are started again, if not by the default. */
  readonly restartPolicy: RestartPolicy | undefined;
  linkOf(index: number): SupervisorLink;
  /** So many run now. */
  onRunning(count: number): void;
  /** A worker begins to serve by the options that are effective now. */
  onStart(index: number): void;
  /** Whether a worker takes its connections has changed. */
  onServing(): void;
  /** A worker has died; what its replacement starts with may still be changed. */
  onEnd(end: WorkerEnd): void;
  onDeath(cause: 'exit' | 'signal'): void;
  readonly report: Report;
  readonly parts: Parts;
}

/** What workers begin with. */
export interface Beginning {
  readonly options: SluiceOptions;
  readonly listeners: readonly OpenListener[];
  /** Whom processes run as. */
  readonly identity: Identity;
  readonly changes: LastChanges;
  /** For a worker of this process: where its recorder writes, if not to the shared memory. */
  readonly localTraces: Uint8Array | null;
}

export class WorkerSet {
  /** Whether workers have processes of their own. */
  readonly #areProcesses: boolean;
  readonly #input: WorkerSetInput;
  #places: readonly WorkerPlace[] = [];
  #standby: Standby | null = null;
  #running = 0;

  constructor(input: WorkerSetInput) {
    this.#input = input;
    this.#areProcesses = input.count > 1;
  }

  /** By index; empty before the start. */
  get places(): readonly WorkerPlace[] {
    return this.#places;
  }

  get statuses(): WorkerStatus[] {
    return this.#places.map(({ status }) => status);
  }

  /** Of the process that waits to take the place of the next worker that dies. */
  get standbyPid(): number | null {
    return this.#standby?.pid ?? null;
  }

  /** Resolves when all accept connections. */
  async start(beginning: Beginning): Promise<void> {
    const indices = Array.from({ length: this.#input.count }, (_, index) => index);
    this.#places = indices.map((index) =>
      this.#areProcesses ? this.#process(index, beginning) : this.#local(index, beginning),
    );
    await Promise.all(this.#places.map((place) => place.start()));
    if (this.#areProcesses) this.#startStandby(beginning);
  }

  tell(change: WorkerChange): void {
    for (const place of this.#places) place.tell(change);
  }

  /** Resolves when every worker that serves has it. */
  async tellSurely(change: WorkerChange): Promise<void> {
    this.tell(change);
    // What is told and what is asked comes in order.
    await this.areAnswering();
  }

  /** What successors are started with from now on. */
  adopt(options: SluiceOptions): void {
    for (const place of this.#places) place.adopt(options);
  }

  /** By index. */
  askers<T extends Topic>(topic: T): AskWorker<T>[] {
    return this.#places.map((place) => (question) => place.ask(topic, question));
  }

  /** Whether every worker turns its event loop: each answers a question. */
  async areAnswering(): Promise<boolean> {
    const asked = this.askers('handshakes').map((ask) => ask({ kind: 'observers' }));
    const answers = await Promise.all(asked);
    return answers.every((answer) => answer !== null && answer !== undefined);
  }

  /** Ends in order. Closes what this process has of `listeners`. */
  async drain(timeoutMs: number, listeners: readonly OpenListener[]): Promise<void> {
    // The signal may have gone to all processes, and some may be faster.
    for (const place of this.#places) place.expectEnd();
    // A listening socket is closed when nobody has it any more.
    await this.#standby?.stop();
    // Each worker has its own copy, which it closes when it has emptied the queue.
    const areOurs = this.#areProcesses || this.#places.every(({ isFirstStart }) => isFirstStart);
    if (areOurs) closeListeners(listeners);
    else closeUnlent(listeners);
    await Promise.all(this.#places.map((place) => place.stop(timeoutMs)));
  }

  /** Ends the processes at once. */
  kill(): void {
    this.#input.parts.own('workers', this.#standby?.stop());
    for (const place of this.#places) place.kill();
  }

  #setup(workerIndex: number, { options, listeners, changes }: Beginning): WorkerSetup {
    const { count, version, regions } = this.#input;
    return {
      options,
      workerIndex,
      listeners: listenersOf(listeners, workerIndex, count),
      datagrams: inheritedDatagrams(listeners, workerIndex, count),
      memory: regions.handle,
      version,
      changes,
    };
  }

  #local(index: number, beginning: Beginning): WorkerPlace {
    const { source, regions, linkOf, report } = this.#input;
    return new LocalWorker({
      setup: this.#setup(index, beginning),
      regions,
      traceRegion: beginning.localTraces,
      load: () => source.load(),
      link: linkOf(index),
      onRunning: (isRunning) => this.#countRunning(isRunning),
      report,
    });
  }

  #process(index: number, beginning: Beginning): WorkerPlace {
    const { source, restartPolicy, linkOf, onDeath, onServing, report } = this.#input;
    return new WorkerProcess({
      entryPoint: source.entryPoint,
      identity: beginning.identity,
      setup: this.#setup(index, beginning),
      policy: restartPolicy ?? defaultRestartPolicy,
      onRunning: (isRunning) => this.#countRunning(isRunning),
      onDeath,
      takeStandby: () => this.#standby?.take() ?? null,
      onStart: () => this.#input.onStart(index),
      onServing,
      onEnd: (end) => this.#input.onEnd({ ...end, index }),
      link: linkOf(index),
      report,
    });
  }

  #startStandby({ listeners, identity }: Beginning): void {
    const { source, regions, parts } = this.#input;
    const fds = listeners.flatMap((one) => [
      ...one.fds,
      ...(one.datagrams === null ? [] : datagramsRead(one.datagrams)),
    ]);
    const spawn = () => spawnWorker(source.entryPoint, [...fds, regions.handle.fd], identity);
    this.#standby = new Standby(spawn, parts.of('workers'));
    this.#standby.fill();
  }

  #countRunning(isRunning: boolean): void {
    this.#running += isRunning ? 1 : -1;
    this.#input.onRunning(this.#running);
  }
}
