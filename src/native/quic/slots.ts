/** Small pieces of native memory, given and taken back: a mapping for each would cost a page. */
import { assert } from '../../base/assert.ts';
import { addressOf, NativeBuffer } from '../memory.ts';

const SLOTS_PER_MAPPING = 64;

export interface Slot {
  /** Its bytes; nothing else is there. */
  readonly bytes: Uint8Array;
  /** Of its first byte. */
  readonly address: bigint;
}

/** Slots of one size. What was mapped stays mapped: as much as was ever needed at once. */
export class SlotPool {
  readonly #slotBytes: number;
  readonly #free: Slot[] = [];
  #takenCount = 0;

  constructor(slotBytes: number) {
    this.#slotBytes = slotBytes;
  }

  take(): Slot {
    if (this.#free.length === 0) this.#map();
    this.#takenCount++;
    return this.#free.pop()!;
  }

  give(slot: Slot): void {
    assert(this.#takenCount > 0, 'a slot is given back once');
    this.#takenCount--;
    this.#free.push(slot);
  }

  /** How many are in use: for tests. */
  get takenCount(): number {
    return this.#takenCount;
  }

  #map(): void {
    const memory = NativeBuffer.allocate(this.#slotBytes * SLOTS_PER_MAPPING);
    const base = addressOf(memory);
    for (let index = 0; index < SLOTS_PER_MAPPING; index++) {
      const offset = index * this.#slotBytes;
      const bytes = memory.bytes.subarray(offset, offset + this.#slotBytes);
      this.#free.push({ bytes, address: base + BigInt(offset) });
    }
  }
}
