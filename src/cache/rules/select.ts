/** Which of the stored responses under a key a request selects (RFC 9111 §4.1). */
import type { FieldSection } from '../../http/field-section.ts';
import type { StoreHit } from '../contract.ts';
import { dateValueMs } from './freshness.ts';
import type { CachePolicy } from './policy.ts';
import { matchesPreferredLanguage, matchesVary } from './vary.ts';

/**
 * The most recent match by Date (RFC 9111 §4.1), or undefined. Complete responses go before parts,
 * which only requests with Range can use; see `range.ts`.
 */
export function selectStored(
  hits: readonly StoreHit[],
  request: FieldSection,
  policy: CachePolicy,
): StoreHit | undefined {
  if (hits.length === 1) {
    const only = hits[0]!;
    const { varyFields, partial } = only.response;
    if (partial === null && varyFields.length === 0) return only;
  }
  let best: StoreHit | undefined;
  for (const hit of hits) {
    if (!matchesVary(hit.response.varyFields, request)) continue;
    if (best === undefined || isBetter(hit, best)) best = hit;
  }
  if (best !== undefined || !policy.selectByLanguage) return best;
  return hits.find(({ response }) => matchesPreferredLanguage(response, request));
}

function isBetter(hit: StoreHit, best: StoreHit): boolean {
  const partial = hit.response.partial !== null;
  if (partial !== (best.response.partial !== null)) return !partial;
  return dateOf(hit) > dateOf(best);
}

function dateOf({ response }: StoreHit): number {
  return dateValueMs(response.fields, response.responseTimeMs);
}
