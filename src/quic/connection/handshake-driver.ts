/** Between TLS and the connection: secrets become keys, parameters limits, CRYPTO goes both ways. */
import { copyOfBytes, sameBytes } from '../../base/bytes.ts';
import {
  EncryptionLevel,
  type QuicHandshakeFacts,
  type QuicTlsHandler,
  type TrafficSecret,
} from '../contracts.ts';
import { SpaceId } from '../recovery/loss.ts';
import { MtuProbe } from '../recovery/mtu-probe.ts';
import { QUIC_VERSION_1 } from '../wire/packet-header.ts';
import { QuicFault, TransportErrorCode } from '../wire/transport-error.ts';
import {
  decodeTransportParameters,
  type TransportParameters,
} from '../wire/transport-parameters.ts';
import type { ConnectionCore } from './connection-core.ts';
import { keyUseOf } from './key-phases.ts';
import type { PacketSpace } from './packet-space.ts';

const SPACE_OF_LEVEL = [
  SpaceId.initial,
  SpaceId.application,
  SpaceId.handshake,
  SpaceId.application,
];

export class HandshakeDriver implements QuicTlsHandler {
  readonly #core: ConnectionCore;
  #readSpace: SpaceId = SpaceId.initial;
  /** Keys have come: packets that wait may be opened. */
  hasNewKeys = false;
  /** Set while the core itself calls TLS: then no work is to be told of. */
  #isInside = false;
  #isOver = false;

  constructor(core: ConnectionCore) {
    this.#core = core;
  }

  start(transportParameters: Uint8Array): void {
    this.#inside(() => this.#core.tls.start(this, transportParameters));
  }

  #inside(call: () => void): void {
    this.#isInside = true;
    call();
    this.#isInside = false;
  }

  /** A CRYPTO frame (RFC 9000 §19.6, RFC 9001 §4.1.3). */
  onFrame(space: PacketSpace, offset: number, bytes: Uint8Array): void {
    const { receive } = space;
    const end = offset + bytes.length;
    if (end - receive.delivered > this.#core.environment.limits.handshakeBytesMax) {
      throw new QuicFault(TransportErrorCode.cryptoBufferExceeded, 'CRYPTO is too far ahead');
    }
    if (end > receive.delivered && space.id < this.#readSpace) {
      throw new QuicFault(TransportErrorCode.protocolViolation, 'CRYPTO of a level that is over');
    }
    const isTaken = receive.put(offset, bytes, {
      onBytes: (piece) => this.#deliver(space, piece),
    });
    if (isTaken) return;
    throw new QuicFault(TransportErrorCode.cryptoBufferExceeded, 'CRYPTO has too many gaps');
  }

  #deliver(space: PacketSpace, bytes: Uint8Array): void {
    if (this.#core.state !== 'open') return;
    if (space.id < this.#readSpace) {
      throw new QuicFault(TransportErrorCode.protocolViolation, 'CRYPTO of a level that is over');
    }
    this.#inside(() => this.#core.tls.receive(space.level, bytes));
  }

  // --------------------------------------------------------------------------- QuicTlsHandler

  onHandshakeBytes(level: EncryptionLevel, bytes: Uint8Array): void {
    this.#core.spaces[SPACE_OF_LEVEL[level]!]!.send.write(copyOfBytes(bytes));
  }

  onSecret({ bytes, direction, level, suite }: TrafficSecret): void {
    const core = this.#core;
    if (core.state !== 'open') return;
    const { protection } = core.environment;
    if (level === EncryptionLevel.early) {
      if (direction === 'read') core.earlyOpener = protection.opener(suite, bytes);
      else {
        core.earlySealer = protection.sealer(suite, bytes);
        this.#ready();
      }
      this.hasNewKeys = true;
      return;
    }
    const space = core.spaces[SPACE_OF_LEVEL[level]!]!;
    if (space.isDiscarded) return;
    if (direction === 'read') {
      space.opener = protection.opener(suite, bytes);
      this.#raiseReadLevel(space.id);
    } else space.sealer = protection.sealer(suite, bytes);
    if (space.id === SpaceId.handshake) core.recovery.hasHandshakeKeys = true;
    if (space.id === SpaceId.application) {
      core.phases.use = keyUseOf(suite);
      if (direction === 'write') {
        core.earlySealer?.free();
        core.earlySealer = undefined;
        this.#ready();
      }
    }
    this.hasNewKeys = true;
  }

  #raiseReadLevel(space: SpaceId): void {
    const core = this.#core;
    if (!core.spaces[this.#readSpace]!.receive.isEmpty) {
      core.fail(
        new QuicFault(TransportErrorCode.protocolViolation, 'CRYPTO is left over at new keys'),
      );
    }
    this.#readSpace = space;
  }

  #ready(): void {
    const core = this.#core;
    if (core.isReady || core.peer === undefined) return;
    core.isReady = true;
    core.application.onReady();
  }

  onTransportParameters(bytes: Uint8Array): void {
    const core = this.#core;
    if (core.state !== 'open') return;
    try {
      const sender = core.role === 'client' ? 'server' : 'client';
      const peer = decodeTransportParameters(bytes, sender);
      this.#check(peer);
      this.#take(peer);
    } catch (error) {
      if (!(error instanceof QuicFault)) throw error;
      core.fail(error);
    }
  }

  /** RFC 9000 §7.3; RFC 9368 §4. */
  #check(peer: TransportParameters): void {
    const core = this.#core;
    const isRight =
      same(peer.initialSourceId, core.remoteIds.active) &&
      (core.role === 'server' ||
        (same(peer.originalDestinationId, core.originalId) &&
          (core.retryId === undefined
            ? peer.retrySourceId === undefined
            : same(peer.retrySourceId, core.retryId))));
    if (!isRight) {
      throw new QuicFault(TransportErrorCode.transportParameterError, 'connection IDs differ');
    }
    if (peer.versions !== undefined && peer.versions.chosen !== QUIC_VERSION_1) {
      throw new QuicFault(TransportErrorCode.versionNegotiationError, 'another version was chosen');
    }
  }

  /** A client's remembered parameters, for 0-RTT (RFC 9000 §7.4.1). */
  remember(bytes: Uint8Array): void {
    try {
      const peer = decodeTransportParameters(bytes, 'server');
      peer.originalDestinationId = undefined;
      this.#core.peer = peer;
      this.#core.streams.onPeerParameters(peer);
    } catch (error) {
      // What was stored is no good: nothing is sent early.
      if (!(error instanceof QuicFault)) throw error;
    }
  }

  #take(peer: TransportParameters): void {
    const core = this.#core;
    core.peer = peer;
    core.recovery.peerAckDelayMs = peer.ackDelayMsMax;
    core.remoteIds.setFirstToken(peer.resetToken);
    core.paths.active.mtu = new MtuProbe(core.pathSettings(false).datagramBytesMax);
    core.streams.onPeerParameters(peer);
  }

  onEarlyDataRefused(): void {
    const core = this.#core;
    if (core.role !== 'client' || core.state !== 'open') return;
    core.earlySealer?.free();
    core.earlySealer = undefined;
    core.recovery.giveUp(SpaceId.application, (packet) => packet.isEarly);
    core.streams.forgetAll();
    core.datagrams.clear();
    core.isReady = false;
    core.application.onEarlyDataRefused();
    if (core.peer !== undefined) core.streams.onPeerParameters(core.peer);
    if (core.applicationSpace.sealer !== undefined) this.#ready();
  }

  onHandshakeComplete(facts: QuicHandshakeFacts): void {
    const core = this.#core;
    if (core.state !== 'open' || core.handshake !== undefined) return;
    core.handshake = facts;
    core.streams.isHandshakeComplete = true;
    core.localIds.supply(core.peer?.activeIdsMax ?? 2);
    this.hasNewKeys = true;
    this.handshakeOver();
    core.application.onHandshakeComplete();
    if (core.role === 'client') return;
    core.done = 'pending';
    core.newToken = 'pending';
    if (core.earlyOpener !== undefined) core.earlyDropMs = core.nowMs + core.lingerMs;
    this.confirm();
  }

  /** The handshake is confirmed (RFC 9001 §4.1.2): its keys go. */
  confirm(): void {
    const core = this.#core;
    if (core.isHandshakeConfirmed) return;
    core.isHandshakeConfirmed = true;
    core.recovery.isHandshakeConfirmed = true;
    core.recovery.isPeerValidated = true;
    this.discard(SpaceId.initial);
    this.discard(SpaceId.handshake);
    core.application.onHandshakeConfirmed();
  }

  /** The keys of a level are dropped (RFC 9001 §4.9). */
  discard(id: SpaceId): void {
    const space = this.#core.spaces[id]!;
    if (space.isDiscarded) return;
    space.discard();
    this.#core.recovery.discard(id);
  }

  /** Tells the endpoint that this handshake takes none of its room any more; once. */
  handshakeOver(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#core.owner.onHandshakeOver();
  }

  onAlert(alert: number, reason: string): void {
    const errorCode = TransportErrorCode.handshakeAlert + alert;
    this.#core.close({ by: 'us', isApplication: false, errorCode, reason }, 0x06);
  }

  onWork(): void {
    if (!this.#isInside) this.#core.owner.onWork();
  }
}

function same(a: Uint8Array | undefined, b: Uint8Array): boolean {
  return a !== undefined && sameBytes(a, b);
}
