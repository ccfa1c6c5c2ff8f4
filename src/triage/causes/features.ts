/** Which features must be on for a fault: what is to blame, and what it merely needs. */
import { featureNamed } from '../../tls/features.ts';
import { type Minimal, minimalSubset } from '../reduce/delta-debugging.ts';

/** Whether the fault is there with these features on, and the others off; null: it cannot be told. */
export type FailsWithFeatures = (on: readonly string[], words: string) => Promise<boolean | null>;

export interface BlamedFeatures {
  /**
   * Observers, which nothing should depend on; when none is needed, what takes part in the
   * handshake. Empty: the fault is there with everything off.
   */
  readonly blamed: readonly string[];
  /** Parts of the handshake that must be on as well. */
  readonly conditions: readonly string[];
  /** Without them nothing could be tried, which neither blames nor clears them. */
  readonly unclear: readonly string[];
}

/** `on`: those that were on. `suspect`: the observer that was running, or null. */
export async function featuresToBlame(
  on: readonly string[],
  suspect: string | null,
  fails: FailsWithFeatures,
): Promise<BlamedFeatures> {
  const everything = on.length;
  const ask = (kept: readonly string[]) => {
    // Reproduced so already.
    if (kept.length === everything) return Promise.resolve(true);
    return fails(kept, wordsFor(kept, on));
  };
  const isKnown = suspect !== null && on.includes(suspect);
  const others = on.filter((name) => name !== suspect);
  if (isKnown && (await ask(others)) === false) {
    // It is needed: what is left to ask is what else is.
    const more = await minimalSubset(others, (kept) => ask(inOrder(on, [suspect, ...kept])));
    return divided({ ...more, items: inOrder(on, [suspect, ...more.items]) });
  }
  return divided(await minimalSubset(on, ask));
}

function divided({ items, unclear }: Minimal<string>): BlamedFeatures {
  const needed = items.filter((name) => !unclear.includes(name));
  const takesPart = (name: string) => featureNamed(name)?.kind === 'handshake';
  const observers = needed.filter((name) => !takesPart(name));
  if (observers.length === 0) return { blamed: needed, conditions: [], unclear };
  return { blamed: observers, conditions: needed.filter(takesPart), unclear };
}

function inOrder(all: readonly string[], some: readonly string[]): string[] {
  const wanted = new Set(some);
  return all.filter((name) => wanted.has(name));
}

function wordsFor(kept: readonly string[], on: readonly string[]): string {
  if (kept.length === 0) return 'all features off';
  const off = on.filter((name) => !kept.includes(name));
  return kept.length <= off.length ? `only ${kept.join(', ')} on` : `${off.join(', ')} off`;
}
