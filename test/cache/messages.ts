/** Short ways to make requests and responses, for tests of the cache. */

import type { StoredResponse } from '../../src/cache/contract.ts';
import { type CachePolicy, defaultCachePolicy } from '../../src/cache/rules/policy.ts';
import { receiveResponse } from '../../src/cache/rules/stored-response.ts';
import { configuredAuthority } from '../../src/http/authority.ts';
import { formatHttpDate } from '../../src/http/dates.ts';
import { FieldSection } from '../../src/http/field-section.ts';
import type { RequestHead } from '../../src/http/message.ts';

export type Lines = readonly (readonly [name: string, value: string])[];

/** A whole second, so that dates and times agree. */
export const NOW = Date.UTC(2026, 10, 22, 12, 0, 0);

export function date(secondsFromNow: number): string {
  return formatHttpDate(NOW + secondsFromNow * 1000);
}

export function requestOf(lines: Lines = [], changes: Partial<RequestHead> = {}): RequestHead {
  return {
    method: 'GET',
    version: '1.1',
    scheme: 'http',
    authority: configuredAuthority('www.example'),
    path: '/page',
    fields: FieldSection.of(...lines),
    contentLength: 0,
    expectContinue: false,
    upgrade: '',
    ...changes,
  };
}

export interface ResponseFacts {
  readonly status?: number;
  readonly contentLength?: number;
  readonly request?: RequestHead;
  readonly policy?: Partial<CachePolicy>;
  readonly requestTimeMs?: number;
  readonly responseTimeMs?: number;
}

/** A response received at NOW. */
export function storedOf(lines: Lines, facts: ResponseFacts = {}): StoredResponse {
  const head = {
    status: facts.status ?? 200,
    fields: FieldSection.of(...lines),
    contentLength: facts.contentLength ?? 10,
  };
  return receiveResponse({
    request: facts.request ?? requestOf(),
    response: head,
    requestTimeMs: facts.requestTimeMs ?? NOW,
    responseTimeMs: facts.responseTimeMs ?? NOW,
    policy: policyOf(facts.policy),
  });
}

export function policyOf(changes: Partial<CachePolicy> = {}): CachePolicy {
  return { ...defaultCachePolicy, ...changes };
}
