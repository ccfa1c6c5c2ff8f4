/**
 * A worker process in waiting: started, with everything loaded, and idle until a worker dies. To
 * start a process and load the program takes longer than all the rest of a replacement.
 *
 * It is started with the listening sockets of all workers, since descriptors are inherited at that
 * moment only, and closes those that its place does not need when it gets one.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { after, type OnFault } from '../../base/owned.ts';
import { startWords } from '../../loading/start-words.ts';
import type { WorkerCommand, WorkerReport } from '../../worker/contract.ts';
import type { Identity } from '../privileges.ts';

/** The first descriptor after standard input, output, error and the IPC channel. */
const FIRST_INHERITED_FD = 4;

/** First the workers start and warm up; and a sluice that ends soon, as in tests, needs none. */
const FIRST_DELAY_MS = 4_000;
/** Longer than a replacement takes, and short against the next death. */
const NEXT_DELAY_MS = 200;

type ExitListener = (code: number | null, signal: NodeJS.Signals | null) => void;

/** As much of a worker's process as its place needs. */
export interface WorkerChild {
  readonly pid?: number | undefined;
  readonly connected: boolean;
  send(command: WorkerCommand, done: () => void): boolean;
  kill(signal: NodeJS.Signals): boolean;
  on(event: 'message', listener: (report: WorkerReport) => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
  on(event: 'exit', listener: ExitListener): unknown;
}

export interface SpawnedWorker<Child extends WorkerChild = ChildProcess> {
  readonly child: Child;
  /** Numbers of our descriptors in the child. */
  readonly numbers: ReadonlyMap<number, number>;
}

/** Starts a process that waits for its setup. It inherits `fds`, each once. */
export function spawnWorker(
  entryPoint: string,
  fds: readonly number[],
  identity: Identity,
): SpawnedWorker {
  const inherited = [...new Set(fds)];
  const child = spawn(
    process.execPath,
    [...process.execArgv, '--disable-warning=ExperimentalWarning', ...startWords(entryPoint)],
    {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc', ...inherited],
      serialization: 'advanced',
      ...identity,
    },
  );
  const numbers = new Map(inherited.map((fd, i) => [fd, FIRST_INHERITED_FD + i]));
  return { child, numbers };
}

export class Standby {
  readonly #spawn: () => SpawnedWorker;
  #waiting: SpawnedWorker | null = null;
  #isLoaded = false;
  readonly #onFault: OnFault;
  #timer: NodeJS.Timeout | null = null;
  #isStopped = false;
  #delayMs = FIRST_DELAY_MS;

  constructor(spawn: () => SpawnedWorker, onFault: OnFault) {
    this.#spawn = spawn;
    this.#onFault = onFault;
  }

  /** Of the process, once it could take a place at once; null before. */
  get pid(): number | null {
    return this.#isLoaded ? (this.#waiting?.child.pid ?? null) : null;
  }

  /** Has a process started soon, unless there is one. */
  fill(): void {
    if (this.#isStopped || this.#timer !== null || this.#waiting !== null) return;
    const start = () => {
      this.#timer = null;
      this.#start();
    };
    this.#timer = after(this.#delayMs, start, this.#onFault);
    this.#timer.unref();
  }

  /**
   * The process, which is the caller's from now on; null when there is none, or no more is wanted. One
   * that still loads is ahead of any that would be started now.
   */
  take(): SpawnedWorker | null {
    const taken = this.#waiting;
    if (taken === null || this.#isStopped) return null;
    for (const event of ['exit', 'error', 'message']) taken.child.removeAllListeners(event);
    this.#forget();
    this.#delayMs = NEXT_DELAY_MS;
    this.fill();
    return taken;
  }

  /** Resolves when the process is gone, and with it its share of the listening sockets. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    const child = this.#waiting?.child;
    if (child?.pid === undefined) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    child.once('exit', () => resolve());
    child.kill('SIGKILL');
    await promise;
  }

  #start(): void {
    // Without it, a replacement takes longer: no more than that is lost.
    const gone = () => {
      this.#forget();
      this.#delayMs = FIRST_DELAY_MS;
      this.fill();
    };
    try {
      this.#waiting = this.#spawn();
    } catch {
      gone();
      return;
    }
    const { child } = this.#waiting;
    child.once('message', (message: WorkerReport) => {
      this.#isLoaded = message.type === 'loaded';
    });
    child.once('exit', gone);
    child.once('error', gone);
  }

  #forget(): void {
    this.#waiting = null;
    this.#isLoaded = false;
  }
}
