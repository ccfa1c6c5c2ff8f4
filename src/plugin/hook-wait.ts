/** Waits for a hook that takes its time, for so long as it may. */

export type Settled =
  | { readonly how: 'done'; readonly value: unknown }
  | { readonly how: 'rejected'; readonly error: unknown }
  | { readonly how: 'timed-out' };

export class HookWait {
  #leftMs: number;
  #startedMs = 0;
  #timer: NodeJS.Timeout | null = null;
  #holds = 0;
  #isOver = false;
  #onTimeout: (() => void) | null = null;
  #controller: AbortController | null = null;

  constructor(timeoutMs: number) {
    this.#leftMs = timeoutMs;
  }

  /** Aborted when the time is over, or nobody waits any more. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#isOver) this.#controller.abort();
    return this.#controller.signal;
  }

  /** Resolves once, and is never rejected. After `cancel` it never resolves. */
  settle(result: PromiseLike<unknown>): Promise<Settled> {
    return new Promise((resolve) => {
      const end = (settled: Settled) => {
        if (this.#isOver) return;
        this.#stop();
        this.#isOver = true;
        if (settled.how === 'timed-out')
          this.#controller?.abort(new Error('the time of the hook is over'));
        resolve(settled);
      };
      this.#onTimeout = () => end({ how: 'timed-out' });
      if (this.#holds === 0) this.#go();
      result.then(
        (value) => end({ how: 'done', value }),
        (error: unknown) => end({ how: 'rejected', error }),
      );
    });
  }

  /** The time does not pass until `begin` calls back. Never settles when the handshake fails. */
  hold(begin: (done: (isComplete: boolean) => void) => void): Promise<void> {
    this.#stop();
    this.#holds++;
    return new Promise((resolve) => {
      begin((isComplete) => {
        if (!isComplete) return;
        this.#holds--;
        if (this.#holds === 0 && this.#onTimeout !== null) this.#go();
        resolve();
      });
    });
  }

  cancel(): void {
    this.#stop();
    this.#isOver = true;
    this.#controller?.abort(new Error('the client has gone'));
  }

  #go(): void {
    if (this.#isOver || this.#timer !== null || !Number.isFinite(this.#leftMs)) return;
    this.#startedMs = performance.now();
    this.#timer = setTimeout(() => this.#onTimeout?.(), this.#leftMs).unref();
  }

  #stop(): void {
    if (this.#timer === null) return;
    clearTimeout(this.#timer);
    this.#timer = null;
    this.#leftMs = Math.max(1, this.#leftMs - (performance.now() - this.#startedMs));
  }
}
