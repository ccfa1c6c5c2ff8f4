/**
 * Keys whose responses turned out not to be storable: their requests do not wait for one another
 * (Varnish calls it hit-for-miss). Bounded; the oldest goes first.
 */
import type { StoringDecision } from '../cache/storing.ts';

/** How long a key is remembered. When it becomes storable, it is collapsed again after this. */
const PASS_MS = 10_000;
/** About 2 MiB. */
const PASS_KEYS_MAX = 8_192;

/** Why the last response to a key was not stored. */
export interface Passed {
  readonly decision: Exclude<StoringDecision, 'store'>;
  readonly status: number;
  /** Wall-clock milliseconds. */
  readonly atMs: number;
}

export class PassMemory {
  readonly #passed = new Map<string, Passed>();

  has(key: string, nowMs: number): boolean {
    const passed = this.#passed.get(key);
    return passed !== undefined && nowMs < passed.atMs + PASS_MS;
  }

  /** For operators who ask why: however long ago it was. */
  recall(key: string): Passed | undefined {
    return this.#passed.get(key);
  }

  remember(key: string, passed: Passed): void {
    this.#passed.delete(key);
    if (this.#passed.size >= PASS_KEYS_MAX) {
      const oldest = this.#passed.keys().next();
      if (!oldest.done) this.#passed.delete(oldest.value);
    }
    this.#passed.set(key, passed);
  }

  forget(key: string): void {
    this.#passed.delete(key);
  }
}
