/**
 * Who is asked next. All three ways look at every candidate once and allocate nothing: groups are
 * small, and this runs for each request that the cache does not answer.
 */
import { combineHashes } from './hash.ts';

/** What balancing sees of an endpoint. */
export interface Candidate {
  /** Its share now, above 0: below its full weight while it starts slowly. */
  readonly share: number;
  /** Requests under way. */
  readonly activeCount: number;
  /** Identity, as a hash: the same in every worker and after a restart. */
  readonly seed: number;
  /** Smooth round robin's account. */
  credit: number;
}

/**
 * Smooth weighted round robin, as nginx does it: everyone earns its share, the richest is chosen and
 * pays what all have earned. Of weights 5, 1, 1 comes a a b a c a a, not a a a a a b c.
 */
export function nextByTurn<C extends Candidate>(candidates: readonly C[]): C {
  let chosen = candidates[0]!;
  let earned = 0;
  for (let i = 0; i < candidates.length; i++) {
    const candidate = candidates[i]!;
    const { share } = candidate;
    candidate.credit += share;
    earned += share;
    if (candidate.credit > chosen.credit) chosen = candidate;
  }
  chosen.credit -= earned;
  return chosen;
}

/**
 * The fewest requests under way for its share; among equals smooth round robin, by their shares, so
 * that of idle servers each gets its share as well: nginx's least_conn.
 */
export function nextByLoad<C extends Candidate>(candidates: readonly C[]): C {
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < candidates.length; i++) least = Math.min(least, loadOf(candidates[i]!));
  let chosen: C | null = null;
  let earned = 0;
  for (let i = 0; i < candidates.length; i++) {
    const candidate = candidates[i]!;
    if (loadOf(candidate) > least) continue;
    const { share } = candidate;
    candidate.credit += share;
    earned += share;
    if (chosen === null || candidate.credit > chosen.credit) chosen = candidate;
  }
  chosen!.credit -= earned;
  return chosen!;
}

function loadOf({ activeCount, share }: Candidate): number {
  return activeCount / share;
}

/**
 * Rendezvous hashing (Thaler and Ravishankar) with weights: each candidate draws a lot from the key,
 * the best lot wins. When one goes only its keys move, spread over all others by their weights; when
 * one comes it takes only what it wins. `loadFactor` bounds the load (Mirrokni et al.): whoever has so
 * many times its share of the requests under way is passed over, and the next best lot wins.
 */
export function nextByHash<C extends Candidate>(
  candidates: readonly C[],
  key: number,
  loadFactor: number,
): C {
  let shares = 0;
  let active = 1;
  for (let i = 0; i < candidates.length; i++) {
    shares += candidates[i]!.share;
    active += candidates[i]!.activeCount;
  }
  const activePerShare = (loadFactor * active) / shares;
  let chosen = candidates[0]!;
  let best = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < candidates.length; i++) {
    const candidate = candidates[i]!;
    const { share } = candidate;
    if (candidate.activeCount + 1 > Math.ceil(activePerShare * share)) continue;
    // Evenly drawn from 0 to 1, without either end; the larger the weight, the nearer to 0.
    const draw = (combineHashes(key, candidate.seed) + 0.5) / 2 ** 32;
    const lot = Math.log(draw) / share;
    if (lot <= best) continue;
    best = lot;
    chosen = candidate;
  }
  return chosen;
}
