/** For how long none of a request's content has come that is expected, on one of many streams. */
import { type ContentLimits, ContentWatch } from './content-watch.ts';

export class ContentSilence {
  /** When the last look saw bytes arrive, and how many there were. */
  #seenMs = -1;
  #seenBytes = -1;
  #watch: ContentWatch | null = null;
  #watchedBytes = 0;

  /**
   * Milliseconds of silence, as far as the calls of this have seen: 0 when no content is expected.
   * `receivedBytes`: in all.
   */
  look(nowMs: number, isExpected: boolean, receivedBytes: number): number {
    if (isExpected) this.#watch ??= new ContentWatch();
    this.#watch?.look(nowMs, isExpected, receivedBytes - this.#watchedBytes);
    this.#watchedBytes = receivedBytes;
    if (!isExpected || this.#seenBytes !== receivedBytes) {
      this.#seenBytes = isExpected ? receivedBytes : -1;
      this.#seenMs = nowMs;
    }
    return nowMs - this.#seenMs;
  }

  /** As far as the calls of `look` have seen. */
  isTooSlow(limits: ContentLimits): boolean {
    return this.#watch?.isTooSlow(limits) ?? false;
  }
}
