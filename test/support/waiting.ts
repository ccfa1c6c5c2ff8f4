/** Waiting in tests: always bounded, always with a word about what did not come. */
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export { sleep };

/**
 * How long a test waits before it fails. Nobody waits so long on a quiet machine; on a busy one a test
 * that gives up sooner tells of the machine, not of sluice.
 */
export const PATIENCE_MS = 30_000;

/** Rejects when the promise has not settled in time. */
export async function within<T>(
  promise: Promise<T>,
  what: string,
  timeoutMs = PATIENCE_MS,
): Promise<T> {
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

/** Asks again and again until the answer is neither false nor undefined. */
export async function until<T>(
  ask: () => T | undefined | false | Promise<T | undefined | false>,
  what: string,
  timeoutMs = PATIENCE_MS,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer;
    if (performance.now() > deadline) throw new Error(`waited ${timeoutMs} ms for ${what}`);
    await sleep(10);
  }
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

/** A port that nobody listened on a moment ago, for programs that cannot choose one themselves. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
