/**
 * Diffie-Hellman over the finite fields of RFC 7919, for the client of a desk: where it is not as fast
 * as it could be, and not in constant time, nobody is harmed.
 */
import { randomBytes } from 'node:crypto';

/** By group: bytes of the prime, and what is particular to it in its formula (RFC 7919 Appendix A). */
const fields: ReadonlyMap<number, { readonly bytes: number; readonly addend: bigint }> = new Map([
  [256, { bytes: 256, addend: 560_316n }],
  [257, { bytes: 384, addend: 2_625_351n }],
  [258, { bytes: 512, addend: 5_736_041n }],
  [259, { bytes: 768, addend: 15_705_020n }],
  [260, { bytes: 1_024, addend: 10_965_728n }],
]);
const GENERATOR = 2n;
/** Longer than the strength of any of them asks for (RFC 7919 §5.2). */
const EXPONENT_BYTES = 64;

export interface FiniteFieldKeys {
  readonly bytes: Buffer;
  secretWith(serverShare: Buffer): Buffer;
}

/** Undefined for what is no such group. */
export function finiteFieldKeys(group: number): FiniteFieldKeys | undefined {
  const field = fields.get(group);
  if (field === undefined) return undefined;
  const { bytes, addend } = field;
  const prime = primeOf(BigInt(bytes * 8), addend);
  const exponent = numberIn(randomBytes(EXPONENT_BYTES));
  // Both are as long as the prime, zeros in front (RFC 8446 §4.2.8.1, §7.4.1).
  const power = (base: bigint) => bytesOf(modularPower(base, exponent, prime), bytes);
  return {
    bytes: power(GENERATOR),
    secretWith: (serverShare) => power(numberIn(serverShare)),
  };
}

/** 2^b - 2^(b-64) + (floor(2^(b-130) e) + addend) 2^64 - 1. */
function primeOf(bits: bigint, addend: bigint): bigint {
  // e as the sum of 1/k!, with 130 bits more than are needed.
  let e = 0n;
  for (let [term, k] = [1n << bits, 1n]; term > 0n; k++) {
    e += term;
    term /= k;
  }
  return (1n << bits) - (1n << (bits - 64n)) + (((e >> 130n) + addend) << 64n) - 1n;
}

function modularPower(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let result = 1n;
  for (let [square, left] = [base % modulus, exponent]; left > 0n; left >>= 1n) {
    if (left & 1n) result = (result * square) % modulus;
    square = (square * square) % modulus;
  }
  return result;
}

function numberIn(bytes: Buffer): bigint {
  return BigInt(`0x${bytes.toString('hex')}`);
}

function bytesOf(value: bigint, length: number): Buffer {
  return Buffer.from(value.toString(16).padStart(2 * length, '0'), 'hex');
}
