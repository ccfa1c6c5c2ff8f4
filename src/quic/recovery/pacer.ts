/** Spreads packets over the round trip (RFC 9002 §7.7): a bucket that fills at the window's rate. */

import { TIMER_GRANULARITY_MS } from './rtt.ts';

/** The rate is a little above the window's, so that pacing itself never is the limit. */
const RATE_FACTOR = 1.25;
/** In slow start the window doubles within the round trip. */
const SLOW_START_FACTOR = 2.5;
/** Datagrams that may always go at once (RFC 9002 §7.7: the initial window's ten). */
export const BURST_DATAGRAMS = 10;
/** ms of the rate that may go at once: timers are no finer, and GSO wants batches. */
export const BURST_MS = 2;

export class Pacer {
  #tokens = Number.POSITIVE_INFINITY;
  #filledMs = 0;
  #bytesPerMs = 0;
  #capacity = Number.POSITIVE_INFINITY;

  /** The window or the round trip has changed, or time has passed. */
  refresh(
    path: { windowBytes: number; isSlowStart: boolean; smoothedMs: number; datagramBytes: number },
    nowMs: number,
  ): void {
    const factor = path.isSlowStart ? SLOW_START_FACTOR : RATE_FACTOR;
    this.#bytesPerMs = (factor * path.windowBytes) / Math.max(path.smoothedMs, 0.01);
    this.#capacity = Math.max(BURST_DATAGRAMS * path.datagramBytes, BURST_MS * this.#bytesPerMs);
    const elapsedMs = Math.max(0, nowMs - this.#filledMs);
    this.#filledMs = nowMs;
    this.#tokens = Math.min(this.#capacity, this.#tokens + elapsedMs * this.#bytesPerMs);
  }

  /** Bytes that may go now. */
  get tokens(): number {
    return this.#tokens;
  }

  spend(bytes: number): void {
    this.#tokens -= bytes;
  }

  /**
   * When so many bytes may go; a timer's granularity later at least, in which the bucket gets more than
   * that, so that the rate is kept.
   */
  readyMs(bytes: number): number {
    if (this.#tokens >= bytes) return this.#filledMs;
    const missing = Math.min(bytes, this.#capacity) - this.#tokens;
    return (
      this.#filledMs + Math.max(TIMER_GRANULARITY_MS, missing / this.#bytesPerMs + ROUNDING_MS)
    );
  }
}

/** What rounding may take away. */
const ROUNDING_MS = 0.001;
