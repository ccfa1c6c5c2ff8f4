/** Time for a worker's exchanges. */
import { type Clock, systemClock } from '../base/clock.ts';

/**
 * A clock whose wall time stands still while one batch of events is handled, some milliseconds at
 * most: what it decides (freshness, the time of a log line) counts in seconds, and an exchange asks
 * for it five times. The monotonic clock measures, and is read each time.
 */
export class BatchClock implements Clock {
  readonly #source: Clock;
  readonly #defer: (body: () => void) => void;
  /** 0 between batches. */
  #wallMs = 0;

  /** `defer` runs its argument once, when the current batch of events has been handled. */
  constructor(defer: (body: () => void) => void, source: Clock = systemClock) {
    this.#source = source;
    this.#defer = defer;
  }

  wallMs(): number {
    if (this.#wallMs === 0) {
      this.#wallMs = this.#source.wallMs();
      this.#defer(this.#endBatch);
    }
    return this.#wallMs;
  }

  monotonicMs(): number {
    return this.#source.monotonicMs();
  }

  readonly #endBatch = (): void => {
    this.#wallMs = 0;
  };
}
