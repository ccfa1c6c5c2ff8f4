/**
 * The app that `sluice exec` starts: waits until it listens, starts it again when it dies, and ends it
 * after the last request.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:os';
import { isListening } from '../../base/listening.ts';
import { after, endProcess } from '../../base/owned.ts';
import { type AppEnd, appRestartDelayMs, deathsInRow, endText, exitCodeOf } from './restarts.ts';

/** Milliseconds between two attempts to connect to an app that starts. */
const LOOK_INTERVAL_MS = 25;
/** Milliseconds after which somebody should know that it still does not listen. */
const SLOW_START_MS = 10_000;
/** Milliseconds from SIGTERM to SIGKILL. */
const STOP_TIMEOUT_MS = 10_000;

/** Shells' exit code for a program that cannot be started. */
const EXIT_NOT_FOUND = 127;

/** Where apps listen that say `localhost`; the first that answers is the origin. */
const HOSTS = ['127.0.0.1', '::1'] as const;

export interface AppInput {
  readonly program: readonly string[];
  readonly port: number;
  report(message: string): void;
}

export class AppProcess {
  readonly #input: AppInput;
  readonly #finished = Promise.withResolvers<number>();
  #child: ChildProcess | null = null;
  /** Milliseconds of the monotonic clock. */
  #startedMs = 0;
  #deaths = 0;
  #hasListened = false;
  #isStopping = false;
  /** It is ended to be started again. */
  #isRenewing = false;
  #timer: NodeJS.Timeout | null = null;

  constructor(input: AppInput) {
    this.#input = input;
  }

  /** Resolves with the exit code once it has ended and is not started again. */
  get finished(): Promise<number> {
    return this.#finished.promise;
  }

  /** The address at which it listens, or null when it ended before it did. */
  async start(): Promise<string | null> {
    this.#begin();
    const slowAtMs = performance.now() + SLOW_START_MS;
    let isTold = false;
    while (!this.#isStopping && this.#child !== null) {
      const host = await listeningHost(this.#input.port);
      if (host !== null) {
        this.#hasListened = true;
        return host;
      }
      if (!isTold && performance.now() > slowAtMs) {
        isTold = true;
        const { report, program, port } = this.#input;
        report(`${program.join(' ')} does not listen yet; it has to listen at PORT, ${port}`);
      }
      await new Promise((resolve) => setTimeout(resolve, LOOK_INTERVAL_MS));
    }
    return null;
  }

  #begin(): void {
    const { program, port } = this.#input;
    const own = { PORT: String(port), HOST: HOSTS[0] };
    // A terminal's programs are one group, so that they can read from it.
    const detached = process.stdin.isTTY !== true;
    const [command, ...words] = program.map((word) => word.replaceAll('$PORT', own.PORT));
    this.#startedMs = performance.now();
    const child = spawn(command!, words, {
      stdio: 'inherit',
      detached,
      env: { ...process.env, ...own },
    });
    this.#child = child;
    child.on('error', (error: NodeJS.ErrnoException) => {
      if (child.pid !== undefined) return;
      this.#input.report(`cannot start ${command} (${error.code})`);
      this.#child = null;
      if (this.#hasListened) this.#onEnd({ code: EXIT_NOT_FOUND, signal: null, livedMs: 0 });
      else this.#finished.resolve(EXIT_NOT_FOUND);
    });
    child.on('exit', (code, signal) => {
      this.#onEnd({ code, signal, livedMs: performance.now() - this.#startedMs });
    });
  }

  #onEnd(end: AppEnd): void {
    this.#child = null;
    const { program, report } = this.#input;
    if (this.#isStopping) {
      // What we asked for is no failure.
      const isOurs = end.signal !== null;
      this.#finished.resolve(isOurs ? 0 : exitCodeOf(end, constants.signals));
    } else if (this.#isRenewing) {
      this.#isRenewing = false;
      this.#begin();
    } else if (!this.#hasListened || end.code === 0) {
      if (end.code !== 0) report(`${endText(program, end)}, before it listened at PORT`);
      this.#finished.resolve(exitCodeOf(end, constants.signals));
    } else {
      this.#deaths = deathsInRow(this.#deaths, end);
      const delayMs = appRestartDelayMs(this.#deaths);
      report(`${endText(program, end)}; it is started again in ${delayMs / 1000} s`);
      this.#timer = after(delayMs, () => this.#begin(), endProcess);
    }
  }

  /** Ends it and starts it again. */
  renew(): void {
    if (this.#child === null || this.#isStopping || this.#isRenewing) return;
    this.#isRenewing = true;
    this.#signal('SIGTERM');
  }

  /** SIGTERM, and SIGKILL when that does not help. Resolves with the exit code. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number> {
    this.#isStopping = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (this.#child === null) this.#finished.resolve(0);
    this.#signal(signal);
    const timer = after(STOP_TIMEOUT_MS, () => this.#signal('SIGKILL'), endProcess);
    const code = await this.finished;
    clearTimeout(timer);
    return code;
  }

  /** To it and all that it has started, where they are a group of their own. */
  #signal(signal: NodeJS.Signals): void {
    const child = this.#child;
    if (child?.pid === undefined) return;
    try {
      if (process.stdin.isTTY === true) child.kill(signal);
      else process.kill(-child.pid, signal);
    } catch {
      // Gone in this moment: its `exit` is on its way.
    }
  }
}

/** The first of an app's addresses that takes a connection. */
async function listeningHost(port: number): Promise<string | null> {
  for (const host of HOSTS) if (await isListening(host, port)) return host;
  return null;
}
