/** The packets of one space that were sent and neither acknowledged nor lost: a ring, by their numbers. */
import { assert } from '../../base/assert.ts';
import { type SentPacket, takeSentPacket } from './sent-packet.ts';

const CAPACITY_INITIAL = 16;

/** Stands for a packet that was acknowledged while an older one is still open. */
const ACKNOWLEDGED: SentPacket = takeSentPacket();

export class SentPackets {
  #ring: (SentPacket | undefined)[] = new Array(CAPACITY_INITIAL).fill(undefined);
  /** The least number that can be in the ring. */
  #first = 0;
  /** One more than the largest number that was added. */
  #end = 0;
  count = 0;

  /** Numbers from `first` to `end` (exclusive) may be open. */
  get first(): number {
    return this.#first;
  }

  get end(): number {
    return this.#end;
  }

  add(packet: SentPacket): void {
    assert(packet.number >= this.#end, 'packet numbers grow');
    if (this.count === 0) this.#first = packet.number;
    while (packet.number - this.#first >= this.#ring.length) this.#grow();
    this.#end = packet.number + 1;
    this.#ring[packet.number % this.#ring.length] = packet;
    this.count++;
  }

  /** An open packet, or undefined. */
  get(number: number): SentPacket | undefined {
    if (number < this.#first || number >= this.#end) return undefined;
    const found = this.#ring[number % this.#ring.length];
    return found === ACKNOWLEDGED ? undefined : found;
  }

  wasAcknowledged(number: number): boolean {
    if (number < this.#first || number >= this.#end) return false;
    return this.#ring[number % this.#ring.length] === ACKNOWLEDGED;
  }

  remove(number: number, isAcknowledged: boolean): void {
    const slot = number % this.#ring.length;
    assert(this.get(number) !== undefined, 'an open packet is removed');
    this.#ring[slot] = isAcknowledged ? ACKNOWLEDGED : undefined;
    this.count--;
    this.#advance();
  }

  #advance(): void {
    const ring = this.#ring;
    if (this.count === 0) {
      for (let n = this.#first; n < this.#end; n++) ring[n % ring.length] = undefined;
      this.#first = this.#end;
      return;
    }
    while (this.#first < this.#end) {
      const found = ring[this.#first % ring.length];
      if (found !== undefined && found !== ACKNOWLEDGED) return;
      ring[this.#first % ring.length] = undefined;
      this.#first++;
    }
  }

  #grow(): void {
    const old = this.#ring;
    const ring = new Array(old.length * 2).fill(undefined);
    for (let n = this.#first; n < this.#end; n++) ring[n % ring.length] = old[n % old.length];
    this.#ring = ring;
  }
}
