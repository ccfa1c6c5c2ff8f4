/** A request's content, kept while it may have to be sent again. */
import type { RequestSender } from '../http/exchange.ts';

/**
 * Bytes of a request's body that are kept for a retry: forms and JSON fit, uploads are not
 * retried.
 */
export const HELD_CONTENT_BYTES_MAX = 65_536;

export class HeldContent {
  #pieces: Uint8Array[] = [];
  #length = 0;
  #isWhole = true;

  /** Nothing that was sent is missing. */
  get isWhole(): boolean {
    return this.#isWhole;
  }

  /** Copies what is being sent; what grows too long is let go. */
  add(bytes: Uint8Array): void {
    if (!this.#isWhole) return;
    this.#length += bytes.length;
    if (this.#length > HELD_CONTENT_BYTES_MAX) {
      this.#isWhole = false;
      this.#pieces = [];
    } else {
      // Buffer’s own `slice` would make no copy, and the bytes are the reactor’s.
      this.#pieces.push(new Uint8Array(bytes));
    }
  }

  /** Sends what was sent before. */
  replay(sender: RequestSender): void {
    for (const piece of this.#pieces) sender.sendContent(piece);
  }
}
