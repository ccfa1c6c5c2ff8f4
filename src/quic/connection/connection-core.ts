/** The state of a connection, which its parts share: each part reads and changes what its own page says. */
import type { QuicApplication, QuicCloseReason } from '../application.ts';
import {
  EcnMark,
  type PacketOpener,
  type PacketSealer,
  type PathAddress,
  type QuicHandshakeFacts,
  type QuicRole,
  type QuicTls,
} from '../contracts.ts';
import { LossRecovery, type RecoveryHandler, SpaceId } from '../recovery/loss.ts';
import { DatagramQueue } from '../streams/datagrams.ts';
import { StreamFrameWriter } from '../streams/stream-frames.ts';
import { TransportStreamTable } from '../streams/stream-table.ts';
import type { QuicFault } from '../wire/transport-error.ts';
import type { TransportParameters } from '../wire/transport-parameters.ts';
import type { ConnectionEnvironment, ConnectionOwner } from './environment.ts';
import { KeyPhases } from './key-phases.ts';
import { LocalIds } from './local-ids.ts';
import { PacketSpace } from './packet-space.ts';
import { CHALLENGE_BYTES, type Path, type PathSettings, Paths } from './paths.ts';
import { RemoteIds } from './remote-ids.ts';
import type { QuicTrace } from './trace.ts';

/** ms; ours (RFC 9000 §13.2.1), told as max_ack_delay. */
export const ACK_DELAY_MS = 25;
/** A frame of its own kind that is sent until it is acknowledged. */
export type Announcement = 'none' | 'pending' | 'sent' | 'acknowledged';

export interface CoreStart {
  readonly role: QuicRole;
  readonly environment: ConnectionEnvironment;
  readonly owner: ConnectionOwner;
  readonly application: (core: ConnectionCore) => QuicApplication;
  readonly tls: QuicTls;
  readonly trace: QuicTrace | undefined;
  readonly path: PathAddress;
  readonly isValidated: boolean;
  /** The peer's ID as it is known, and the destination of the very first Initial. */
  readonly peerId: Uint8Array;
  readonly originalId: Uint8Array;
  readonly handler: (core: ConnectionCore) => RecoveryHandler;
}

export class ConnectionCore {
  readonly role: QuicRole;
  readonly environment: ConnectionEnvironment;
  readonly owner: ConnectionOwner;
  readonly application: QuicApplication;
  readonly tls: QuicTls;
  readonly trace: QuicTrace | undefined;
  /** The time of the call that is being served. */
  nowMs = 0;
  /**
   * `closing`: a close is to be told or was; `draining`: the peer has closed, nothing is sent; `over`:
   * all is freed.
   */
  state: 'open' | 'closing' | 'draining' | 'over' = 'open';
  /** Why it is closed, from when it is decided. */
  closeReason: QuicCloseReason | undefined;
  closeFrameType = 0;

  readonly spaces: readonly [PacketSpace, PacketSpace, PacketSpace];
  /** 0-RTT keys: a client seals with one, a server opens with the other. */
  earlySealer: PacketSealer | undefined;
  earlyOpener: PacketOpener | undefined;
  earlyDropMs = Number.POSITIVE_INFINITY;
  readonly phases: KeyPhases;
  readonly paths: Paths;
  readonly recovery: LossRecovery;
  readonly localIds: LocalIds;
  readonly remoteIds: RemoteIds;
  readonly streams: TransportStreamTable;
  readonly streamFrames: StreamFrameWriter;
  readonly datagrams: DatagramQueue;

  /** What the peer has said; remembered ones while a client sends 0-RTT. */
  peer: TransportParameters | undefined;
  ours: TransportParameters | undefined;
  originalId: Uint8Array;
  /** Of a Retry, for a client to check. */
  retryId: Uint8Array | undefined;
  /** The token of a client's Initials. */
  token: Uint8Array = new Uint8Array(0);
  hasPeerId: boolean;
  handshake: QuicHandshakeFacts | undefined;
  isReady = false;
  /** A client drops its Initial keys when it has sent a Handshake packet (RFC 9001 §4.9.1). */
  hasSentHandshake = false;
  /** The mark of all datagrams of the batch that is being built. */
  mark: EcnMark = EcnMark.none;
  isHandshakeConfirmed = false;
  /** HANDSHAKE_DONE, and the NEW_TOKEN that goes with it. */
  done: Announcement = 'none';
  newToken: Announcement = 'none';
  isValidatedByToken: boolean;

  lastReceivedMs = 0;
  /** Whether nothing that asks for an answer was sent since something came (RFC 9000 §10.1). */
  isIdleFresh = false;
  startedMs = 0;
  packetsSent = 0;
  packetsReceived = 0;
  bytesSent = 0;
  bytesReceived = 0;

  constructor(start: CoreStart) {
    const { environment, role } = start;
    const { limits } = environment;
    this.role = role;
    this.environment = environment;
    this.owner = start.owner;
    this.tls = start.tls;
    this.trace = start.trace;
    this.originalId = start.originalId;
    this.hasPeerId = role === 'server';
    this.isValidatedByToken = start.isValidated && role === 'server';
    this.spaces = [
      new PacketSpace(SpaceId.initial, 0, limits.gapsMax),
      new PacketSpace(SpaceId.handshake, 0, limits.gapsMax),
      new PacketSpace(SpaceId.application, ACK_DELAY_MS, limits.gapsMax),
    ];
    this.phases = new KeyPhases(this.spaces[SpaceId.application]);
    this.paths = new Paths(limits, start.path, this.pathSettings(start.isValidated));
    const handler = start.handler(this);
    this.recovery = new LossRecovery(handler, this.paths.active, role === 'server');
    this.localIds = new LocalIds(environment, start.owner);
    this.remoteIds = new RemoteIds(limits, start.owner, start.peerId);
    this.application = start.application(this);
    this.streams = new TransportStreamTable(role, limits, this.application, () =>
      this.owner.onWork(),
    );
    this.streamFrames = new StreamFrameWriter(this.streams);
    this.datagrams = new DatagramQueue(limits.datagramsQueuedMax);
  }

  get applicationSpace(): PacketSpace {
    return this.spaces[SpaceId.application];
  }

  pathSettings(isValidated: boolean): PathSettings {
    const { congestionControl, isEcnEnabled, limits } = this.environment;
    const peerMax = this.peer?.udpPayloadBytesMax ?? limits.udpPayloadBytesMax;
    const datagramBytesMax = Math.min(limits.udpPayloadBytesMax, peerMax);
    return { isValidated, congestionControl, isEcnEnabled, datagramBytesMax };
  }

  /** The path of an address, a new one when it is not known. */
  pathOf(address: PathAddress): Path {
    return this.paths.find(address) ?? this.paths.make(address, this.pathSettings(false));
  }

  /** Three probe timeouts, the time that states are kept for what is late (RFC 9000 §10.2). */
  get lingerMs(): number {
    return 3 * this.paths.active.roundTrip.probeMs(this.recovery.peerAckDelayMs);
  }

  /** Eight random bytes for a PATH_CHALLENGE. */
  challengeData(): Uint8Array {
    const data = new Uint8Array(CHALLENGE_BYTES);
    this.environment.secrets.fillRandom(data);
    return data;
  }

  challenge(path: Path): void {
    const { roundTrip } = this.paths.active;
    this.paths.challenge(
      path,
      this.challengeData(),
      this.nowMs + roundTrip.probeMs(this.recovery.peerAckDelayMs),
    );
  }

  /** Closes for what the peer did wrong. */
  fail(fault: QuicFault): void {
    this.close(
      { by: 'us', isApplication: false, errorCode: fault.errorCode, reason: fault.message },
      fault.frameType,
    );
  }

  /** Begins to close; the first reason counts. What is to be told is told at the end of the turn. */
  close(reason: QuicCloseReason, frameType = 0): void {
    if (this.state !== 'open') return;
    this.state = reason.by === 'us' ? 'closing' : 'draining';
    this.closeReason = reason;
    this.closeFrameType = frameType;
  }
}
