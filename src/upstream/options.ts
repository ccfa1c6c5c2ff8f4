/** What an operator says of a group of origins: plain data, as it crosses to the workers. */
import type { HandlerOptions } from '../handler/options.ts';

/** One server of a group. Its name may have several addresses: each is balanced on its own. */
export interface OriginServerOptions {
  readonly scheme: 'http' | 'https';
  /** HTTP/2 if TLS agrees on it (https), without asking (h2c), or not at all (http). */
  readonly http2: 'alpn' | 'prior-knowledge' | 'never';
  /** A name, an IP address, or `unix:` and the absolute path of a socket, whose port is 0. */
  readonly host: string;
  readonly port: number;
  /** Share of the requests compared with the others' weights; above 0. */
  readonly weight: number;
  /** Asked only when no other server can be. */
  readonly backup: boolean;
  /** What it is called in the place of its address, which nobody has given it; '' for none. */
  readonly label?: string;
}

/** What a request is hashed by. */
export type HashKey =
  | { readonly on: 'path' | 'client-address' }
  /** Lower-case field name, or a cookie's name. Requests without it are hashed by their path. */
  | { readonly on: 'field' | 'cookie'; readonly name: string };

export type BalanceOptions =
  | { readonly method: 'round-robin' | 'least-connections' }
  | {
      readonly method: 'consistent-hash';
      readonly key: HashKey;
      /** No server gets more than so many times its share of the requests under way; 1 or above. */
      readonly loadFactor: number;
    };

/** Questions that we ask by ourselves. */
export interface HealthCheckOptions {
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** Asked with GET; '' only connects (and shakes hands). */
  readonly path: string;
  /** Host field; '' for the server's own. */
  readonly host: string;
  /** Statuses that are well, as ranges with both ends. */
  readonly statuses: readonly (readonly [number, number])[];
  /** Good answers in a row that bring a server up, and bad ones that take it down. */
  readonly rise: number;
  readonly fall: number;
}

/** What requests tell of a server. */
export interface PassiveHealthOptions {
  /** Failures in a row that eject a server; 0 for never. */
  readonly failures: number;
  /** Whether responses of 500 and above count as failures. */
  readonly on5xx: boolean;
  /** Bytes per second of a response's content below which it is a failure; 0 for none. */
  readonly minRate: number;
  /** Milliseconds of the first ejection; each further one takes that much longer. */
  readonly ejectionMs: number;
  readonly ejectionMaxMs: number;
  /** At most this share of the servers is ejected at once; 0 to 1. */
  readonly ejectedShareMax: number;
}

export interface CircuitBreakerOptions {
  /** Failed share of the requests of a window that opens the circuit; 0 for never. */
  readonly failureShare: number;
  /** Requests that a window must have seen to say anything. */
  readonly requestsMin: number;
  readonly windowMs: number;
  /** Milliseconds for which nothing is asked; then a few requests try. */
  readonly openMs: number;
  /** Requests that try, all of which must succeed. */
  readonly trials: number;
}

export interface RetryOptions {
  /** Of one request; 0 for none. */
  readonly retriesMax: number;
  /** Statuses after which another server is asked. */
  readonly statuses: readonly number[];
  /** Retries under way, as a share of the requests under way. */
  readonly budgetShare: number;
  /** So many retries are always allowed at once. */
  readonly budgetMin: number;
}

/** Milliseconds each. */
export interface OriginTimeouts {
  /** TCP connect and TLS handshake together. */
  readonly connectMs: number;
  /** From the request to the first byte of the response. */
  readonly responseMs: number;
  /** Without a byte while a response is under way. */
  readonly idleMs: number;
  /** Without a byte in either direction of a tunnel. */
  readonly tunnelMs: number;
  /** Waiting for room among the connections. */
  readonly queueMs: number;
  /** That an unused connection is kept. */
  readonly keepAliveMs: number;
}

export interface ResolveOptions {
  /** Bounds of the records' own TTL, in milliseconds. */
  readonly ttlMinMs: number;
  readonly ttlMaxMs: number;
  /** `ADDRESS[:PORT]` of DNS servers; empty for the system's. */
  readonly servers: readonly string[];
}

export interface OriginTlsOptions {
  /** False only by an explicit, alarming option: the origin's certificate is not verified. */
  readonly verify: boolean;
  /** PEM file of roots instead of the system's, or ''. */
  readonly caFile: string;
  /** Asked for, and expected in the certificate; '' for the server's own host. */
  readonly serverName: string;
  /** Whether safe requests without content may be sent as early data (RFC 8446 §2.3). */
  readonly earlyData: boolean;
}

export interface OriginGroupOptions {
  readonly name: string;
  readonly servers: readonly OriginServerOptions[];
  /** A module of which each server is a thread; null for servers elsewhere. */
  readonly handler: HandlerOptions | null;
  /** Put before every path, without trailing slash; '' for none. */
  readonly pathPrefix: string;
  readonly balance: BalanceOptions;
  /** Milliseconds in which a server that has come (back) up gets its full share; 0 for at once. */
  readonly slowStartMs: number;
  readonly healthCheck: HealthCheckOptions | null;
  readonly passiveHealth: PassiveHealthOptions;
  readonly circuitBreaker: CircuitBreakerOptions;
  readonly retries: RetryOptions;
  readonly timeouts: OriginTimeouts;
  /** Connections per address and worker; more requests wait. */
  readonly connectionsMax: number;
  /** Requests of one worker that wait for a connection of one address; more get 503. */
  readonly queuedMax: number;
  /** Requests under way per worker; more get 503. 0 for no limit. */
  readonly requestsMax: number;
  readonly resolve: ResolveOptions;
  readonly tls: OriginTlsOptions;
  /** The header that begins each connection. */
  readonly proxyProtocol: 'off' | 'v1' | 'v2';
}

/**
 * retriesMax: one server that has just gone is survived, two at once are rare. budget: 20 % keeps a
 * struggling origin's load bounded, as Envoy's default does. ejection*: as nginx's fail_timeout of
 * 10 s; never more than half, so that what is left is not overrun. Active checks, slow start and the
 * circuit breaker are off: they say something about an origin that we cannot know. The time-outs are
 * explained in limits.ts.
 */
export const defaultGroupOptions = {
  handler: null,
  pathPrefix: '',
  balance: { method: 'round-robin' },
  slowStartMs: 0,
  healthCheck: null,
  passiveHealth: {
    failures: 5,
    on5xx: false,
    minRate: 0,
    ejectionMs: 10_000,
    ejectionMaxMs: 300_000,
    ejectedShareMax: 0.5,
  },
  circuitBreaker: {
    failureShare: 0,
    requestsMin: 20,
    windowMs: 10_000,
    openMs: 5_000,
    trials: 3,
  },
  retries: { retriesMax: 2, statuses: [], budgetShare: 0.2, budgetMin: 10 },
  timeouts: {
    connectMs: 10_000,
    responseMs: 60_000,
    idleMs: 60_000,
    tunnelMs: 3_600_000,
    queueMs: 10_000,
    keepAliveMs: 4_000,
  },
  connectionsMax: 1024,
  queuedMax: 4096,
  requestsMax: 0,
  resolve: { ttlMinMs: 5_000, ttlMaxMs: 3_600_000, servers: [] },
  tls: { verify: true, caFile: '', serverName: '', earlyData: false },
  proxyProtocol: 'off',
} as const satisfies Partial<OriginGroupOptions>;

/** One server, of which only the URL is known and how far its certificate is trusted. */
export function plainGroup(
  name: string,
  origin: Pick<OriginServerOptions, 'scheme' | 'http2' | 'host' | 'port'> &
    Pick<OriginTlsOptions, 'verify' | 'caFile'> &
    Pick<OriginGroupOptions, 'pathPrefix'>,
): OriginGroupOptions {
  const { scheme, http2, host, port, pathPrefix, verify, caFile } = origin;
  return {
    ...defaultGroupOptions,
    name,
    pathPrefix,
    servers: [{ scheme, http2, host, port, weight: 1, backup: false }],
    tls: { ...defaultGroupOptions.tls, verify, caFile },
  };
}
