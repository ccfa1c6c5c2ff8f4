/**
 * Connection IDs of QUIC that the kernel can read: the first byte says which socket they are for, and
 * two more follow from others, which tells our IDs from those that clients choose.
 */

export const STEERED_ID_BYTES = 8;

/** The second byte is the first with the fourth and the first of these, the third is alike. */
export const STEERED_ID_MASKS = [0x5a, 0xa5] as const;

/** Which socket of how many. */
export interface SteeredSlot {
  readonly index: number;
  readonly count: number;
}

/** Makes an ID of 8 bytes of chance one for a socket. */
export function markSteeredId(id: Uint8Array, { index, count }: SteeredSlot): void {
  const first = id[0]! - (id[0]! % count) + index;
  id[0] = first > 0xff ? first - count : first;
  STEERED_ID_MASKS.forEach((mask, i) => {
    id[1 + i] = id[0]! ^ id[3 + i]! ^ mask;
  });
}
