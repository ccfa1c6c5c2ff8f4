/** Time as an argument, so that cores are deterministic under test. */
export interface Clock {
  /** Wall-clock time in milliseconds since the epoch. */
  wallMs(): number;
  /** Milliseconds of a clock that never goes back, from an arbitrary start. */
  monotonicMs(): number;
}

export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
};
