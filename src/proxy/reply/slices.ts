/**
 * Slices: parts of one length, each looked up by a key of its own. Which requests are answered with
 * them, where they begin, and whether they are stored.
 */
import type { StoreHit } from '../../cache/contract.ts';
import { isCombinable, lengthOf, type Section } from '../../cache/parts.ts';
import type { Representation } from '../../cache/rules/range.ts';
import { selectStored } from '../../cache/rules/select.ts';
import { CONDITIONAL } from '../../cache/rules/validation.ts';
import type { FieldSection } from '../../http/field-section.ts';
import type { RequestHead } from '../../http/message.ts';
import { parseRange } from '../../http/ranges.ts';
import type { ProxyEnvironment } from '../environment.ts';

/**
 * Slices that are looked up before a response is reported as a hit. A response of more slices is
 * reported as partly from the cache.
 */
const SLICES_LOOKED_FOR_MAX = 256;

/** Whether a request is answered slice by slice: nothing whole is stored, and slices are of use. */
export function isSliced(
  environment: ProxyEnvironment,
  head: RequestHead,
  key: string,
  hits: readonly StoreHit[],
): boolean {
  const { sliceBytes, cachePolicy, hitForMissMemory, clock } = environment;
  if (sliceBytes === 0 || head.method !== 'GET' || head.contentLength !== 0) return false;
  const selected = selectStored(hits, head.fields, cachePolicy);
  if (selected !== undefined && selected.response.partial === null) return false;
  return !hitForMissMemory.has(notSlicedKey(key), clock.wallMs());
}

/** Remembers that slices of what is under the key are of no use; `status` has told. */
export function rememberNotSliced(
  { hitForMissMemory, clock }: ProxyEnvironment,
  key: string,
  status: number,
): void {
  const why = 'partial-not-combinable';
  hitForMissMemory.remember(notSlicedKey(key), why, status, clock.wallMs());
}

/** What is remembered of a key whose responses cannot be sliced. */
function notSlicedKey(key: string): string {
  return `${key}\nnot sliced`;
}

/** The slice at `start` of what is under the key. */
export function sliceKey(key: string, sliceBytes: number, start: number): string {
  return `${key}\nslice ${sliceBytes} ${start}`;
}

/** Where the slice begins that has the first byte asked for. */
export function sliceStart(request: FieldSection, size: number): number {
  const value = request.combined('range');
  // With If-Range, all may be wanted; what a suffix means depends on the length.
  if (value === undefined || request.count('range') > 1 || request.has('if-range')) return 0;
  const [spec] = parseRange(value) ?? [];
  if (spec === undefined || 'suffix' in spec) return 0;
  return Math.floor(spec.first / size) * size;
}

/** Where the slice at `start` ends. Not beyond the end that is known: some origins answer 416 to that. */
export function sliceEnd(start: number, size: number, of: Representation | null): number {
  const length = of === null ? -1 : lengthOf(of);
  const end = start + size;
  return length > start ? Math.min(end, length) : end;
}

/** The client's fields without its range and conditions: those are judged here. */
export function partFields(request: FieldSection): FieldSection {
  const fields = request.clone();
  for (const name of CONDITIONAL) fields.remove(name);
  fields.remove('range');
  return fields;
}

/** Where the slices begin that the sections are made of, but for one; no more than are looked for. */
export function otherSlices(sections: readonly Section[], size: number, first: number): number[] {
  const starts = new Set<number>();
  for (const section of sections) {
    if (section.kind !== 'missing') continue;
    const { start, end } = section;
    for (let at = Math.floor(start / size) * size; at < end; at += size) {
      if (starts.size > SLICES_LOOKED_FOR_MAX) break;
      if (at !== first) starts.add(at);
    }
  }
  return [...starts];
}

export interface SliceLook {
  readonly environment: ProxyEnvironment;
  readonly head: RequestHead;
  readonly key: string;
  readonly sliceBytes: number;
  /** Where the slices begin. */
  readonly starts: readonly number[];
  /** What they must be of. */
  readonly of: Representation;
}

/** Whether slices are stored that can be combined with what there is. Calls back once. */
export function lookForSlices(look: SliceLook, callback: (haveAll: boolean) => void): void {
  const { environment, head, key, sliceBytes, starts, of } = look;
  if (starts.length > SLICES_LOOKED_FOR_MAX) {
    callback(false);
    return;
  }
  const request = partFields(head.fields);
  let pending = starts.length;
  let haveAll = true;
  if (pending === 0) callback(true);
  for (const start of starts) {
    environment.store.lookup(sliceKey(key, sliceBytes, start), (hits) => {
      const response = selectStored(hits, request, environment.cachePolicy)?.response;
      const last = response?.partial?.last ?? -1;
      const isThere = last + 1 >= sliceEnd(start, sliceBytes, of) && isCombinable(response!, of);
      if (!isThere) haveAll = false;
      if (--pending === 0) callback(haveAll);
    });
  }
}
