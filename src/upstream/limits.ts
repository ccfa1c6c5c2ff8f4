import { defaultUpstreamHttp2Limits, type UpstreamHttp2Limits } from './http2-limits.ts';

/** Limits toward one origin, per worker. */
export interface UpstreamLimits {
  /** Connections open at once; more requests wait in the queue. */
  readonly connectionsMax: number;
  /**
   * Percent of connectionsMax (of HTTP/2, of their streams), and at least one of two or more, that
   * are reserved for complete requests. Requests whose body is still to come, and WebSocket
   * connections, wait when all others are used.
   */
  readonly connectionsKeptPercent: number;
  /** Requests waiting for a connection; more are refused with 503. */
  readonly queuedMax: number;
  /** Milliseconds a request waits for a connection before 503. */
  readonly queueTimeoutMs: number;
  /** Milliseconds for TCP connect and TLS handshake together, of one address. */
  readonly connectTimeoutMs: number;
  /** Milliseconds from the end of a request to the first byte of its response (504). */
  readonly responseTimeoutMs: number;
  /**
   * Milliseconds without a byte from the origin while a response is under way and its client takes
   * it (504).
   */
  readonly readTimeoutMs: number;
  /**
   * Milliseconds without a byte in either direction while a response is under way and its request
   * is not complete, when that is longer: it is the client that must act.
   */
  readonly duplexTimeoutMs: number;
  /** Milliseconds for which a tunnel (WebSocket) may be idle in both directions. */
  readonly tunnelTimeoutMs: number;
  /** Milliseconds that an unused connection is kept. */
  readonly idleTimeoutMs: number;
  /** Unused connections kept. */
  readonly idleMax: number;
  readonly http2: UpstreamHttp2Limits;
}

/**
 * connectionsMax: an origin of Node's or nginx's default size copes with a thousand.
 * connectionsKeptPercent: a quarter serves misses at half speed at the worst, and costs uploads
 * little. queuedMax and
 * queueTimeoutMs: a queue is for bursts; a longer wait only moves the time-out to the client.
 * connectTimeoutMs: three SYN retransmissions of Linux (1 s, 2 s, 4 s) fit. responseTimeoutMs and
 * readTimeoutMs: nginx's proxy_read_timeout. duplexTimeoutMs: as a client has for its body.
 * tunnelTimeoutMs: HAProxy's usual `timeout tunnel`; a program that is silent for longer sends no
 * pings. idleTimeoutMs: below Node's keepAliveTimeout of 5 s, so that we close first and rarely
 * meet a connection that the origin is just closing.
 */
export const defaultUpstreamLimits: UpstreamLimits = {
  connectionsMax: 1024,
  connectionsKeptPercent: 25,
  queuedMax: 4096,
  queueTimeoutMs: 10_000,
  connectTimeoutMs: 10_000,
  responseTimeoutMs: 60_000,
  readTimeoutMs: 60_000,
  duplexTimeoutMs: 60_000,
  tunnelTimeoutMs: 3_600_000,
  idleTimeoutMs: 4_000,
  idleMax: 256,
  http2: defaultUpstreamHttp2Limits,
};
