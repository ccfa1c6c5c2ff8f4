/**
 * Keys whose responses turned out not to be storable: their requests do not wait for one another
 * (Varnish calls it hit-for-miss). Bounded; the oldest goes first.
 */

/** How long a key is remembered. When it becomes storable, it is collapsed again after this. */
const PASS_MS = 10_000;
/** About 1 MiB of keys. */
const PASS_KEYS_MAX = 8_192;

export class PassMemory {
  readonly #untilMs = new Map<string, number>();

  has(key: string, nowMs: number): boolean {
    const untilMs = this.#untilMs.get(key);
    if (untilMs === undefined) return false;
    if (nowMs < untilMs) return true;
    this.#untilMs.delete(key);
    return false;
  }

  remember(key: string, nowMs: number): void {
    this.#untilMs.delete(key);
    if (this.#untilMs.size >= PASS_KEYS_MAX) {
      const oldest = this.#untilMs.keys().next();
      if (!oldest.done) this.#untilMs.delete(oldest.value);
    }
    this.#untilMs.set(key, nowMs + PASS_MS);
  }

  forget(key: string): void {
    this.#untilMs.delete(key);
  }
}
