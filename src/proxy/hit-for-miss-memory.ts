/**
 * Keys whose responses turned out not to be storable: their requests do not wait for one another
 * (Varnish calls it hit-for-miss). Bounded; the oldest goes first.
 */
import { createHash } from 'node:crypto';
import { BoundedMap } from '../base/bounded-map.ts';
import { targetOfKey } from '../cache/rules/key.ts';
import type { StoringDecision } from '../cache/rules/storing.ts';

/**
 * How long requests for a key do not wait for one another after a response that could not be
 * stored.
 */
const HIT_FOR_MISS_MS = 10_000;
/** Memory for keys: of 100 characters each, 6,000. */
export const HIT_FOR_MISS_BYTES_MAX = 2_097_152;
/** Longer keys are remembered by a digest: a few of them must not evict all others. */
export const HIT_FOR_MISS_KEY_CHARACTERS_MAX = 512;
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
  /** Of a key that rules or slices have added to: the digest of its target, else ''. */
  readonly target: string;
}

export class HitForMissMemory {
  readonly #passed = new BoundedMap<Entry>(HIT_FOR_MISS_BYTES_MAX);

  has(key: string, nowMs: number): boolean {
    const passed = this.#passed.get(shortened(key));
    return passed !== undefined && nowMs < passed.atMs + HIT_FOR_MISS_MS;
  }

  /** For operators who ask why: however long ago it was. */
  recall(key: string): Passed | undefined {
    return this.#passed.get(shortened(key));
  }

  /** The last of a target, whatever rules and slices have added to its key. */
  recallTarget(target: string): Passed | undefined {
    let last = this.#passed.get(shortened(target));
    const digest = digestOf(target);
    for (const [, entry] of this.#passed.entries()) {
      if (entry.target !== digest) continue;
      if (last === undefined || entry.atMs > last.atMs) last = entry;
    }
    return last;
  }

  remember(key: string, decision: Passed['decision'], status: number, atMs: number): void {
    const name = shortened(key);
    const known = this.#passed.get(name);
    if (known !== undefined && atMs < known.movedMs + MOVE_MS) {
      known.decision = decision;
      known.status = status;
      known.atMs = atMs;
      return;
    }
    const target = targetOfKey(key);
    const isAddedTo = target !== key;
    this.#passed.set(name, {
      decision,
      status,
      atMs,
      movedMs: atMs,
      target: known?.target ?? (isAddedTo ? digestOf(target) : ''),
    });
  }

  forget(key: string): void {
    this.#passed.delete(shortened(key));
  }

  /** Memory that keys take. */
  get bytes(): number {
    return this.#passed.bytes;
  }
}

/** No key is a digest: it begins with a scheme. */
function shortened(key: string): string {
  return key.length <= HIT_FOR_MISS_KEY_CHARACTERS_MAX ? key : digestOf(key);
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('base64');
}
