/** What a connection is given by its endpoint, the same for all of one. */
import type { Clock } from '../../base/clock.ts';
import type { PacketProtectionFactory, PathAddress, QuicSecrets } from '../contracts.ts';
import type { QuicLimits } from '../limits.ts';
import type { CongestionControl } from '../recovery/congestion.ts';

export interface ConnectionEnvironment {
  readonly protection: PacketProtectionFactory;
  readonly secrets: QuicSecrets;
  /** For the age of tokens alone. */
  readonly clock: Clock;
  readonly limits: QuicLimits;
  readonly congestionControl: CongestionControl;
  readonly isEcnEnabled: boolean;
  /** Memory of `protection.allocate` for packets that have waited for keys. */
  readonly scratch: Uint8Array;
  /** A new connection ID of ours, that leads to this worker. */
  makeId(): Uint8Array;
}

/** The endpoint, as a connection sees it. */
export interface ConnectionOwner {
  /** Datagrams to `id` are for this connection from now on. */
  onIdAdded(id: Uint8Array): void;
  onIdRetired(id: Uint8Array): void;
  /** A datagram that ends in `token` is a stateless reset for this connection (RFC 9000 §10.3.1). */
  onResetTokenAdded(token: Uint8Array): void;
  onResetTokenRetired(token: Uint8Array): void;
  /** There may be something to send, made outside of `receive` and `onTimer`. */
  onWork(): void;
  /** The handshake has become complete, or the connection has ended before. Once. */
  onHandshakeOver(): void;
  /** It needs nothing any more, and is to be forgotten. Once. */
  onOver(): void;
}

/** How a server's connection begins. */
export interface AcceptedInitial {
  /** The client's Source Connection ID. */
  readonly peerId: Uint8Array;
  /** The Destination Connection ID of the client's very first Initial. */
  readonly originalId: Uint8Array;
  /** The one of this Initial: the same, or what a Retry asked for. */
  readonly destinationId: Uint8Array;
  readonly isRetried: boolean;
  /** The client has shown that it receives at its address (RFC 9000 §8.1). */
  readonly isValidated: boolean;
  readonly path: PathAddress;
}

/** How a client's connection begins. */
export interface DialedPeer {
  readonly path: PathAddress;
  /** Of NEW_TOKEN of an earlier connection; may be empty. */
  readonly token: Uint8Array;
  /** The server's transport parameters of the session that is resumed, for 0-RTT. */
  readonly rememberedParameters: Uint8Array | undefined;
}
