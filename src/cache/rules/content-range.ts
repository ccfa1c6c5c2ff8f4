/** Content-Range of a single part (RFC 9110 §14.4). */
import type { FieldSection } from '../../http/field-section.ts';
import type { PartialContent } from '../contract.ts';

const CONTENT_RANGE = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)$/i;

/** The place of the content; null when the field is missing, repeated, or makes no sense. */
export function parseContentRange(fields: FieldSection): PartialContent | null {
  const value = fields.combined('content-range');
  const match = value === undefined ? null : CONTENT_RANGE.exec(value);
  if (match === null) return null;
  const first = Number(match[1]);
  const last = Number(match[2]);
  const completeLength = match[3] === '*' ? -1 : Number(match[3]);
  if (first > last || (completeLength !== -1 && last >= completeLength)) return null;
  return { first, last, completeLength };
}

export function contentRangeValue(first: number, last: number, completeLength: number): string {
  return `bytes ${first}-${last}/${completeLength === -1 ? '*' : completeLength}`;
}

/** For a 416 (RFC 9110 §15.5.17). */
export function unsatisfiedRangeValue(completeLength: number): string {
  return `bytes */${completeLength}`;
}
