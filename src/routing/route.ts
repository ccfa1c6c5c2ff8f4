/**
 * Routes as options: plain data, as they cross from the configuration to the workers. What they
 * compile to is in the modules beside this one.
 */
import type { AddressRange } from '../base/address-range.ts';
import { type CacheRules, defaultCacheRules } from '../cache/rules/rules.ts';
import type { UnderscorePolicy } from './field-screen.ts';
import type { TextMatch } from './text-match.ts';

/** By name, what there must be a value like. */
export type ValueMatches = Readonly<Record<string, TextMatch>>;

/** Which requests a route is for: all that is given must agree. */
export interface RouteMatch {
  /** `http` or `https`; '' for both. */
  readonly scheme: '' | 'http' | 'https';
  /** `example.org`, or `*.example.org` for all below it; empty for every host. No ports. */
  readonly hosts: readonly string[];
  /** A pattern for the host, in lower case and without port; '' for none. */
  readonly hostPattern: string;
  /** As in {@link PathRule} of path.ts; '' for every path. */
  readonly pathPrefix: string;
  /** A pattern for the path, without query; '' for none. See pattern.ts. */
  readonly pathPattern: string;
  /** Of the path, in both of its conditions. */
  readonly ignoreCase: boolean;
  /** Empty for every method. GET includes HEAD. */
  readonly methods: readonly string[];
  /** Request fields, lower-case, and their values, of which lines of one name are one. */
  readonly headers: ValueMatches;
  readonly cookies: ValueMatches;
  /** Parameters of the query, decoded. */
  readonly query: ValueMatches;
  /** Where the client is; empty for everywhere. */
  readonly from: readonly AddressRange[];
  /** Ports that the client connected to; empty for all. */
  readonly ports: readonly number[];
  /** Whether it opens a WebSocket; null for both. */
  readonly websocket: boolean | null;
  readonly tls: TlsMatch | null;
  /** The route is for no request that one of these is for. */
  readonly not: readonly RouteMatch[];
}

/** What of the handshake a route can ask for; a request without TLS has none of it. */
export interface TlsMatch {
  /** As `TLSv1.3`; empty for all. */
  readonly versions: readonly string[];
  /** As `hosts`, of the name in the ClientHello; empty for all. */
  readonly serverNames: readonly string[];
  /** Whether the client has proved who it is by a certificate; null for both. */
  readonly clientCertificate: boolean | null;
}

export type RouteAction =
  /** Forwarded to the group of origins with this name. */
  | { readonly kind: 'origin'; readonly origin: string }
  | { readonly kind: 'redirect'; readonly to: string; readonly status: RedirectStatus }
  | {
      readonly kind: 'respond';
      readonly status: number;
      readonly fields: Readonly<Record<string, string>>;
      readonly content: string;
    };

export type RedirectStatus = 301 | 302 | 303 | 307 | 308;

/** How the request's target changes on its way to the origin, in this order. */
export interface RewriteOptions {
  /** Taken off the front of the path; '' for nothing. */
  readonly stripPrefix: string;
  /** A pattern and what replaces its first match in the path: `$1` and so on, `$&`; null for none. */
  readonly replace: { readonly pattern: string; readonly with: string } | null;
  /** Put before the path; '' for nothing. */
  readonly addPrefix: string;
  /** Query parameters removed, then set. `utm_*` is every name that begins so. */
  readonly queryRemove: readonly string[];
  readonly querySet: Readonly<Record<string, string>>;
  /** Host toward the origin; '' for the client's. */
  readonly host: string;
  /** Whether redirects of the origin are changed the other way. */
  readonly mapLocation: boolean;
}

/** Changes of a field section: removed first, then set, then added. Values may have variables. */
export interface FieldEdits {
  readonly remove: readonly string[];
  readonly set: Readonly<Record<string, string>>;
  readonly add: Readonly<Record<string, string>>;
  /** Of requests in Cookie, of responses in Set-Cookie. */
  readonly removeCookies: readonly string[];
  readonly setCookies: Readonly<Record<string, string>>;
}

/** Edits, and when they are made. */
export interface EditStep {
  /** Null for always. */
  readonly when: EditCondition | null;
  readonly edits: FieldEdits;
  /** Made when the condition does not hold; null for none. */
  readonly otherwise: FieldEdits | null;
}

const noEdits: FieldEdits = {
  remove: [],
  set: {},
  add: {},
  removeCookies: [],
  setCookies: {},
};

/** Edits that are always made. */
export function alwaysEdit(edits: Partial<FieldEdits>): EditStep {
  return { when: null, edits: { ...noEdits, ...edits }, otherwise: null };
}

/** All that is given must hold. */
export interface EditCondition {
  /** Of the request; its hosts and paths, too. */
  readonly match: RouteMatch | null;
  /** Of responses: `404`, `4xx`; empty for all. */
  readonly statuses: readonly string[];
  /** Of responses, as they are before this edit. */
  readonly responseHeaders: ValueMatches;
  /** Of all requests, by chance: 0 to 1; null for all. */
  readonly share: number | null;
  /** Minutes of the day in UTC, from the first to before the second; null for the whole day. */
  readonly hours: readonly [from: number, to: number] | null;
}

/** Of every exchange. */
export const noEditCondition: EditCondition = {
  match: null,
  statuses: [],
  responseHeaders: {},
  share: null,
  hours: null,
};

/** The first rule whose every condition holds decides; when none does, access is allowed. */
export interface AccessRule {
  readonly effect: 'allow' | 'deny';
  /** Empty for every address. */
  readonly from: readonly AddressRange[];
  /** Empty for every method. GET includes HEAD. */
  readonly methods: readonly string[];
  /** As in path.ts; empty for every path. */
  readonly paths: readonly string[];
}

export interface RateLimit {
  readonly requestsPerSecond: number;
  /** Requests at once beyond the rate. */
  readonly burst: number;
  /** Milliseconds that a request beyond the burst may wait before it is refused; 0 for none. */
  readonly delayMs: number;
  /**
   * What a client is: its address (of IPv6 the /64), or a text with variables. One for which the text
   * is empty is known by its address.
   */
  readonly key: 'address' | { readonly text: string };
}

/** The route is closed for all but some. */
export interface Maintenance {
  readonly contentType: string;
  readonly content: string;
  /** Seconds; 0 for no Retry-After. */
  readonly retryAfterSeconds: number;
  /** Who gets through all the same. */
  readonly except: readonly AddressRange[];
}

export interface ErrorPage {
  readonly contentType: string;
  readonly content: string;
}

export interface ErrorPages {
  /** By status: `404`, or `4xx`, `5xx` for those without one of their own. */
  readonly pages: Readonly<Record<string, ErrorPage>>;
  /** Also in place of what the origin says. */
  readonly intercept: boolean;
}

export type ContentCoding = 'gzip' | 'br' | 'zstd';

/** Codings that are worth their time, the best first. */
export const COMPRESSION_ENCODINGS_DEFAULT: readonly ContentCoding[] = ['zstd', 'br', 'gzip'];

/** Bytes. What fits into a packet or so is not sent sooner for being shorter. */
export const COMPRESSION_SIZE_MIN_DEFAULT = 1_024;

/** Text in one form or another. Event streams are left out: what each event gains is lost in delay. */
export const COMPRESSION_TYPES_DEFAULT: readonly string[] = [
  'text/html',
  'text/css',
  'text/plain',
  'text/javascript',
  'text/markdown',
  'text/csv',
  'text/xml',
  'application/javascript',
  'application/json',
  'application/wasm',
  'application/xml',
  '*+json',
  '*+xml',
];

export interface CompressionOptions {
  /** The most wanted first: it wins when the client likes several equally. */
  readonly encodings: readonly ContentCoding[];
  /** Shorter content is left as it is. */
  readonly minBytes: number;
  /** Media types; `text/*` for all of a kind, `*+json` for all with a suffix. */
  readonly types: readonly string[];
}

export interface RouteOptions {
  /** For logs; unique among the routes. */
  readonly name: string;
  readonly match: RouteMatch;
  readonly action: RouteAction;
  readonly rewrite: RewriteOptions | null;
  readonly requestFields: readonly EditStep[];
  /** What is done with request fields that have `_` in their names. */
  readonly underscoresInFields: UnderscorePolicy;
  readonly responseFields: readonly EditStep[];
  readonly access: readonly AccessRule[];
  readonly rateLimit: RateLimit | null;
  /** Bytes of a request's body; null for no limit. */
  readonly requestBytesMax: number | null;
  readonly maintenance: Maintenance | null;
  readonly compression: CompressionOptions | null;
  readonly errorPages: ErrorPages | null;
  readonly cache: CacheRules;
}

export const matchEverything: RouteMatch = {
  scheme: '',
  hosts: [],
  hostPattern: '',
  pathPrefix: '',
  pathPattern: '',
  ignoreCase: false,
  methods: [],
  headers: {},
  cookies: {},
  query: {},
  from: [],
  ports: [],
  websocket: null,
  tls: null,
  not: [],
};

/** A route for every request to one group of origins, with nothing else to it. */
export function plainRoute(origin: string): RouteOptions {
  return {
    name: origin,
    match: matchEverything,
    action: { kind: 'origin', origin },
    rewrite: null,
    requestFields: [],
    underscoresInFields: 'pass',
    responseFields: [],
    access: [],
    rateLimit: null,
    requestBytesMax: null,
    maintenance: null,
    compression: null,
    errorPages: null,
    cache: defaultCacheRules,
  };
}
