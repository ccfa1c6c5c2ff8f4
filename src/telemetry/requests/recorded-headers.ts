/** Which headers are recorded with their values. Of all others there is the name and the length. */

/** Headers whose values are about the message, not about who sent it. */
const OPEN_NAMES: ReadonlySet<string> = new Set([
  ...['host', 'connection', 'upgrade', 'te', 'trailer', 'transfer-encoding', 'expect'],
  ...['accept', 'accept-encoding', 'accept-language', 'accept-charset', 'accept-ranges'],
  ...['cache-control', 'pragma', 'range', 'if-range', 'vary', 'age', 'date', 'expires'],
  ...['if-modified-since', 'if-unmodified-since', 'if-match', 'if-none-match', 'max-forwards'],
  ...['content-type', 'content-length', 'content-encoding', 'content-range', 'content-language'],
  ...[
    'early-data',
    'via',
    'user-agent',
    'priority',
    'etag',
    'last-modified',
    'retry-after',
    'allow',
  ],
  ...['server', 'keep-alive', 'surrogate-control', 'cdn-cache-control', 'alt-svc'],
  ...['sec-websocket-version', 'sec-websocket-protocol', 'sec-websocket-extensions'],
  ...['strict-transport-security', 'x-content-type-options', 'x-frame-options', 'x-cache'],
]);

/** Names that promise a secret, or tell who somebody is or where. */
const CLOSED_NAME =
  /auth|cookie|token|secret|key|session|sess-|passw|credential|sign|jwt|csrf|xsrf|otp|nonce|saml|assertion|user|account|mail|phone|forwarded|client|-ip$|^from$|referer|origin|location|link|uuid|-id$|sid$|ticket|code|pin$|cert/;

/**
 * What no secret looks like: a word or a few of them, a number of few digits, a switch. Anything longer,
 * or of letters and digits mixed, may be one.
 */
const PLAIN_VALUE = /^(?:[a-z]{1,16}|\d{1,6})(?:[ ,;=/._-]{1,2}(?:[a-z]{1,16}|\d{1,6})){0,3}$/i;

/** Characters of a value beyond which it is kept out. */
const PLAIN_CHARACTERS_MAX = 32;

/** `name` is lower-case. */
export function isRecorded(name: string, value: string): boolean {
  if (OPEN_NAMES.has(name)) return true;
  if (value.length > PLAIN_CHARACTERS_MAX || CLOSED_NAME.test(name)) return false;
  return value === '' || PLAIN_VALUE.test(value);
}
