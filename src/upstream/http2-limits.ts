import { defaultHttp2Limits, type Http2Limits } from '../http2/limits.ts';

/** Limits of an HTTP/2 connection toward an origin, beside those of `UpstreamLimits`. */
export interface UpstreamHttp2Limits {
  readonly protocol: Http2Limits;
  /** Milliseconds that a connection without an exchange is kept. */
  readonly idleTimeoutMs: number;
  /** Milliseconds of silence, while a request is open, after which a PING is sent. */
  readonly pingAfterMs: number;
  /** Milliseconds for the answer to it, or any other sign of life. */
  readonly pongTimeoutMs: number;
  /** Milliseconds for the origin to close its side after we have closed ours. */
  readonly lingerTimeoutMs: number;
  /** How often running exchanges are looked at; the time-outs above are late by at most this. */
  readonly sweepIntervalMs: number;
  /** Exchanges that one connection is expected to carry before its origin has said how many. */
  readonly exchangesExpected: number;
}

const EXCHANGES_MAX = 128;
const STREAM_WINDOW_BYTES_MAX = 524_288;

/**
 * Windows: a client that reads slowly leaves its stream's window full and must not stop the other
 * exchanges of the connection, so the connection's window is as large as those of all streams. What one
 * connection can be made to hold is that: 64 MiB, when 128 clients stop reading after their streams
 * have proved fast. 128 KiB to begin with keep 1 Gbit/s busy at a millisecond.
 *
 * idleTimeoutMs: longer than for HTTP/1.1, because GOAWAY makes an origin's close safe. pingAfterMs:
 * half of the usual time without a byte that an exchange gets; gRPC servers close connections for
 * the third PING without data in five minutes, and no exchange lasts that long. pongTimeoutMs:
 * HAProxy and Envoy have 5 to 20 s. lingerTimeoutMs: as downstream. exchangesExpected: RFC 9113
 * §6.5.2 advises origins to allow at least as many.
 */
export const defaultUpstreamHttp2Limits: UpstreamHttp2Limits = {
  protocol: {
    ...defaultHttp2Limits,
    streamsConcurrentMax: EXCHANGES_MAX,
    streamWindowBytes: 131_072,
    streamWindowBytesMax: STREAM_WINDOW_BYTES_MAX,
    connectionWindowBytes: EXCHANGES_MAX * STREAM_WINDOW_BYTES_MAX,
    connectionWindowBytesMax: EXCHANGES_MAX * STREAM_WINDOW_BYTES_MAX,
  },
  idleTimeoutMs: 60_000,
  pingAfterMs: 30_000,
  pongTimeoutMs: 10_000,
  lingerTimeoutMs: 2_000,
  sweepIntervalMs: 1_000,
  exchangesExpected: 100,
};
