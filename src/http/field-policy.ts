/** Which fields are sent and compressed how, alike in HTTP/2 and HTTP/3. */

/** RFC 7541 §4.1, RFC 9204 §3.2.1: what an entry counts for beyond its bytes. */
export const TABLE_ENTRY_OVERHEAD_BYTES = 32;

/** Cookies shorter than this can be guessed byte by byte (RFC 7541 §7.1.3). */
const GUESSABLE_COOKIE_LENGTH = 20;

/** Fields whose values seldom come twice: an entry would only push out a useful one. */
export const SELDOM_REPEATED: ReadonlySet<string> = new Set([
  ':path',
  'age',
  'cache-status',
  'content-length',
  'content-range',
  'etag',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'last-modified',
  'location',
  'range',
  'set-cookie',
]);

const NEVER_INDEXED = new Set(['authorization', 'proxy-authorization']);

/** RFC 9113 §8.2.2, RFC 9114 §4.2: connection-specific fields have no place in a message. */
const NOT_SENT = new Set([
  'connection',
  'host',
  'http2-settings',
  'keep-alive',
  'proxy-connection',
  'te',
  'transfer-encoding',
  'upgrade',
]);

/** Whether a field is left out of every field section that we send. */
export function isUnsent(name: string, value: string): boolean {
  return NOT_SENT.has(name) && !(name === 'te' && value === 'trailers');
}

/** RFC 7541 §7.1.3, RFC 9204 §7.1.3: never indexed, here or by an intermediary. */
export function isSensitive(name: string, value: string): boolean {
  return NEVER_INDEXED.has(name) || (name === 'cookie' && value.length < GUESSABLE_COOKIE_LENGTH);
}
