/** DATAGRAM frames that wait to be sent (RFC 9221): bounded, and dropped when there are too many. */
import { copyOfBytes } from '../../base/bytes.ts';

export class DatagramQueue {
  readonly #waiting: Uint8Array[] = [];
  readonly #queuedMax: number;

  constructor(queuedMax: number) {
    this.#queuedMax = queuedMax;
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  /** Adds a copy. False: too many wait. */
  add(bytes: Uint8Array): boolean {
    if (this.#waiting.length >= this.#queuedMax) return false;
    this.#waiting.push(copyOfBytes(bytes));
    return true;
  }

  /** The next one, or undefined; `shift` takes it off. */
  peek(): Uint8Array | undefined {
    return this.#waiting[0];
  }

  shift(): void {
    this.#waiting.shift();
  }

  clear(): void {
    this.#waiting.length = 0;
  }
}
