/**
 * The quantile of a histogram, for all who show one: `/stats`, `sluice top` and the page for browsers,
 * which is served this file. It imports nothing.
 */

/**
 * The upper bound of the bucket that holds the quantile. `counts` are per bucket, not cumulated, with
 * one more than `bounds`: what is beyond the last bound, for which the answer is Infinity. Null when
 * nothing was counted.
 */
export function quantile(
  counts: readonly number[],
  bounds: readonly number[],
  fraction: number,
): number | null {
  const rank = counts.reduce((sum, count) => sum + count, 0) * fraction;
  let cumulated = 0;
  for (const [i, count] of counts.entries()) {
    cumulated += count;
    if (count > 0 && cumulated >= rank) return bounds[i] ?? Number.POSITIVE_INFINITY;
  }
  return null;
}
