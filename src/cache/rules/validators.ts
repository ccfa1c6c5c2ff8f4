/** Validators of a stored response (RFC 9110 §8.8). */
import { isWeakTag, readEntityTag } from '../../http/conditionals.ts';
import { parseHttpDate } from '../../http/dates.ts';
import type { FieldSection } from '../../http/field-section.ts';

/** The ETag when it is one, to be compared with others. */
export function entityTagOf(fields: FieldSection): string | undefined {
  const tag = fields.first('etag');
  return tag === undefined ? undefined : readEntityTag(tag);
}

/** The ETag as the origin has spelled it, which is how it knows it again. */
export function entityTagAsSent(fields: FieldSection): string | undefined {
  return entityTagOf(fields) === undefined ? undefined : fields.first('etag');
}

export function hasValidator(fields: FieldSection): boolean {
  return fields.has('last-modified') || entityTagOf(fields) !== undefined;
}

/** Whether two responses with the same validator must have the same bytes. */
export function hasStrongValidator(fields: FieldSection): boolean {
  const tag = entityTagOf(fields);
  if (tag !== undefined) return !isWeakTag(tag);
  return isLastModifiedStrong(fields);
}

/** RFC 9110 §8.8.2.2: Last-Modified is strong when Date is at least a second later. */
export function isLastModifiedStrong(fields: FieldSection): boolean {
  const [lastModified, date] = [fields.first('last-modified'), fields.first('date')];
  if (lastModified === undefined || date === undefined) return false;
  const dateMs = parseHttpDate(date, 0);
  const lastModifiedMs = parseHttpDate(lastModified, 0);
  if (dateMs === undefined || lastModifiedMs === undefined) return false;
  return dateMs - lastModifiedMs >= 1000;
}
