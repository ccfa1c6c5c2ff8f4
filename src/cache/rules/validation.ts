/**
 * Validation (RFC 9111 §4.3): the conditional request that a cache sends, and what its answer does
 * to what is stored.
 */
import { strongMatch, weakMatch } from '../../http/conditionals.ts';
import { parseHttpDate } from '../../http/dates.ts';
import { FieldSection } from '../../http/field-section.ts';
import type { RequestHead, ResponseHead } from '../../http/message.ts';
import type { StoredResponse, StoreHit } from '../contract.ts';
import { initialAgeMs } from './freshness.ts';
import type { CachePolicy } from './policy.ts';
import { renewedResponse, storableFields } from './stored-response.ts';
import { effectiveControl } from './targeted-control.ts';
import { entityTagAsSent, entityTagOf, hasStrongValidator } from './validators.ts';
import { varyFieldsOf, varyNames } from './vary.ts';

/** Entity tags sent in one If-None-Match: enough for the variants of a page, short on the wire. */
export const ENTITY_TAGS_MAX = 16;

/** The conditional fields of a request (RFC 9110 §13.1). */
export const CONDITIONAL = [
  'if-match',
  'if-none-match',
  'if-modified-since',
  'if-unmodified-since',
  'if-range',
] as const;

/**
 * Whether asking the origin conditionally can work: something to compare, and no precondition of
 * the client's own that would be lost on the way.
 */
export function canValidate(request: FieldSection, stored: StoredResponse): boolean {
  if (request.has('if-match') || request.has('if-unmodified-since')) return false;
  if (stored.partial !== null && !hasStrongValidator(stored.fields)) return false;
  return entityTagOf(stored.fields) !== undefined || stored.fields.has('last-modified');
}

/**
 * Turns a request's fields into those of a validation (RFC 9111 §4.3.1), in place: the client's own
 * conditions are answered from the cache afterwards. Its Range goes along, and If-Range with it: if
 * what is stored has changed, the client wants that part of it (RFC 9110 §13.2.2).
 *
 * `selected` is the stored response that the request selects, or undefined when it selects none but
 * others under the key might turn out to be right (§4.3.2: any of their entity tags may match).
 */
export function addValidation(
  fields: FieldSection,
  selected: StoredResponse | undefined,
  stored: readonly StoreHit[],
): void {
  for (const name of CONDITIONAL) {
    if (name !== 'if-range' || !fields.has('range')) fields.remove(name);
  }
  const isPart = selected !== undefined && selected.partial !== null;
  const tags: string[] = [];
  const add = (response: StoredResponse): void => {
    const tag = entityTagAsSent(response.fields);
    if (tag === undefined || (response !== selected && (isPart || response.partial !== null))) {
      return;
    }
    if (tags.length < ENTITY_TAGS_MAX && !tags.includes(tag)) tags.push(tag);
  };
  if (selected !== undefined) add(selected);
  for (const hit of stored) add(hit.response);
  if (tags.length > 0) fields.append('if-none-match', tags.join(', '));
  // RFC 9110 §13.1.3: only about the response that was selected.
  const lastModified = selected?.fields.first('last-modified');
  if (lastModified !== undefined) fields.append('if-modified-since', lastModified);
}

/**
 * The stored response that a 304 freshens (RFC 9111 §4.3.4), or undefined when none is identified:
 * then the validation tells nothing and the request must be sent again without conditions.
 */
export function freshenedBy(
  response: FieldSection,
  selected: StoreHit | undefined,
  stored: readonly StoreHit[],
): StoreHit | undefined {
  const tag = entityTagOf(response);
  if (tag !== undefined) {
    const isPart = selected !== undefined && selected.response.partial !== null;
    const candidates =
      selected === undefined ? stored : isPart ? [selected] : [selected, ...stored];
    // A tag that is not ours means that the origin speaks of something we do not have, even if it
    // is a suffix away (some servers add one per content coding): never a guess.
    return candidates.find((hit) => tagMatches(tag, hit.response));
  }
  const lastModified = response.first('last-modified');
  if (lastModified !== undefined && selected !== undefined) {
    const own = selected.response.fields.first('last-modified');
    if (own !== undefined && !sameDate(own, lastModified)) return undefined;
  }
  return selected ?? (stored.length === 1 ? stored[0] : undefined);
}

function tagMatches(tag: string, stored: StoredResponse): boolean {
  const own = entityTagOf(stored.fields);
  if (own === undefined) return false;
  return stored.partial === null ? weakMatch(own, tag) : strongMatch(own, tag);
}

function sameDate(a: string, b: string): boolean {
  return a === b || parseHttpDate(a, 0) === parseHttpDate(b, 0);
}

/**
 * About the content that is stored, which a 304 does not send (RFC 9111 §3.2): the fields that tell
 * how to read it stay.
 */
const NOT_UPDATED = new Set(['content-encoding', 'content-length', 'content-range']);

export interface FreshenInput {
  readonly stored: StoredResponse;
  readonly request: RequestHead;
  readonly response: ResponseHead;
  readonly requestTimeMs: number;
  readonly responseTimeMs: number;
  readonly policy: CachePolicy;
}

/** The stored response with the fields and times of a 304 or of a HEAD's 200 (RFC 9111 §3.2). */
export function freshen({
  stored,
  request,
  response,
  requestTimeMs,
  responseTimeMs,
  policy,
}: FreshenInput): StoredResponse {
  const update = storableFields(response.fields, responseTimeMs, policy);
  const { directives } = effectiveControl(response.fields, policy.targetedFields);
  const fields = new FieldSection();
  for (let i = 0; i < stored.fields.length; i++) {
    const name = stored.fields.names[i]!;
    if (update.has(name) && !NOT_UPDATED.has(name)) continue;
    // Named from now on by a qualified no-cache or private.
    if (directives.noCacheFields.includes(name) || directives.privateFields.includes(name))
      continue;
    fields.append(name, stored.fields.values[i]!);
  }
  for (let i = 0; i < update.length; i++) {
    const name = update.names[i]!;
    if (!NOT_UPDATED.has(name)) fields.append(name, update.values[i]!);
  }
  const varyFields = update.has('vary')
    ? varyFieldsOf(varyNames(fields) ?? [], request.fields)
    : stored.varyFields;
  const facts = {
    status: stored.status,
    fields,
    requestTimeMs,
    responseTimeMs,
    initialAgeMs: initialAgeMs(response.fields, requestTimeMs, responseTimeMs),
    markedStaleMs: 0,
    pinnedUntilMs: policy.pinMs === 0 ? 0 : responseTimeMs + policy.pinMs,
  };
  return renewedResponse({
    facts,
    varyFields,
    contentLength: stored.contentLength,
    partial: stored.partial,
    policy,
  });
}

/** What a HEAD's response means for a stored response to GET (RFC 9111 §4.3.5). */
export type HeadOutcome = 'update' | 'invalidate' | 'nothing';

export function headOutcome(stored: StoredResponse, response: ResponseHead): HeadOutcome {
  if (response.status !== 200 || stored.partial !== null) return 'nothing';
  const { fields } = response;
  const length = fields.first('content-length');
  if (length !== undefined && stored.contentLength !== -1) {
    if (Number(length) !== stored.contentLength) return 'invalidate';
  }
  for (const validator of ['etag', 'last-modified']) {
    const value = fields.first(validator);
    if (value !== undefined && value !== stored.fields.first(validator)) return 'invalidate';
  }
  return stored.status === 200 ? 'update' : 'nothing';
}
