/**
 * When keys were last removed because what is stored under them is no longer right, for all processes
 * that share a store. The index, too, is told, but takes milliseconds, in which another process may
 * read from it, or add what it had begun to write: neither must reach a client that knows of the
 * removal (RFC 9111 §4.4).
 *
 * A place is overwritten by the next key that falls on it. By then the index knows.
 */
import { type LeaseKey, leaseKeyOf } from './leases.ts';

/** Places: a power of two. At 1,000 tombstones a second one lasts for 16 seconds. */
const PLACES = 16_384;
/** 32-bit words of a place: two of the key's hash, and a 64-bit time. */
const WORDS = 4;

/** Bytes of shared memory for all places, zeros at first. */
export const TOMBSTONES_BYTES = PLACES * WORDS * 4;

/** For how long a removal is looked up here: much longer than the index takes. */
const REMEMBERED_MS = 60_000;

export interface TombstoneMemory {
  readonly integers: Int32Array;
  readonly numbers: Float64Array;
}

export class Tombstones {
  readonly #now: () => number;
  #memory: TombstoneMemory;

  /** `now` is in milliseconds since the epoch, the same for all processes. */
  constructor(memory: TombstoneMemory, now: () => number) {
    this.#memory = memory;
    this.#now = now;
  }

  /** The shared memory goes away: what was in it is forgotten. */
  detach(): void {
    this.#memory = tombstoneMemory(new ArrayBuffer(TOMBSTONES_BYTES), 0);
  }

  /** Everything stored under a target that was asked for until now is removed. */
  note(target: string): void {
    const { integers, numbers } = this.#memory;
    const key = leaseKeyOf(target);
    const place = placeOf(key);
    // The time first: a reader that takes it for another key's is told of a removal too many.
    numbers[place * 2 + 1] = this.#now();
    Atomics.store(integers, place * WORDS, key.a);
    Atomics.store(integers, place * WORDS + 1, key.b);
  }

  /** Whether a response that was asked for at `requestTimeMs` has been removed since. */
  isRemoved(target: string, requestTimeMs: number): boolean {
    const { integers, numbers } = this.#memory;
    const key = leaseKeyOf(target);
    const place = placeOf(key);
    if (Atomics.load(integers, place * WORDS) !== key.a) return false;
    if (Atomics.load(integers, place * WORDS + 1) !== key.b) return false;
    const removedMs = numbers[place * 2 + 1]!;
    if (requestTimeMs > removedMs) return false;
    // A clock that was set back must not make everything look removed until it has caught up.
    const agoMs = this.#now() - removedMs;
    return agoMs >= 0 && agoMs < REMEMBERED_MS;
  }
}

function placeOf({ a, b }: LeaseKey): number {
  return (a ^ b) & (PLACES - 1);
}

/** Views of the same memory; `offset` is a multiple of 8. */
export function tombstoneMemory(buffer: ArrayBufferLike, offset: number): TombstoneMemory {
  return {
    integers: new Int32Array(buffer as ArrayBuffer, offset, TOMBSTONES_BYTES / 4),
    numbers: new Float64Array(buffer as ArrayBuffer, offset, TOMBSTONES_BYTES / 8),
  };
}
