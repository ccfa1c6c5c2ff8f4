/** What a service manager such as systemd is told (sd_notify(3)), when there is one. */

import { sendDatagram } from '../native/notification-socket.ts';
import type { Report } from '../telemetry/log-event.ts';

export interface ServiceManager {
  /** Requests are served. */
  ready(status: string): void;
  reloading(): void;
  stopping(): void;
  /** Another process carries on, and is the one to watch. */
  mainProcess(pid: number): void;
  /** Stops the watchdog's timer. */
  close(): void;
}

const silent: ServiceManager = {
  ready() {},
  reloading() {},
  stopping() {},
  mainProcess() {},
  close() {},
};

/**
 * From the environment that the manager gives: NOTIFY_SOCKET, and WATCHDOG_USEC for how often it
 * wants to hear that we are alive.
 */
export function serviceManagerOf(environment: NodeJS.ProcessEnv, report: Report): ServiceManager {
  const socket = environment.NOTIFY_SOCKET ?? '';
  if (socket === '') return silent;
  let hasFailed = false;
  const send = (...lines: readonly string[]) => {
    const errno = sendDatagram(socket, lines.join('\n'));
    if (errno === 0 || hasFailed) return;
    hasFailed = true;
    report(`the service manager at ${socket} does not listen (errno ${errno})`);
  };
  const watchdog = watchdogTimer(environment, () => send('WATCHDOG=1'));
  return {
    ready: (status) => send('READY=1', `STATUS=${status}`, `MAINPID=${process.pid}`),
    reloading: () => send('RELOADING=1', `MONOTONIC_USEC=${monotonicMicroseconds()}`),
    stopping: () => send('STOPPING=1'),
    mainProcess: (pid) => send(`MAINPID=${pid}`),
    close: () => clearInterval(watchdog),
  };
}

/** Twice as often as the manager wants it (sd_watchdog_enabled(3)). */
function watchdogTimer(
  { WATCHDOG_USEC, WATCHDOG_PID }: NodeJS.ProcessEnv,
  beat: () => void,
): NodeJS.Timeout | undefined {
  const microseconds = Number(WATCHDOG_USEC);
  if (!(microseconds > 0)) return undefined;
  // Meant for another process, unless a launcher of ours was started in our place.
  const isMeant = [process.pid, process.ppid].some((pid) => String(pid) === WATCHDOG_PID);
  if (WATCHDOG_PID !== undefined && !isMeant) return undefined;
  const timer = setInterval(beat, microseconds / 2_000);
  timer.unref();
  return timer;
}

/** CLOCK_MONOTONIC, as systemd compares it: the clock of `process.hrtime`. */
function monotonicMicroseconds(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e6 + Math.floor(nanoseconds / 1e3);
}
