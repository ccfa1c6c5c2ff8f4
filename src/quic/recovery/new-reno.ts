/** NewReno (RFC 9002 §7, appendix B). */
import {
  type AcknowledgedBytes,
  type CongestionController,
  initialWindow,
  WINDOW_DATAGRAMS_MIN,
} from './congestion.ts';

const LOSS_REDUCTION = 0.5;

export class NewReno implements CongestionController {
  windowBytes: number;
  slowStartBytes = Number.POSITIVE_INFINITY;
  #datagramBytes: number;
  #recoveryStartMs = Number.NEGATIVE_INFINITY;
  /** Bytes acknowledged since the window last grew by a datagram. */
  #acknowledged = 0;

  constructor(datagramBytes: number) {
    this.#datagramBytes = datagramBytes;
    this.windowBytes = initialWindow(datagramBytes);
  }

  onAcknowledged(sample: AcknowledgedBytes): void {
    if (sample.sentMs <= this.#recoveryStartMs || sample.isApplicationLimited) return;
    if (this.windowBytes < this.slowStartBytes) {
      this.windowBytes += sample.bytes;
      return;
    }
    this.#acknowledged += sample.bytes;
    if (this.#acknowledged < this.windowBytes) return;
    this.#acknowledged -= this.windowBytes;
    this.windowBytes += this.#datagramBytes;
  }

  onCongestion(sentMs: number, nowMs: number): void {
    if (sentMs <= this.#recoveryStartMs) return;
    this.#recoveryStartMs = nowMs;
    this.#acknowledged = 0;
    this.windowBytes = Math.max(this.windowBytes * LOSS_REDUCTION, this.#minimum);
    this.slowStartBytes = this.windowBytes;
  }

  onPersistentCongestion(): void {
    this.windowBytes = this.#minimum;
    this.#acknowledged = 0;
    this.#recoveryStartMs = Number.NEGATIVE_INFINITY;
  }

  onDatagramBytes(bytes: number): void {
    this.#datagramBytes = bytes;
    this.windowBytes = Math.max(this.windowBytes, this.#minimum);
  }

  get #minimum(): number {
    return WINDOW_DATAGRAMS_MIN * this.#datagramBytes;
  }
}
