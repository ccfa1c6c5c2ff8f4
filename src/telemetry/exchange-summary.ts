/**
 * What is known of one exchange when it has finished: the source of its log line and of the request
 * metrics. Fields are mutable, so that whoever fills one may use it again, and values but for headers
 * and the connection, which only lines that name them read.
 */
import type { TcpAsked } from '../base/tcp-figures.ts';

/**
 * What the cache did, in one word (Cache-Status, RFC 9211, has the details):
 *
 * - `hit`: a fresh stored response; the origin was not asked.
 * - `stale`: a stale stored response was served (RFC 5861).
 * - `revalidated`: the origin confirmed a stored response (304).
 * - `collapsed`: answered by another request's fetch.
 * - `miss`: nothing usable was stored; the origin answered.
 * - `bypass`: the method, the request or the policy kept the cache out.
 * - `none`: the exchange ended before the cache was asked.
 */
export const cacheOutcomes = [
  'hit',
  'stale',
  'revalidated',
  'collapsed',
  'miss',
  'bypass',
  'none',
] as const;

export type CacheOutcome = (typeof cacheOutcomes)[number];

/** What counts as a hit wherever hits are counted: the origin was not asked for this one's content. */
export const hitOutcomes: readonly CacheOutcome[] = ['hit', 'stale', 'revalidated', 'collapsed'];

/**
 * How early data (RFC 8446 §2.3) touched the request: `no`, not at all; `early`, it began in early
 * data; `answered-early`, its response began before the handshake was complete, too.
 */
export type EarlyDataUse = 'no' | 'early' | 'answered-early';

/** The TLS facts that the log shows. `TlsFacts` of http/exchange.ts has this shape. */
export interface TlsSummary {
  /** `TLSv1.3`, `TLSv1.2`. */
  readonly version: string;
  readonly cipher: string;
  readonly group: string;
  readonly resumed: boolean;
  /** Milliseconds from the first byte to the end of the handshake; -1 while it is open. */
  readonly handshakeMs: number;
}

/** Headers of a message, by names in lower case. `FieldSection` of http/field-section.ts has this shape. */
export interface HeaderLines {
  combined(name: string): string | undefined;
}

export interface ExchangeSummary {
  /** Wall-clock milliseconds of the request's first byte. */
  startedAtMs: number;
  /** `127.0.0.1`, `::1` or `unix`. */
  remoteAddress: string;
  remotePort: number;
  localPort: number;
  /** As received; '' when the request could not be parsed so far. */
  method: string;
  scheme: string;
  authority: string;
  /** Of the authority: without port, in normal form (base/host-names.ts). */
  host: string;
  path: string;
  /** `1.0`, `1.1` or `2`; '' when unknown. */
  version: string;
  userAgent: string;
  referer: string;
  /** Valid until the summary is filled anew; null when there were none. */
  requestHeaders: HeaderLines | null;
  /** As the client got them. */
  responseHeaders: HeaderLines | null;
  /** The client's connection, to be asked while the line is made. */
  connection: TcpAsked | null;
  /** Final status sent; 0 when none was. */
  status: number;
  /** Bytes of request content received and of response content sent. */
  requestBytes: number;
  responseBytes: number;
  /** Milliseconds from the request's first byte to the response's last, and to its first (or -1). */
  durationMs: number;
  firstByteMs: number;
  cache: CacheOutcome;
  earlyData: EarlyDataUse;
  /** Null for plaintext. */
  tls: TlsSummary | null;
  /** Status that the origin gave, 0 when it was not asked or did not answer. */
  originStatus: number;
  /** Milliseconds from the request to the origin's head; -1 when there was none. */
  originMs: number;
  /** Code of the error that ended the exchange (docs/reference/errors.md), or ''. */
  errorCode: string;
  /** Names this exchange in logs of several hops, or ''. */
  requestId: string;
  /** Name of the route that it took, or '' for none. */
  route: string;
}

/** A summary with nothing in it yet. */
export function emptySummary(): ExchangeSummary {
  return {
    startedAtMs: 0,
    remoteAddress: '',
    remotePort: 0,
    localPort: 0,
    method: '',
    scheme: '',
    authority: '',
    host: '',
    path: '',
    version: '',
    userAgent: '',
    referer: '',
    requestHeaders: null,
    responseHeaders: null,
    connection: null,
    status: 0,
    requestBytes: 0,
    responseBytes: 0,
    durationMs: 0,
    firstByteMs: -1,
    cache: 'none',
    earlyData: 'no',
    tls: null,
    originStatus: 0,
    originMs: -1,
    errorCode: '',
    requestId: '',
    route: '',
  };
}
