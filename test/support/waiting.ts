/** Waiting in tests: always bounded, always with a word about what did not come. */
import { once } from 'node:events';
import { createServer, type ListenOptions, type Server } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { slowdown } from '../../src/base/slowdown.ts';

export { sleep, slowdown };

/**
 * How long a test waits on a quiet machine before it fails. No test waits so long there; on a busy
 * machine a test that gives up sooner tells of the machine, not of sluice (`patience`).
 */
export const PATIENCE_MS = 30_000;
/** `quietMs`, longer where other programs keep the processors busy. Unit: milliseconds. */
export function patience(quietMs: number = PATIENCE_MS): number {
  return Math.round(quietMs * slowdown());
}

/** Rejects when the promise has not settled in time. */
export async function within<T>(
  promise: Promise<T>,
  what: string,
  quietMs = PATIENCE_MS,
): Promise<T> {
  const timeoutMs = patience(quietMs);
  const over = AbortSignal.timeout(timeoutMs);
  const { promise: late, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(new Error(`waited ${timeoutMs} ms for ${what}`));
  over.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([promise, late]);
  } finally {
    over.removeEventListener('abort', onAbort);
  }
}

/**
 * Between two looks at what does not say when it changes. The first are sooner: most is there at once.
 * What takes long is looked at seldom: a look may be a request, and others want the processors.
 */
const FIRST_INTERVALS_MS = [1, 2, 4];
const LOOK_INTERVAL_MS = 10;
const LOOK_INTERVAL_MS_MAX = 50;
/** Of the time that was waited already. */
const LOOK_SHARE = 1 / 20;
const TOLD_LOOKS_MAX = 20;

/**
 * Asks again and again until the answer is neither false nor undefined. `changed` resolves when the
 * answer may be another: it is asked sooner then, a few times.
 */
export async function until<T>(
  ask: () => T | undefined | false | Promise<T | undefined | false>,
  what: string | (() => string),
  quietMs = PATIENCE_MS,
  changed?: () => Promise<unknown>,
): Promise<T> {
  const start = performance.now();
  for (let looks = 0; ; looks++) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer;
    const waitedMs = Math.round(performance.now() - start);
    if (waitedMs > patience(quietMs)) {
      throw new Error(`waited ${waitedMs} ms for ${typeof what === 'string' ? what : what()}`);
    }
    // Who is told all the time would do nothing but ask.
    if (changed !== undefined && looks < TOLD_LOOKS_MAX) {
      await Promise.race([changed(), sleep(LOOK_INTERVAL_MS)]);
    } else await sleep(FIRST_INTERVALS_MS[looks] ?? intervalMs(waitedMs));
  }
}

function intervalMs(waitedMs: number): number {
  return Math.max(LOOK_INTERVAL_MS, Math.min(LOOK_INTERVAL_MS_MAX, waitedMs * LOOK_SHARE));
}

/** Runs `count` jobs, at most `width` at a time. */
export async function inParallel(
  count: number,
  width: number,
  job: (index: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const lane = async () => {
    while (next < count) await job(next++);
  };
  await Promise.all(Array.from({ length: Math.min(width, count) }, lane));
}

/** Where ports are looked for: below those that Linux gives to connections and to port 0. */
const FIRST_PORT = 10_000;
const PORTS = 20_000;

/**
 * A port for programs that cannot choose one themselves. It is this test process's until it ends:
 * no connection gets it by chance, and no other test that asks here.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = FIRST_PORT + Math.floor(Math.random() * PORTS);
    // An abstract name is one process's at a time, and free again when that ends, however it does.
    const claim = createServer().unref();
    if (!(await listens(claim, { path: `\0sluice-test-port-${port}` }))) continue;
    const server = createServer();
    if (!(await listens(server, { port, host: '127.0.0.1' }))) continue;
    server.close();
    await once(server, 'close');
    return port;
  }
}

async function listens(server: Server, where: ListenOptions): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  server.once('listening', () => resolve(true)).once('error', () => resolve(false));
  server.listen(where);
  return promise;
}
