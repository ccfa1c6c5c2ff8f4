/** Views of the beginning of a buffer, kept by length, so that a read of usual size costs no allocation. */
import type { NativeBuffer } from './memory.ts';

/** Views kept; longer reads are rare enough to pay for their own. */
const VIEWS_KEPT_MAX = 2_048;

export class KeptViews {
  readonly #views: (Uint8Array | undefined)[] = new Array(VIEWS_KEPT_MAX);
  #of: NativeBuffer | null = null;

  /** The first `length` bytes of a buffer: the one of the last call is known, another one is learnt. */
  first(buffer: NativeBuffer, length: number): Uint8Array {
    if (length >= VIEWS_KEPT_MAX) return buffer.bytes.subarray(0, length);
    if (this.#of !== buffer) {
      this.#views.fill(undefined);
      this.#of = buffer;
    }
    return (this.#views[length] ??= buffer.bytes.subarray(0, length));
  }
}
