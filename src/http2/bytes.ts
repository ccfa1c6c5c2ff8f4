/** Integers in network byte order. */
import { STREAM_ID_MAX } from './protocol.ts';

export function uint32(bytes: Uint8Array, start: number): number {
  const high = (bytes[start]! << 24) | (bytes[start + 1]! << 16);
  return (high | (bytes[start + 2]! << 8) | bytes[start + 3]!) >>> 0;
}

/** Without the reserved bit. */
export function uint31(bytes: Uint8Array, start: number): number {
  return uint32(bytes, start) & STREAM_ID_MAX;
}
