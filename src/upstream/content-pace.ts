/** How fast a response's content comes while its client takes it. */

export interface ContentPace {
  readonly bytes: number;
  /** Milliseconds since its head for which the origin could send. */
  readonly elapsedMs: number;
}

/** Time for which the response is held up is the client's, and not counted. */
export class PaceWatch {
  bytes = 0;
  readonly #monotonicMs: (() => number) | null;
  #elapsedMs = 0;
  /** -1 while it does not run. */
  #sinceMs = -1;
  #hasBegun = false;

  /** Null: nobody asks, and nothing is measured. One such watch may serve all. */
  constructor(monotonicMs: (() => number) | null) {
    this.#monotonicMs = monotonicMs;
  }

  /** The head of a response has come. */
  begin(isPaused: boolean): void {
    if (this.#monotonicMs === null) return;
    this.bytes = 0;
    this.#elapsedMs = 0;
    this.#hasBegun = true;
    this.#sinceMs = isPaused ? -1 : this.#monotonicMs();
  }

  pause(): void {
    if (this.#monotonicMs === null || this.#sinceMs < 0) return;
    this.#elapsedMs += this.#monotonicMs() - this.#sinceMs;
    this.#sinceMs = -1;
  }

  resume(): void {
    if (this.#monotonicMs === null || !this.#hasBegun || this.#sinceMs >= 0) return;
    this.#sinceMs = this.#monotonicMs();
  }

  /** Null when nobody asks. */
  end(): ContentPace | null {
    if (this.#monotonicMs === null) return null;
    this.pause();
    return { bytes: this.bytes, elapsedMs: this.#elapsedMs };
  }
}
