/** Every number that bounds what one QUIC peer can cost. */

export interface QuicLimits {
  /** Bidirectional streams that the peer may have open at once. */
  readonly bidirectionalStreamsMax: number;
  /** Unidirectional streams that the peer may have open at once. */
  readonly unidirectionalStreamsMax: number;
  /** Bytes that one stream, or all together, may send before any are consumed. */
  readonly streamWindowBytes: number;
  readonly connectionWindowBytes: number;
  /** How far these windows may grow for a fast and distant peer. */
  readonly streamWindowBytesMax: number;
  readonly connectionWindowBytesMax: number;
  /** Bytes of one stream that wait to be sent for the first time before its writer is stopped. */
  readonly streamSendBytesMax: number;
  /** Pieces of a stream, or of a handshake, that have come out of order. */
  readonly gapsMax: number;
  /** Bytes of a handshake at one level that have come out of order (RFC 9000 §7.5). */
  readonly handshakeBytesMax: number;
  /** Packets kept until their keys are available, for each connection. */
  readonly undecryptablePacketsMax: number;
  /** Milliseconds without a packet after which a connection ends; 0: no limit. */
  readonly idleTimeoutMs: number;
  /** ms for a handshake. */
  readonly handshakeTimeoutMs: number;
  /** Connection IDs of the peer that we keep, and of ours that it may have (RFC 9000 §5.1.1). */
  readonly activeIdsMax: number;
  /** Connection IDs of the peer that we have retired and it has not acknowledged. */
  readonly retiredIdsMax: number;
  /** Paths that are being validated at once. */
  readonly pathsMax: number;
  /** PATH_RESPONSEs that wait to be sent; older ones are dropped. */
  readonly pathResponsesMax: number;
  /** Bytes of a DATAGRAM frame; 0: none are taken. */
  readonly datagramFrameBytesMax: number;
  /** Datagrams of the application that wait to be sent. */
  readonly datagramsQueuedMax: number;
  /** Bytes of the longest UDP payload that is sent or taken. */
  readonly udpPayloadBytesMax: number;
  /** Connections of an endpoint whose handshakes are not complete; beyond it all get a Retry. */
  readonly unvalidatedHandshakesMax: number;
  /** Connections of an endpoint whose handshakes are not complete; beyond it none is begun. */
  readonly handshakesMax: number;
  /** Stateless answers (version negotiation, Retry, resets) of an endpoint for each second. */
  readonly statelessAnswersPerSecond: number;
}

/**
 * bidirectionalStreamsMax: as HTTP/2's streamsConcurrentMax. unidirectionalStreamsMax: HTTP/3 has three,
 * and reserved types on top (RFC 9114 §6.2). Windows: as for HTTP/2; at a round trip of 100 ms 256 KiB
 * keep 20 Mbit/s busy, and a peer that shows that it could do more gets more. streamSendBytesMax: four
 * output buffers of HTTP/1.1. gapsMax: a window of the largest size of which every other packet is lost
 * has about 900.
 *
 * handshakeBytesMax: RFC 9000 §7.5 asks for 4,096 at least; chains of certificates of clients are longer.
 * undecryptablePacketsMax: an initial window of 0-RTT. handshakeTimeoutMs: as for TLS over TCP.
 * activeIdsMax, retiredIdsMax: ngtcp2 has 8; a peer that makes us retire without end is cut off
 * (CVE-2024-22189). pathsMax, pathResponsesMax: a phone that changes between two networks has two
 * (CVE-2023-49295 queued responses without end).
 *
 * datagramFrameBytesMax: none until something uses them. unvalidatedHandshakesMax, handshakesMax: a
 * handshake holds 30 KiB, so that the worst is 30 MiB and 120 MiB of a worker.
 * statelessAnswersPerSecond: enough for every client of a restarted worker, and not worth reflecting.
 */
export const defaultQuicLimits: QuicLimits = {
  bidirectionalStreamsMax: 128,
  unidirectionalStreamsMax: 16,
  streamWindowBytes: 262_144,
  connectionWindowBytes: 1_048_576,
  streamWindowBytesMax: 2_097_152,
  connectionWindowBytesMax: 4_194_304,
  streamSendBytesMax: 65_536,
  gapsMax: 2_048,
  handshakeBytesMax: 65_536,
  undecryptablePacketsMax: 10,
  idleTimeoutMs: 30_000,
  handshakeTimeoutMs: 10_000,
  activeIdsMax: 4,
  retiredIdsMax: 8,
  pathsMax: 3,
  pathResponsesMax: 4,
  datagramFrameBytesMax: 0,
  datagramsQueuedMax: 64,
  udpPayloadBytesMax: 1_452,
  unvalidatedHandshakesMax: 1_000,
  handshakesMax: 4_000,
  statelessAnswersPerSecond: 1_000,
};
