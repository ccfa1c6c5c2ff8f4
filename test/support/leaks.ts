/** Leaks and stalls, seen from outside by what sluice counts of itself. */
import assert from 'node:assert/strict';
import { OUTPUT_CHUNKS_KEPT_MAX } from '../../src/reactor/limits.ts';
import { type RunningSluice, type Stats, sumOf } from './sluice.ts';
import { sleep, slowdown, until } from './waiting.ts';

/** 50 ms is promised on a quiet machine; a busy one takes the processor away for longer. */
const delaySecondsMax = () => 0.1 * slowdown();

/** What a process knows of itself is sampled once a second. */
const SAMPLING_MS = 1_500;

/** Everything that is counted while it is alive. */
export function alive(stats: Stats): Record<string, number> {
  const counts: Record<string, number> = {
    connections: sumOf(stats, 'sluice_connections_open'),
    originConnections: sumOf(stats, 'sluice_origin_connections_open'),
  };
  for (const { labels, value } of stats.metrics.sluice_native_objects ?? []) {
    counts[labels.kind!] = value ?? 0;
  }
  return counts;
}

/** Waits until all that was opened since `before` is closed again. */
export async function assertAllClosed(
  proxy: RunningSluice,
  before: Record<string, number>,
): Promise<void> {
  // Blocks of output are kept for reuse, so many at most.
  const allowed = (kind: string) =>
    (before[kind] ?? 0) + (kind === 'mapping' ? OUTPUT_CHUNKS_KEPT_MAX : 0);
  let now = before;
  await until(async () => {
    now = alive(await proxy.stats());
    return Object.entries(now).every(([kind, count]) => count <= allowed(kind));
  }, 'all counters to return').catch(() => assert.deepEqual(now, before));
}

/**
 * Does the work and asserts that the event loop never stood still meanwhile. Work that stalls it does
 * so each time; a machine that takes the processor away does not: the best of three counts.
 */
export async function assertNoStall(
  sluice: RunningSluice,
  work: () => Promise<void>,
): Promise<void> {
  const seen: number[] = [];
  while (seen.length < 3 && !(seen.at(-1)! < delaySecondsMax())) {
    // What was before is of no concern: the largest delay is sampled anew each second.
    if (seen.length > 0) await sleep(SAMPLING_MS);
    const delay = watchDelay(sluice);
    await work();
    seen.push(await delay());
  }
  assert.ok(seen.at(-1)! < delaySecondsMax(), `the event loop stood still for ${seen.join()} s`);
}

/** Looks at the event loop's delay until stopped; then tells the largest, in seconds. */
function watchDelay(sluice: RunningSluice): () => Promise<number> {
  let largest = 0;
  let isOver = false;
  const watching = (async () => {
    while (!isOver) {
      const metric = 'sluice_event_loop_delay_seconds';
      largest = Math.max(largest, await sluice.sum(metric, { statistic: 'max' }));
      await sleep(100);
    }
  })();
  return async () => {
    isOver = true;
    await watching;
    return largest;
  };
}

/** The counters at rest: nothing open, and a sample newer than that. */
export async function atRest(sluice: RunningSluice): Promise<Record<string, number>> {
  // Idle connections to the origin are kept for 4 s.
  await until(
    async () => (await sluice.sum('sluice_origin_connections_open')) === 0,
    'idle connections to the origin to be closed',
  );
  await sleep(SAMPLING_MS);
  return alive(await sluice.stats());
}
