import { defaultContentLimits } from '../http/content-watch.ts';

/** Limits on downstream connections, per worker. All times in milliseconds. */
export interface DownstreamLimits {
  /** Connections open at once; further ones are closed at accept and counted. */
  readonly connectionsMax: number;
  /** From accept to the end of the TLS handshake, early data followed by silence included. */
  readonly handshakeTimeoutMs: number;
  /** From a request's first byte to the end of its head (slow-header attacks). */
  readonly headTimeoutMs: number;
  /** Without a byte of a request's body while some is expected and sluice is ready to read it. */
  readonly contentTimeoutMs: number;
  /** Time that a request's body may take before its minimum rate applies. */
  readonly contentGraceMs: number;
  /** Bytes per second of a request's body, on average, until the request is answered. */
  readonly contentBytesPerSecondMin: number;
  /** For a whole request body, as long as sluice waits for it. */
  readonly contentTotalTimeoutMs: number;
  /** Between requests on a kept-alive connection. */
  readonly idleTimeoutMs: number;
  /** HTTP/2: until the client has acknowledged our settings (RFC 9113 §6.5.3). */
  readonly settingsTimeoutMs: number;
  /**
   * Without the client reading any of a response that waits to be sent. HTTP/2: of one stream, and
   * only that stream is reset.
   */
  readonly sendTimeoutMs: number;
  /**
   * After our end of the connection, for the client to end its own: bytes that arrive after a close
   * would make the kernel send a reset, and the client lose its response (RFC 9112 §9.6).
   */
  readonly lingerTimeoutMs: number;
  /** How often connections are looked at; every time-out above is late by at most this. */
  readonly sweepIntervalMs: number;
}

/**
 * connectionsMax: ATS's 30,000 in all, per worker here; fewer where RLIMIT_NOFILE allows fewer.
 * handshakeTimeoutMs: as HAProxy advises for `timeout http-request`; ATS allows 30 s.
 * headTimeoutMs: Apache's RequestReadTimeout allows 20 s first; nginx 60 s. contentTimeoutMs,
 * idleTimeoutMs, sendTimeoutMs: nginx's 60, 75 and 60 s; idle a little more than the 60 s for which
 * load balancers keep connections, so that they close first. settingsTimeoutMs: as headTimeoutMs;
 * nghttp2 has 10 s. lingerTimeoutMs: nginx's lingering_timeout is 5 s; a client that takes longer
 * has gone. contentGraceMs and contentBytesPerSecondMin: Apache's RequestReadTimeout, body=20,MinRate=500:
 * no modem is slower. contentTotalTimeoutMs: a day; backups take hours.
 */
export const defaultDownstreamLimits: DownstreamLimits = {
  connectionsMax: 30_000,
  handshakeTimeoutMs: 10_000,
  headTimeoutMs: 15_000,
  contentTimeoutMs: 60_000,
  ...defaultContentLimits,
  idleTimeoutMs: 65_000,
  settingsTimeoutMs: 15_000,
  sendTimeoutMs: 60_000,
  lingerTimeoutMs: 2_000,
  sweepIntervalMs: 1_000,
};
