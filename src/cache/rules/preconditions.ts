/** Answering a client's conditional request from a stored response (RFC 9111 §4.3.2). */
import { parseEntityTags, strongMatch, weakMatch } from '../../http/conditionals.ts';
import { parseHttpDate } from '../../http/dates.ts';
import { FieldSection } from '../../http/field-section.ts';
import { dateValueMs } from './freshness.ts';
import type { Representation } from './range.ts';
import { entityTagOf } from './validators.ts';

export type PreconditionOutcome =
  /** Send the stored response. */
  | 'proceed'
  /** Send 304. */
  | 'not-modified'
  /** If-Match or If-Unmodified-Since fails here; only the origin may say so: forward it. */
  | 'forward';

/** In the order of RFC 9110 §13.2.2. For GET and HEAD; `stored` is fresh or may be served stale. */
export function evaluatePreconditions(
  request: FieldSection,
  stored: Representation,
  nowMs: number,
): PreconditionOutcome {
  if (!mayBePreconditioned(request)) return 'proceed';
  const { fields } = stored;
  const ifMatch = request.combined('if-match');
  if (ifMatch !== undefined) {
    if (!matchesAny(ifMatch, entityTagOf(fields), strongMatch)) return 'forward';
  } else if (request.has('if-unmodified-since')) {
    const since = parseHttpDate(request.first('if-unmodified-since')!, nowMs);
    if (since !== undefined && !(lastModifiedMs(fields, nowMs) <= since)) return 'forward';
  }
  // RFC 9110 §13.2.1: only about what would be a 200 (and the part of one that is a 206).
  if (stored.status !== 200 && stored.status !== 206) return 'proceed';
  const ifNoneMatch = request.combined('if-none-match');
  if (ifNoneMatch !== undefined) {
    return matchesAny(ifNoneMatch, entityTagOf(fields), weakMatch) ? 'not-modified' : 'proceed';
  }
  const text = request.first('if-modified-since');
  if (text === undefined || request.count('if-modified-since') > 1) return 'proceed';
  const since = parseHttpDate(text, nowMs);
  if (since === undefined) return 'proceed';
  // RFC 9111 §4.3.2: without Last-Modified, Date or the time of receipt stand for it.
  const modified = fields.has('last-modified')
    ? lastModifiedMs(fields, nowMs)
    : dateValueMs(fields, stored.responseTimeMs);
  return modified <= since ? 'not-modified' : 'proceed';
}

/** One pass over the names, for the many requests that have none. */
function mayBePreconditioned(request: FieldSection): boolean {
  for (const name of request.names) if (name.startsWith('if-')) return true;
  return false;
}

function matchesAny(
  listed: string,
  own: string | undefined,
  match: (a: string, b: string) => boolean,
): boolean {
  const tags = parseEntityTags(listed);
  if (tags === '*') return true;
  return own !== undefined && tags.some((tag) => match(tag, own));
}

/** Infinity when unknown: compared with any date it is "modified since". */
function lastModifiedMs(fields: FieldSection, nowMs: number): number {
  const text = fields.first('last-modified');
  const time = text === undefined ? undefined : parseHttpDate(text, nowMs);
  return time ?? Number.POSITIVE_INFINITY;
}

/** Metadata of the content that a 304 does not have, or framing. */
const NOT_IN_304 = new Set([
  'content-encoding',
  'content-language',
  'content-length',
  'content-range',
  'content-type',
  'trailer',
]);

/** The fields of a 304 made from a stored response (RFC 9110 §15.4.5). */
export function notModifiedFields(stored: FieldSection): FieldSection {
  const fields = new FieldSection();
  for (let i = 0; i < stored.length; i++) {
    if (!NOT_IN_304.has(stored.names[i]!)) fields.append(stored.names[i]!, stored.values[i]!);
  }
  return fields;
}
