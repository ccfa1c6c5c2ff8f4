/** A route as exchanges work with it: what was written, compiled once. */
import { SluiceError } from '../base/errors.ts';
import type { RequestFacts } from '../http/exchange.ts';
import { FieldSection } from '../http/field-section.ts';
import type { RequestHead } from '../http/message.ts';
import { AccessList } from './access.ts';
import { type Captures, capturesOf } from './captures.ts';
import type { ClaimedNames } from './claimed-names.ts';
import { Compression } from './compression.ts';
import { ErrorPageSet } from './error-pages.ts';
import { type CompiledEdits, compileEdits } from './field-edits.ts';
import { screenFields, screenTrailers, withoutNames } from './field-screen.ts';
import type { LocalResponse } from './local-response.ts';
import { LocationMap, type OriginPlace } from './location-map.ts';
import { ClosedRoute } from './maintenance.ts';
import { PATTERN_PATH_CHARACTERS_MAX } from './pattern.ts';
import type { RateLimiter } from './rate-limit.ts';
import { Rewrite } from './rewrite.ts';
import { alwaysEdit, type RouteOptions } from './route.ts';
import type { RoutingFailure } from './router.ts';
import { compileTemplate, type Template } from './variables.ts';

/** What becomes of a request before the cache is asked; null when it goes on. */
export type GateResult =
  | { readonly kind: 'refused'; readonly error: SluiceError; readonly retryAfterSeconds: number }
  | { readonly kind: 'answered'; readonly response: LocalResponse }
  /** It goes on after so many milliseconds, or gets `answer` then. */
  | { readonly kind: 'delayed'; readonly ms: number; readonly answer: LocalResponse | null };

/** Changes of a response on its way to the client. */
export type ResponseEdits = Pick<CompiledEdits, 'apply' | 'isPerRequest'>;

/** Changes of where an origin's redirects lead. */
export type Locations = Pick<LocationMap, 'apply'>;

export interface RouteRules {
  readonly name: string;
  /** No origin is ever asked: a redirect, or a response of the route's own. */
  readonly answersItself: boolean;
  /** Asked for every request, hits and early data included; null when there is nothing to ask. */
  readonly gate: Gate | null;
  /** Bytes that a request's body may have; Infinity for any number. */
  readonly requestBytesMax: number;
  /** Whether the cache is used at all. */
  readonly caches: boolean;
  /** Added to cache keys, so that no other route answers with what this one stored; '' for none. */
  readonly keySuffix: string;
  readonly rewrite: Rewrite | null;
  readonly requestEdits: CompiledEdits | null;
  /** Removes request fields that may not go on; returns the error when the request may not. */
  readonly screen: (fields: FieldSection) => SluiceError | null;
  /** The request's trailers as the origin gets them. */
  readonly screenTrailers: (trailers: FieldSection | null) => FieldSection | null;
  /** Where the origin's redirects lead, for its clients; null when they lead there as they are. */
  readonly locations: Locations | null;
  readonly responseEdits: ResponseEdits | null;
  /** The response's trailers as clients get them. */
  readonly editTrailers: (trailers: FieldSection | null) => FieldSection | null;
  readonly errorPages: ErrorPageSet | null;
  readonly compression: Compression | null;
}

/** Of a route without anything to it. */
export const NO_RULES: RouteRules = {
  name: '',
  answersItself: false,
  gate: null,
  requestBytesMax: Number.POSITIVE_INFINITY,
  caches: true,
  keySuffix: '',
  rewrite: null,
  requestEdits: null,
  screen: (fields) => screenFields(fields, 'pass', []),
  // No origin is asked.
  screenTrailers: () => null,
  locations: null,
  responseEdits: null,
  editTrailers: (trailers) => trailers,
  errorPages: null,
  compression: null,
};

export interface RulesInput {
  readonly options: RouteOptions;
  readonly keySuffix: string;
  readonly limiter: RateLimiter | null;
  readonly origin: OriginPlace;
  readonly claims: ClaimedNames;
}

/** Throws SyntaxError, with words for the one who wrote the route. */
export function compileRules({
  options,
  keySuffix,
  limiter,
  origin,
  claims,
}: RulesInput): RouteRules {
  const { access, action, match } = options;
  const captures = capturesOf(match);
  const rewrite = options.rewrite === null ? null : new Rewrite(options.rewrite, captures);
  const parts: GateParts = {
    access: access.length === 0 ? null : new AccessList(access),
    limiter,
    answer: answerOf(action, captures),
    closed: options.maintenance === null ? null : new ClosedRoute(options.maintenance),
    requestBytesMax: options.requestBytesMax ?? Number.POSITIVE_INFINITY,
    hasPattern: rewrite?.hasPattern ?? false,
  };
  const requestEdits = compileEdits(options.requestFields, 'request', captures);
  const responseEdits = compileEdits(options.responseFields, 'response', captures);
  const edited = requestEdits?.names ?? [];
  const editedInResponses = responseEdits?.names ?? [];
  const policy = options.underscoresInFields;
  const locations = compileLocations(options, rewrite, origin);
  const { requestBytesMax } = parts;
  const asks = [parts.access, limiter, parts.answer, parts.closed].some((part) => part !== null);
  const isOpen = !asks && requestBytesMax === Number.POSITIVE_INFINITY;
  return {
    name: options.name,
    answersItself: parts.answer !== null,
    gate: isOpen && !parts.hasPattern ? null : new Gate(parts),
    requestBytesMax,
    caches: options.cache.enabled,
    keySuffix,
    rewrite,
    requestEdits,
    screen: (fields) => screenFields(fields, policy, edited),
    screenTrailers: (trailers) => screenTrailers(trailers, { policy, edited, claims }),
    locations,
    responseEdits: withLocations(responseEdits, locations),
    editTrailers: (trailers) => withoutNames(trailers, (name) => editedInResponses.includes(name)),
    errorPages: options.errorPages === null ? null : new ErrorPageSet(options.errorPages),
    compression: options.compression === null ? null : new Compression(options.compression),
  };
}

/** Null when the origin's locations are the client's. */
function compileLocations(
  { rewrite: options }: RouteOptions,
  rewrite: Rewrite | null,
  origin: OriginPlace,
): Locations | null {
  // What a pattern has replaced cannot be put back.
  if (options !== null && (!options.mapLocation || options.replace !== null)) return null;
  if (rewrite !== null && !rewrite.isFixed) {
    return {
      apply: (fields, source) =>
        new LocationMap(rewrite.placeFor(source.head), origin).apply(fields, source),
    };
  }
  const { stripPrefix = '', addPrefix = '', host = '' } = options ?? {};
  if (stripPrefix + addPrefix + host + origin.pathPrefix === '') return null;
  return new LocationMap({ stripPrefix, addPrefix, host }, origin);
}

/** What the operator writes has the last word. */
function withLocations(
  edits: CompiledEdits | null,
  locations: Locations | null,
): ResponseEdits | null {
  if (locations === null) return edits;
  if (edits === null) {
    return { isPerRequest: false, apply: (fields, source) => locations.apply(fields, source) };
  }
  return {
    isPerRequest: edits.isPerRequest,
    apply(fields, source) {
      locations.apply(fields, source);
      edits.apply(fields, source);
    },
  };
}

interface GateParts {
  readonly access: AccessList | null;
  readonly limiter: RateLimiter | null;
  readonly answer: Answer | null;
  readonly closed: ClosedRoute | null;
  readonly requestBytesMax: number;
  readonly hasPattern: boolean;
}

type Answer = (head: RequestHead, facts: RequestFacts, date: string) => LocalResponse;

/** In the order: access, maintenance, what the request is like, rate, an answer of our own. */
class Gate {
  readonly #parts: GateParts;

  constructor(parts: GateParts) {
    this.#parts = parts;
  }

  /** `nowMs` is wall-clock time; `date` the same as an IMF-fixdate. */
  enter(head: RequestHead, facts: RequestFacts, nowMs: number, date: string): GateResult | null {
    const { access, limiter, answer, closed, requestBytesMax, hasPattern } = this.#parts;
    if (access !== null && !access.allows(head, facts.remoteAddress)) {
      return refusal(ACCESS_DENIED, 0);
    }
    if (closed !== null && !closed.isOpenFor(facts.remoteAddress)) {
      return { kind: 'answered', response: closed.answer(date) };
    }
    if (hasPattern && head.path.length > PATTERN_PATH_CHARACTERS_MAX) return refusal(TOO_LONG, 0);
    // Before the client is told to go on with it (RFC 9110 §10.1.1); a tunnel has none.
    if (head.contentLength > requestBytesMax && head.upgrade === '')
      return refusal(BODY_TOO_LARGE, 0);
    const waitMs = limiter === null ? 0 : limiter.take(head, facts.remoteAddress, nowMs, facts);
    if (waitMs > 0) return refusal(RATE_LIMITED, Math.ceil(waitMs / 1_000));
    const response = answer === null ? null : answer(head, facts, date);
    if (waitMs < 0) return { kind: 'delayed', ms: -waitMs, answer: response };
    return response === null ? null : { kind: 'answered', response };
  }
}

function refusal(error: SluiceError, retryAfterSeconds: number): GateResult {
  return { kind: 'refused', error, retryAfterSeconds };
}

// Made once: refusing a flood must not cost a stack trace each time.
const ACCESS_DENIED = new SluiceError('access-denied', 'the route allows no such request', {
  blame: 'downstream',
});
const RATE_LIMITED = new SluiceError('rate-limited', 'too many requests from this client', {
  blame: 'downstream',
});
export const BODY_TOO_LARGE = new SluiceError(
  'request-body-too-large',
  'the body of the request is larger than the route allows',
  { blame: 'downstream' },
);
const NO_ROUTE = new SluiceError('no-route', 'no route is for this request', {
  blame: 'downstream',
});
const AMBIGUOUS = new SluiceError(
  'ambiguous-path',
  'the path can be read in ways that lead to different routes',
  { blame: 'downstream' },
);
const TOO_LONG = new SluiceError('path-too-long', 'the path is longer than patterns may match', {
  blame: 'downstream',
});
const VALUE_TOO_LONG = new SluiceError(
  'value-too-long',
  'a header that a pattern is for is longer than patterns may match',
  { blame: 'downstream' },
);

const FAILURES: Record<RoutingFailure, SluiceError> = {
  'no-route': NO_ROUTE,
  'ambiguous-path': AMBIGUOUS,
  'path-too-long': TOO_LONG,
  'value-too-long': VALUE_TOO_LONG,
};

export function routingError(failure: RoutingFailure): SluiceError {
  return FAILURES[failure];
}

function answerOf(action: RouteOptions['action'], captures: Captures): Answer | null {
  if (action.kind === 'origin') return null;
  if (action.kind === 'redirect') return redirectTo(action.to, action.status, captures);
  const content = new TextEncoder().encode(action.content);
  const { status } = action;
  const lines = compileEdits([alwaysEdit({ set: action.fields })], 'response', captures);
  return (head, facts, date) => {
    const fields = FieldSection.of(['date', date]);
    lines?.apply(fields, { head, facts, status });
    return { status, fields, content };
  };
}

/** `$1` to `$9` in `to` are `${path:1}` and so on. */
function redirectTo(to: string, status: number, captures: Captures): Answer {
  const pieces = to.split(/\$([1-9])/);
  const parts: Template[] = pieces.map((piece, i) => {
    if (i % 2 === 0) return compileTemplate(piece, 'request', { captures });
    return ({ head }) => captures.path?.read(head, piece) ?? '';
  });
  return (head, facts, date) => {
    let location = '';
    for (const part of parts) location += part({ head, facts });
    // A path that begins with two slashes would be another host's (RFC 3986 §4.2).
    if (!to.startsWith('//')) location = location.replace(/^[/\\]{2,}/, '/');
    // Of a request without a query nothing is left of `?${query}`.
    if (to.endsWith(`?\${query}`)) location = location.replace(/\?$/, '');
    const fields = FieldSection.of(['date', date], ['location', encodeURI8(location)]);
    return { status, fields, content: new Uint8Array(0) };
  };
}

/** Bytes that no URI holds become percent-encodings: paths are taken as they come. */
function encodeURI8(text: string): string {
  return text.replace(/[^\x21-\x7e]/g, (character) => {
    return `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;
  });
}
