/**
 * Content that nobody gets, of a response that something else has been answered for. It is read for
 * its connection's sake, as long as that is cheap: an origin may send it slowly, or without end.
 */
import type { Clock } from '../base/clock.ts';

/**
 * Bytes of a dropped response that are read to keep its connection: more cost more than another
 * connection.
 */
const LEFTOVER_BYTES_MAX = 1_048_576;

/**
 * How long such bytes may keep coming. For an origin that sends nothing, the connection's own
 * timeout applies.
 */
const LEFTOVER_MS_MAX = 5_000;

export class Leftover {
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  #bytes = 0;
  #startedMs = -1;

  constructor(clock: Pick<Clock, 'monotonicMs'>) {
    this.#clock = clock;
  }

  /** False when no more of it is worth reading. */
  takes(bytes: Uint8Array): boolean {
    const nowMs = this.#clock.monotonicMs();
    if (this.#startedMs === -1) this.#startedMs = nowMs;
    this.#bytes += bytes.length;
    return this.#bytes <= LEFTOVER_BYTES_MAX && nowMs - this.#startedMs <= LEFTOVER_MS_MAX;
  }
}
