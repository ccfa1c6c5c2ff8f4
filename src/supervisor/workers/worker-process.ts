/** One worker's place: the process that fills it now, and its replacement when that one dies. */

import type { ChildProcess } from 'node:child_process';
import { setImmediate as immediately } from 'node:timers/promises';
import { durationText } from '../../base/duration-text.ts';
import { UsageError } from '../../base/errors.ts';
import { after } from '../../base/owned.ts';
import type { SluiceOptions } from '../../config/options.ts';
import type { LevelTable, Report } from '../../telemetry/log-event.ts';
import type { CertificatePair } from '../../tls/host-options.ts';
import type { TicketRing } from '../../tls/ticket-ring.ts';
import type {
  CacheAnswer,
  CacheQuestion,
  HandshakeAnswer,
  HandshakeQuestion,
  SupervisorLink,
  WorkerCommand,
  WorkerReport,
  WorkerSetup,
} from '../../worker/contract.ts';
import type { WorkerEnd } from '../faults/crash-handler.ts';
import type { Identity } from '../privileges.ts';
import { type RestartPolicy, restartDelayMs } from './restart-policy.ts';
import { type SpawnedWorker, spawnWorker } from './standby.ts';

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
  takeStandby(): SpawnedWorker | null;
  /** A process begins to run, or to serve by what came while it was starting. */
  onStart(): void;
  /** Whether it takes its connections has changed. */
  onServing(): void;
  /** It has ended by no wish of ours; what its replacement starts with may still be changed. */
  onEnd(end: Omit<WorkerEnd, 'index'>): void;
  /** What the process says by itself. */
  readonly link: SupervisorLink;
  readonly report: Report;
}

/** What a worker answers to a question. */
type Answer = CacheAnswer | HandshakeAnswer;

/** How long a worker may take to answer: it may be busy, but not for so long. */
const ANSWER_TIMEOUT_MS = 5_000;

/** How long a worker may take to build what other options need, certificates above all. */
const RECONFIGURE_TIMEOUT_MS = 30_000;

/** Grace after the drain time-out, or after the signal for one that hangs, before it is killed. */
const KILL_GRACE_MS = 1_000;

export class WorkerProcess {
  readonly #input: WorkerProcessInput;
  /** Questions that are not answered yet. */
  readonly #questions = new Map<number, (answer: Answer | null | undefined) => void>();
  /** Changes of options that are not answered yet. */
  readonly #changes = new Map<number, { resolve(): void; reject(error: Error): void }>();
  #lastQuestion = 0;
  #setup: WorkerSetup;
  /** What the process was started with; what came after that is told to it once it serves. */
  #startedWith: WorkerSetup;
  #child: ChildProcess | null = null;
  #startedAtMs = 0;
  #isRunning = false;
  /** Somebody else has told it to end. */
  #isLeaving = false;
  /** Whose connections it takes as well. */
  #places: readonly number[] = [];
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
    this.#setup = input.setup;
    this.#startedWith = input.setup;
  }

  /** Of what nobody waits for: it is told, and the rest goes on. */
  readonly #onFault = (error: unknown): void => {
    const { setup, report } = this.#input;
    const told = error instanceof Error ? error.stack : String(error);
    report(`worker ${setup.workerIndex}: a fault of its keeper: ${told}`, { level: 'error' });
  };

  /** For `/stats`. */
  get status() {
    return {
      index: this.#input.setup.workerIndex,
      pid: this.#child?.pid ?? null,
      state: this.#isStopping ? 'draining' : this.#isRunning ? 'running' : 'starting',
      restarts: this.#restarts,
      startedAt: new Date(this.#startedAtMs).toISOString(),
    } as const;
  }

  /** Resolves when the first process accepts connections; rejects when it ends before that. */
  start(): Promise<void> {
    const { promise } = this.#firstStart!;
    this.#spawn();
    return promise;
  }

  /** Fingerprints of all ClientHellos that this worker and its successors refuse from now on. */
  refuseHellos(fingerprints: readonly string[]): void {
    this.#setup = { ...this.#setup, refusedHellos: fingerprints };
    this.#send({ type: 'refuse-hellos', fingerprints });
  }

  /** For this worker and its successors. */
  replaceLogLevels(logLevels: LevelTable): void {
    this.#setup = { ...this.#setup, logLevels };
    this.#send({ type: 'log-levels', levels: logLevels });
  }

  /** Whether the process takes new connections, as far as it has said. */
  get isServing(): boolean {
    return this.#isRunning && !this.#isLeaving;
  }

  /** It never served yet: until all have, there is no sluice. */
  get isFirstStart(): boolean {
    return this.#firstStart !== null;
  }

  /** For this worker and its successors. */
  standIn(places: readonly number[]): void {
    if (places.join() === this.#places.join()) return;
    this.#places = places;
    this.#send({ type: 'stand-in', places });
  }

  reopenLog(): void {
    this.#send({ type: 'reopen-log' });
  }

  replaceCertificates(names: readonly string[], certificates: readonly CertificatePair[]): void {
    this.#send({ type: 'replace-certificates', names, certificates });
  }

  /** For this worker and its successors. */
  replaceTickets(tickets: TicketRing): void {
    this.#setup = { ...this.#setup, tickets };
    this.#send({ type: 'replace-tickets', tickets });
  }

  /**
   * Null when the worker does not answer in time; undefined when there is none that serves, and so
   * none that remembers anything.
   */
  async askCache(question: CacheQuestion): Promise<CacheAnswer | null | undefined> {
    const answer = await this.#ask((id) => ({ type: 'ask-cache', id, question }));
    return answer as CacheAnswer | null | undefined;
  }

  /** As `askCache`. */
  async askHandshakes(question: HandshakeQuestion): Promise<HandshakeAnswer | null | undefined> {
    const answer = await this.#ask((id) => ({ type: 'ask-handshakes', id, question }));
    return answer as HandshakeAnswer | null | undefined;
  }

  async #ask(commandOf: (id: number) => WorkerCommand): Promise<Answer | null | undefined> {
    if (!this.#isRunning) return undefined;
    const id = ++this.#lastQuestion;
    const { promise, resolve } = Promise.withResolvers<Answer | null | undefined>();
    this.#questions.set(id, resolve);
    this.#send(commandOf(id));
    const timer = after(ANSWER_TIMEOUT_MS, () => resolve(null), this.#onFault);
    const answer = await promise;
    clearTimeout(timer);
    this.#questions.delete(id);
    return answer;
  }

  /** Times that the process was replaced. */
  get restarts(): number {
    return this.#restarts;
  }

  /**
   * Has the worker serve new connections by other options. Rejects with UsageError when it cannot,
   * with Error when it is not there or does not answer.
   */
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

  /** What a replacement is started with from now on. */
  adopt(options: SluiceOptions): void {
    this.#setup = { ...this.#setup, options };
  }

  /** From now on the end of the process is what was wanted: it is neither reported nor replaced. */
  expectEnd(): void {
    this.#isStopping = true;
    if (this.#restartTimer !== null) clearTimeout(this.#restartTimer);
  }

  /** Drains and ends the process. Resolves when it has ended, at the latest after the grace. */
  async stop(timeoutMs: number): Promise<void> {
    this.expectEnd();
    if (this.#child === null) return;
    this.#send({ type: 'drain', timeoutMs });
    const killTimer = after(timeoutMs + KILL_GRACE_MS, () => this.kill(), this.#onFault);
    await this.#stopped.promise;
    clearTimeout(killTimer);
  }

  /** Of the process that serves; null when there is none. */
  get servingPid(): number | null {
    return this.#isRunning && !this.#isStopping ? (this.#child?.pid ?? null) : null;
  }

  /** It hangs: it is ended, and replaced. */
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

  /** Ends the process at once. */
  kill(): void {
    this.#isStopping = true;
    this.#child?.kill('SIGKILL');
  }

  #spawn(): void {
    const setup = this.#setup;
    this.#startedWith = setup;
    const fds = [...setup.listeners.map((listener) => listener.fd), setup.metricsFd];
    const { entryPoint, identity } = this.#input;
    let spawned: SpawnedWorker;
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
        ...setup,
        listeners: setup.listeners.map((one) => ({ ...one, fd: numbers.get(one.fd)! })),
        metricsFd: numbers.get(setup.metricsFd)!,
      },
    });
  }

  /** The watchdog watches those that serve. */
  #endUnready(child: ChildProcess): void {
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
      if (this.#places.length > 0) this.#send({ type: 'stand-in', places: this.#places });
      this.#tellChanges();
      this.#input.onServing();
      return;
    }
    if (message.type === 'leaving') {
      this.#isLeaving = true;
      this.#input.onServing();
      return;
    }
    if (message.type === 'cache-answer' || message.type === 'handshake-answer') {
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
    if (message.type === 'event') {
      this.#input.link.onEvent(message.event);
      return;
    }
    if (message.type === 'purge') {
      const { id, wish } = message;
      this.#input.link.purgeEverywhere(wish, (count) => this.#send({ type: 'purged', id, count }));
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
  #tellChanges(): void {
    const { options, refusedHellos } = this.#setup;
    if (refusedHellos !== this.#startedWith.refusedHellos) this.refuseHellos(refusedHellos);
    if (options === this.#startedWith.options) return;
    this.reconfigure(options).then(this.#input.onStart, (error: Error) => {
      this.#input.report(`worker ${this.#setup.workerIndex}: ${error.message}`);
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
      this.#firstStart.reject(new Error(`worker ${setup.workerIndex} ended at its start (${how})`));
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
