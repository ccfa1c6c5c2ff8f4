/**
 * Another sluice takes over without a connection lost: it is started with our listening sockets,
 * and when its workers serve, we accept no more and finish what is under way. Until then nothing
 * has changed, and one that cannot start changes nothing.
 */
import { spawn } from 'node:child_process';
import { type AdminRoute, failure, success } from './admin-routes.ts';
import { PASSED_SOCKETS, type PassedListener } from './inherited-sockets.ts';
import type { OpenListener } from './listeners.ts';

export type PassableListener = Pick<OpenListener, 'wanted' | 'endpoint' | 'fds'>;

/** Where the next one says that it serves: a descriptor number. */
export const READY_DESCRIPTOR = 'SLUICE_READY_FD';

/** After standard input, output and error. */
const READY_FD = 3;
const FIRST_SOCKET_FD = 4;
/** A start that takes longer has gone wrong. */
const START_TIMEOUT_MS = 60_000;

/**
 * Starts the program on disk with the words of this one. Resolves with its process identifier when
 * it serves; rejects when it ends, or is not ready in time, and then it is gone.
 */
export async function startSuccessor(listeners: readonly PassableListener[]): Promise<number> {
  const fds = listeners.flatMap((listener) => listener.fds);
  let nextFd = FIRST_SOCKET_FD;
  const passed: PassedListener[] = listeners.map(({ wanted, endpoint, fds: own }) => ({
    wanted,
    bound: endpoint,
    fds: own.map(() => nextFd++),
  }));
  const child = spawn(process.execPath, [...process.execArgv, ...process.argv.slice(1)], {
    // A group of its own: what ends us, as Ctrl-C in a terminal, is not meant for it.
    detached: true,
    stdio: ['ignore', 'inherit', 'inherit', 'pipe', ...fds],
    env: {
      ...process.env,
      [PASSED_SOCKETS]: JSON.stringify(passed),
      [READY_DESCRIPTOR]: String(READY_FD),
    },
  });
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  child.on('error', reject);
  child.on('exit', (code, signal) => {
    reject(new Error(`the new sluice ended at its start (${signal ?? `exit code ${code}`})`));
  });
  const ready = child.stdio[READY_FD] as NodeJS.ReadableStream;
  ready.once('data', () => resolve(child.pid!));
  const timer = setTimeout(() => {
    child.kill('SIGKILL');
    reject(new Error(`the new sluice did not serve within ${START_TIMEOUT_MS / 1000} s`));
  }, START_TIMEOUT_MS);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    child.removeAllListeners();
    child.unref();
  }
}

export function upgradeRoute(upgrade: () => Promise<number> | null): AdminRoute {
  return {
    path: '/upgrade',
    summary: 'POST: starts the program on disk in place of this one; answers when it serves',
    async post() {
      const successor = upgrade();
      if (successor === null) return failure(409, 'another sluice takes over already');
      return successor.then(
        (pid) => success({ pid }),
        (error: Error) => failure(500, error.message),
      );
    },
  };
}
