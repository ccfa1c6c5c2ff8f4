/** Whether a response may be stored (RFC 9111 §3), by a shared cache. */
import type { RequestHead, ResponseHead } from '../../http/message.ts';
import type { StoredResponse } from '../contract.ts';
import { ABSENT, type RequestDirectives, type ResponseDirectives } from './cache-control.ts';
import { isHeuristicallyCacheable } from './freshness.ts';
import { keyOf } from './key.ts';
import type { CachePolicy } from './policy.ts';
import { effectiveControl } from './targeted-control.ts';
import { hasStrongValidator, hasValidator } from './validators.ts';
import { varyNames } from './vary.ts';

/** `store`, or why not. Each is a token for Cache-Status `detail` and for metrics. */
export type StoringDecision =
  | 'store'
  | 'method'
  | 'status'
  | 'status-not-understood'
  | 'request-no-store'
  | 'no-store'
  | 'private'
  | 'authorization'
  | 'vary-any'
  | 'set-cookie'
  | 'no-lifetime'
  | 'partial-not-combinable'
  /** Decided by the store, not by the rules: too long, or no room. */
  | 'no-room';

/** For people who ask why a response was not stored. */
export const storingWords: Record<Exclude<StoringDecision, 'store'>, string> = {
  method: 'the request method is not one whose responses are stored',
  status: 'a response with this status is never stored',
  'status-not-understood': 'must-understand, and the status is not one that sluice knows',
  'request-no-store': 'the request has Cache-Control: no-store',
  'no-store': 'the response has Cache-Control: no-store',
  private: 'the response has Cache-Control: private',
  authorization:
    'the request has Authorization, and the response none of public, s-maxage, must-revalidate',
  'vary-any': 'the response has Vary: *, or varies by too many fields',
  'set-cookie': 'the response has Set-Cookie, and Cache-Control states no lifetime',
  'no-lifetime': 'the response has neither a lifetime left nor a validator',
  'partial-not-combinable': 'the response is a part whose place in the whole is not known',
  'no-room': 'the response is larger than the capacity that the cache has for it',
};

/**
 * Final statuses whose caching rules we implement: all that RFC 9110 §15 defines, but 206 and 304,
 * which are handled on their own, and 416, which is about one Range.
 */
const UNDERSTOOD = new Set([
  200, 201, 202, 203, 204, 205, 206, 300, 301, 302, 303, 305, 307, 308, 400, 401, 402, 403, 404,
  405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 417, 421, 422, 426, 428, 429, 431, 451,
  500, 501, 502, 503, 504, 505, 511,
]);

/**
 * Why the response to a GET is not stored, when its status and Cache-Control alone say so; null when
 * `decideStoring` must be asked. It spares content that is never stored the making of a
 * StoredResponse.
 */
export function refuseAtOnce(
  request: RequestHead,
  requestDirectives: RequestDirectives,
  response: ResponseHead,
  policy: CachePolicy,
): Exclude<StoringDecision, 'store'> | null {
  if (request.method !== 'GET') return null;
  const { directives } = effectiveControl(response.fields, policy.targetedFields);
  return refuseByControl(requestDirectives, response.status, directives, policy);
}

/**
 * `response` is as `receiveResponse` made it: with its freshness, without fields that are not kept.
 */
export function decideStoring(
  request: RequestHead,
  requestDirectives: RequestDirectives,
  response: StoredResponse,
  policy: CachePolicy,
): StoringDecision {
  const { directives } = response.freshness;
  if (!isMethodStorable(request, response)) return 'method';
  const refused = refuseByControl(requestDirectives, response.status, directives, policy);
  if (refused !== null) return refused;
  const unfit = refuseByFields(request, response, policy);
  if (unfit !== null) return unfit;
  if (!isPartialStorable(request, response, policy)) return 'partial-not-combinable';
  return isWorthStoring(response) ? 'store' : 'no-lifetime';
}

/**
 * What becomes of a stored response that a 304 or a HEAD's 200 has given new fields: the new ones may
 * forbid what the old ones allowed. `remove`: nobody may get it any more. `leave`: it may stay as it
 * was, and these fields are for this request alone.
 */
export function decideKeeping(
  request: RequestHead,
  requestDirectives: RequestDirectives,
  response: StoredResponse,
  policy: CachePolicy,
): { readonly keep: 'update' | 'leave' | 'remove'; readonly decision: StoringDecision } {
  const decision =
    refuseByControl(requestDirectives, response.status, response.freshness.directives, policy) ??
    refuseByFields(request, response, policy);
  switch (decision) {
    case null:
      return { keep: 'update', decision: 'store' };
    case 'request-no-store':
    case 'authorization':
    case 'set-cookie':
      return { keep: 'leave', decision };
    default:
      return { keep: 'remove', decision };
  }
}

/** RFC 9111 §3.5: what is stored although the request had Authorization. */
function isForAll({ public: isPublic, mustRevalidate, sMaxage, isMalformed }: ResponseDirectives) {
  return !isMalformed && (isPublic || mustRevalidate || sMaxage !== ABSENT);
}

function refuseByControl(
  requestDirectives: RequestDirectives,
  status: number,
  directives: ResponseDirectives,
  policy: CachePolicy,
): Exclude<StoringDecision, 'store'> | null {
  // RFC 9111 §5.2.1.5.
  if (requestDirectives.noStore && policy.honourRequestDirectives) return 'request-no-store';
  if (status < 200 || status === 304 || status === 416) return 'status';
  if (directives.mustUnderstand && !UNDERSTOOD.has(status)) return 'status-not-understood';
  // RFC 9111 §5.2.2.3: whoever understands the status ignores the no-store beside it.
  const isOverruled = directives.mustUnderstand && !directives.isMalformed;
  if (directives.noStore && !isOverruled) return 'no-store';
  return directives.private ? 'private' : null;
}

function refuseByFields(
  request: RequestHead,
  response: StoredResponse,
  policy: CachePolicy,
): Exclude<StoringDecision, 'store'> | null {
  const { directives } = response.freshness;
  if (request.fields.has('authorization') && !isForAll(directives)) return 'authorization';
  if (varyNames(response.fields) === null) return 'vary-any';
  return isSetCookieStorable(response, policy) ? null : 'set-cookie';
}

function isMethodStorable(request: RequestHead, response: StoredResponse): boolean {
  if (request.method === 'GET') return true;
  if (request.method !== 'POST') return false;
  // RFC 9110 §9.3.3: with explicit freshness and a Content-Location that is the target itself, a
  // later GET may be answered with it.
  const { source } = response.freshness;
  if (source !== 's-maxage' && source !== 'max-age' && source !== 'expires') return false;
  const location = response.fields.first('content-location');
  if (location === undefined || response.status < 200 || response.status > 299) return false;
  const target = keyOf(request.scheme, request.authority, request.path);
  const resolved = URL.parse(location, target);
  return resolved !== null && resolved.href === URL.parse(target)?.href;
}

function isSetCookieStorable(response: StoredResponse, policy: CachePolicy): boolean {
  if (!response.fields.has('set-cookie') && !response.fields.has('set-cookie2')) return true;
  const { directives, source } = response.freshness;
  const shared = !directives.isMalformed && (directives.public || directives.sMaxage !== ABSENT);
  switch (policy.setCookie) {
    case 'never':
      return false;
    case 'public':
      return shared;
    case 'explicit':
      return shared || (source === 'max-age' && !directives.isMalformed);
    case 'always':
      return true;
  }
}

/**
 * RFC 9111 §3.3 and §3.4: a part is of use when its place is known; it may be combined with others
 * only under a strong validator, and without one it can be served for a while as it is.
 */
function isPartialStorable(
  request: RequestHead,
  response: StoredResponse,
  policy: CachePolicy,
): boolean {
  if (response.status !== 206) return true;
  if (!policy.storePartial || response.partial === null) return false;
  if (!request.fields.has('range')) return false;
  const length = response.partial.last - response.partial.first + 1;
  // A part whose content is not as long as it says cannot be placed.
  if (response.contentLength !== -1 && response.contentLength !== length) return false;
  return response.freshness.source !== 'heuristic' || hasStrongValidator(response.fields);
}

/** RFC 9111 §3, the last list: and of some use later, fresh or for validation. */
function isWorthStoring(response: StoredResponse): boolean {
  const { freshness, fields } = response;
  const { directives, source } = freshness;
  const permitted =
    source !== 'none' || directives.public || isHeuristicallyCacheable(response.status);
  if (!permitted) return false;
  if (hasValidator(fields)) return true;
  if (directives.noCache) return false;
  const usableMs =
    freshness.lifetimeMs + Math.max(freshness.staleWhileRevalidateMs, freshness.staleIfErrorMs);
  return usableMs > response.initialAgeMs;
}
