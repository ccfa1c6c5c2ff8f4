/** Byte ranges (RFC 9110 §14). */

/** One range-spec as sent: `first-last`, `first-` (last is Infinity), or `-suffix`. */
export type RangeSpec =
  | { readonly first: number; readonly last: number }
  | { readonly suffix: number };

/** Bytes of a representation, both ends inclusive. */
export interface ByteRange {
  readonly first: number;
  readonly last: number;
}

/** Ranges in one request: more is an attack (RFC 9110 §17.15) and the header is ignored. */
export const RANGES_MAX = 64;

const RANGE_SPEC = /^(?:(\d{1,15})-(\d{0,15})|-(\d{1,15}))$/;

/** The ranges of a Range field; null when it is invalid or not in bytes: ignore it (§14.2). */
export function parseRange(value: string): readonly RangeSpec[] | null {
  const equals = value.indexOf('=');
  if (equals === -1 || value.slice(0, equals).toLowerCase() !== 'bytes') return null;
  const specs: RangeSpec[] = [];
  for (const member of value.slice(equals + 1).split(',')) {
    const text = member.trim();
    if (text === '') continue;
    const match = RANGE_SPEC.exec(text);
    if (match === null || specs.length === RANGES_MAX) return null;
    if (match[3] !== undefined) {
      specs.push({ suffix: Number(match[3]) });
      continue;
    }
    const first = Number(match[1]);
    const last = match[2] === '' ? Number.POSITIVE_INFINITY : Number(match[2]);
    if (last < first) return null;
    specs.push({ first, last });
  }
  return specs.length === 0 ? null : specs;
}

/**
 * The bytes that the ranges mean in a representation of `length`, those left out that lie beyond
 * it. Empty when none can be satisfied: 416 (RFC 9110 §15.5.17).
 */
export function resolveRanges(specs: readonly RangeSpec[], length: number): ByteRange[] {
  const ranges: ByteRange[] = [];
  for (const spec of specs) {
    if ('suffix' in spec) {
      if (spec.suffix === 0 || length === 0) continue;
      ranges.push({ first: Math.max(0, length - spec.suffix), last: length - 1 });
    } else if (spec.first < length) {
      ranges.push({ first: spec.first, last: Math.min(spec.last, length - 1) });
    }
  }
  return ranges;
}
