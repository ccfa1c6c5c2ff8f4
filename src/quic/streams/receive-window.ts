/** How much the peer may send, of a stream or in all; it grows for a fast and distant one. */

/** A window that was used up within so many round trips was too small. */
const GROWTH_ROUND_TRIPS = 2;
/** Each growth. */
const GROWTH_FACTOR = 2;

export class ReceiveWindow {
  #windowBytes: number;
  readonly #bytesMax: number;
  /** The offset up to which the peer has been told that it may send. */
  limit: number;
  /** Bytes that have been used by the application, or that nobody will use. */
  #used = 0;
  #updatedMs = Number.NEGATIVE_INFINITY;

  constructor(windowBytes: number, bytesMax: number) {
    this.#windowBytes = windowBytes;
    this.#bytesMax = Math.max(bytesMax, windowBytes);
    this.limit = windowBytes;
  }

  get windowBytes(): number {
    return this.#windowBytes;
  }

  /** So many more bytes have been used. True: the peer should be told of a new limit. */
  use(bytes: number): boolean {
    this.#used += bytes;
    return this.isDue;
  }

  get isDue(): boolean {
    return this.limit - this.#used <= this.#windowBytes / 2;
  }

  /** The new limit, about to be sent. Grows the window when the last one went too fast. */
  update(nowMs: number, roundTripMs: number): number {
    if (nowMs - this.#updatedMs < GROWTH_ROUND_TRIPS * roundTripMs) {
      this.#windowBytes = Math.min(this.#bytesMax, this.#windowBytes * GROWTH_FACTOR);
    }
    this.#updatedMs = nowMs;
    this.limit = Math.max(this.limit, this.#used + this.#windowBytes);
    return this.limit;
  }
}
