/**
 * How fast a request's content comes, for as long as it is expected: time for which we do not read,
 * or an answer has begun, is not the client's. No clock: looked at now and then, with the time.
 */

export interface ContentLimits {
  /** Milliseconds before the least rate counts. */
  readonly contentGraceMs: number;
  /** Bytes per second, on average over what follows the grace. */
  readonly contentBytesPerSecondMin: number;
  /** Milliseconds in all for which content is waited for. */
  readonly contentTotalTimeoutMs: number;
}

/** Why so much: see downstream/limits.ts. */
export const defaultContentLimits: ContentLimits = {
  contentGraceMs: 20_000,
  contentBytesPerSecondMin: 500,
  contentTotalTimeoutMs: 86_400_000,
};

/** Content may take its time; for how long it may be silent is another limit. */
export const noContentLimits: ContentLimits = {
  contentGraceMs: 0,
  contentBytesPerSecondMin: 0,
  contentTotalTimeoutMs: Number.POSITIVE_INFINITY,
};

export class ContentWatch {
  #expectedMs = 0;
  #bytes = 0;
  /** When content was last found to be expected; -1 when it was not. */
  #seenMs = -1;

  /** Another request has begun. */
  reset(): void {
    this.#expectedMs = 0;
    this.#bytes = 0;
    this.#seenMs = -1;
  }

  /** `bytes`: bytes that have come since the last look. */
  look(nowMs: number, isExpected: boolean, bytes: number): void {
    this.#bytes += bytes;
    if (isExpected && this.#seenMs >= 0) this.#expectedMs += nowMs - this.#seenMs;
    this.#seenMs = isExpected ? nowMs : -1;
  }

  isTooSlow(limits: ContentLimits): boolean {
    const { contentGraceMs, contentBytesPerSecondMin, contentTotalTimeoutMs } = limits;
    if (this.#expectedMs >= contentTotalTimeoutMs) return true;
    const countedMs = this.#expectedMs - contentGraceMs;
    return countedMs > 0 && this.#bytes * 1000 < countedMs * contentBytesPerSecondMin;
  }
}
