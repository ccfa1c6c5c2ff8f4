/**
 * What a request is answered with that is answered in parts, by the head of the first part: the
 * client's conditions and ranges are judged by what that says of the whole.
 */
import {
  type Completion,
  lengthOfSection,
  type Section,
  sectionsOf,
  wholeOf,
} from '../../cache/parts.ts';
import { contentRangeValue, parseContentRange } from '../../cache/rules/content-range.ts';
import { evaluatePreconditions, notModifiedFields } from '../../cache/rules/preconditions.ts';
import { type Piece, planRange, type Representation } from '../../cache/rules/range.ts';
import { entityTagAsSent, hasStrongValidator } from '../../cache/rules/validators.ts';
import type { FieldSection } from '../../http/field-section.ts';
import type { ResponseHead } from '../../http/message.ts';

export interface FirstPart {
  /** The client's fields. */
  readonly request: FieldSection;
  readonly representation: Representation;
  /** What is stored, when it is completed. */
  readonly completion: Completion | null;
  readonly boundary: string;
  readonly nowMs: number;
}

export type AssembledHead =
  /** The whole must be asked for. */
  | { readonly kind: 'forward' }
  /** 304, or 416: that is all. */
  | { readonly kind: 'without-content'; readonly head: ResponseHead }
  | {
      readonly kind: 'with-content';
      readonly head: ResponseHead;
      readonly sections: readonly Section[];
    };

/** What a 206 with one part tells of its representation. */
export function representationOf(head: ResponseHead): Representation | null {
  const { status, fields, contentLength } = head;
  if (status !== 206) return null;
  const partial = parseContentRange(fields);
  return partial === null ? null : { status, fields, partial, contentLength, responseTimeMs: 0 };
}

/** Whether a slice tells what all are of: without a strong validator they cannot be combined. */
export function canLead(slice: Representation, first: number, sliceBytes: number): boolean {
  const { completeLength, last } = slice.partial!;
  const end = Math.min(first + sliceBytes, completeLength);
  return completeLength !== -1 && last === end - 1 && hasStrongValidator(slice.fields);
}

/**
 * An origin that gives less of a range than it is asked for gives all of it to who asks without
 * one. Only a client that asked for one range gets what there is of it (RFC 9110 §15.3.7).
 */
export function isTooShort(part: Representation, completion: Completion): boolean {
  if (!isShort(part, completion)) return false;
  const { answer, sections } = completion;
  return answer.status !== 206 || sections.some(({ kind }) => kind === 'made');
}

/** Statuses that speak of the moment, and not of the resource. */
export function isPassing(status: number): boolean {
  return status >= 500 || status === 408 || status === 425 || status === 429;
}

/** By which an origin is asked for more of the same. */
export function validatorOf({ fields }: Representation): string {
  return entityTagAsSent(fields) ?? fields.first('last-modified') ?? '';
}

export function firstGap(completion: Completion | null) {
  return completion?.sections.find((section) => section.kind === 'missing');
}

export function assembledHead(part: FirstPart): AssembledHead {
  const { request, representation, completion, boundary, nowMs } = part;
  const whole = merged(representation, completion);
  const precondition = evaluatePreconditions(request, whole, nowMs);
  if (precondition === 'forward') return { kind: 'forward' };
  if (precondition === 'not-modified') {
    const fields = notModifiedFields(whole.fields);
    return { kind: 'without-content', head: { status: 304, fields, contentLength: 0 } };
  }
  const plan = planRange(request, whole, nowMs, boundary);
  const { contentLength } = whole;
  let pieces: readonly Piece[] = [{ start: 0, end: contentLength }];
  let answer: ResponseHead = { status: 200, fields: whole.fields, contentLength };
  if (plan.kind === 'part' || plan.kind === 'unsatisfiable') {
    const { status, fields } = plan;
    pieces = plan.pieces;
    answer = { status, fields, contentLength: plan.contentLength };
  }
  if (answer.status === 416) return { kind: 'without-content', head: answer };
  const sections = completion?.sections ?? sectionsOf(pieces, []);
  if (completion !== null && isShort(representation, completion)) {
    return shortened(answer, representation, completion);
  }
  return { kind: 'with-content', head: answer, sections };
}

/** The first gap has not been filled to its end. */
function isShort({ partial }: Representation, completion: Completion): boolean {
  const gap = firstGap(completion);
  return gap !== undefined && partial!.last + 1 < gap.end;
}

/** The answer to one range, up to where the first gap was filled. */
function shortened(
  { fields }: ResponseHead,
  { partial }: Representation,
  completion: Completion,
): AssembledHead {
  const gap = firstGap(completion)!;
  const { last, completeLength } = partial!;
  const kept = completion.sections.slice(0, completion.sections.indexOf(gap));
  const first = gap.start - kept.reduce((sum, section) => sum + lengthOfSection(section), 0);
  fields.set('content-range', contentRangeValue(first, last, completeLength));
  return {
    kind: 'with-content',
    head: { status: 206, fields, contentLength: last + 1 - first },
    sections: [...kept, { ...gap, end: last + 1 }],
  };
}

/** RFC 9111 §3.4: the fields of the new response, and what only the stored one has. */
function merged(fresh: Representation, completion: Completion | null): Representation {
  const whole = wholeOf(fresh);
  if (completion === null) return whole;
  const stored = wholeOf(completion.selected).fields;
  for (let i = 0; i < stored.length; i++) {
    const name = stored.names[i]!;
    if (!fresh.fields.has(name)) whole.fields.append(name, stored.values[i]!);
  }
  return whole;
}
