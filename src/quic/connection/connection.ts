/**
 * A QUIC connection, sans I/O: datagrams and time in, datagrams out. Whoever owns it calls `receive` for
 * what comes, `transmit` until it says false, and `onTimer` when `deadlineMs` has come; nothing of that may
 * be called from within the application's calls.
 */
import { copyOfBytes } from '../../base/bytes.ts';
import type {
  QuicApplication,
  QuicConnection,
  QuicConnectionFacts,
  QuicStream,
  QuicStreamHandler,
  QuicStreamKind,
} from '../application.ts';
import {
  type DatagramBatch,
  EcnMark,
  type QuicRole,
  type QuicTls,
  type ReceivedDatagram,
} from '../contracts.ts';
import { type RecoveryHandler, SpaceId } from '../recovery/loss.ts';
import { DATAGRAM_BYTES_MIN } from '../recovery/mtu-probe.ts';
import type { SentPacket } from '../recovery/sent-packet.ts';
import { QuicFrameType } from '../wire/frame-types.ts';
import { type PacketHeader, QUIC_VERSION_1 } from '../wire/packet-header.ts';
import { isGenuineRetry } from '../wire/retry.ts';
import { QuicFault } from '../wire/transport-error.ts';
import { encodeTransportParameters } from '../wire/transport-parameters.ts';
import { readVersionNegotiation } from '../wire/version-negotiation.ts';
import { datagramRoom } from './application-frames.ts';
import { Closing } from './closing.ts';
import { ConnectionCore } from './connection-core.ts';
import type {
  AcceptedInitial,
  ConnectionEnvironment,
  ConnectionOwner,
  DialedPeer,
} from './environment.ts';
import { HandshakeDriver } from './handshake-driver.ts';
import { ourParameters } from './our-parameters.ts';
import { PacketBuilder } from './packet-builder.ts';
import { PacketReceiver, type UnnumberedPackets } from './packet-receiver.ts';
import type { Path } from './paths.ts';
import { ReceivedFrames } from './received-frames.ts';
import type { QuicTrace } from './trace.ts';

/** Datagrams of one batch: the kernel takes no more segments (UDP_MAX_SEGMENTS is 64 in old kernels). */
const SEGMENTS_MAX = 48;
/** Bytes of a client's first Destination Connection ID (RFC 9000 §7.2 asks for 8). */
const FIRST_ID_BYTES = 8;

/** What every connection is made of. */
export interface ConnectionParts {
  readonly environment: ConnectionEnvironment;
  readonly owner: ConnectionOwner;
  readonly tls: QuicTls;
  readonly trace: QuicTrace | undefined;
  /** Makes the protocol on top; called once, and the connection is not ready then. */
  readonly application: (connection: QuicConnection) => QuicApplication;
}

export class TransportConnection implements QuicConnection, UnnumberedPackets, RecoveryHandler {
  readonly #core: ConnectionCore;
  readonly #handshake: HandshakeDriver;
  readonly #receiver: PacketReceiver;
  readonly #builder: PacketBuilder;
  readonly #closing: Closing;

  private constructor(
    parts: ConnectionParts,
    role: QuicRole,
    start: Pick<AcceptedInitial, 'path' | 'isValidated' | 'peerId' | 'originalId'>,
    nowMs: number,
  ) {
    this.#core = new ConnectionCore({
      ...parts,
      ...start,
      role,
      application: () => parts.application(this),
      handler: () => this,
    });
    this.#core.nowMs = nowMs;
    this.#core.startedMs = nowMs;
    this.#core.lastReceivedMs = nowMs;
    this.#core.recovery.onIdle(nowMs);
    this.#handshake = new HandshakeDriver(this.#core);
    const frames = new ReceivedFrames(this.#core, this.#handshake);
    this.#receiver = new PacketReceiver(this.#core, this.#handshake, frames, this);
    this.#builder = new PacketBuilder(this.#core);
    this.#closing = new Closing(this.#core, this.#handshake, this.#receiver, this.#builder);
  }

  /** A server's connection; the datagram with the Initial is to be given to `receive` next. */
  static accept(
    parts: ConnectionParts,
    initial: AcceptedInitial,
    nowMs: number,
  ): TransportConnection {
    const connection = new TransportConnection(parts, 'server', initial, nowMs);
    connection.#setInitialKeys(initial.destinationId);
    const parameters = ourParameters(parts.environment.limits);
    parameters.originalDestinationId = initial.originalId;
    if (initial.isRetried) parameters.retrySourceId = initial.destinationId;
    parameters.resetToken = parts.environment.secrets.resetToken(connection.#core.localIds.first);
    connection.#start(parameters);
    return connection;
  }

  /** A client's connection. */
  static dial(parts: ConnectionParts, peer: DialedPeer, nowMs: number): TransportConnection {
    const originalId = new Uint8Array(FIRST_ID_BYTES);
    parts.environment.secrets.fillRandom(originalId);
    const start = { path: peer.path, isValidated: true, peerId: originalId, originalId };
    const connection = new TransportConnection(parts, 'client', start, nowMs);
    connection.#core.token = peer.token;
    connection.#setInitialKeys(originalId);
    if (peer.rememberedParameters !== undefined) {
      connection.#handshake.remember(peer.rememberedParameters);
    }
    connection.#start(ourParameters(parts.environment.limits));
    return connection;
  }

  #setInitialKeys(destinationId: Uint8Array): void {
    const core = this.#core;
    const initial = core.spaces[SpaceId.initial];
    initial.sealer?.free();
    initial.opener?.free();
    const keys = core.environment.protection.initialKeys(destinationId, core.role);
    initial.sealer = keys.sealer;
    initial.opener = keys.opener;
  }

  #start(parameters: ReturnType<typeof ourParameters>): void {
    const core = this.#core;
    parameters.initialSourceId = core.localIds.first;
    core.ours = parameters;
    const grease = new Uint8Array(1);
    core.environment.secrets.fillRandom(grease);
    this.#handshake.start(encodeTransportParameters(parameters, grease[0]!));
    this.#closing.settle();
  }

  // ---------------------------------------------------------------------------- datagrams, time

  /** Takes a datagram that was routed here. */
  receive(datagram: ReceivedDatagram, nowMs: number): void {
    const core = this.#core;
    core.nowMs = nowMs;
    if (core.state === 'open') {
      this.#guarded(() => this.#receiver.receive(datagram));
    } else this.#closing.onDatagram(datagram.end - datagram.start);
    this.#closing.settle();
  }

  /** What the peer does wrong closes the connection; anything else is ours, and goes on up. */
  #guarded(call: () => void): void {
    try {
      call();
    } catch (error) {
      if (!(error instanceof QuicFault)) throw error;
      this.#core.fail(error);
    }
  }

  /** Whether `transmit` would fill a batch now. */
  get wantsToSend(): boolean {
    const core = this.#core;
    if (core.state === 'over') return false;
    if (core.state !== 'open') return this.#closing.wantsToSend;
    const builder = this.#builder;
    return builder.wantsToSend() || core.paths.all.some((path) => builder.wantsForPath(path));
  }

  /** Fills a batch with datagrams for one address. False: there is nothing to send now. */
  transmit(batch: DatagramBatch, nowMs: number): boolean {
    const core = this.#core;
    core.nowMs = nowMs;
    batch.length = 0;
    if (core.state === 'over') return false;
    if (core.state === 'open') {
      // A later call of TLS's may have brought keys.
      this.#guarded(() => this.#receiver.onWork());
      this.#guarded(() => this.#fill(batch));
    }
    this.#closing.settle();
    if (batch.length === 0) this.#fillClose(batch);
    return batch.length > 0;
  }

  #fill(batch: DatagramBatch): void {
    const core = this.#core;
    const path = core.paths.active;
    const { roundTrip, controller, mtu } = path;
    path.pacer.refresh(
      {
        windowBytes: controller.windowBytes,
        isSlowStart: controller.windowBytes < controller.slowStartBytes,
        smoothedMs: roundTrip.smoothedMs,
        datagramBytes: mtu.bytes,
      },
      core.nowMs,
    );
    for (const one of core.paths.all) {
      core.mark = EcnMark.none;
      this.#setBatch(batch, one, this.#builder.buildForPath(one, batch), 0);
      if (batch.length > 0) return;
    }
    core.mark = path.ecn.mark;
    if (core.phases.wantsUpdate(core.recovery.largestAcked(SpaceId.application))) {
      core.phases.update();
      core.trace?.keyUpdated(core.phases.updates, core.nowMs);
    }
    this.#fillSegments(batch, path);
    if (batch.length === 0) this.#setBatch(batch, path, this.#builder.buildProbe(batch), 0);
    if (core.hasSentHandshake && core.role === 'client') this.#handshake.discard(SpaceId.initial);
    core.streamFrames.tellWritable();
  }

  #fillSegments(batch: DatagramBatch, path: Path): void {
    const size = path.mtu.bytes;
    let length = 0;
    for (let i = 0; i < SEGMENTS_MAX && batch.bytes.length - length >= size; i++) {
      const bytes = this.#builder.build(batch, length);
      length += bytes;
      if (bytes < size) break;
    }
    this.#setBatch(batch, path, length, Math.min(size, length));
  }

  #setBatch(batch: DatagramBatch, path: Path, length: number, segmentBytes: number): void {
    batch.length = length;
    batch.segmentBytes = segmentBytes === 0 ? length : segmentBytes;
    batch.path = path.address;
    batch.ecn = this.#core.mark;
  }

  #fillClose(batch: DatagramBatch): void {
    const bytes = this.#closing.take();
    if (bytes === undefined) return;
    batch.bytes.set(bytes);
    this.#core.mark = EcnMark.none;
    this.#setBatch(batch, this.#core.paths.active, bytes.length, 0);
  }

  /** The socket refused datagrams of this size (EMSGSIZE). */
  onTooLarge(batch: DatagramBatch): void {
    const path = this.#core.paths.find(batch.path);
    path?.mtu.onTooLarge(batch.segmentBytes, this.#core.nowMs);
  }

  /** When `onTimer` is to be called at the latest; infinite when there is nothing to wait for. */
  deadlineMs(): number {
    const core = this.#core;
    if (core.state === 'over') return Number.POSITIVE_INFINITY;
    if (core.state !== 'open') return this.#closing.overMs;
    const { paths, recovery, spaces } = core;
    const path = paths.active;
    const isBlocked = path.allowance < DATAGRAM_BYTES_MIN;
    let deadlineMs = Math.min(
      this.#idleMs,
      recovery.deadlineMs(isBlocked),
      paths.deadlineMs,
      core.phases.dropMs,
      core.earlyDropMs,
    );
    if (!isBlocked) {
      for (const space of spaces) {
        if (space.sealer !== undefined)
          deadlineMs = Math.min(deadlineMs, space.schedule.deadlineMs);
      }
      if (this.#builder.isPaced) {
        deadlineMs = Math.min(deadlineMs, path.pacer.readyMs(path.mtu.bytes));
      }
    }
    return deadlineMs;
  }

  /** When nothing has come for too long (RFC 9000 §10.1), or the handshake takes too long. */
  get #idleMs(): number {
    const core = this.#core;
    const { limits } = core.environment;
    const ours = limits.idleTimeoutMs || Number.POSITIVE_INFINITY;
    const theirs = core.peer?.idleTimeoutMs || Number.POSITIVE_INFINITY;
    const idleMs = core.lastReceivedMs + Math.max(Math.min(ours, theirs), core.lingerMs);
    if (core.handshake !== undefined) return idleMs;
    return Math.min(idleMs, core.startedMs + limits.handshakeTimeoutMs);
  }

  onTimer(nowMs: number): void {
    const core = this.#core;
    core.nowMs = nowMs;
    if (core.state !== 'open') {
      if (nowMs >= this.#closing.overMs) this.#closing.end();
      return;
    }
    if (nowMs >= this.#idleMs) {
      const reason = core.handshake === undefined ? 'handshake timed out' : 'idle';
      core.close({ by: 'idle', isApplication: false, errorCode: 0, reason });
    } else this.#guarded(() => this.#onTimers());
    this.#closing.settle();
  }

  #onTimers(): void {
    const core = this.#core;
    const { nowMs, paths, phases, recovery } = core;
    const isBlocked = paths.active.allowance < DATAGRAM_BYTES_MIN;
    if (recovery.deadlineMs(isBlocked) <= nowMs) {
      const space = recovery.onTimeout(nowMs);
      if (space !== undefined) this.#probe(space);
    }
    phases.onTimer(nowMs);
    if (nowMs >= core.earlyDropMs) {
      core.earlyDropMs = Number.POSITIVE_INFINITY;
      core.earlyOpener?.free();
      core.earlyOpener = undefined;
    }
    if (paths.deadlineMs > nowMs) return;
    const againMs = nowMs + core.lingerMs;
    const back = paths.onTimer(nowMs, () => core.challengeData(), againMs);
    // Nowhere to go back to: silence, as RFC 9000 §9.3.2 says; the idle time-out ends it.
    if (back === undefined || back === 'none') return;
    recovery.moveTo(back);
  }

  /** A probe sends again what is oldest, in every space that waits (RFC 9002 §6.2.4). */
  #probe(space: SpaceId): void {
    const core = this.#core;
    const { initial, handshake } = SpaceId;
    const isEarly = space !== SpaceId.application;
    const spaces = isEarly ? [initial, handshake] : [space];
    for (const id of spaces) {
      if (id !== space && !core.recovery.hasEliciting(id)) continue;
      core.spaces[id]!.probes = PROBES;
      const packet = core.recovery.oldest(id);
      if (packet !== undefined) this.#requeue(id, packet);
    }
  }

  // -------------------------------------------------------------------------- RecoveryHandler

  onPacketAcknowledged(space: SpaceId, packet: SentPacket): void {
    const core = this.#core;
    const { received, send } = core.spaces[space]!;
    for (let frame = packet.frames; frame !== undefined; frame = frame.next) {
      if (frame.type === QuicFrameType.ack) received.forgetUpTo(frame.offset);
      else if (frame.type === QuicFrameType.handshakeData) {
        send.onAcknowledged(frame.offset, frame.length, false);
      } else this.#builder.application.onAcknowledged(frame);
    }
  }

  onPacketLost(space: SpaceId, packet: SentPacket): void {
    this.#core.trace?.packetLost(space, packet.number, this.#core.nowMs);
    this.#requeue(space, packet);
  }

  #requeue(space: SpaceId, packet: SentPacket): void {
    const { send } = this.#core.spaces[space]!;
    for (let frame = packet.frames; frame !== undefined; frame = frame.next) {
      if (frame.type === QuicFrameType.handshakeData) {
        send.onLost(frame.offset, frame.length, false);
      } else this.#builder.application.onLost(frame);
    }
  }

  // ------------------------------------------------------------------------ UnnumberedPackets

  onRetry(bytes: Uint8Array, header: PacketHeader): void {
    const core = this.#core;
    const { protection } = core.environment;
    if (core.retryId !== undefined) return;
    if (!isGenuineRetry(bytes, header, core.originalId, protection)) return;
    const { sourceAt, tokenAt } = header;
    core.retryId = copyOfBytes(bytes, sourceAt, sourceAt + header.sourceBytes);
    core.token = copyOfBytes(bytes, tokenAt, tokenAt + header.tokenBytes);
    core.remoteIds.replaceFirst(core.retryId);
    this.#setInitialKeys(core.retryId);
    core.recovery.giveUp(SpaceId.initial, () => true);
    core.recovery.giveUp(SpaceId.application, () => true);
  }

  onVersionNegotiation(bytes: Uint8Array, header: PacketHeader): void {
    const versions = readVersionNegotiation(bytes, header);
    // One that lists our version answers something else, or is forged (RFC 9000 §6.2).
    if (versions === undefined || versions.includes(QUIC_VERSION_1)) return;
    const reason = `versions offered: ${versions.map((one) => one.toString(16)).join(' ')}`;
    this.#core.close({ by: 'refused', isApplication: false, errorCode: 0, reason });
  }

  /** Ends at once and without a word, as a process that ends does. */
  abandon(): void {
    const core = this.#core;
    core.close({ by: 'us', isApplication: false, errorCode: 0, reason: 'abandoned' });
    this.#closing.settle();
    this.#closing.end();
  }

  // ---------------------------------------------------------------------------- QuicConnection

  openStream(kind: QuicStreamKind, handler: QuicStreamHandler): QuicStream | undefined {
    const core = this.#core;
    if (core.state !== 'open' || !core.isReady) return undefined;
    return core.streams.openStream(kind, handler);
  }

  get datagramBytesMax(): number {
    const core = this.#core;
    const frameMax = core.peer?.datagramFrameBytesMax ?? 0;
    const room = datagramRoom(core.paths.active.mtu.bytes);
    return Math.max(0, Math.min(room, frameMax - 3));
  }

  sendDatagram(bytes: Uint8Array): boolean {
    const core = this.#core;
    if (core.state !== 'open' || !core.isReady || bytes.length > this.datagramBytesMax)
      return false;
    const isTaken = core.datagrams.add(bytes);
    if (isTaken) core.owner.onWork();
    return isTaken;
  }

  close(errorCode: number, reason: string): void {
    this.#core.close({ by: 'us', isApplication: true, errorCode, reason });
    this.#core.owner.onWork();
  }

  get isHandshakeComplete(): boolean {
    return this.#core.handshake !== undefined;
  }

  get isHandshakeConfirmed(): boolean {
    return this.#core.isHandshakeConfirmed;
  }

  /** Begins a key update; false while the one before is not done (RFC 9001 §6.1). */
  updateKeys(): boolean {
    const { isHandshakeConfirmed, phases, recovery, state } = this.#core;
    if (state !== 'open' || !isHandshakeConfirmed) return false;
    if (!phases.mayUpdate(recovery.largestAcked(SpaceId.application))) return false;
    phases.update();
    return true;
  }

  /** The core, for tests. */
  get core(): ConnectionCore {
    return this.#core;
  }

  facts(): QuicConnectionFacts {
    const core = this.#core;
    const { paths, recovery } = core;
    const { controller, mtu, roundTrip } = paths.active;
    return {
      version: QUIC_VERSION_1,
      smoothedRttMs: roundTrip.smoothedMs,
      minRttMs: roundTrip.minMs,
      congestionWindowBytes: controller.windowBytes,
      packetsSent: core.packetsSent,
      packetsReceived: core.packetsReceived,
      packetsLost: recovery.packetsLost,
      probeTimeouts: recovery.probeTimeouts,
      bytesSent: core.bytesSent,
      bytesReceived: core.bytesReceived,
      migrations: paths.migrations,
      keyUpdates: core.phases.updates,
      isAddressValidatedByToken: core.isValidatedByToken,
      datagramBytes: mtu.bytes,
    };
  }
}

/** Packets of a probe (RFC 9002 §6.2.4). */
const PROBES = 2;
