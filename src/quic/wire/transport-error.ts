/** Why a connection is closed: the codes of RFC 9000 §20.1, and the fault that carries one. */

export const TransportErrorCode = {
  noError: 0x00,
  internalError: 0x01,
  connectionRefused: 0x02,
  flowControlError: 0x03,
  streamLimitError: 0x04,
  streamStateError: 0x05,
  finalSizeError: 0x06,
  frameEncodingError: 0x07,
  transportParameterError: 0x08,
  connectionIdLimitError: 0x09,
  protocolViolation: 0x0a,
  invalidToken: 0x0b,
  applicationError: 0x0c,
  cryptoBufferExceeded: 0x0d,
  keyUpdateError: 0x0e,
  aeadLimitReached: 0x0f,
  noViablePath: 0x10,
  /** RFC 9368 §10.2. */
  versionNegotiationError: 0x11,
  /** Plus the TLS alert (RFC 9001 §4.8). */
  handshakeAlert: 0x0100,
} as const;

/** What the peer did wrong; thrown while a packet is read, and the connection is closed with it. */
export class QuicFault extends Error {
  override readonly name = 'QuicFault';
  readonly errorCode: number;
  /** The type of the frame at fault, 0 when none is. */
  frameType = 0;

  constructor(errorCode: number, reason: string) {
    super(reason);
    this.errorCode = errorCode;
  }
}
