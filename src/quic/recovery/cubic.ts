/** CUBIC (RFC 9438). Windows are in bytes; the RFC's are in segments. */
import {
  type AcknowledgedBytes,
  type CongestionController,
  initialWindow,
  WINDOW_DATAGRAMS_MIN,
} from './congestion.ts';

/** RFC 9438 §4.6 and §5. */
const BETA = 0.7;
const C = 0.4;
/** RFC 9438 §4.3: what makes the estimate grow as Reno would with this BETA. */
const ALPHA = (3 * (1 - BETA)) / (1 + BETA);

export class Cubic implements CongestionController {
  windowBytes: number;
  slowStartBytes = Number.POSITIVE_INFINITY;
  #datagramBytes: number;
  #recoveryStartMs = Number.NEGATIVE_INFINITY;
  /** When the present growth began; infinite until the first acknowledgement after a reduction. */
  #epochMs = Number.POSITIVE_INFINITY;
  /** The window before the last reduction, and the one that the present growth began with. */
  #maxBytes = 0;
  #epochWindowBytes = 0;
  /** What Reno would have by now. */
  #renoBytes = 0;
  /** s until the curve is at `#maxBytes` again. */
  #plateauS = 0;
  #lastAcknowledgedMs = 0;

  constructor(datagramBytes: number) {
    this.#datagramBytes = datagramBytes;
    this.windowBytes = initialWindow(datagramBytes);
  }

  onAcknowledged(sample: AcknowledgedBytes, nowMs: number): void {
    if (sample.sentMs <= this.#recoveryStartMs) return;
    if (sample.isApplicationLimited) {
      // Time in which nothing was sent is no time in which the window grew (RFC 9438 §5.8).
      if (this.#epochMs !== Number.POSITIVE_INFINITY) {
        this.#epochMs += nowMs - this.#lastAcknowledgedMs;
        this.#lastAcknowledgedMs = nowMs;
      }
      return;
    }
    if (this.windowBytes < this.slowStartBytes) {
      this.windowBytes += sample.bytes;
      return;
    }
    if (this.#epochMs === Number.POSITIVE_INFINITY) this.#beginEpoch(nowMs);
    this.#lastAcknowledgedMs = nowMs;
    this.#avoidCongestion(sample, nowMs);
  }

  #beginEpoch(nowMs: number): void {
    this.#epochMs = nowMs;
    this.#epochWindowBytes = this.windowBytes;
    this.#renoBytes = this.windowBytes;
    this.#maxBytes = Math.max(this.#maxBytes, this.windowBytes);
    const missing = (this.#maxBytes - this.windowBytes) / this.#datagramBytes;
    this.#plateauS = Math.cbrt(missing / C);
  }

  #avoidCongestion(sample: AcknowledgedBytes, nowMs: number): void {
    const size = this.#datagramBytes;
    const window = this.windowBytes;
    // RFC 9438 §4.3: the window that Reno would have.
    const alpha = this.#renoBytes >= this.#maxBytes ? 1 : ALPHA;
    this.#renoBytes += (alpha * size * sample.bytes) / window;
    const elapsedS = (nowMs - this.#epochMs + sample.smoothedRttMs) / 1_000;
    const curve = this.#maxBytes + C * (elapsedS - this.#plateauS) ** 3 * size;
    const target = Math.min(Math.max(curve, window), 1.5 * window);
    this.windowBytes = Math.max(
      window + ((target - window) * sample.bytes) / window,
      this.#renoBytes,
      this.#epochWindowBytes,
    );
  }

  onCongestion(sentMs: number, nowMs: number): void {
    if (sentMs <= this.#recoveryStartMs) return;
    this.#recoveryStartMs = nowMs;
    this.#epochMs = Number.POSITIVE_INFINITY;
    const window = this.windowBytes;
    // RFC 9438 §4.7: fast convergence leaves room to a new flow.
    this.#maxBytes = window < this.#maxBytes ? (window * (1 + BETA)) / 2 : window;
    this.windowBytes = Math.max(window * BETA, this.#minimum);
    this.slowStartBytes = this.windowBytes;
  }

  onPersistentCongestion(): void {
    this.windowBytes = this.#minimum;
    this.#recoveryStartMs = Number.NEGATIVE_INFINITY;
    this.#epochMs = Number.POSITIVE_INFINITY;
  }

  onDatagramBytes(bytes: number): void {
    this.#datagramBytes = bytes;
    this.windowBytes = Math.max(this.windowBytes, this.#minimum);
  }

  get #minimum(): number {
    return WINDOW_DATAGRAMS_MIN * this.#datagramBytes;
  }
}
