/** Key updates of 1-RTT (RFC 9001 §6), and how much keys may be used (§6.6). */
import {
  KeyGeneration,
  type PacketOpener,
  type PacketPlace,
  QuicCipherSuite,
} from '../contracts.ts';
import { QuicFault, TransportErrorCode } from '../wire/transport-error.ts';
import type { PacketSpace } from './packet-space.ts';

/** Packets that may be sealed with one key (RFC 9001 §6.6); we update at half of it. */
const SEALED_MAX: Record<QuicCipherSuite, number> = {
  [QuicCipherSuite.aes128Gcm]: 2 ** 23,
  [QuicCipherSuite.aes256Gcm]: 2 ** 23,
  [QuicCipherSuite.chacha20]: 2 ** 52,
};
/** Packets that may fail to open in all. */
const FORGED_MAX: Record<QuicCipherSuite, number> = {
  [QuicCipherSuite.aes128Gcm]: 2 ** 52,
  [QuicCipherSuite.aes256Gcm]: 2 ** 52,
  [QuicCipherSuite.chacha20]: 2 ** 36,
};

/** For tests, which cannot seal millions of packets. */
export interface KeyUse {
  sealedMax: number;
  forgedMax: number;
}

export function keyUseOf(suite: QuicCipherSuite): KeyUse {
  return { sealedMax: SEALED_MAX[suite], forgedMax: FORGED_MAX[suite] };
}

export class KeyPhases {
  readonly #space: PacketSpace;
  use: KeyUse = keyUseOf(QuicCipherSuite.aes128Gcm);
  /** The bit of what we send, and of what the peer sends. */
  sendPhase = 0;
  #receivePhase = 0;
  /** The least number that came with the present phase. */
  #firstNumber = 0;
  /** The first number that we sent with the present phase; -1: none yet. */
  #firstSent = -1;
  #sealed = 0;
  #forged = 0;
  updates = 0;
  /** When the previous keys are to go; infinite when there are none. */
  dropMs = Number.POSITIVE_INFINITY;

  constructor(space: PacketSpace) {
    this.#space = space;
  }

  /** A packet is about to be sealed. Throws when the keys may not be used any more. */
  onSeal(number: number): void {
    if (this.#firstSent < 0) this.#firstSent = number;
    this.#sealed++;
    if (this.#sealed <= this.use.sealedMax) return;
    throw new QuicFault(TransportErrorCode.aeadLimitReached, 'keys are used up');
  }

  /** Whether it is time for new keys, and allowed (RFC 9001 §6.1). */
  wantsUpdate(largestAcked: number): boolean {
    return this.#sealed >= this.use.sealedMax / 2 && this.mayUpdate(largestAcked);
  }

  mayUpdate(largestAcked: number): boolean {
    const isAnswered = this.sendPhase === this.#receivePhase;
    return isAnswered && this.#firstSent >= 0 && largestAcked >= this.#firstSent;
  }

  /** Begins an update; the peer follows. */
  update(): void {
    this.#space.sealer!.update();
    this.sendPhase ^= 1;
    this.#firstSent = -1;
    this.#sealed = 0;
    this.updates++;
  }

  /**
   * Opens a short-header packet whose header is plain already. False: it is not genuine. A new phase of
   * the peer is followed at once; `keepMs`: until when the keys before are kept (RFC 9001 §6.5).
   */
  open(bytes: Uint8Array, place: PacketPlace, keepMs: number): boolean {
    const opener = this.#space.opener!;
    const phase = (bytes[place.start]! >> 2) & 1;
    const generation = this.#generationOf(phase, place.packetNumber);
    if (!opener.open(bytes, place, generation)) {
      this.onForged();
      return false;
    }
    if (generation === KeyGeneration.next) this.#follow(opener, place.packetNumber, keepMs);
    else if (generation === KeyGeneration.current && place.packetNumber < this.#firstNumber) {
      this.#firstNumber = place.packetNumber;
    }
    return true;
  }

  onForged(): void {
    if (++this.#forged <= this.use.forgedMax) return;
    throw new QuicFault(TransportErrorCode.aeadLimitReached, 'too many packets are forged');
  }

  #generationOf(phase: number, number: number): KeyGeneration {
    if (phase === this.#receivePhase) return KeyGeneration.current;
    return number < this.#firstNumber ? KeyGeneration.previous : KeyGeneration.next;
  }

  #follow(opener: PacketOpener, number: number, keepMs: number): void {
    if (this.sendPhase === this.#receivePhase && this.updates > 0 && this.#firstSent < 0) {
      // RFC 9001 §6.2: twice, without an acknowledgement of ours in between.
      throw new QuicFault(TransportErrorCode.keyUpdateError, 'keys are updated too often');
    }
    opener.advance();
    this.#receivePhase ^= 1;
    this.#firstNumber = number;
    this.dropMs = keepMs;
    if (this.sendPhase !== this.#receivePhase) this.update();
  }

  onTimer(nowMs: number): void {
    if (nowMs < this.dropMs) return;
    this.dropMs = Number.POSITIVE_INFINITY;
    this.#space.opener?.dropPrevious();
  }
}
