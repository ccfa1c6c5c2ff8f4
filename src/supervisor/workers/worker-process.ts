/** One worker's place: the process that fills it now, and its replacement when that one dies. */

import { setImmediate as immediately } from 'node:timers/promises';
import { durationText } from '../../base/duration-text.ts';
import { UsageError } from '../../base/errors.ts';
import { after } from '../../base/owned.ts';
import type { SluiceOptions } from '../../config/options.ts';
import type { Report } from '../../telemetry/log-event.ts';
import type {
  AnswerOn,
  QuestionOn,
  SupervisorLink,
  Topic,
  WorkerChange,
  WorkerCommand,
  WorkerReport,
  WorkerSetup,
} from '../../worker/contract.ts';
import type { WorkerEnd } from '../faults/crash-handler.ts';
import type { Identity } from '../privileges.ts';
import { type RestartPolicy, restartDelayMs } from './restart-policy.ts';
import { type SpawnedWorker, spawnWorker, type WorkerChild } from './standby.ts';
import { ToldChanges } from './told-changes.ts';
import type { WorkerPlace, WorkerStatus } from './worker-place.ts';

export interface WorkerProcessInput {
  /** The file that calls `bootstrapWorker`. */
  readonly entryPoint: string;
  /** Whom it runs as. */
  readonly identity: Identity;
  /** With this process's descriptors; they are renumbered for the child. */
  readonly setup: WorkerSetup;
  readonly policy: RestartPolicy;
  onRunning(isRunning: boolean): void;
  onDeath(cause: 'exit' | 'signal'): void;
  /** A process that waits for its setup and has all descriptors of it; null when there is none. */
  takeStandby(): SpawnedWorker<WorkerChild> | null;
  /** A process begins to run, or to serve by what came while it was starting. */
  onStart(): void;
  /** Whether it takes its connections has changed. */
  onServing(): void;
  /** It has ended without being told to; what its replacement starts with may still be changed. */
  onEnd(end: Omit<WorkerEnd, 'index'>): void;
  /** What the process says by itself. */
  readonly link: SupervisorLink;
  readonly report: Report;
}

type Answer = AnswerOn<Topic>;

/** How long a worker may take to answer: it may be busy, but not for so long. */
const ANSWER_TIMEOUT_MS = 5_000;

/** How long a worker may take to build what other options need, certificates above all. */
const RECONFIGURE_TIMEOUT_MS = 30_000;

/** Grace after the drain time-out, or after the signal for one that hangs, before it is killed. */
const KILL_GRACE_MS = 1_000;

/** A signal to all processes comes to us at most this much later than to a worker. */
const SAME_SIGNAL_MS = 2_000;

export class WorkerProcess implements WorkerPlace {
  readonly #input: WorkerProcessInput;
  /** Questions that are not answered yet. */
  readonly #questions = new Map<number, (answer: Answer | null | undefined) => void>();
  /** Changes of options that are not answered yet. */
  readonly #changes = new Map<number, { resolve(): void; reject(error: Error): void }>();
  #lastQuestion = 0;
  /** What those are told that serve, and what begins a successor. */
  readonly #told: ToldChanges;
  #options: SluiceOptions;
  /** Those that the process was started with; others are given to it once it serves. */
  #startedWith: SluiceOptions;
  #child: WorkerChild | null = null;
  #startedAtMs = 0;
  #isRunning = false;
  /** Somebody else has told it to end. */
  #isLeaving = false;
  /** How long it had stood still when it was ended for that; 0 otherwise. */
  #silentMs = 0;
  /** Until it serves: no start may take for ever. */
  #startTimer: NodeJS.Timeout | null = null;
  /** It did not serve in time, and was ended for that. */
  #hasHungAtStart = false;
  #isStopping = false;
  #quickDeaths = 0;
  #restarts = 0;
  #restartTimer: NodeJS.Timeout | null = null;
  #firstStart: PromiseWithResolvers<void> | null = Promise.withResolvers<void>();
  readonly #stopped = Promise.withResolvers<void>();

  constructor(input: WorkerProcessInput) {
    this.#input = input;
    this.#told = new ToldChanges(input.setup.changes);
    this.#options = input.setup.options;
    this.#startedWith = input.setup.options;
  }

  /** Of what nobody waits for: it is told, and the rest goes on. */
  readonly #onFault = (error: unknown): void => {
    const { setup, report } = this.#input;
    const told = error instanceof Error ? error.stack : String(error);
    report(`worker ${setup.workerIndex}: a fault of the process that watches it: ${told}`, {
      level: 'error',
    });
  };

  get status(): WorkerStatus {
    return {
      index: this.#input.setup.workerIndex,
      pid: this.#child?.pid ?? null,
      state: this.#isStopping ? 'draining' : this.#isRunning ? 'running' : 'starting',
      restarts: this.#restarts,
      startedAt: new Date(this.#startedAtMs).toISOString(),
    };
  }

  start(): Promise<void> {
    const { promise } = this.#firstStart!;
    this.#spawn();
    return promise;
  }

  tell(change: WorkerChange): void {
    this.#told.note(change);
    if (this.#isRunning) this.#tellUnheard();
  }

  #tellUnheard(): void {
    for (const change of this.#told.takeUnheard()) this.#send({ type: 'change', change });
  }

  get isServing(): boolean {
    return this.#isRunning && !this.#isLeaving;
  }

  get isFirstStart(): boolean {
    return this.#firstStart !== null;
  }

  async ask<T extends Topic>(
    topic: T,
    question: QuestionOn<T>,
  ): Promise<AnswerOn<T> | null | undefined> {
    if (!this.#isRunning) return undefined;
    const id = ++this.#lastQuestion;
    const { promise, resolve } = Promise.withResolvers<Answer | null | undefined>();
    this.#questions.set(id, resolve);
    this.#send({ type: 'ask', id, topic, question });
    const timer = after(ANSWER_TIMEOUT_MS, () => resolve(null), this.#onFault);
    const answer = await promise;
    clearTimeout(timer);
    this.#questions.delete(id);
    // To a question on a topic comes an answer on it.
    return answer as AnswerOn<T> | null | undefined;
  }

  get restarts(): number {
    return this.#restarts;
  }

  async reconfigure(options: SluiceOptions): Promise<void> {
    if (!this.#isRunning) throw new Error(`worker ${this.#input.setup.workerIndex} does not run`);
    const id = ++this.#lastQuestion;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#changes.set(id, { resolve, reject });
    this.#send({ type: 'reconfigure', id, options });
    const { workerIndex } = this.#input.setup;
    const late = new Error(`worker ${workerIndex} does not answer`);
    const timer = after(RECONFIGURE_TIMEOUT_MS, () => reject(late), this.#onFault);
    try {
      await promise;
    } finally {
      clearTimeout(timer);
      this.#changes.delete(id);
    }
  }

  adopt(options: SluiceOptions): void {
    this.#options = options;
  }

  expectEnd(): void {
    this.#isStopping = true;
    if (this.#restartTimer !== null) clearTimeout(this.#restartTimer);
  }

  /** At the latest the grace after the time-out. */
  async stop(timeoutMs: number): Promise<void> {
    this.expectEnd();
    if (this.#child === null) return;
    this.#send({ type: 'drain', timeoutMs });
    const killTimer = after(timeoutMs + KILL_GRACE_MS, () => this.kill(), this.#onFault);
    await this.#stopped.promise;
    clearTimeout(killTimer);
  }

  get servingPid(): number | null {
    return this.#isRunning && !this.#isStopping ? (this.#child?.pid ?? null) : null;
  }

  endHung(silentMs: number): void {
    this.#silentMs = silentMs;
    this.#abort();
  }

  #abort(): void {
    // A core is of use, and nothing in the worker could catch the signal.
    this.#child?.kill('SIGABRT');
    const child = this.#child;
    after(KILL_GRACE_MS, () => child?.kill('SIGKILL'), this.#onFault).unref();
  }

  kill(): void {
    this.#isStopping = true;
    this.#child?.kill('SIGKILL');
  }

  #spawn(): void {
    const { setup } = this.#input;
    const options = this.#options;
    this.#startedWith = options;
    const udp = setup.datagrams.flatMap(({ sockets }) => sockets.map(({ fd }) => fd));
    const fds = [...setup.listeners.map((listener) => listener.fd), ...udp, setup.memory.fd];
    const { entryPoint, identity } = this.#input;
    let spawned: SpawnedWorker<WorkerChild>;
    try {
      spawned = this.#input.takeStandby() ?? spawnWorker(entryPoint, fds, identity);
    } catch (error) {
      // Some of what the system refuses with is thrown, ENOMEM for one.
      this.#onNotStarted(error as Error);
      return;
    }
    const { child, numbers } = spawned;
    this.#child = child;
    this.#silentMs = 0;
    this.#hasHungAtStart = false;
    this.#input.onStart();
    this.#startedAtMs = Date.now();
    const { startMsMax } = this.#input.policy;
    // We may have stood still ourselves: what it has said meanwhile is heard first.
    const endUnready = async () => {
      await immediately();
      this.#endUnready(child);
    };
    this.#startTimer = after(startMsMax, endUnready, this.#onFault).unref();
    child.on('message', (message: WorkerReport) => this.#onReport(message));
    child.on('error', (error) => {
      if (child.pid === undefined) this.#onNotStarted(error);
      else {
        this.#input.report(`worker ${setup.workerIndex}: ${error.message}`, {
          level: 'error',
          event: 'worker-unreachable',
        });
      }
    });
    child.on('exit', (code, signal) => this.#onExit(code, signal));
    this.#send({
      type: 'start',
      setup: {
        ...{ ...setup, options, changes: this.#told.begin() },
        listeners: setup.listeners.map((one) => ({ ...one, fd: numbers.get(one.fd)! })),
        datagrams: setup.datagrams.map((one) => ({
          ...one,
          sockets: one.sockets.map((socket) => ({ ...socket, fd: numbers.get(socket.fd)! })),
        })),
        memory: { ...setup.memory, fd: numbers.get(setup.memory.fd)! },
      },
    });
  }

  /** The watchdog watches those that serve. */
  #endUnready(child: WorkerChild): void {
    if (this.#child !== child || this.#isRunning || this.#isStopping) return;
    const { setup, policy, report } = this.#input;
    report(`worker ${setup.workerIndex} (pid ${child.pid}) ${whyUnready(policy)}: it is ended`, {
      level: 'error',
      event: 'worker-start-hangs',
      fields: { worker: setup.workerIndex, pid: child.pid ?? null, startMsMax: policy.startMsMax },
    });
    this.#hasHungAtStart = true;
    this.#abort();
  }

  #stopStartTimer(): void {
    if (this.#startTimer !== null) clearTimeout(this.#startTimer);
    this.#startTimer = null;
  }

  #tellStarted(): void {
    const { report, setup } = this.#input;
    const pid = this.#child?.pid ?? null;
    const place = this.#restarts === 0 ? '' : ', in the place of one that died';
    report(`worker ${setup.workerIndex} (pid ${pid}) serves${place}`, {
      level: 'info',
      event: 'worker-started',
      fields: { worker: setup.workerIndex, pid, restarts: this.#restarts },
    });
  }

  #send(command: WorkerCommand): void {
    // A child that has just died cannot be written to; its exit is reported by itself.
    if (this.#child?.connected === true) this.#child.send(command, () => {});
  }

  #onReport(message: WorkerReport): void {
    if (message.type === 'loaded') return;
    if (message.type === 'ready') {
      this.#stopStartTimer();
      this.#isRunning = true;
      this.#input.onRunning(true);
      this.#tellStarted();
      this.#firstStart?.resolve();
      this.#firstStart = null;
      this.#tellUnheard();
      this.#tellOptions();
      this.#input.onServing();
      return;
    }
    if (message.type === 'leaving') {
      this.#isLeaving = true;
      this.#input.onServing();
      return;
    }
    if (message.type === 'answer') {
      this.#questions.get(message.id)?.(message.answer);
      return;
    }
    if (message.type === 'reconfigured') {
      const { id, fault } = message;
      const change = this.#changes.get(id);
      if (fault === null) change?.resolve();
      else change?.reject(new UsageError(fault.message, fault.remedy));
      return;
    }
    if (message.type === 'handshake-fault') {
      this.#input.link.onHandshakeFault(message.fault);
      return;
    }
    if (message.type === 'wrong-number') {
      this.#input.link.onWrongNumber(message.wrong);
      return;
    }
    if (message.type === 'event') {
      this.#input.link.onEvent(message.event);
      return;
    }
    if (message.type === 'purge') {
      const { id, request } = message;
      this.#input.link.purgeEverywhere(request, (count) =>
        this.#send({ type: 'purged', id, count }),
      );
      return;
    }
    const { workerIndex } = this.#input.setup;
    if (this.#firstStart === null) {
      this.#input.report(`worker ${workerIndex} cannot start: ${message.message}`, {
        level: 'error',
        event: 'worker-start-failed',
      });
    } else {
      this.#isStopping = true;
      this.#firstStart.reject(
        message.remedy === null
          ? new Error(`worker ${workerIndex} cannot start: ${message.message}`)
          : new UsageError(message.message, message.remedy),
      );
      this.#firstStart = null;
    }
  }

  /** A rollback, a reload or new certificates may have come while the process was starting. */
  #tellOptions(): void {
    const options = this.#options;
    if (options === this.#startedWith) return;
    this.reconfigure(options).then(this.#input.onStart, (error: Error) => {
      this.#input.report(`worker ${this.#input.setup.workerIndex}: ${error.message}`);
    });
  }

  /** The system has refused a process, of whose end nothing will be heard then. */
  #onNotStarted({ message }: Error): void {
    const { setup, policy, report } = this.#input;
    this.#stopStartTimer();
    this.#child = null;
    const what = `worker ${setup.workerIndex} cannot be started: ${message}`;
    if (this.#firstStart !== null) {
      this.#isStopping = true;
      const remedy = 'the user that workers run as must be able to run it, and have processes left';
      this.#firstStart.reject(new UsageError(what, remedy));
    }
    if (this.#isStopping) {
      this.#stopped.resolve();
      return;
    }
    this.#quickDeaths++;
    const delayMs = Math.max(restartDelayMs(this.#quickDeaths, policy), policy.firstDelayMs);
    report(`${what}; trying again in ${durationText(delayMs)}`, {
      level: 'error',
      event: 'worker-not-started',
      fields: { worker: setup.workerIndex, delayMs },
    });
    this.#restartTimer = after(delayMs, () => this.#spawn(), this.#onFault);
  }

  /** When the signal went to all processes we are told to end, too, and then nothing has failed. */
  #failFirstStart(signal: NodeJS.Signals | null, why: string): void {
    const fail = () => this.#firstStart?.reject(new Error(why));
    if (signal !== 'SIGTERM' && signal !== 'SIGINT') fail();
    else this.#startTimer = after(SAME_SIGNAL_MS, fail, this.#onFault);
  }

  #onExit(code: number | null, signal: NodeJS.Signals | null): void {
    const { setup, policy, report } = this.#input;
    this.#stopStartTimer();
    const hung = this.#hasHungAtStart ? `, because it ${whyUnready(policy)}` : '';
    const how = `${signal ?? `exit code ${code}`}${hung}`;
    const pid = this.#child?.pid;
    this.#child = null;
    if (this.#isRunning) this.#input.onRunning(false);
    this.#isRunning = false;
    this.#isLeaving = false;
    this.#input.onServing();
    for (const answer of this.#questions.values()) answer(undefined);
    const gone = new Error(`worker ${setup.workerIndex} died (${how})`);
    for (const change of this.#changes.values()) change.reject(gone);
    if (this.#firstStart !== null) {
      this.#isStopping = true;
      this.#failFirstStart(signal, `worker ${setup.workerIndex} ended at its start (${how})`);
    }
    if (this.#isStopping) {
      this.#stopped.resolve();
      return;
    }
    this.#input.onEnd({
      ...{ code, signal, silentMs: this.#silentMs, pid: pid ?? 0 },
      hungAtStartMs: this.#hasHungAtStart ? policy.startMsMax : 0,
    });
    const lifeMs = Date.now() - this.#startedAtMs;
    this.#quickDeaths = lifeMs >= policy.soundLifeMs ? 1 : this.#quickDeaths + 1;
    this.#restarts++;
    this.#input.onDeath(signal === null ? 'exit' : 'signal');
    const delayMs = restartDelayMs(this.#quickDeaths, policy);
    const next = delayMs === 0 ? 'replaced at once' : `replaced in ${durationText(delayMs)}`;
    const row = this.#quickDeaths > 1 ? `, death ${this.#quickDeaths} in a row` : '';
    report(
      `worker ${setup.workerIndex} (pid ${pid}) died: ${how} after ` +
        `${durationText(lifeMs)}${row}; ${next}`,
      {
        level: 'error',
        event: 'worker-died',
        fields: { worker: setup.workerIndex, pid: pid ?? null, how, lifeMs, delayMs },
      },
    );
    if (delayMs === 0) this.#spawn();
    else this.#restartTimer = after(delayMs, () => this.#spawn(), this.#onFault);
  }
}

function whyUnready({ startMsMax }: RestartPolicy): string {
  return `did not serve ${durationText(startMsMax)} after its start`;
}
