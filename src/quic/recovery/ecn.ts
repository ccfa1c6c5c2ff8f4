/** ECN of one path: marking, and whether it works there (RFC 9000 §13.4.2, appendix A.4). */
import { EcnMark } from '../contracts.ts';
import type { AckFrame } from '../wire/frame-reader.ts';

/** Marked packets after which an answer without counts means that marks are lost on the way. */
export const ECN_TESTING_PACKETS = 10;

export class EcnValidation {
  #state: 'testing' | 'unknown' | 'capable' | 'failed' = 'testing';
  #marked = 0;
  #lost = 0;
  /** What was told last, for each packet number space (RFC 9000 §13.4.2). */
  readonly #ect0 = [0, 0, 0];
  readonly #congested = [0, 0, 0];

  constructor(isEnabled: boolean) {
    if (!isEnabled) this.#state = 'failed';
  }

  get hasFailed(): boolean {
    return this.#state === 'failed';
  }

  /** What packets are marked with now. */
  get mark(): EcnMark {
    return this.#state === 'testing' || this.#state === 'capable' ? EcnMark.ect0 : EcnMark.none;
  }

  onMarkedSent(): void {
    this.#marked++;
    if (this.#state === 'testing' && this.#marked >= ECN_TESTING_PACKETS) this.#state = 'unknown';
  }

  /** A marked packet was lost; all of the first ones: the path drops them. */
  onMarkedLost(): void {
    this.#lost++;
    if (this.#state !== 'capable' && this.#lost >= ECN_TESTING_PACKETS) this.#state = 'failed';
  }

  /**
   * An ACK of a space that raised the largest number; `newlyMarked` of the packets that it is the first
   * to name were marked. True when it tells of more congestion than before.
   */
  onAck(space: number, ack: AckFrame, newlyMarked: number): boolean {
    if (this.#state === 'failed') return false;
    if (!ack.hasEcn) {
      if (newlyMarked > 0) this.#state = 'failed';
      return false;
    }
    const ect0 = this.#ect0[space]!;
    const congested = this.#congested[space]!;
    const isTooFew = ack.ect0 + ack.congested - ect0 - congested < newlyMarked;
    const isBackwards = ack.ect0 < ect0 || ack.congested < congested;
    if (isTooFew || isBackwards || ack.ect1 > 0 || ack.ect0 > this.#marked) {
      this.#state = 'failed';
      return false;
    }
    this.#ect0[space] = ack.ect0;
    this.#congested[space] = ack.congested;
    if (newlyMarked > 0) this.#state = 'capable';
    return ack.congested > congested;
  }
}
