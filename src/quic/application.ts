/**
 * The contract between a QUIC connection and the protocol on top of it (HTTP/3): the connection calls
 * a {@link QuicApplication} and the {@link QuicStreamHandler}s that it gives for streams; it is asked
 * through {@link QuicConnection} and {@link QuicStream}. No call is made from within another call of
 * the same direction's `receive`: what the application does inside a call (write, reset, close) is only
 * noted, and goes out when the endpoint flushes.
 */

/** Both directions, or only from who opened it (RFC 9000 §2.1). */
export type QuicStreamKind = 'bidirectional' | 'unidirectional';

/** The protocol on top of one connection. */
export interface QuicApplication {
  /**
   * 1-RTT or 0-RTT keys for sending are there and the peer's limits are known: streams can be opened.
   * On a server that is before the handshake is complete (0.5-RTT); the peer is not yet authenticated.
   */
  onReady(): void;
  /** The peer opened a stream. Streams are reported in the order of their IDs, gaps included. */
  onStream(stream: QuicStream): QuicStreamHandler;
  /** The handshake is complete (RFC 9001 §4.1.1): the peer is live, held early requests may go on. */
  onHandshakeComplete(): void;
  /** The handshake is confirmed (RFC 9001 §4.1.2). */
  onHandshakeConfirmed(): void;
  /** A client's early data was refused: every stream is gone without a call, to be opened anew. */
  onEarlyDataRefused(): void;
  /** The peer lets us open more streams of a kind than before. */
  onStreamsAvailable(kind: QuicStreamKind): void;
  /** The payload of a DATAGRAM frame (RFC 9221), valid until the return. `isEarly`: of a 0-RTT packet. */
  onDatagram(bytes: Uint8Array, isEarly: boolean): void;
  /**
   * The connection is over: closed by us, by the peer, by a time-out, or reset. Called exactly once, and
   * last; streams get no further call.
   */
  onClosed(reason: QuicCloseReason): void;
}

/** What is told about one stream. Bytes are valid until the return. */
export interface QuicStreamHandler {
  /**
   * Content in order; `bytes` may be empty with `isFin`. `isEarly`: any of it came in a 0-RTT packet,
   * and the handshake is not complete. What is used is given back by `stream.consumed`.
   */
  onData(bytes: Uint8Array, isFin: boolean, isEarly: boolean): void;
  /** The peer ended its direction abruptly (RESET_STREAM). No onData follows. */
  onReset(errorCode: number): void;
  /** The peer wants no more (STOP_SENDING); our direction has been reset with the same code. */
  onStopSending(errorCode: number): void;
  /** After `write` said false: less waits now than the limit. */
  onWritable(): void;
  /** Both directions have ended and what we sent was acknowledged, or it was given up. Last call. */
  onClosed(): void;
}

/** A stream, as the application uses it. After `onClosed` calls do nothing. */
export interface QuicStream {
  readonly id: number;
  readonly kind: QuicStreamKind;
  /** Whether we opened it. */
  readonly isOurs: boolean;
  /**
   * Adds to what is sent, `isFin` to end our direction. The parts are kept by reference until they are
   * acknowledged: they must never change afterwards. False: enough waits (STREAM_SEND_BYTES_MAX),
   * `onWritable` will come; what was given is kept all the same. After `reset` nothing happens.
   */
  write(parts: readonly Uint8Array[], isFin: boolean): boolean;
  /** Bytes that were written and not yet sent for the first time. */
  readonly unsentBytes: number;
  /** Ends our direction abruptly (RESET_STREAM). Idempotent; nothing once all was acknowledged. */
  reset(errorCode: number): void;
  /** Wants no more of the peer's direction (STOP_SENDING); no onData follows. Idempotent. */
  stopSending(errorCode: number): void;
  /**
   * So many bytes of `onData` have been used: the peer may send as many again. Those never given back
   * hold the peer's window; whatever is left when the direction ends is given back by itself.
   */
  consumed(bytes: number): void;
  /**
   * How the scheduler treats it (RFC 9218): urgency 0 (first) to 7, default 3. Streams of one urgency are
   * served one after another in the order of their IDs, incremental ones in turn.
   */
  setPriority(urgency: number, isIncremental: boolean): void;
}

/** A connection, as the application uses it. */
export interface QuicConnection {
  /**
   * Opens a stream, or undefined while the peer allows no more (`onStreamsAvailable` will come) or the
   * connection is not ready or over.
   */
  openStream(kind: QuicStreamKind, handler: QuicStreamHandler): QuicStream | undefined;
  /** Sends a DATAGRAM frame by copy. False: the peer takes none, it is too long, or too many wait. */
  sendDatagram(bytes: Uint8Array): boolean;
  /** Bytes of the longest datagram that can be sent now; 0 when the peer takes none. */
  readonly datagramBytesMax: number;
  /** Ends the connection with an error code of the application. Idempotent. */
  close(errorCode: number, reason: string): void;
  readonly isHandshakeComplete: boolean;
  readonly isHandshakeConfirmed: boolean;
  /** What is known of it now; for logs and metrics. Made for each call. */
  facts(): QuicConnectionFacts;
}

/** Why a connection is over. */
export interface QuicCloseReason {
  /**
   * `idle`: nothing came for the idle time-out. `reset`: a stateless reset came. `refused`: a client's
   * handshake could not be begun (no version in common).
   */
  readonly by: 'us' | 'peer' | 'idle' | 'reset' | 'refused';
  /** Whether the code is the application's, not the transport's (RFC 9000 §20). */
  readonly isApplication: boolean;
  readonly errorCode: number;
  /** Of us or of the peer, as it came: harmless text is the reader's matter. */
  readonly reason: string;
}

export interface QuicConnectionFacts {
  /** QUIC's version, such as 1. */
  readonly version: number;
  readonly smoothedRttMs: number;
  readonly minRttMs: number;
  readonly congestionWindowBytes: number;
  readonly packetsSent: number;
  readonly packetsReceived: number;
  readonly packetsLost: number;
  readonly probeTimeouts: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  /** Times that the peer's address changed and was validated. */
  readonly migrations: number;
  readonly keyUpdates: number;
  readonly isAddressValidatedByToken: boolean;
  readonly datagramBytes: number;
}
