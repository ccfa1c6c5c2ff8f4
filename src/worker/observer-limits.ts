/** When an observer of handshakes is cut off. Times in milliseconds. */
export interface ObserverLimits {
  /** Processor time that one call may take; more is a fault. */
  readonly callMs: number;
  /** Faults within `windowMs` after which the observer is called no more. */
  readonly faultsMax: number;
  /**
   * Of calls that took too long at least one in so many, since a garbage collection may fall into
   * any call. A call that throws always counts.
   */
  readonly overrunOneIn: number;
  /** How long a fault is held against an observer. */
  readonly windowMs: number;
}

/**
 * callMs: several times what a whole handshake takes, and a hundred times what our observers do.
 * faultsMax, windowMs: a fault that some clients provoke is seen within seconds under load, and one
 * that is rare is worth its log lines. overrunOneIn: collections hit far fewer than that.
 */
export const defaultObserverLimits: ObserverLimits = {
  callMs: 1,
  faultsMax: 5,
  overrunOneIn: 20,
  windowMs: 60_000,
};
