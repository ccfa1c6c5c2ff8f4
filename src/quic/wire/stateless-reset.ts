/** Stateless resets (RFC 9000 §10.3). */
import { RESET_TOKEN_BYTES } from '../contracts.ts';
import { OUR_ID_BYTES } from './packet-header.ts';
import { endsInSecret } from './secret-bytes.ts';

/** Shorter ones are no packets of a connection, and cannot be told from nothing (RFC 9000 §10.3). */
export const RESET_BYTES_MIN = 5 + RESET_TOKEN_BYTES;
/** Enough to look like a packet of ours with an ID, a number and a small frame. */
const RESET_BYTES_MAX = 1 + OUR_ID_BYTES + 4 + 16 + RESET_TOKEN_BYTES;

/**
 * How long a reset is that answers a packet of `length` bytes: shorter than that, so that two endpoints
 * without state do not answer each other for ever (RFC 9000 §10.3.3). 0: none is sent.
 */
export function resetBytesFor(length: number): number {
  const bytes = Math.min(length - 1, RESET_BYTES_MAX);
  return bytes < RESET_BYTES_MIN ? 0 : bytes;
}

/** Makes a reset of what `target` holds, random bytes up to `length`. */
export function writeReset(target: Uint8Array, length: number, token: Uint8Array): void {
  target[0] = 0x40 | (target[0]! & 0x3f);
  target.set(token, length - RESET_TOKEN_BYTES);
}

/** Whether a datagram ends in the token, compared in constant time. */
export function endsInToken(
  bytes: Uint8Array,
  start: number,
  end: number,
  token: Uint8Array,
): boolean {
  return end - start >= RESET_BYTES_MIN && endsInSecret(bytes, end, token);
}
