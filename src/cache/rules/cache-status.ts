/**
 * The Cache-Status field (RFC 9211): one member per cache that handled the request, ours last.
 */

/** Why a request was forwarded (RFC 9211 §2.2), in the RFC's words. */
export type ForwardReason =
  | 'bypass'
  | 'method'
  | 'uri-miss'
  | 'vary-miss'
  | 'miss'
  | 'request'
  | 'stale'
  | 'partial';

export interface CacheStatus {
  /** The request was answered from the cache without being forwarded. */
  readonly hit: boolean;
  /** Null for a hit. */
  readonly forward: ForwardReason | null;
  /** The origin's status when it differs from the response's, as after a 304; 0 for none. */
  readonly forwardStatus: number;
  /** The response that came was stored. */
  readonly stored: boolean;
  /** This request waited for another one's fetch. */
  readonly collapsed: boolean;
  /** Whole seconds that the response stays fresh, negative when stale; null when unknown. */
  readonly ttlSeconds: number | null;
  /** The cache key, for those who may see it; '' for none. */
  readonly key: string;
  /** A token of our own that says more; '' for none. */
  readonly detail: string;
}

/** One list member of Cache-Status, for the cache named `name` (an sf-token). */
export function cacheStatusMember(name: string, status: CacheStatus): string {
  let member = name;
  if (status.hit) member += '; hit';
  else if (status.forward !== null) member += `; fwd=${status.forward}`;
  if (status.forwardStatus !== 0) member += `; fwd-status=${status.forwardStatus}`;
  if (status.ttlSeconds !== null) member += `; ttl=${Math.trunc(status.ttlSeconds)}`;
  if (status.stored) member += '; stored';
  if (status.collapsed) member += '; collapsed';
  if (status.key !== '') member += `; key=${structuredString(status.key)}`;
  if (status.detail !== '') member += `; detail=${tokenOrString(status.detail)}`;
  return member;
}

/** The hot path: a fresh hit. */
export function hitStatusMember(name: string, ttlSeconds: number): string {
  return `${name}; hit; ttl=${ttlSeconds}`;
}

/**
 * RFC 9211 §2: the member of the cache closest to the origin comes first, ours is appended. For tests
 * that drive the rules without a proxy.
 */
export function appendCacheStatus(received: string | undefined, member: string): string {
  return received === undefined || received === '' ? member : `${received}, ${member}`;
}

/** RFC 9651 §4.1.6; what a String cannot hold is percent-encoded. */
function structuredString(text: string): string {
  const safe = text.replace(
    /[^\x20-\x7e]/g,
    (c) => `%${c.charCodeAt(0).toString(16).padStart(2, '0').toUpperCase()}`,
  );
  return `"${safe.replace(/["\\]/g, '\\$&')}"`;
}

function tokenOrString(text: string): string {
  return /^[A-Za-z*][!#$%&'*+\-.^_`|~0-9A-Za-z:/]*$/.test(text) ? text : structuredString(text);
}
