/**
 * What ClientHellos that ended workers have in common, and honest ones have not: refused for a short
 * time. Pure, with the time and the honest ones as arguments.
 */
import { commonTraits, hasTraits, patternOf } from '../../tls/refusal/hello-traits.ts';
import { defaultRefusalLimits } from './hello-blocklist.ts';

type Traits = ReadonlySet<string>;

interface Killers {
  /** Of each death within the window. */
  readonly deaths: readonly { readonly traits: Traits; readonly atMs: number }[];
  readonly pattern: string;
  /** Refused until then; 0 when it is not. */
  readonly untilMs: number;
}

/** Ways to die that are remembered, and killers of each. */
const WAYS_MAX = 64;
const KILLERS_MAX = 32;

export type PatternVerdict =
  /** Too few have died yet. */
  | { readonly kind: 'few' }
  /** From now on it is refused. */
  | { readonly kind: 'refused'; readonly pattern: string }
  /** Honest clients send the like: nothing is refused. */
  | { readonly kind: 'honest'; readonly pattern: string };

export class HelloPatterns {
  readonly #deathsMax: number;
  readonly #windowMs: number;
  /** By the signature of the death. */
  readonly #ways = new Map<string, Killers>();

  constructor(settings: { readonly deathsMax: number; readonly windowMs: number }) {
    this.#deathsMax = settings.deathsMax + defaultRefusalLimits.deathsBeyondRollback;
    this.#windowMs = settings.windowMs;
  }

  /** Patterns that are refused now. */
  list(nowMs: number): string[] {
    return [...this.#ways.values()]
      .filter(({ untilMs }) => untilMs > nowMs)
      .map(({ pattern }) => pattern);
  }

  /** A worker has died of a ClientHello. `honest`: of handshakes that were completed of late. */
  died(
    signature: string,
    traits: Traits,
    honest: () => readonly Traits[],
    nowMs: number,
  ): PatternVerdict {
    const before = this.#ways.get(signature);
    const since = nowMs - this.#windowMs;
    const kept = (before?.deaths ?? []).filter(({ atMs }) => atMs > since).slice(1 - KILLERS_MAX);
    const deaths = [...kept, { traits, atMs: nowMs }];
    const isRefused = before !== undefined && before.untilMs > nowMs;
    this.#ways.delete(signature);
    // One that gets past a pattern is the next killer at once: what it lacks is no part of it.
    if (deaths.length < this.#deathsMax && !isRefused) {
      this.#put(signature, { deaths, pattern: '', untilMs: 0 });
      return { kind: 'few' };
    }
    const common = commonTraits(deaths.map((one) => one.traits));
    const pattern = patternOf(common);
    if (common.size === 0 || honest().some((one) => hasTraits(one, common))) {
      this.#put(signature, { deaths, pattern: '', untilMs: 0 });
      return { kind: 'honest', pattern };
    }
    this.#put(signature, { deaths, pattern, untilMs: nowMs + defaultRefusalLimits.refusedMs });
    return { kind: 'refused', pattern };
  }

  /** An operator wants none refused. */
  clear(): void {
    this.#ways.clear();
  }

  #put(signature: string, killers: Killers): void {
    this.#ways.set(signature, killers);
    for (const oldest of this.#ways.keys()) {
      if (this.#ways.size <= WAYS_MAX) break;
      this.#ways.delete(oldest);
    }
  }
}
