/** When packets are acknowledged (RFC 9000 §13.2), and what of ECN is told with it (§13.4.1). */
import { EcnMark } from '../contracts.ts';

/** Ack-eliciting packets after which an acknowledgement goes at once (RFC 9000 §13.2.2). */
export const ACK_EVERY = 2;

export class AckSchedule {
  /** ms; 0 at the levels of the handshake. */
  readonly #delayMs: number;
  #waiting = 0;
  /** When an acknowledgement is due; infinite when none is owed. */
  deadlineMs = Number.POSITIVE_INFINITY;
  /** When the packet with the largest number came. */
  largestCameMs = 0;
  hasEcn = false;
  ect0 = 0;
  ect1 = 0;
  congested = 0;

  constructor(delayMs: number) {
    this.#delayMs = delayMs;
  }

  /** Whether an acknowledgement is owed, be it not due: one goes along with whatever is sent. */
  get isOwed(): boolean {
    return this.deadlineMs !== Number.POSITIVE_INFINITY;
  }

  /**
   * A packet that was not known has come. `largest` is the largest number before it (-1: none); a gap or
   * an old one is told at once (RFC 9000 §13.2.1).
   */
  onPacket(number: number, largest: number, isAckEliciting: boolean, nowMs: number): void {
    if (number > largest) this.largestCameMs = nowMs;
    if (!isAckEliciting) return;
    this.#waiting++;
    const isOutOfOrder = number < largest || (number > largest + 1 && largest >= 0);
    const isDue = isOutOfOrder || this.#waiting >= ACK_EVERY || this.#delayMs === 0;
    this.deadlineMs = Math.min(this.deadlineMs, isDue ? nowMs : nowMs + this.#delayMs);
  }

  /** Counts the mark of a packet; congestion is told at once (RFC 9000 §13.2.1). */
  onMark(ecn: EcnMark, isAckEliciting: boolean, nowMs: number): void {
    if (ecn === EcnMark.none) return;
    this.hasEcn = true;
    if (ecn === EcnMark.ect0) this.ect0++;
    else if (ecn === EcnMark.ect1) this.ect1++;
    else {
      this.congested++;
      if (isAckEliciting) this.deadlineMs = Math.min(this.deadlineMs, nowMs);
    }
  }

  onSent(): void {
    this.#waiting = 0;
    this.deadlineMs = Number.POSITIVE_INFINITY;
  }
}
