/** When a worker that died is started again. Pure. */

export interface RestartPolicy {
  /** A worker that lived this many milliseconds was healthy: its death starts a new count. */
  readonly soundLifeMs: number;
  /** Wait after the second quick death in a row; doubled for each further one. */
  readonly firstDelayMs: number;
  readonly delayMsMax: number;
  /** A worker that does not serve so many milliseconds after its start hangs: it is ended. */
  readonly startMsMax: number;
}

/**
 * soundLifeMs: longer than any start-up. firstDelayMs: short against a crash by chance.
 * delayMsMax: a machine in trouble is not made worse, and a repaired one recovers in seconds.
 * startMsMax: a start takes about a second; this is enough for one on a machine that is a hundred
 * times too busy.
 */
export const defaultRestartPolicy: RestartPolicy = {
  soundLifeMs: 10_000,
  firstDelayMs: 100,
  delayMsMax: 5_000,
  startMsMax: 120_000,
};

/** Milliseconds to wait; the first death of a row is answered at once. */
export function restartDelayMs(quickDeaths: number, policy: RestartPolicy): number {
  if (quickDeaths <= 1) return 0;
  return Math.min(policy.firstDelayMs * 2 ** (quickDeaths - 2), policy.delayMsMax);
}
