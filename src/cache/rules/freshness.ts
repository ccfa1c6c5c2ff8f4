/**
 * How long a response is fresh and how old it is (RFC 9111 §4.2). Everything that does not change
 * with time is computed once, when the response is received or loaded; a hit costs a subtraction.
 */
import { parseHttpDate } from '../../http/dates.ts';
import type { FieldSection } from '../../http/field-section.ts';
import { ABSENT, deltaSeconds, hasNoCache, type ResponseDirectives } from './cache-control.ts';
import type { CachePolicy } from './policy.ts';
import { effectiveControl } from './targeted-control.ts';

/** Where a freshness lifetime comes from, the strongest first (RFC 9111 §4.2.1). */
export type LifetimeSource =
  | 'override'
  | 's-maxage'
  | 'max-age'
  | 'expires'
  | 'default'
  | 'heuristic'
  | 'negative'
  | 'none';

export interface Freshness {
  readonly lifetimeMs: number;
  readonly source: LifetimeSource;
  /** The wall-clock time at which the age was zero: the age is the time since then. */
  readonly bornMs: number;
  readonly directives: ResponseDirectives;
  /** The targeted field that decided (RFC 9213), or '' when Cache-Control did. */
  readonly targetedBy: string;
  /** How long after its end the response may be used while it is revalidated, or on errors. */
  readonly staleWhileRevalidateMs: number;
  readonly staleIfErrorMs: number;
}

/** Statuses that are heuristically cacheable (RFC 9110 §15.1). */
const HEURISTIC = new Set([200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501]);

/** Errors that `negativeLifetimeMs` is about when they are not named one by one. */
const NEGATIVE = new Set([400, 403, 404, 405, 410, 414, 500, 501, 502, 503, 504]);

export function isHeuristicallyCacheable(status: number): boolean {
  return HEURISTIC.has(status);
}

/** What of a response freshness depends on. */
export interface FreshnessFacts {
  readonly status: number;
  readonly fields: FieldSection;
  readonly requestTimeMs: number;
  readonly responseTimeMs: number;
  /** As {@link initialAgeMs} had it: Age itself is not among the stored fields. */
  readonly initialAgeMs: number;
  /** When a soft purge made it stale; 0 for never. */
  readonly markedStaleMs: number;
}

/**
 * What the policy of its route decided when the response was received. It is written down with the
 * response, for the store that reads it again does not know the route.
 */
export type DecidedFreshness = Pick<
  Freshness,
  'lifetimeMs' | 'source' | 'targetedBy' | 'staleWhileRevalidateMs' | 'staleIfErrorMs'
>;

/** The freshness of a response that was written down. */
export function freshnessAsDecided(facts: FreshnessFacts, decided: DecidedFreshness): Freshness {
  const targets = decided.targetedBy === '' ? [] : [decided.targetedBy];
  const bornMs = facts.responseTimeMs - facts.initialAgeMs;
  return {
    lifetimeMs: markedLifetimeMs(decided.lifetimeMs, bornMs, facts.markedStaleMs),
    source: decided.source,
    bornMs,
    directives: effectiveControl(facts.fields, targets).directives,
    targetedBy: decided.targetedBy,
    staleWhileRevalidateMs: decided.staleWhileRevalidateMs,
    staleIfErrorMs: decided.staleIfErrorMs,
  };
}

/** A soft purge at `markedMs` (0 for none) ends the lifetime. */
export function markedLifetimeMs(lifetimeMs: number, bornMs: number, markedMs: number): number {
  return markedMs === 0 ? lifetimeMs : Math.min(lifetimeMs, Math.max(0, markedMs - bornMs));
}

export function freshnessOf(facts: FreshnessFacts, policy: CachePolicy): Freshness {
  const control = effectiveControl(facts.fields, policy.targetedFields);
  const { directives } = control;
  const { lifetimeMs, source } = lifetimeOf(facts, directives, control.targetedBy !== '', policy);
  const bornMs = facts.responseTimeMs - facts.initialAgeMs;
  return {
    lifetimeMs: markedLifetimeMs(lifetimeMs, bornMs, facts.markedStaleMs),
    source,
    bornMs,
    directives,
    targetedBy: control.targetedBy,
    staleWhileRevalidateMs: milliseconds(
      directives.staleWhileRevalidate,
      policy.staleWhileRevalidateMs,
    ),
    staleIfErrorMs: milliseconds(directives.staleIfError, policy.staleIfErrorMs),
  };
}

interface Lifetime {
  readonly lifetimeMs: number;
  readonly source: LifetimeSource;
}

const NO_LIFETIME: Lifetime = { lifetimeMs: 0, source: 'none' };

/** RFC 9111 §4.2.1, for a shared cache, and what the operator wants instead. */
function lifetimeOf(
  facts: FreshnessFacts,
  directives: ResponseDirectives,
  targeted: boolean,
  policy: CachePolicy,
): Lifetime {
  const stated = statedLifetime(facts, directives, targeted);
  const isError = facts.status >= 400;
  if (policy.lifetimeOverrideMs !== null && !isError) {
    if (stated !== null || isHeuristicallyCacheable(facts.status)) {
      return { lifetimeMs: policy.lifetimeOverrideMs, source: 'override' };
    }
  }
  if (stated === null) return unstatedLifetime(facts, directives, policy);
  const { lifetimeMinMs, lifetimeMaxMs } = policy;
  const raised = isError ? stated.lifetimeMs : Math.max(stated.lifetimeMs, lifetimeMinMs);
  const lifetimeMs = lifetimeMaxMs === null ? raised : Math.min(raised, lifetimeMaxMs);
  return lifetimeMs === stated.lifetimeMs ? stated : { lifetimeMs, source: stated.source };
}

/** What the origin says; null when it says nothing. */
function statedLifetime(
  facts: FreshnessFacts,
  directives: ResponseDirectives,
  targeted: boolean,
): Lifetime | null {
  if (directives.sMaxage !== ABSENT) {
    return { lifetimeMs: directives.sMaxage * 1000, source: 's-maxage' };
  }
  if (directives.maxAge !== ABSENT) {
    return { lifetimeMs: directives.maxAge * 1000, source: 'max-age' };
  }
  // RFC 9213 §2.2: a targeted field takes the place of Expires, too.
  if (!targeted && facts.fields.has('expires')) {
    return { lifetimeMs: expiresLifetimeMs(facts), source: 'expires' };
  }
  return null;
}

function unstatedLifetime(
  facts: FreshnessFacts,
  directives: ResponseDirectives,
  policy: CachePolicy,
): Lifetime {
  const { status } = facts;
  const named = policy.negativeLifetimesMs[status];
  const negativeMs = named ?? (NEGATIVE.has(status) ? policy.negativeLifetimeMs : 0);
  if (status >= 400 && negativeMs > 0) return { lifetimeMs: negativeMs, source: 'negative' };
  // Who says something that cannot be read has not said nothing.
  if (directives.isMalformed || forbidsGuess(facts.fields)) return NO_LIFETIME;
  if (policy.lifetimeDefaultMs > 0 && status < 400 && isHeuristicallyCacheable(status)) {
    return { lifetimeMs: policy.lifetimeDefaultMs, source: 'default' };
  }
  return heuristicLifetime(facts, directives, policy);
}

function expiresLifetimeMs(facts: FreshnessFacts): number {
  const values = facts.fields.all('expires');
  // RFC 9111 §4.2.1: several that disagree make the response stale.
  if (values.some((value) => value !== values[0])) return 0;
  const expires = parseHttpDate(values[0]!, facts.responseTimeMs);
  if (expires === undefined) return 0;
  return Math.max(0, expires - dateValueMs(facts.fields, facts.responseTimeMs));
}

/** Pragma is not specified for responses (RFC 9111 §5.4), but whoever sends it wants no guess. */
function forbidsGuess(fields: FieldSection): boolean {
  const pragma = fields.combined('pragma');
  return pragma !== undefined && hasNoCache(pragma);
}

/** RFC 9111 §4.2.2. */
function heuristicLifetime(
  facts: FreshnessFacts,
  directives: ResponseDirectives,
  policy: CachePolicy,
): Lifetime {
  const { fields, status, responseTimeMs } = facts;
  if (!isHeuristicallyCacheable(status) && !directives.public) return NO_LIFETIME;
  const text = fields.first('last-modified');
  if (text === undefined) return NO_LIFETIME;
  const lastModified = parseHttpDate(text, responseTimeMs);
  if (lastModified === undefined) return NO_LIFETIME;
  // A Date of the future tells nothing of how long there was no change.
  const unchangedMs = Math.min(dateValueMs(fields, responseTimeMs), responseTimeMs) - lastModified;
  if (unchangedMs <= 0) return NO_LIFETIME;
  const guess = unchangedMs * policy.heuristicFraction;
  const bounded = Math.max(guess, policy.heuristicLifetimeMinMs);
  return { lifetimeMs: Math.min(bounded, policy.heuristicLifetimeMaxMs), source: 'heuristic' };
}

/** Date, or the time of receipt when it is missing or invalid (RFC 9110 §6.6.1). */
export function dateValueMs(fields: FieldSection, responseTimeMs: number): number {
  const text = fields.first('date');
  if (text === undefined) return responseTimeMs;
  return parseHttpDate(text, responseTimeMs) ?? responseTimeMs;
}

/** The corrected_initial_age of RFC 9111 §4.2.3, from fields that still have Age. */
export function initialAgeMs(
  fields: FieldSection,
  requestTimeMs: number,
  responseTimeMs: number,
): number {
  // Date is in whole seconds, rounded down: what is left of the second is no age, or a response with
  // max-age=1 would be fresh for half a second on average.
  const responseSecondMs = Math.floor(responseTimeMs / 1000) * 1000;
  const apparentAgeMs = Math.max(0, responseSecondMs - dateValueMs(fields, responseTimeMs));
  const responseDelayMs = Math.max(0, responseTimeMs - requestTimeMs);
  return Math.max(apparentAgeMs, ageValueSeconds(fields) * 1000 + responseDelayMs);
}

/** RFC 9111 §5.1: of several values the first counts, an invalid one is ignored. */
function ageValueSeconds(fields: FieldSection): number {
  const text = fields.first('age');
  if (text === undefined) return 0;
  const seconds = deltaSeconds(text.split(',', 1)[0]!.trim());
  return seconds === ABSENT ? 0 : seconds;
}

/** RFC 9111 §4.2.3; never negative, whatever the clock did. */
export function currentAgeMs(freshness: Freshness, nowMs: number): number {
  return Math.max(0, nowMs - freshness.bornMs);
}

/** RFC 9111 §4.2: fresh while the lifetime is greater than the age. */
export function isFresh(freshness: Freshness, nowMs: number): boolean {
  return freshness.lifetimeMs > nowMs - freshness.bornMs && freshness.lifetimeMs > 0;
}

function milliseconds(seconds: number, fallbackMs: number): number {
  return seconds === ABSENT ? fallbackMs : seconds * 1000;
}
