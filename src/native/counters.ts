/** Leak counters: how many native things of each kind are alive in this process. */
const live: Record<string, number> = {};

/** Notes that `delta` things of a kind were made (positive) or freed (negative). */
export function counted(kind: string, delta: number): void {
  live[kind] = (live[kind] ?? 0) + delta;
}

/** A copy of the counters; a kind that returned to zero is kept, so that tests can compare. */
export function liveNativeCounts(): Record<string, number> {
  return { ...live };
}
