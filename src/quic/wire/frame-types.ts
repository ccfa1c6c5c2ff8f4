/** Frames (RFC 9000 §12.4, table 3; RFC 9221), by their types, and where each may be. */

export const QuicFrameType = {
  padding: 0x00,
  ping: 0x01,
  ack: 0x02,
  ackEcn: 0x03,
  resetStream: 0x04,
  stopSending: 0x05,
  handshakeData: 0x06,
  newToken: 0x07,
  stream: 0x08,
  maxData: 0x10,
  maxStreamData: 0x11,
  maxStreamsBidirectional: 0x12,
  maxStreamsUnidirectional: 0x13,
  dataBlocked: 0x14,
  streamDataBlocked: 0x15,
  streamsBlockedBidirectional: 0x16,
  streamsBlockedUnidirectional: 0x17,
  newConnectionId: 0x18,
  retireConnectionId: 0x19,
  pathChallenge: 0x1a,
  pathResponse: 0x1b,
  connectionClose: 0x1c,
  applicationClose: 0x1d,
  handshakeDone: 0x1e,
  datagram: 0x30,
  datagramWithLength: 0x31,
} as const;

/** Which packets a frame may be in, as bits. */
export const PacketBit = { initial: 1, early: 2, handshake: 4, application: 8 } as const;

const { initial: I, early: E, handshake: H, application: A } = PacketBit;

const ALLOWED: Readonly<Record<number, number>> = {
  0: I | E | H | A,
  1: I | E | H | A,
  2: I | H | A,
  3: I | H | A,
  4: E | A,
  5: E | A,
  6: I | H | A,
  7: A,
  8: E | A,
  9: E | A,
  10: E | A,
  11: E | A,
  12: E | A,
  13: E | A,
  14: E | A,
  15: E | A,
  16: E | A,
  17: E | A,
  18: E | A,
  19: E | A,
  20: E | A,
  21: E | A,
  22: E | A,
  23: E | A,
  24: E | A,
  25: A,
  26: E | A,
  27: A,
  28: I | E | H | A,
  29: E | A,
  30: A,
  48: E | A,
  49: E | A,
};

/** By type: the packets in which a frame may be; 0 for types that we do not know. */
export const ALLOWED_PACKETS: Uint8Array = Uint8Array.from(
  { length: 256 },
  (_, type) => ALLOWED[type] ?? 0,
);

/** All but PADDING, ACK and CONNECTION_CLOSE (RFC 9002 §2). */
export function isAckEliciting(type: number): boolean {
  return type !== 0 && type !== 2 && type !== 3 && type !== 0x1c && type !== 0x1d;
}

/** A packet of these alone moves no connection to a new path (RFC 9000 §9.1). */
export function isProbing(type: number): boolean {
  return type === 0 || type === 0x1a || type === 0x1b || type === 0x18;
}
