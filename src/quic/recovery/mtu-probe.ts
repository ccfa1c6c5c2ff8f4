/** Finds the largest datagram that a path carries (RFC 8899, RFC 9000 §14.3). */

/** Every path of QUIC carries these (RFC 9000 §14). */
export const DATAGRAM_BYTES_MIN = 1_200;
/** Ethernet's 1,500 without an IPv6 and a UDP header. */
export const DATAGRAM_BYTES_MAX = 1_452;
/** Probes of one size before it is given up (RFC 8899 §5.1.2). */
const PROBES_MAX = 3;
/** A gain that is not worth a probe. */
const STEP_BYTES_MIN = 16;
/** ms until a search begins anew (RFC 8899 §5.1.1). */
export const MTU_SEARCH_AGAIN_MS = 600_000;
/** Full datagrams lost in a row, and none of them acknowledged, after which the path is said to be narrower. */
export const BLACK_HOLE_LOSSES = 6;

export class MtuProbe {
  /** What datagrams may be long now. */
  bytes = DATAGRAM_BYTES_MIN;
  #ceiling: number;
  readonly #max: number;
  #probing = 0;
  #tries = 0;
  #againMs = 0;
  #losses = 0;

  /** `max`: what both sides and the socket can take. */
  constructor(max: number) {
    this.#max = Math.max(DATAGRAM_BYTES_MIN, Math.min(max, DATAGRAM_BYTES_MAX));
    this.#ceiling = this.#max;
  }

  /** Bytes of the probe that should be sent now, 0: none. */
  probeBytes(nowMs: number): number {
    if (this.#probing > 0) return 0;
    if (this.#ceiling - this.bytes < STEP_BYTES_MIN) {
      if (this.#ceiling === this.#max || nowMs < this.#againMs) return 0;
      this.#ceiling = this.#max;
    }
    // The largest is the likeliest by far: it is tried first, then halves.
    return this.#ceiling === this.#max ? this.#max : Math.floor((this.bytes + this.#ceiling) / 2);
  }

  onProbeSent(bytes: number): void {
    this.#probing = bytes;
  }

  onProbeAcknowledged(bytes: number): boolean {
    this.#probing = 0;
    this.#tries = 0;
    if (bytes <= this.bytes) return false;
    this.bytes = bytes;
    return true;
  }

  onProbeLost(bytes: number, nowMs: number): void {
    this.#probing = 0;
    if (++this.#tries < PROBES_MAX) return;
    this.#tries = 0;
    this.#ceiling = Math.max(this.bytes, bytes - 1);
    this.#againMs = nowMs + MTU_SEARCH_AGAIN_MS;
  }

  /** The socket refused a datagram as too long (EMSGSIZE). */
  onTooLarge(bytes: number, nowMs: number): void {
    this.#probing = 0;
    this.#tries = 0;
    this.#ceiling = Math.max(DATAGRAM_BYTES_MIN, bytes - 1);
    this.#againMs = nowMs + MTU_SEARCH_AGAIN_MS;
    this.bytes = Math.min(this.bytes, this.#ceiling);
  }

  onFullAcknowledged(): void {
    this.#losses = 0;
  }

  /** A datagram longer than every path carries was lost. True: the path has become narrower. */
  onFullLost(nowMs: number): boolean {
    if (++this.#losses < BLACK_HOLE_LOSSES || this.bytes === DATAGRAM_BYTES_MIN) return false;
    this.#losses = 0;
    this.#ceiling = this.bytes - 1;
    this.bytes = DATAGRAM_BYTES_MIN;
    this.#againMs = nowMs + MTU_SEARCH_AGAIN_MS;
    return true;
  }
}
