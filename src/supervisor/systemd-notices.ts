/** What a service manager such as systemd is told (sd_notify(3)), when there is one. */

import { after, repeated } from '../base/owned.ts';
import { Errno } from '../native/errno.ts';
import { sendDatagram } from '../native/notification-socket.ts';
import type { Report } from '../telemetry/log-event.ts';

export interface ServiceManager {
  /** Requests are served. */
  ready(status: string): void;
  reloading(): void;
  stopping(): void;
  /** Another process carries on, and is the one to watch. */
  mainProcess(pid: number): void;
  /** Stops the watchdog's timer and the retries. */
  close(): void;
}

const silent: ServiceManager = {
  ready() {},
  reloading() {},
  stopping() {},
  mainProcess() {},
  close() {},
};

/** Time between two tries while the manager does not read. Unit: milliseconds. */
const RETRY_INTERVAL_MS = 100;
/**
 * Messages that wait for a manager that does not read; the oldest go first. A process has few states
 * to tell of, so this is reached only when nobody reads for many reloads.
 */
const WAITING_MESSAGES_MAX = 64;

/**
 * From the environment that the manager gives: NOTIFY_SOCKET, and WATCHDOG_USEC for how often it
 * wants to hear that we are alive. No call waits for the manager: what it does not take now is sent
 * again later, in order; a watchdog message that it does not take is dropped, as the next one says
 * the same.
 */
export function serviceManagerOf(environment: NodeJS.ProcessEnv, report: Report): ServiceManager {
  const socket = environment.NOTIFY_SOCKET ?? '';
  if (socket === '') return silent;
  const outbox = new Outbox(socket, report);
  const watchdog = watchdogTimer(environment, () => outbox.sendIfFree('WATCHDOG=1'), report);
  const send = (...lines: readonly string[]) => outbox.send(lines.join('\n'));
  return {
    ready: (status) => send('READY=1', `STATUS=${status}`, `MAINPID=${process.pid}`),
    reloading: () => send('RELOADING=1', `MONOTONIC_USEC=${monotonicMicroseconds()}`),
    stopping: () => send('STOPPING=1'),
    mainProcess: (pid) => send(`MAINPID=${pid}`),
    close: () => {
      watchdog?.[Symbol.dispose]();
      outbox.close();
    },
  };
}

/** Messages in their order, to a reader that may be slow. */
class Outbox {
  readonly #socket: string;
  readonly #report: Report;
  readonly #waiting: string[] = [];
  #retry: NodeJS.Timeout | undefined;
  #hasFailed = false;

  constructor(socket: string, report: Report) {
    this.#socket = socket;
    this.#report = report;
  }

  send(message: string): void {
    if (this.#waiting.length === WAITING_MESSAGES_MAX) this.#waiting.shift();
    this.#waiting.push(message);
    this.#flush();
  }

  /** For a message that is worth nothing later. */
  sendIfFree(message: string): void {
    if (this.#waiting.length === 0) this.#isTaken(message);
  }

  close(): void {
    this.#flush();
    clearTimeout(this.#retry);
    this.#waiting.length = 0;
  }

  #flush(): void {
    clearTimeout(this.#retry);
    while (this.#waiting.length > 0) {
      if (!this.#isTaken(this.#waiting[0]!)) {
        const onFault = (error: unknown) => this.#report(`the service manager: ${error}`);
        this.#retry = after(RETRY_INTERVAL_MS, () => this.#flush(), onFault).unref();
        return;
      }
      this.#waiting.shift();
    }
  }

  /** False when the manager has to read first; a manager that is not there is told of once. */
  #isTaken(message: string): boolean {
    const errno = sendDatagram(this.#socket, message);
    if (errno === Errno.EAGAIN) return false;
    if (errno !== 0 && !this.#hasFailed) {
      this.#hasFailed = true;
      this.#report(`the service manager at ${this.#socket} does not listen (errno ${errno})`);
    }
    return true;
  }
}

/** Twice as often as the manager wants it (sd_watchdog_enabled(3)). */
function watchdogTimer(
  { WATCHDOG_USEC, WATCHDOG_PID }: NodeJS.ProcessEnv,
  beat: () => void,
  report: Report,
): Disposable | undefined {
  const microseconds = Number(WATCHDOG_USEC);
  if (!(microseconds > 0)) return undefined;
  // Meant for another process, unless a launcher of ours was started in our place.
  const isMeant = [process.pid, process.ppid].some((pid) => String(pid) === WATCHDOG_PID);
  if (WATCHDOG_PID !== undefined && !isMeant) return undefined;
  return repeated(microseconds / 2_000, beat, (error) => report((error as Error).message));
}

/** CLOCK_MONOTONIC, as systemd compares it: the clock of `process.hrtime`. */
function monotonicMicroseconds(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e6 + Math.floor(nanoseconds / 1e3);
}
