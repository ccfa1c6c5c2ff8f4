/**
 * Large buffers of memory BIOs, lent for one write and given back when it has been read: an idle
 * connection keeps little, and a busy one does not ask malloc for 64 KiB each time.
 */

import { addressOf, NativeBuffer } from './memory.ts';
import { libcrypto } from './openssl-table.ts';

const { BIO_ctrl, BUF_MEM_new, BUF_MEM_free, BUF_MEM_grow } = libcrypto.direct;

// Names and values of bio.h.
const BIO_CTRL_SET_CLOSE = 9;
const BIO_C_SET_BUF_MEM = 114;
const BIO_C_GET_BUF_MEM_PTR = 115;
const BIO_NOCLOSE = 0n;
const BIO_CLOSE = 1n;

/** Bytes that a connection may keep between writes. */
export const KEPT_BYTES_MAX = 8_192;
/** As many as write at once in one turn of the loop; each holds up to LENT_BYTES_MAX. */
const POOLED_MAX = 16;
/** Bytes; a buffer that has grown beyond is freed. */
const LENT_BYTES_MAX = 262_144;

const pool: bigint[] = [];

const result = NativeBuffer.allocate(8);
const resultAddress = addressOf(result);
const resultPointer = new BigUint64Array(result.bytes.buffer);

/** Puts a large buffer in place of the small one of an empty memory BIO, if one is at hand. */
export function lendLargeBuffer(bio: bigint): void {
  const buffer = pool.pop();
  if (buffer !== undefined) BIO_ctrl(bio, BIO_C_SET_BUF_MEM, BIO_CLOSE, buffer);
}

/** Takes the buffer of an empty memory BIO, which held `peakBytes`, and gives it a small one. */
export function takeLargeBuffer(bio: bigint, peakBytes: number): void {
  BIO_ctrl(bio, BIO_C_GET_BUF_MEM_PTR, 0n, resultAddress);
  const buffer = resultPointer[0]!;
  // Or else the BIO would free it when it gets another.
  BIO_ctrl(bio, BIO_CTRL_SET_CLOSE, BIO_NOCLOSE, 0n);
  BIO_ctrl(bio, BIO_C_SET_BUF_MEM, BIO_CLOSE, BUF_MEM_new());
  if (pool.length >= POOLED_MAX || peakBytes > LENT_BYTES_MAX) {
    BUF_MEM_free(buffer);
    return;
  }
  // Forgets what was in it and keeps its memory.
  BUF_MEM_grow(buffer, 0);
  pool.push(buffer);
}
