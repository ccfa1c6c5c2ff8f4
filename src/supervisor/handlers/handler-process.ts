/** One version of a handler: its process, which is started again when it dies. */
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { durationText } from '../../base/duration-text.ts';
import { UsageError } from '../../base/errors.ts';
import { after, type OnFault } from '../../base/owned.ts';
import type {
  HandlerFault,
  HostCommand,
  HostReport,
  HostSetup,
  LoadedFile,
} from '../../handler/contract.ts';
import { defaultHandlerLimits, handlerRestartMs } from '../../handler/limits.ts';
import { stampOf } from '../../handler/loaded-files.ts';
import { startWords } from '../../loading/start-words.ts';
import type { HandlerMetrics } from '../../telemetry/handler-metrics.ts';
import type { Report } from '../../telemetry/log-event.ts';
import type { Identity } from '../privileges.ts';

export interface HandlerProcessInput {
  readonly setup: HostSetup;
  readonly identity: Identity;
  readonly metrics: HandlerMetrics;
  readonly report: Report;
  readonly onFault: OnFault;
}

/** A process that was told to drain and has not ended so long after its time. Milliseconds. */
const KILL_GRACE_MS = 6_000;

const ENTRY = fileURLToPath(new URL('../../handler/host.ts', import.meta.url));
const entryPoint = import.meta.url.endsWith('.ts') ? ENTRY : ENTRY.replace(/ts$/, 'js');

export class HandlerProcess {
  readonly #input: HandlerProcessInput;
  /** Each file that was loaded, as it was then. */
  readonly #files = new Map<string, string>();
  readonly #first = Promise.withResolvers<void>();
  readonly #ended = Promise.withResolvers<void>();
  #child: ChildProcess | null = null;
  #published = new Set<number>();
  #whenPublished: (() => void) | null = null;
  #wasReady = false;
  #isEnding = false;
  #startedAtMs = 0;
  #endsInARow = 0;

  constructor(input: HandlerProcessInput) {
    this.#input = input;
  }

  get setup(): HostSetup {
    return this.#input.setup;
  }

  get pid(): number | null {
    return this.#child?.pid ?? null;
  }

  /** Resolves when all threads have loaded the module. Rejects with UsageError when they cannot. */
  start(): Promise<void> {
    this.#spawn();
    return this.#first.promise;
  }

  /** Resolves when those threads are found at their sockets, in the place of whoever was there. */
  async publish(threads: readonly number[]): Promise<void> {
    this.#published = new Set([...this.#published, ...threads]);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#whenPublished = resolve;
    this.#send({ type: 'publish', threads });
    await Promise.race([promise, this.#ended.promise]);
  }

  /** Whether a file that it has loaded is another by now. */
  get isOutdated(): boolean {
    return [...this.#files].some(([file, stamp]) => stampOf(file) !== stamp);
  }

  /** It ends when what runs in it has ended, at the latest after the time. Resolves then. */
  async drain(leastMs: number, timeoutMs: number): Promise<void> {
    this.#isEnding = true;
    if (this.#child === null) return;
    this.#send({ type: 'drain', leastMs, timeoutMs });
    const timer = after(timeoutMs + KILL_GRACE_MS, () => this.kill(), this.#input.onFault).unref();
    await this.#ended.promise;
    clearTimeout(timer);
  }

  kill(): void {
    this.#isEnding = true;
    this.#child?.kill('SIGKILL');
  }

  #spawn(): void {
    const { setup, identity } = this.#input;
    const words = ['--disable-warning=ExperimentalWarning', ...startWords(entryPoint)];
    this.#startedAtMs = performance.now();
    let child: ChildProcess;
    try {
      // What a handler prints is no line of an access log.
      child = spawn(process.execPath, words, { stdio: ['ignore', 2, 2, 'ipc'], ...identity });
    } catch (error) {
      this.#onNotStarted(error as Error);
      return;
    }
    this.#child = child;
    child
      .on('message', (report: HostReport) => this.#onReport(report))
      .on('error', (error) => {
        if (child.pid === undefined) this.#onNotStarted(error);
      })
      .on('exit', (code, signal) => this.#onExit(signal ?? `exit code ${code}`));
    this.#send({ type: 'start', setup });
  }

  #send(command: HostCommand): void {
    if (this.#child?.connected === true) this.#child.send(command, () => {});
  }

  #onReport(report: HostReport): void {
    switch (report.type) {
      case 'ready':
        this.#onReady();
        break;
      case 'published':
        this.#whenPublished?.();
        break;
      case 'files':
        this.#loaded(report.files);
        break;
      case 'fault':
        this.#tell(report.fault);
        break;
      case 'failed':
        this.#onFailed(report.message);
        break;
      case 'restart':
        this.#restarted(`thread ${report.thread}`, report.delayMs);
        break;
    }
  }

  /** A thread that was restarted may have found others: those of the rest count. */
  #loaded(files: readonly LoadedFile[]): void {
    for (const [file, stamp] of files) {
      if (!this.#files.has(file)) this.#files.set(file, stamp);
    }
  }

  #onReady(): void {
    const { name } = this.setup;
    this.#wasReady = true;
    if (this.#published.size > 0) this.#send({ type: 'publish', threads: [...this.#published] });
    this.#input.report(`handler ${name} (pid ${this.pid}) serves`, {
      level: 'info',
      event: 'handler-started',
      fields: { handler: name, pid: this.pid },
    });
    this.#first.resolve();
  }

  #onFailed(message: string): void {
    const { name, options } = this.setup;
    if (this.#wasReady) {
      this.#tell({ kind: 'load', thread: -1, stack: message, count: 1 });
    } else {
      this.#isEnding = true;
      const what = `handler ${name}: ${options.file} cannot be loaded: ${message}\n`;
      this.#first.reject(new UsageError(what, 'mend the module, or name another'));
    }
    this.#child?.kill('SIGKILL');
  }

  #tell({ kind, thread, stack, count }: HandlerFault): void {
    const { metrics, report } = this.#input;
    const { name } = this.setup;
    metrics.failed(name, kind, count);
    const times = count === 1 ? '' : `, ${count} times`;
    const where = thread === -1 ? '' : `, thread ${thread}`;
    report(`handler ${name}${where}: ${kind}${times}: ${stack}`, {
      level: 'error',
      event: 'handler-fault',
      fields: { handler: name, thread, fault: kind, count },
    });
  }

  #restarted(what: string, delayMs: number): void {
    const { name } = this.setup;
    this.#input.metrics.restarted(name);
    const when = delayMs === 0 ? 'at once' : `in ${durationText(delayMs)}`;
    this.#input.report(`handler ${name}: its ${what} has ended, and is restarted ${when}`, {
      level: 'warning',
      event: 'handler-restart',
      fields: { handler: name, delayMs },
    });
  }

  #onNotStarted({ message }: Error): void {
    this.#child = null;
    this.#onEnd(`it cannot be started: ${message}`);
  }

  #onExit(how: string): void {
    this.#child = null;
    this.#onEnd(`its process has ended: ${how}`);
  }

  #onEnd(why: string): void {
    if (!this.#wasReady) {
      this.#isEnding = true;
      const what = `handler ${this.setup.name}: ${why} before ${this.setup.options.file} was loaded`;
      this.#first.reject(new UsageError(what, 'see what the module does when it is loaded'));
    }
    if (this.#isEnding) {
      this.#ended.resolve();
      return;
    }
    this.#tell({ kind: 'crash', thread: -1, stack: why, count: 1 });
    const isSound =
      performance.now() - this.#startedAtMs >= defaultHandlerLimits.handlerSoundLifeMs;
    this.#endsInARow = isSound ? 1 : this.#endsInARow + 1;
    const delayMs = handlerRestartMs(this.#endsInARow);
    this.#restarted('process', delayMs);
    const again = () => {
      if (this.#isEnding) this.#ended.resolve();
      else this.#spawn();
    };
    after(delayMs, again, this.#input.onFault);
  }
}
