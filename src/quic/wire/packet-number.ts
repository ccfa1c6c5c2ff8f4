/** Packet numbers are sent truncated (RFC 9000 §17.1, appendix A). */

/** The number nearest to `expected` (the largest so far, plus one) that ends in the bytes that came. */
export function wholePacketNumber(expected: number, truncated: number, bytes: number): number {
  const window = 2 ** (8 * bytes);
  const candidate = expected - (expected % window) + truncated;
  if (candidate <= expected - window / 2 && candidate + window <= PACKET_NUMBER_MAX) {
    return candidate + window;
  }
  if (candidate > expected + window / 2 && candidate >= window) return candidate - window;
  return candidate;
}

/**
 * Packet numbers end here, short of RFC 9000's 2^62 - 1: numbers stay exact, and no connection sends
 * as many.
 */
export const PACKET_NUMBER_MAX = 2 ** 52;

/** The fewest bytes from which the peer, which may lack all since `largestAcked` (-1: none), sees which. */
export function packetNumberBytes(number: number, largestAcked: number): number {
  const unacknowledged = number - largestAcked;
  if (unacknowledged < 0x80) return 1;
  if (unacknowledged < 0x8000) return 2;
  return unacknowledged < 0x80_0000 ? 3 : 4;
}
