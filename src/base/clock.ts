/** Time as an argument, so that cores are deterministic under test. */
export interface Clock {
  /** Wall-clock time in milliseconds since the epoch. */
  wallMs(): number;
  /** Milliseconds of a clock that never goes back, from an arbitrary start. */
  monotonicMs(): number;
}

/** Bytes that name a {@link SteadyClock}. */
export const CLOCK_ID_BYTES = 8;

/**
 * A clock that nobody sets: what the wall clock does has no effect on it. Its moments mean something
 * only to those who read the same clock.
 */
export interface SteadyClock {
  /** CLOCK_ID_BYTES bytes: another clock, and the same one begun anew, has others. Never all zero. */
  readonly id: Uint8Array;
  /** Milliseconds from an arbitrary start. Does not go back under one id. */
  nowMs(): number;
}

export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
};
