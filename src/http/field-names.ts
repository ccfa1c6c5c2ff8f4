/**
 * The field names that sluice knows, lower-case, each with what a proxy must do with it.
 * One instance of each name: a parser that interns names through {@link internFieldName} makes
 * every later comparison a pointer comparison.
 */
export interface FieldNameInfo {
  readonly name: string;
  /** Connection-specific: never forwarded (RFC 9110 §7.6.1, RFC 9113 §8.2.2). */
  readonly hopByHop: boolean;
  /** Must not appear in a trailer section (RFC 9110 §6.5.1). */
  readonly forbiddenInTrailers: boolean;
}

const HOP_BY_HOP = [
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
] as const;

// Framing, routing, modifiers, authentication and representation fields: RFC 9110 §6.5.1. What says
// who asks is like authentication: an origin that joins trailers to the head would believe a client.
const NOT_IN_TRAILERS = [
  'age',
  'authorization',
  'cache-control',
  'cdn-cache-control',
  // RFC 9440 §2.2, §2.3.
  'client-cert',
  'client-cert-chain',
  'connection',
  'content-encoding',
  'content-length',
  'content-range',
  'content-type',
  'cookie',
  'date',
  'early-data',
  'expect',
  'expires',
  'forwarded',
  'host',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'keep-alive',
  'location',
  'max-forwards',
  'pragma',
  'proxy-authenticate',
  'proxy-authorization',
  'range',
  'retry-after',
  'set-cookie',
  'surrogate-control',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'vary',
  'via',
  'warning',
  'www-authenticate',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-real-ip',
] as const;

const OTHERS = [
  'accept',
  'accept-charset',
  'accept-encoding',
  'accept-language',
  'accept-ranges',
  'access-control-allow-origin',
  'allow',
  'alt-svc',
  'cache-status',
  'content-disposition',
  'content-language',
  'content-location',
  'dnt',
  'etag',
  'from',
  'last-modified',
  'link',
  'origin',
  'priority',
  'proxy-status',
  'referer',
  'sec-ch-ua',
  'sec-ch-ua-mobile',
  'sec-ch-ua-platform',
  'sec-fetch-dest',
  'sec-fetch-mode',
  'sec-fetch-site',
  'sec-fetch-user',
  'sec-websocket-accept',
  'sec-websocket-extensions',
  'sec-websocket-key',
  'sec-websocket-protocol',
  'sec-websocket-version',
  'server',
  'server-timing',
  'strict-transport-security',
  'surrogate-key',
  'cache-tag',
  'upgrade-insecure-requests',
  'user-agent',
  'x-content-type-options',
  'x-frame-options',
  'x-requested-with',
] as const;

const known = new Map<string, FieldNameInfo>();
for (const name of [...HOP_BY_HOP, ...NOT_IN_TRAILERS, ...OTHERS]) {
  known.set(name, {
    name,
    hopByHop: (HOP_BY_HOP as readonly string[]).includes(name),
    forbiddenInTrailers: (NOT_IN_TRAILERS as readonly string[]).includes(name),
  });
}

/** The known names, for tables and tests. */
export const knownFieldNames: readonly string[] = [...known.keys()];

/** What is known of a lower-case field name, or undefined. */
export function fieldNameInfo(name: string): FieldNameInfo | undefined {
  return known.get(name);
}

/** The shared instance of a lower-case field name when it is a known one, else the name itself. */
export function internFieldName(name: string): string {
  return known.get(name)?.name ?? name;
}
