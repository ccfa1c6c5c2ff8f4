/** Makes stored responses: from what an origin sent, and from other stored ones. */
import { formatHttpDate } from '../../http/dates.ts';
import { FieldSection } from '../../http/field-section.ts';
import { copyEndToEndFields } from '../../http/hop-by-hop.ts';
import type { RequestHead, ResponseHead } from '../../http/message.ts';
import type { PartialContent, StoredResponse } from '../contract.ts';
import { parseContentRange } from './content-range.ts';
import {
  type DecidedFreshness,
  type FreshnessFacts,
  freshnessAsDecided,
  freshnessOf,
  initialAgeMs,
  markedLifetimeMs,
} from './freshness.ts';
import type { CachePolicy } from './policy.ts';
import { effectiveControl } from './targeted-control.ts';
import { hasStrongValidator } from './validators.ts';
import { varyFieldsOf, varyNames } from './vary.ts';

/**
 * Not stored beyond the connection-specific ones (RFC 9111 §3.1): fields of the hop's
 * authentication, and Age, whose place `initialAgeMs` takes.
 */
const NOT_STORED = new Set([
  'age',
  'proxy-authenticate',
  'proxy-authentication-info',
  'proxy-authorization',
]);

export interface ReceivedParts {
  readonly request: RequestHead;
  readonly response: ResponseHead;
  readonly requestTimeMs: number;
  readonly responseTimeMs: number;
  readonly policy: CachePolicy;
}

/** What an origin answered, as it would be stored. Whether it may be is `decideStoring`'s. */
export function receiveResponse({
  request,
  response,
  requestTimeMs,
  responseTimeMs,
  policy,
}: ReceivedParts): StoredResponse {
  const fields = storableFields(response.fields, responseTimeMs, policy);
  const facts = {
    status: response.status,
    fields,
    requestTimeMs,
    responseTimeMs,
    initialAgeMs: initialAgeMs(response.fields, requestTimeMs, responseTimeMs),
    markedStaleMs: 0,
    pinnedUntilMs: policy.pinMs === 0 ? 0 : responseTimeMs + policy.pinMs,
  };
  const varyFields = varyFieldsOf(varyNames(fields) ?? [], request.fields);
  const partial = response.status === 206 ? parseContentRange(fields) : null;
  // A part in chunks is as long as its place.
  const isUntold = response.contentLength === -1 && partial !== null;
  const contentLength = isUntold ? partial.last - partial.first + 1 : response.contentLength;
  return renewedResponse({ facts, varyFields, contentLength, partial, policy });
}

/** What a stored response is made of, beside its content and what it was chosen by. */
export type StoredFacts = FreshnessFacts & Pick<StoredResponse, 'pinnedUntilMs'>;

export interface RenewedParts {
  readonly facts: StoredFacts;
  readonly varyFields: StoredResponse['varyFields'];
  readonly contentLength: number;
  readonly partial: PartialContent | null;
  readonly policy: CachePolicy;
}

/** A stored response with new fields and times, judged by the policy of now. */
export function renewedResponse({
  facts,
  varyFields,
  contentLength,
  partial,
  policy,
}: RenewedParts): StoredResponse {
  return assemble({
    facts,
    varyFields,
    contentLength,
    partial,
    freshness: freshnessOf(facts, policy),
  });
}

export interface LoadedParts {
  readonly facts: StoredFacts;
  readonly varyFields: StoredResponse['varyFields'];
  readonly contentLength: number;
  readonly partial: PartialContent | null;
  readonly decided: DecidedFreshness;
}

/** A stored response as it was written down. */
export function loadResponse({
  facts,
  varyFields,
  contentLength,
  partial,
  decided,
}: LoadedParts): StoredResponse {
  return assemble({
    facts,
    varyFields,
    contentLength,
    partial,
    freshness: freshnessAsDecided(facts, decided),
  });
}

/** The same with a soft purge's mark: stale as of `nowMs`, yet usable for validation. */
export function markedStale(response: StoredResponse, nowMs: number): StoredResponse {
  const { freshness } = response;
  const lifetimeMs = markedLifetimeMs(freshness.lifetimeMs, freshness.bornMs, nowMs);
  return { ...response, markedStaleMs: nowMs, freshness: { ...freshness, lifetimeMs } };
}

/** The same with its length known, or another place in the representation. */
export function withContent(
  response: StoredResponse,
  contentLength: number,
  partial: PartialContent | null = response.partial,
): StoredResponse {
  if (response.contentLength === contentLength && response.partial === partial) return response;
  return { ...response, contentLength, partial };
}

/** Bytes of content that the response announced, or -1. */
export function announcedLength({ partial, contentLength }: StoredResponse): number {
  return partial === null ? contentLength : partial.last - partial.first + 1;
}

/**
 * A response whose content ended after `length` bytes, as the part that has arrived (RFC 9111 §3.3);
 * null when the rest could not be asked for: nothing came, or all, or it has no strong validator.
 */
export function partOfCut(response: StoredResponse, length: number): StoredResponse | null {
  const { status, partial, fields, contentLength } = response;
  if (length === 0 || length >= announcedLength(response)) return null;
  if ((status !== 200 && partial === null) || !hasStrongValidator(fields)) return null;
  const first = partial?.first ?? 0;
  const completeLength = partial?.completeLength ?? contentLength;
  if (completeLength === -1) return null;
  const arrived = { first, last: first + length - 1, completeLength };
  return { ...withContent(response, length, arrived), status: 206 };
}

interface ResponseParts {
  readonly facts: StoredFacts;
  readonly varyFields: StoredResponse['varyFields'];
  readonly contentLength: number;
  readonly partial: PartialContent | null;
  readonly freshness: StoredResponse['freshness'];
}

function assemble({
  facts,
  varyFields,
  contentLength,
  partial,
  freshness,
}: ResponseParts): StoredResponse {
  return {
    status: facts.status,
    fields: facts.fields,
    varyFields,
    requestTimeMs: facts.requestTimeMs,
    responseTimeMs: facts.responseTimeMs,
    initialAgeMs: facts.initialAgeMs,
    markedStaleMs: facts.markedStaleMs,
    pinnedUntilMs: facts.pinnedUntilMs,
    contentLength,
    partial,
    freshness,
  };
}

/** RFC 9111 §3.1, and the fields that a qualified no-cache or private names (§5.2.2.4, §5.2.2.7). */
export function storableFields(
  received: FieldSection,
  responseTimeMs: number,
  policy: CachePolicy,
): FieldSection {
  const endToEnd = new FieldSection();
  copyEndToEndFields(received, endToEnd);
  const { directives } = effectiveControl(received, policy.targetedFields);
  const fields = new FieldSection();
  for (let i = 0; i < endToEnd.length; i++) {
    const name = endToEnd.names[i]!;
    if (NOT_STORED.has(name)) continue;
    // Serving them needs a validation first; leaving them out is the simplest way to obey.
    if (directives.noCacheFields.includes(name)) continue;
    if (directives.privateFields.includes(name)) continue;
    fields.append(name, endToEnd.values[i]!);
  }
  // RFC 9110 §6.6.1: who stores a response without Date adds the time of its receipt.
  if (!fields.has('date')) fields.append('date', formatHttpDate(responseTimeMs));
  return fields;
}
