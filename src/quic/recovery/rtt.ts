/** The round trip's estimate (RFC 9002 §5). */

/** ms; RFC 9002 §6.2.2: before the first sample. */
export const RTT_INITIAL_MS = 333;
/** ms; the least that a timer can tell apart (RFC 9002 §6.1.2). */
export const TIMER_GRANULARITY_MS = 1;

export class RoundTrip {
  latestMs = 0;
  smoothedMs = RTT_INITIAL_MS;
  variationMs = RTT_INITIAL_MS / 2;
  minMs = 0;
  /** When the first sample was taken; infinite before. */
  firstSampleMs = Number.POSITIVE_INFINITY;

  /** `delayMs`: what the peer says that it waited, already capped by its max_ack_delay. */
  onSample(latestMs: number, delayMs: number, nowMs: number): void {
    this.latestMs = latestMs;
    if (this.firstSampleMs === Number.POSITIVE_INFINITY) {
      this.firstSampleMs = nowMs;
      this.minMs = latestMs;
      this.smoothedMs = latestMs;
      this.variationMs = latestMs / 2;
      return;
    }
    this.minMs = Math.min(this.minMs, latestMs);
    const adjustedMs = latestMs >= this.minMs + delayMs ? latestMs - delayMs : latestMs;
    const differenceMs = Math.abs(this.smoothedMs - adjustedMs);
    this.variationMs = 0.75 * this.variationMs + 0.25 * differenceMs;
    this.smoothedMs = 0.875 * this.smoothedMs + 0.125 * adjustedMs;
  }

  /** One probe timeout without back-off (RFC 9002 §6.2.1). */
  probeMs(ackDelayMs: number): number {
    return this.smoothedMs + Math.max(4 * this.variationMs, TIMER_GRANULARITY_MS) + ackDelayMs;
  }

  /** How long after a later one was acknowledged a packet is lost (RFC 9002 §6.1.2). */
  get lossDelayMs(): number {
    return Math.max(1.125 * Math.max(this.latestMs, this.smoothedMs), TIMER_GRANULARITY_MS);
  }
}
