/** When an observer of handshakes is cut off. Times in milliseconds. */
export interface ObserverLimits {
  /** Processor time that one call may take; more is a fault. */
  readonly callMs: number;
  /** The first calls, in which code is compiled and loaded, may take as long as they do. */
  readonly warmUpCalls: number;
  /** Faults within `windowMs` after which the observer is disabled. */
  readonly faultsMax: number;
  /**
   * Of calls that took too long at least one in so many, since a garbage collection may fall into
   * any call. A call that throws always counts.
   */
  readonly overrunOneIn: number;
  /** How long a fault of an observer counts. */
  readonly windowMs: number;
}

/**
 * callMs: others on the worker wait so long, too; our own observers take microseconds.
 * warmUpCalls: more than it takes until code is compiled.
 * faultsMax, windowMs: a fault that some clients provoke is seen within seconds under load, and one
 * that is rare is worth its log lines. overrunOneIn: collections hit far fewer than that.
 */
export const defaultObserverLimits: ObserverLimits = {
  callMs: 5,
  warmUpCalls: 20,
  faultsMax: 5,
  overrunOneIn: 20,
  windowMs: 60_000,
};
