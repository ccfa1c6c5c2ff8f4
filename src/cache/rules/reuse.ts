/**
 * Whether the selected stored response may answer a request (RFC 9111 §4, §4.2.4, §5.2.1;
 * RFC 5861). The answers are shared constants: deciding allocates nothing.
 */

import type { StoredResponse } from '../contract.ts';
import { ABSENT, DELTA_SECONDS_MAX, type RequestDirectives } from './cache-control.ts';
import type { ForwardReason } from './cache-status.ts';
import { currentAgeMs, type Freshness, isFresh } from './freshness.ts';
import type { CachePolicy } from './policy.ts';

export type ReuseDecision =
  /** Serve it. */
  | { readonly use: 'fresh' }
  /** Serve it although stale; with `revalidate`, ask the origin in the background meanwhile. */
  | { readonly use: 'stale'; readonly revalidate: boolean }
  /** Ask the origin first, with the stored validators; `forward` is the reason (RFC 9211 §2.2). */
  | { readonly use: 'validate'; readonly forward: ForwardReason };

const FRESH: ReuseDecision = { use: 'fresh' };
const STALE: ReuseDecision = { use: 'stale', revalidate: false };
const STALE_WHILE_REVALIDATE: ReuseDecision = { use: 'stale', revalidate: true };
const VALIDATE_STALE: ReuseDecision = { use: 'validate', forward: 'stale' };
const VALIDATE_REQUEST: ReuseDecision = { use: 'validate', forward: 'request' };

export function decideReuse(
  requestDirectives: RequestDirectives,
  stored: StoredResponse,
  nowMs: number,
  policy: CachePolicy,
): ReuseDecision {
  const { freshness } = stored;
  const fresh = isFresh(freshness, nowMs) && !freshness.directives.noCache;
  if (policy.honourRequestDirectives && !isAcceptable(requestDirectives, freshness, nowMs)) {
    return fresh ? VALIDATE_REQUEST : VALIDATE_STALE;
  }
  if (fresh) return FRESH;
  if (isOriginError(stored.status)) return VALIDATE_STALE;
  const staleMs = currentAgeMs(freshness, nowMs) - freshness.lifetimeMs;
  const { maxStale } = requestDirectives;
  // RFC 9111 §5.2.1.2.
  if (policy.honourRequestDirectives && maxStale !== ABSENT && staleMs <= maxStale * 1000) {
    if (!isStaleForbidden(freshness, false)) return STALE;
  }
  // RFC 5861 §3.
  if (staleMs <= freshness.staleWhileRevalidateMs && freshness.staleWhileRevalidateMs > 0) {
    const explicit = freshness.directives.staleWhileRevalidate !== ABSENT;
    if (!isStaleForbidden(freshness, explicit)) return STALE_WHILE_REVALIDATE;
  }
  return VALIDATE_STALE;
}

/** no-cache, max-age and min-fresh of the request (RFC 9111 §5.2.1). */
function isAcceptable(request: RequestDirectives, freshness: Freshness, nowMs: number): boolean {
  if (request.noCache) return false;
  const { maxAge, minFresh } = request;
  if (maxAge === ABSENT && minFresh === ABSENT) return true;
  const ageMs = currentAgeMs(freshness, nowMs);
  if (minFresh !== ABSENT && freshness.lifetimeMs - ageMs < minFresh * 1000) return false;
  if (maxAge === ABSENT || ageMs <= maxAge * 1000) return true;
  // RFC 8246 §2: a reload of what does not change while it is fresh needs no validation.
  if (freshness.directives.immutable && ageMs < freshness.lifetimeMs) return true;
  // RFC 9111 §5.2.1.1: "unless max-stale is also present".
  return request.maxStale !== ABSENT && ageMs <= (maxAge + request.maxStale) * 1000;
}

/**
 * RFC 9111 §4.2.4: what an origin forbids. `s-maxage` has the meaning of proxy-revalidate
 * (§5.2.2.10), but only as long as the origin does not state, beside it, how stale it may be served
 * (`explicit`): `s-maxage=60, stale-while-revalidate=600` is written by people who mean both.
 */
function isStaleForbidden(freshness: Freshness, explicit: boolean): boolean {
  const { directives } = freshness;
  if (directives.noCache || directives.mustRevalidate || directives.proxyRevalidate) return true;
  return directives.sMaxage !== ABSENT && !explicit;
}

/**
 * Whether the stored response may be served instead of an error of the origin or of the way there
 * (RFC 5861 §4).
 */
export function mayServeOnError(
  requestDirectives: RequestDirectives,
  stored: StoredResponse,
  nowMs: number,
  policy: CachePolicy,
): boolean {
  const { freshness, status } = stored;
  // An error is no help against an error: the new one is nearer to the truth.
  if (isOriginError(status)) return false;
  // Whoever asked for a validated response must not get an unvalidated one.
  if (requestDirectives.noCache && policy.honourRequestDirectives) return false;
  const staleMs = currentAgeMs(freshness, nowMs) - freshness.lifetimeMs;
  const asked = policy.honourRequestDirectives ? requestDirectives.staleIfError : ABSENT;
  const allowedMs = Math.max(freshness.staleIfErrorMs, asked === ABSENT ? 0 : asked * 1000);
  if (allowedMs <= 0 || staleMs > allowedMs) return false;
  const explicit = freshness.directives.staleIfError !== ABSENT;
  return !isStaleForbidden(freshness, explicit);
}

/** The statuses that stale-if-error is about (RFC 5861 §4). */
export function isOriginError(status: number): boolean {
  return status === 500 || status === 502 || status === 503 || status === 504;
}

/** Whole seconds of the lifetime left, as Cache-Status has it: rounded down, negative when stale. */
export function ttlSeconds(stored: StoredResponse, nowMs: number): number {
  const { freshness } = stored;
  return Math.floor((freshness.lifetimeMs - currentAgeMs(freshness, nowMs)) / 1000);
}

/** Age in whole seconds (RFC 9111 §5.1). */
export function ageSeconds(stored: StoredResponse, nowMs: number): number {
  const seconds = Math.floor(currentAgeMs(stored.freshness, nowMs) / 1000);
  // RFC 9111 §1.2.2: nobody needs to understand a larger one.
  return Math.min(seconds, DELTA_SECONDS_MAX);
}
