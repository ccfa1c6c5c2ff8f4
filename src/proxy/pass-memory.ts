/**
 * Keys whose responses turned out not to be storable: their requests do not wait for one another
 * (Varnish calls it hit-for-miss). Bounded; the oldest goes first.
 */
import { targetOfKey } from '../cache/key.ts';
import type { StoringDecision } from '../cache/storing.ts';

/** How long a key is remembered. When it becomes storable, it is collapsed again after this. */
const PASS_MS = 10_000;
/** About 2 MiB. */
const PASS_KEYS_MAX = 8_192;
/** A key that is asked for all the time is moved to the end of the queue this often. */
const MOVE_MS = 1_000;

/** Why requests for a key do not wait for one another: the last response was not stored, or stale. */
export interface Passed {
  readonly decision: StoringDecision;
  readonly status: number;
  /** Wall-clock milliseconds. */
  readonly atMs: number;
}

/** In the order of `movedMs`, which is what the oldest is found by. */
interface Entry {
  decision: Passed['decision'];
  status: number;
  atMs: number;
  readonly movedMs: number;
}

export class PassMemory {
  readonly #passed = new Map<string, Entry>();

  has(key: string, nowMs: number): boolean {
    const passed = this.#passed.get(key);
    return passed !== undefined && nowMs < passed.atMs + PASS_MS;
  }

  /** For operators who ask why: however long ago it was. */
  recall(key: string): Passed | undefined {
    return this.#passed.get(key);
  }

  /** The last of a target, whatever rules and slices have added to its key. */
  recallTarget(target: string): Passed | undefined {
    let last = this.#passed.get(target);
    for (const [key, entry] of this.#passed) {
      if (targetOfKey(key) !== target) continue;
      if (last === undefined || entry.atMs > last.atMs) last = entry;
    }
    return last;
  }

  remember(key: string, decision: Passed['decision'], status: number, atMs: number): void {
    const known = this.#passed.get(key);
    if (known !== undefined && atMs < known.movedMs + MOVE_MS) {
      known.decision = decision;
      known.status = status;
      known.atMs = atMs;
      return;
    }
    if (known !== undefined) this.#passed.delete(key);
    if (this.#passed.size >= PASS_KEYS_MAX) {
      const oldest = this.#passed.keys().next();
      if (!oldest.done) this.#passed.delete(oldest.value);
    }
    this.#passed.set(key, { decision, status, atMs, movedMs: atMs });
  }

  forget(key: string): void {
    this.#passed.delete(key);
  }
}
