/** The worker of this process: the only one, which lives and dies with its supervisor. */
import type { SluiceOptions } from '../../config/options.ts';
import type { Report } from '../../telemetry/log-event.ts';
import { type AssembledWorker, assembleWorker } from '../../worker/assembly.ts';
import type {
  AnswerOn,
  QuestionOn,
  StartWorker,
  SupervisorLink,
  Topic,
  WorkerChange,
  WorkerSetup,
} from '../../worker/contract.ts';
import type { SharedRegions } from '../../worker/shared-layout.ts';
import { ToldChanges } from './told-changes.ts';
import type { WorkerPlace, WorkerStatus } from './worker-place.ts';

export interface LocalWorkerInput {
  readonly setup: WorkerSetup;
  readonly regions: SharedRegions;
  /** Where its recorder writes, if not to the shared memory. */
  readonly traceRegion: Uint8Array | null;
  load(): Promise<StartWorker>;
  readonly link: SupervisorLink;
  onRunning(isRunning: boolean): void;
  readonly report: Report;
}

export class LocalWorker implements WorkerPlace {
  readonly restarts = 0;
  readonly #input: LocalWorkerInput;
  readonly #startedAtMs = Date.now();
  readonly #told: ToldChanges;
  #options: SluiceOptions;
  #worker: AssembledWorker | null = null;
  #isStopping = false;

  constructor(input: LocalWorkerInput) {
    this.#input = input;
    this.#options = input.setup.options;
    this.#told = new ToldChanges(input.setup.changes);
  }

  get status(): WorkerStatus {
    return {
      index: this.#input.setup.workerIndex,
      pid: process.pid,
      state: this.#isStopping ? 'draining' : this.#worker === null ? 'starting' : 'running',
      restarts: this.restarts,
      startedAt: new Date(this.#startedAtMs).toISOString(),
    };
  }

  get servingPid(): number | null {
    return this.isServing ? process.pid : null;
  }

  get isServing(): boolean {
    return this.#worker !== null && !this.#isStopping;
  }

  get isFirstStart(): boolean {
    return this.#worker === null;
  }

  async start(): Promise<void> {
    const { setup, regions, traceRegion, load, link, onRunning, report } = this.#input;
    const startWorker = await load();
    const options = this.#options;
    const begun = { ...setup, options, changes: this.#told.begin() };
    const worker = await assembleWorker({ setup: begun, regions, startWorker, link, traceRegion });
    this.#worker = worker;
    onRunning(true);
    for (const change of this.#told.takeUnheard()) worker.tell(change);
    if (this.#options === options) return;
    await this.reconfigure(this.#options).catch((error: Error) => report(error.message));
  }

  tell(change: WorkerChange): void {
    if (this.#worker === null) this.#told.note(change);
    else this.#worker.tell(change);
  }

  async ask<T extends Topic>(topic: T, question: QuestionOn<T>): Promise<AnswerOn<T> | undefined> {
    return this.#worker?.ask(topic, question);
  }

  adopt(options: SluiceOptions): void {
    this.#options = options;
  }

  async reconfigure(options: SluiceOptions): Promise<void> {
    if (this.#worker === null) throw new Error('the worker does not run yet');
    this.#worker.reconfigure(options);
  }

  expectEnd(): void {
    this.#isStopping = true;
  }

  async stop(timeoutMs: number): Promise<void> {
    this.expectEnd();
    await this.#worker?.drain(timeoutMs);
  }

  /** Nobody could end it and go on. */
  endHung(): void {}

  kill(): void {}
}
