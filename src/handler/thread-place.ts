/** One thread's place in a handler's process: the thread, a watch over it, and its successor. */
import { renameSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { after, endProcess, owned, repeated } from '../base/owned.ts';
import { busyStack } from './busy-stack.ts';
import {
  type Drain,
  faultText,
  type HandlerFault,
  type HandlerFaultKind,
  type HostSetup,
  type LoadedFile,
  THREAD_WORDS,
  type ThreadReport,
} from './contract.ts';
import { defaultHandlerLimits, handlerRestartMs } from './limits.ts';

export interface ThreadPlaceInput {
  readonly setup: HostSetup;
  readonly index: number;
  /** The first thread has loaded the module. */
  onLoaded(): void;
  /** The first thread could not be started. */
  onFailed(why: string): void;
  onFiles(files: readonly LoadedFile[]): void;
  onFault(fault: HandlerFault): void;
  onRestart(delayMs: number): void;
  /** It has drained. */
  onEnd(): void;
}

/** How often the watch looks. It must have looked so often itself before it calls a thread busy. */
const LOOK_MS = 250;
/** V8 ends what it runs at once; more means that it cannot. Milliseconds. */
const TERMINATION_MS_MAX = 5_000;
const MIB = 2 ** 20;

export class ThreadPlace {
  readonly #input: ThreadPlaceInput;
  #worker: Worker | null = null;
  #words = new Int32Array(new SharedArrayBuffer(4 * THREAD_WORDS.length));
  #watch: Disposable | null = null;
  #startTimer: NodeJS.Timeout | null = null;
  #isReady = false;
  #wasReady = false;
  #isPublished = false;
  #isAtItsPlace = false;
  #isEnding = false;
  #hasFault = false;
  #startedAtMs = 0;
  #endsInARow = 0;
  #number = 0;
  #beats = 0;
  #looksWithoutBeat = 0;

  constructor(input: ThreadPlaceInput) {
    this.#input = input;
  }

  start(): void {
    const { setup, index } = this.#input;
    const { options, name } = setup;
    this.#words = new Int32Array(new SharedArrayBuffer(4 * THREAD_WORDS.length));
    this.#isReady = false;
    this.#isAtItsPlace = false;
    this.#hasFault = false;
    this.#looksWithoutBeat = 0;
    this.#number++;
    this.#startedAtMs = performance.now();
    const entry = new URL('./thread.ts', import.meta.url);
    const path = fileURLToPath(entry);
    const worker = new Worker(import.meta.url.endsWith('.ts') ? path : path.replace(/ts$/, 'js'), {
      name: `${name}/${index}`,
      workerData: { name, options, thread: index, socket: this.#freshSocket, words: this.#words },
      resourceLimits: { maxOldGenerationSizeMb: Math.ceil(options.memoryBytes / MIB) },
    });
    this.#worker = worker;
    worker
      .on('message', (report: ThreadReport) => this.#onReport(report))
      .on('error', (error) => this.#onError(error))
      .on('exit', (code) => this.#onExit(code));
    const { handlerStartMsMax } = defaultHandlerLimits;
    const late = () => this.#endBusy(worker, `it did not serve after ${handlerStartMsMax} ms`);
    this.#startTimer = after(handlerStartMsMax, late, endProcess).unref();
    this.#watch ??= repeated(LOOK_MS, () => this.#look(), endProcess);
  }

  /** From now on it is the one that is found at the handler's socket. */
  publish(): void {
    this.#isPublished = true;
    if (!this.#isReady || this.#isAtItsPlace) return;
    this.#isAtItsPlace = true;
    renameSync(this.#freshSocket, this.#input.setup.sockets[this.#input.index]!);
  }

  drain(command: Drain): void {
    this.#isEnding = true;
    if (this.#worker === null) {
      this.#input.onEnd();
      return;
    }
    this.#worker.postMessage(command);
    const worker = this.#worker;
    const end = () => worker.terminate();
    after(command.timeoutMs + defaultHandlerLimits.handlerRestartMsMax, end, endProcess).unref();
  }

  /** Where it listens until it is published: nobody connects there. */
  get #freshSocket(): string {
    return `${this.#input.setup.sockets[this.#input.index]}.${process.pid}.${this.#number}`;
  }

  #onReport(report: ThreadReport): void {
    if (report.type === 'fault') {
      this.#input.onFault(report.fault);
    } else if (report.type === 'files') {
      this.#input.onFiles(report.files);
    } else {
      const isFirst = !this.#wasReady;
      this.#isReady = true;
      this.#wasReady = true;
      this.#stopStartTimer();
      if (this.#isPublished) this.publish();
      if (isFirst) this.#input.onLoaded();
    }
  }

  #onError(error: unknown): void {
    const { code = '' } = error as NodeJS.ErrnoException;
    const isMemory = code === 'ERR_WORKER_OUT_OF_MEMORY';
    const kind = isMemory ? 'memory' : this.#isReady ? 'uncaught' : 'load';
    this.#fault(kind, faultText(error));
  }

  #onExit(code: number): void {
    this.#stopStartTimer();
    this.#worker = null;
    if (this.#isEnding) {
      this.#watch?.[Symbol.dispose]();
      this.#input.onEnd();
      return;
    }
    if (!this.#hasFault) this.#fault('exit', `it has ended itself with exit code ${code}`);
    this.#isReady = false;
    if (!this.#wasReady) return;
    const lifeMs = performance.now() - this.#startedAtMs;
    const isSound = lifeMs >= defaultHandlerLimits.handlerSoundLifeMs;
    this.#endsInARow = isSound ? 1 : this.#endsInARow + 1;
    const delayMs = handlerRestartMs(this.#endsInARow);
    this.#input.onRestart(delayMs);
    after(delayMs, () => this.#restart(), endProcess);
  }

  #restart(): void {
    if (!this.#isEnding) this.start();
  }

  #fault(kind: HandlerFaultKind, stack: string): void {
    this.#hasFault = true;
    const { index, onFailed, onFault } = this.#input;
    if (this.#wasReady) onFault({ kind, thread: index, stack, count: 1 });
    else onFailed(stack);
  }

  #look(): void {
    const worker = this.#worker;
    if (worker === null || !this.#isReady) return;
    const { memoryBytes, busyMsMax } = this.#input.setup.options;
    const outsideBytes = Atomics.load(this.#words, THREAD_WORDS.outsideKib) * 1024;
    if (outsideBytes > memoryBytes) {
      const mib = Math.round(outsideBytes / MIB);
      this.#end(worker, 'memory', `its buffers hold ${mib} MiB beside its heap`);
      return;
    }
    const beats = Atomics.load(this.#words, THREAD_WORDS.beats);
    this.#looksWithoutBeat = beats === this.#beats ? this.#looksWithoutBeat + 1 : 0;
    this.#beats = beats;
    if (this.#looksWithoutBeat * LOOK_MS < busyMsMax) return;
    this.#endBusy(worker, `no turn of its event loop for ${busyMsMax} ms`);
  }

  #endBusy(worker: Worker, why: string): void {
    this.#isReady = false;
    const end = async () => {
      const stack = await busyStack(worker);
      if (this.#worker === worker) this.#end(worker, 'busy', `${why}${stack}`);
    };
    owned(end(), endProcess);
  }

  #end(worker: Worker, kind: HandlerFaultKind, why: string): void {
    this.#isReady = false;
    this.#fault(kind, why);
    // It takes its process with it when it cannot be ended alone.
    const die = () => process.kill(process.pid, 'SIGKILL');
    const stuck = after(TERMINATION_MS_MAX, die, endProcess);
    owned(
      worker.terminate().finally(() => clearTimeout(stuck)),
      endProcess,
    );
  }

  #stopStartTimer(): void {
    if (this.#startTimer !== null) clearTimeout(this.#startTimer);
    this.#startTimer = null;
  }
}
