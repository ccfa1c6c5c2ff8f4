/** What the engine asks beyond this machine, and what it keeps while it waits. */

import type { SteadyClock } from '../base/clock.ts';

/** What the register of a cluster says of a ClientHello. */
export type ClusterStrike =
  /** Never seen: its early data may be accepted, if this machine agrees. */
  | 'first'
  | 'replayed'
  /** The register has not been there for a whole freshness window yet. */
  | 'too-young'
  /** It did not answer, or not in time. */
  | 'unanswered';

export interface ClusterRegister {
  /**
   * By which it forgets; at the moment of an answer it is right. Null as long as it is not known. It
   * has another id as soon as it was set.
   */
  readonly clock: SteadyClock | null;
  /**
   * Notes a ClientHello by its random (32 bytes, kept by the caller). `done` is called once, at the
   * latest when the register's own time limit is over; before the return when there is nobody to ask.
   */
  ask(clientRandom: Uint8Array, done: (strike: ClusterStrike) => void): void;
}

/**
 * Bytes that a connection may send while its ClientHello waits: more than clients send early, and
 * than a time limit of milliseconds lets through on most lines. Beyond it the handshake goes
 * on without early data.
 */
export const HELD_INPUT_BYTES_MAX = 131_072;

/** Ciphertext that came while nothing could be done with it. */
export class HeldInput {
  #pieces: Buffer[] = [];
  #length = 0;

  /** Takes a copy. Returns whether there is room for more. */
  add(bytes: Uint8Array): boolean {
    this.#pieces.push(Buffer.from(bytes));
    this.#length += bytes.length;
    return this.#length <= HELD_INPUT_BYTES_MAX;
  }

  take(): Buffer {
    return Buffer.concat(this.#pieces.splice(0), this.#length);
  }
}
