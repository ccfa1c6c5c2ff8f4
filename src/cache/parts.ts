/**
 * Stored parts of a representation (RFC 9111 §3.3, §3.4): which of them belong together, and what of
 * an answer they have. They are combined as they are read, not as they are stored.
 */
import { strongMatch } from '../http/conditionals.ts';
import { FieldSection } from '../http/field-section.ts';
import type { RequestHead } from '../http/message.ts';
import type { PartialContent, StoredResponse, StoreHit } from './contract.ts';
import { evaluatePreconditions } from './rules/preconditions.ts';
import { type Piece, planRange, type Representation } from './rules/range.ts';
import { entityTagOf, hasStrongValidator } from './rules/validators.ts';
import { matchesVary, sameVaryFields } from './rules/vary.ts';

/**
 * Parts of one variant that are stored side by side: the position of its first byte decides the
 * slot of a part, where it replaces another one. A prime, so that parts of equal length get slots
 * of their own.
 */
export const PART_SLOTS = 31;

export function placeOfPart({ first }: PartialContent): number {
  return first % PART_SLOTS;
}

/** Whether a stored response takes the place of another under the same key. */
export function replaces(fresh: StoredResponse, old: StoredResponse): boolean {
  if (!sameVaryFields(fresh.varyFields, old.varyFields)) return false;
  if (fresh.partial === null) return true;
  if (old.partial === null) return false;
  return placeOfPart(fresh.partial) === placeOfPart(old.partial) || !isCombinable(fresh, old);
}

/** RFC 9111 §3.4: parts with the same strong validator are parts of the same bytes. */
export function isCombinable(a: Representation, b: Representation): boolean {
  if (!hasStrongValidator(a.fields) || !hasStrongValidator(b.fields)) return false;
  if (lengthOf(a) !== lengthOf(b) || lengthOf(a) === -1) return false;
  const [tagA, tagB] = [entityTagOf(a.fields), entityTagOf(b.fields)];
  if (tagA !== undefined || tagB !== undefined) {
    return tagA !== undefined && tagB !== undefined && strongMatch(tagA, tagB);
  }
  return a.fields.first('last-modified') === b.fields.first('last-modified');
}

/** Bytes of the whole representation, or -1. */
export function lengthOf({ partial, contentLength }: Representation): number {
  return partial === null ? contentLength : partial.completeLength;
}

/** The stored parts that can be combined with one that the request has selected, that one first. */
export function partsOf(
  selected: StoreHit,
  hits: readonly StoreHit[],
  request: FieldSection,
): readonly StoreHit[] {
  const others = hits.filter(
    (hit) =>
      hit !== selected &&
      hit.response.partial !== null &&
      matchesVary(hit.response.varyFields, request) &&
      isCombinable(hit.response, selected.response),
  );
  return [selected, ...others];
}

/** What the parts are of: a 200 with all of the content. */
export function wholeOf(part: Representation): Representation {
  const fields = new FieldSection();
  for (let i = 0; i < part.fields.length; i++) {
    const name = part.fields.names[i]!;
    if (name === 'content-range' || name === 'content-length') continue;
    fields.append(name, part.fields.values[i]!);
  }
  const { responseTimeMs } = part;
  return { status: 200, fields, partial: null, contentLength: lengthOf(part), responseTimeMs };
}

/** An answer from stored parts. */
export interface Completion {
  /** The part that the request has selected. */
  readonly selected: Representation;
  /** Status, fields and length of the answer, as far as the stored parts know. */
  readonly answer: Pick<Representation, 'status' | 'fields' | 'contentLength'>;
  readonly sections: readonly Section[];
}

/** Gaps that are worth a request each; with more, the request is forwarded as it is. */
const GAPS_MAX = 4;

export interface CompletionInput {
  readonly head: RequestHead;
  readonly selected: StoreHit;
  readonly hits: readonly StoreHit[];
  /** As for {@link planRange}. */
  readonly boundary: string;
  readonly nowMs: number;
}

/** How the stored parts answer a GET, which one of them alone does not; null when they are no help. */
export function completionOf(input: CompletionInput): Completion | null {
  const { head: request, selected, hits, boundary, nowMs } = input;
  const { response } = selected;
  if (request.method !== 'GET' || lengthOf(response) === -1) return null;
  if (!hasStrongValidator(response.fields)) return null;
  if (planRange(request.fields, response, nowMs, boundary).kind !== 'forward') return null;
  const whole = wholeOf(response);
  if (evaluatePreconditions(request.fields, whole, nowMs) !== 'proceed') return null;
  const plan = planRange(request.fields, whole, nowMs, boundary);
  if (plan.kind === 'forward') return null;
  const isWhole = plan.kind === 'whole';
  const pieces = isWhole ? [{ start: 0, end: whole.contentLength }] : plan.pieces;
  const sections = sectionsOf(pieces, partsOf(selected, hits, request.fields));
  const gaps = sections.filter(({ kind }) => kind === 'missing').length;
  if (gaps > GAPS_MAX || !sections.some(({ kind }) => kind === 'stored')) return null;
  return { selected: response, answer: isWhole ? whole : plan, sections };
}

/** A run of an answer's bytes. */
export type Section =
  | { readonly kind: 'made'; readonly bytes: Uint8Array }
  /** Of a stored part: offsets in its content, `end` exclusive. */
  | {
      readonly kind: 'stored';
      readonly hit: StoreHit;
      readonly start: number;
      readonly end: number;
    }
  /** Of the representation, and not stored: `end` exclusive. */
  | { readonly kind: 'missing'; readonly start: number; readonly end: number };

/** Divides pieces of the whole into what the parts have and what they lack. */
export function sectionsOf(pieces: readonly Piece[], parts: readonly StoreHit[]): Section[] {
  const sections: Section[] = [];
  for (const piece of pieces) {
    if ('bytes' in piece) sections.push({ kind: 'made', bytes: piece.bytes });
    else addSections(sections, piece.start, piece.end, parts);
  }
  return sections;
}

function addSections(
  sections: Section[],
  start: number,
  end: number,
  parts: readonly StoreHit[],
): void {
  let at = start;
  while (at < end) {
    const hit = longestFrom(at, parts);
    if (hit !== undefined) {
      const { first, last } = hit.response.partial!;
      const to = Math.min(end, last + 1);
      sections.push({ kind: 'stored', hit, start: at - first, end: to - first });
      at = to;
      continue;
    }
    let to = end;
    for (const { response } of parts) {
      const { first } = response.partial!;
      if (first > at && first < to) to = first;
    }
    sections.push({ kind: 'missing', start: at, end: to });
    at = to;
  }
}

/** The part that has a byte and goes furthest from there. */
function longestFrom(at: number, parts: readonly StoreHit[]): StoreHit | undefined {
  let best: StoreHit | undefined;
  for (const hit of parts) {
    const { first, last } = hit.response.partial!;
    if (first > at || last < at) continue;
    if (best === undefined || last > best.response.partial!.last) best = hit;
  }
  return best;
}

/** Bytes that a section gives. */
export function lengthOfSection(section: Section): number {
  return section.kind === 'made' ? section.bytes.length : section.end - section.start;
}
