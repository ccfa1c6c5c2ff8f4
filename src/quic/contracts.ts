/**
 * What the QUIC core asks of others: TLS, packet protection, chance, and the socket. The core itself
 * does no I/O, holds no key and reads no clock: `src/tls/` and `src/native/` implement these contracts,
 * `src/worker/` wires them, and tests have implementations of their own (`test/support/quic/`).
 */
import type { QuicCloseReason } from './application.ts';

/** Which side of a connection this is. */
export type QuicRole = 'client' | 'server';

/** The levels of TLS, by OpenSSL's numbers (RFC 9001 §2.1). CRYPTO is never sent at `early`. */
export const EncryptionLevel = { initial: 0, early: 1, handshake: 2, application: 3 } as const;
export type EncryptionLevel = (typeof EncryptionLevel)[keyof typeof EncryptionLevel];

/** Cipher suites by their TLS numbers (RFC 8446 §B.4); QUIC v1 has no other. */
export const QuicCipherSuite = { aes128Gcm: 0x1301, aes256Gcm: 0x1302, chacha20: 0x1303 } as const;
export type QuicCipherSuite = (typeof QuicCipherSuite)[keyof typeof QuicCipherSuite];

// ------------------------------------------------------------------------------------------ TLS

/**
 * One connection's TLS handshake. Calls of the handler come while `start` or `receive` runs, or later
 * when the handshake has waited (for a cluster's register, for a certificate): after such a later batch
 * of calls the implementer calls `onWork` once.
 */
export interface QuicTls {
  /**
   * Begins. `transportParameters` is the encoded extension 57 of ours, to be kept by copy. A client
   * makes its ClientHello now; a server waits. Called once, before `receive`.
   */
  start(handler: QuicTlsHandler, transportParameters: Uint8Array): void;
  /**
   * Bytes of CRYPTO frames, in order, of `level`; valid until the return. The core calls it only with
   * bytes of the present read level, and ends the connection when a lower level has bytes left at a
   * change of keys (RFC 9001 §4.1.3). After the handshake these are a client's NewSessionTickets; on
   * a server the implementer may have freed what it held, and answers any with alert 10.
   */
  receive(level: EncryptionLevel, bytes: Uint8Array): void;
  /** So many bytes of streams have come in 0-RTT packets, and the handshake is open. */
  noteEarlyData(bytes: number): void;
  /**
   * The connection has ended, for this reason if it is known: everything is freed, and no handler is
   * called any more. Idempotent.
   */
  free(reason?: QuicCloseReason): void;
}

/** What a {@link QuicTls} tells the connection. Bytes are valid until the return. */
export interface QuicTlsHandler {
  /** Handshake bytes to send in CRYPTO frames of `level` (never `early`). */
  onHandshakeBytes(level: EncryptionLevel, bytes: Uint8Array): void;
  /**
   * A secret of a level for one direction, in the order in which TLS has them. `early` read on a server
   * says that early data was accepted, and comes before the ServerHello is sent; `early` write on a
   * client that it may be sent. The secret is wiped by the caller after the return.
   */
  onSecret(secret: TrafficSecret): void;
  /**
   * The peer's extension 57, before any secret of the handshake level (and before `early` read). It may
   * come twice, with a HelloRetryRequest. A handshake without the extension must be ended by the
   * implementer with alert 109 before anything is sent (RFC 9001 §8.2).
   */
  onTransportParameters(bytes: Uint8Array): void;
  /** A client offered early data, and the server did not take it: what was sent is sent again. */
  onEarlyDataRefused(): void;
  /** The handshake is complete as RFC 9001 §4.1.1 has it: our Finished sent, the peer's verified. */
  onHandshakeComplete(facts: QuicHandshakeFacts): void;
  /** TLS has failed; the connection is closed with CRYPTO_ERROR 0x0100 + alert. Nothing follows. */
  onAlert(alert: number, reason: string): void;
  /** Calls were made outside of `start` and `receive`: there may be something to send now. */
  onWork(): void;
}

export interface TrafficSecret {
  readonly level: EncryptionLevel;
  readonly direction: 'read' | 'write';
  readonly suite: QuicCipherSuite;
  /** 32 or 48 bytes; valid until the return. */
  readonly bytes: Uint8Array;
}

/** What the connection and its application may want to know of a completed handshake. */
export interface QuicHandshakeFacts {
  /** The ALPN that was agreed on, such as `h3`. */
  readonly applicationProtocol: string;
  readonly isResumed: boolean;
  /** Whether early data was offered and taken. */
  readonly isEarlyDataAccepted: boolean;
}

// -------------------------------------------------------------------------------- Packet protection

/** Bytes of an AEAD's tag, in every suite. */
export const PACKET_TAG_BYTES = 16;

/**
 * Where a packet lies in a buffer, and its number: one object that is used again for each packet, so
 * that none is made for any.
 */
export interface PacketPlace {
  /** Where its first byte is. */
  start: number;
  /** Where its packet number begins. */
  packetNumberAt: number;
  /** 1 to 4. Told to `seal`, found by `unmask`. */
  packetNumberBytes: number;
  /**
   * `seal`: where the payload ends and the tag shall begin (there is room, and at least
   * 4 - packetNumberBytes bytes of payload). `unmask` and `open`: where the packet ends, tag included.
   */
  end: number;
  /** `seal` and `open`: the whole number. `unmask` sets it to the truncated one. */
  packetNumber: number;
}

export function newPacketPlace(): PacketPlace {
  return { start: 0, packetNumberAt: 0, packetNumberBytes: 0, end: 0, packetNumber: 0 };
}

/**
 * Protects what one side sends at one level. The buffers given to sealers and openers are few and live
 * long: the one of the caller's datagrams, and those made by `allocate` of the factory.
 */
export interface PacketSealer {
  /** Seals the payload in place, writes the tag after it, then protects the header (RFC 9001 §5). */
  seal(bytes: Uint8Array, place: PacketPlace): void;
  /** Goes on with the keys of the next generation; the header's stay (RFC 9001 §6.1). */
  update(): void;
  /** Idempotent. */
  free(): void;
}

/** Which of three generations of keys opens a packet (RFC 9001 §6.3). */
export const KeyGeneration = { previous: -1, current: 0, next: 1 } as const;
export type KeyGeneration = (typeof KeyGeneration)[keyof typeof KeyGeneration];

/** Opens what the peer sends at one level. Nothing in a packet makes it throw. */
export interface PacketOpener {
  /**
   * Takes the protection of the header off, in place: the first byte and the packet number are plain
   * then, `packetNumberBytes` and `packetNumber` (truncated) are set. False when the packet is too
   * short for a sample (RFC 9001 §5.4.2); it is to be dropped.
   */
  unmask(bytes: Uint8Array, place: PacketPlace): boolean;
  /**
   * Opens the payload in place with the header as authenticated data. False when it is not genuine.
   * Takes as long for `next` as for `current`: the keys of the next generation are derived beforehand.
   */
  open(bytes: Uint8Array, place: PacketPlace, generation: KeyGeneration): boolean;
  /** The next generation becomes the current one, the current one the previous. */
  advance(): void;
  /** There is no previous generation any more: `open` with it is false. */
  dropPrevious(): void;
  /** Idempotent. */
  free(): void;
}

/** Makes keys of secrets. It keeps no secret that it is given. */
export interface PacketProtectionFactory {
  sealer(suite: QuicCipherSuite, secret: Uint8Array): PacketSealer;
  opener(suite: QuicCipherSuite, secret: Uint8Array): PacketOpener;
  /** Keys for Initial packets of version 1 (RFC 9001 §5.2) of the side `role`. */
  initialKeys(destinationId: Uint8Array, role: QuicRole): InitialKeys;
  /** A Retry's integrity tag of PACKET_TAG_BYTES over its pseudo-packet (RFC 9001 §5.8). */
  retryTag(pseudoPacket: Uint8Array): Uint8Array;
  /** Memory in which sealers and openers work fastest. It lives as long as the factory. */
  allocate(bytes: number): Uint8Array;
}

export interface InitialKeys {
  readonly sealer: PacketSealer;
  readonly opener: PacketOpener;
}

// --------------------------------------------------------------------------------- Chance and tokens

/** Bytes of a stateless reset's token (RFC 9000 §10.3). */
export const RESET_TOKEN_BYTES = 16;

/**
 * Chance, and what is kept secret over restarts and over the machines of a cluster: its keys come from
 * outside, from the ring of the ticket keys.
 */
export interface QuicSecrets {
  /** Fills with unpredictable bytes. */
  fillRandom(bytes: Uint8Array): void;
  /** The reset token of a connection ID: always the same for the same ID (RFC 9000 §10.3.2). */
  resetToken(connectionId: Uint8Array): Uint8Array;
  /** Seals what a token for address validation says, bound to `context` (the peer's address). */
  sealToken(text: Uint8Array, context: Uint8Array): Uint8Array;
  /** What a token says, also one of an older key that is still good; undefined when it is not ours. */
  openToken(token: Uint8Array, context: Uint8Array): Uint8Array | undefined;
}

// ------------------------------------------------------------------------------------------- Socket

/** ECN's two bits of the IP header (RFC 3168 §5). */
export const EcnMark = { none: 0, ect1: 1, ect0: 2, congested: 3 } as const;
export type EcnMark = (typeof EcnMark)[keyof typeof EcnMark];

/**
 * The two ends of a path. The socket's room makes one for each pair that it meets and should give the
 * same object again for the same pair (it is compared by identity first, then by `key`); the object
 * may carry what that room needs to send there.
 */
export interface PathAddress {
  /** Equal for equal paths: the peer's address and port, and our address. */
  readonly key: string;
  /** The peer's address, 4 or 16 bytes. */
  readonly peerIp: Uint8Array;
  readonly peerPort: number;
  /** Our address, 4 or 16 bytes; absent or empty when it is not known. */
  readonly localIp?: Uint8Array;
}

/** A datagram as it came; one object that is used again for each. */
export interface ReceivedDatagram {
  /** Packets are opened in it, in place; valid until the return. */
  bytes: Uint8Array;
  start: number;
  end: number;
  path: PathAddress;
  ecn: EcnMark;
}

/**
 * Datagrams of one connection to one address, filled by the core and sent by the socket: `length` bytes
 * from the beginning of `bytes`, in datagrams of `segmentBytes` of which only the last may be shorter
 * (UDP_SEGMENT). One object that is used again.
 */
export interface DatagramBatch {
  /** Made by `allocate` of the factory; at least DATAGRAM_BATCH_BYTES. */
  readonly bytes: Uint8Array;
  length: number;
  segmentBytes: number;
  path: PathAddress;
  ecn: EcnMark;
}

/** Room for a batch: what one UDP_SEGMENT send can take. */
export const DATAGRAM_BATCH_BYTES = 65_535;

/**
 * What became of a batch. `sent`: the kernel has it (a lost one is QUIC's matter). `blocked`: it was
 * dropped, and the endpoint waits until `onWritable`. `tooLarge`: EMSGSIZE, for a probe of the path's
 * MTU, or after that has shrunk. `failed`: dropped for another reason, such as no route.
 */
export type SendOutcome = 'sent' | 'blocked' | 'tooLarge' | 'failed';

export interface DatagramSink {
  send(batch: DatagramBatch): SendOutcome;
}
