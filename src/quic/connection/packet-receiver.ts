/** Takes datagrams apart: packets, keys, numbers, frames; packets whose keys are not there yet wait. */

import { copyOfBytes, sameBytes } from '../../base/bytes.ts';
import type { EcnMark } from '../contracts.ts';
import {
  KeyGeneration,
  newPacketPlace,
  type PacketOpener,
  type PathAddress,
  type ReceivedDatagram,
} from '../contracts.ts';
import { SpaceId } from '../recovery/loss.ts';
import { DATAGRAM_BYTES_MIN } from '../recovery/mtu-probe.ts';
import { PacketContent, readFrames } from '../wire/frame-reader.ts';
import { PacketBit } from '../wire/frame-types.ts';
import { PacketHeader, PacketKind, readPacketHeader } from '../wire/packet-header.ts';
import { PACKET_NUMBER_MAX, wholePacketNumber } from '../wire/packet-number.ts';
import { QuicFault, TransportErrorCode } from '../wire/transport-error.ts';
import { WireReader } from '../wire/varint.ts';
import type { ConnectionCore } from './connection-core.ts';
import type { HandshakeDriver } from './handshake-driver.ts';
import { type Path, sameHost } from './paths.ts';
import type { ReceivedFrames } from './received-frames.ts';
import type { PacketDrop } from './trace.ts';

const RESERVED_BITS_LONG = 0x0c;
const RESERVED_BITS_SHORT = 0x18;

/** A packet that waits for its keys. */
interface WaitingPacket {
  readonly bytes: Uint8Array;
  readonly path: PathAddress;
  readonly ecn: EcnMark;
}

/** What only a client does with packets that have no number. */
export interface UnnumberedPackets {
  onRetry(bytes: Uint8Array, header: PacketHeader): void;
  onVersionNegotiation(bytes: Uint8Array, header: PacketHeader): void;
}

// One of each for all connections: no packet is read while another is.
const reader = new WireReader();
const header = new PacketHeader();
const place = newPacketPlace();

export class PacketReceiver {
  readonly #core: ConnectionCore;
  readonly #handshake: HandshakeDriver;
  readonly #frames: ReceivedFrames;
  readonly #unnumbered: UnnumberedPackets;
  #waiting: WaitingPacket[] = [];

  constructor(
    core: ConnectionCore,
    handshake: HandshakeDriver,
    frames: ReceivedFrames,
    unnumbered: UnnumberedPackets,
  ) {
    this.#core = core;
    this.#handshake = handshake;
    this.#frames = frames;
    this.#unnumbered = unnumbered;
  }

  /** A whole datagram; the only way in for what comes, so that it is counted (RFC 9000 §8.1). */
  receive(datagram: ReceivedDatagram): void {
    const core = this.#core;
    const length = datagram.end - datagram.start;
    const path = core.pathOf(datagram.path);
    path.receivedBytes += length;
    core.bytesReceived += length;
    const isUsed = this.#packets(datagram, path);
    if (!isUsed && core.remoteIds.isReset(datagram.bytes, datagram.start, datagram.end)) {
      core.close({ by: 'reset', isApplication: false, errorCode: 0, reason: 'stateless reset' });
    }
    if (this.#handshake.hasNewKeys) this.#openWaiting();
  }

  /** True when any packet was genuine, or may be. */
  #packets(datagram: ReceivedDatagram, path: Path): boolean {
    const { bytes, end, start } = datagram;
    let at = start;
    let isUsed = false;
    let firstAt = 0;
    let firstBytes = 0;
    while (at < end && this.#core.state === 'open') {
      // What is no packet ends the datagram; some fill it up with zero bytes.
      if (!readPacketHeader(reader.set(bytes, at, end), header)) {
        this.#drop('header', end - at);
        break;
      }
      if (!header.isFixedBitSet && !this.#core.ours!.acceptsClearFixedBit) break;
      // RFC 9000 §12.2: all packets of a datagram are for one connection ID.
      if (at === start) {
        firstAt = header.destinationAt;
        firstBytes = header.destinationBytes;
      } else if (!sameBytes(bytes.subarray(firstAt, firstAt + firstBytes), destinationIn(bytes))) {
        break;
      }
      const isShort = header.kind === PacketKind.initial && end - start < DATAGRAM_BYTES_MIN;
      if (isShort && this.#core.role === 'server') this.#drop('short-initial', end - at);
      else if (this.#packet(bytes, path, datagram.ecn)) isUsed = true;
      at = header.end;
    }
    return isUsed;
  }

  #drop(reason: PacketDrop, bytes: number): void {
    this.#core.trace?.packetDropped(reason, bytes, this.#core.nowMs);
  }

  /** The packet of the header; false when it is not genuine. */
  #packet(bytes: Uint8Array, path: Path, ecn: EcnMark): boolean {
    const core = this.#core;
    if (header.kind >= PacketKind.versionNegotiation || header.kind === PacketKind.retry) {
      return this.#withoutNumber(bytes);
    }
    const space = core.spaces[spaceOf(header.kind)]!;
    const isEarly = header.kind === PacketKind.early;
    const opener = this.#openerFor(header.kind);
    if (opener === undefined) return this.#keep(bytes, path, ecn);
    place.start = header.start;
    place.packetNumberAt = header.packetNumberAt;
    place.end = header.end;
    if (!opener.unmask(bytes, place)) {
      this.#drop('undecryptable', header.end - header.start);
      return false;
    }
    const expected = space.received.largest + 1;
    place.packetNumber = wholePacketNumber(expected, place.packetNumber, place.packetNumberBytes);
    if (!this.#open(opener, bytes) || place.packetNumber > PACKET_NUMBER_MAX) {
      this.#drop('undecryptable', header.end - header.start);
      return false;
    }
    this.#genuine(bytes, path, ecn, isEarly);
    return true;
  }

  #open(opener: PacketOpener, bytes: Uint8Array): boolean {
    const core = this.#core;
    if (header.kind === PacketKind.application) {
      return core.phases.open(bytes, place, core.nowMs + core.lingerMs);
    }
    if (opener.open(bytes, place, KeyGeneration.current)) return true;
    core.phases.onForged();
    return false;
  }

  #openerFor(kind: PacketKind): PacketOpener | undefined {
    const core = this.#core;
    if (kind === PacketKind.early) return core.earlyOpener;
    // RFC 9001 §5.7: a server opens no 1-RTT packet before the handshake is complete.
    if (kind === PacketKind.application && core.handshake === undefined) return undefined;
    return core.spaces[spaceOf(kind)]!.opener;
  }

  /** Keeps a packet until its keys are there, if they may yet come. Tells whether it may be genuine. */
  #keep(bytes: Uint8Array, path: Path, ecn: EcnMark): boolean {
    const core = this.#core;
    const { kind, start, end } = header;
    const isHopeless =
      core.spaces[spaceOf(kind)]!.isDiscarded ||
      (kind === PacketKind.early && (core.role === 'client' || core.handshake !== undefined)) ||
      (kind === PacketKind.application && core.isHandshakeConfirmed);
    const isFull = this.#waiting.length >= core.environment.limits.undecryptablePacketsMax;
    const isLong = end - start > core.environment.scratch.length;
    if (isHopeless || isFull || isLong) {
      this.#drop('keys', end - start);
      return false;
    }
    this.#waiting.push({ bytes: copyOfBytes(bytes, start, end), path: path.address, ecn });
    return false;
  }

  #openWaiting(): void {
    const core = this.#core;
    const { scratch } = core.environment;
    // What is opened may bring more keys; each round has fewer packets, or no new keys.
    while (this.#handshake.hasNewKeys && this.#waiting.length > 0) {
      this.#handshake.hasNewKeys = false;
      const waiting = this.#waiting;
      this.#waiting = [];
      for (const { bytes, path, ecn } of waiting) {
        if (core.state !== 'open') return;
        scratch.set(bytes);
        const known = core.pathOf(path);
        if (!readPacketHeader(reader.set(scratch, 0, bytes.length), header)) continue;
        this.#packet(scratch, known, ecn);
      }
    }
    this.#handshake.hasNewKeys = false;
  }

  /** A packet of TLS's later work, or of a wait, may have brought keys. */
  onWork(): void {
    if (this.#handshake.hasNewKeys) this.#openWaiting();
  }

  #withoutNumber(bytes: Uint8Array): boolean {
    const core = this.#core;
    const { kind } = header;
    // Only a client that has heard nothing else takes these (RFC 9000 §6.2, §17.2.5.2).
    if (core.role === 'server' || core.packetsReceived > 0) return false;
    if (kind === PacketKind.retry) this.#unnumbered.onRetry(bytes, header);
    if (kind === PacketKind.versionNegotiation) {
      this.#unnumbered.onVersionNegotiation(bytes, header);
    }
    return true;
  }

  /** The packet was made by the peer. */
  #genuine(bytes: Uint8Array, path: Path, ecn: EcnMark, isEarly: boolean): void {
    const core = this.#core;
    const { packetNumber, packetNumberAt, packetNumberBytes } = place;
    const space = core.spaces[spaceOf(header.kind)]!;
    const bits = header.kind === PacketKind.application ? RESERVED_BITS_SHORT : RESERVED_BITS_LONG;
    if ((bytes[header.start]! & bits) !== 0) {
      throw new QuicFault(TransportErrorCode.protocolViolation, 'reserved bits are set');
    }
    if (space.received.has(packetNumber)) {
      this.#drop('duplicate', header.end - header.start);
      return;
    }
    if (!this.#checkPeerId(bytes)) return;
    core.packetsReceived++;
    // Before its frames, which may end the handshake and with it this space.
    if (space.id === SpaceId.handshake) this.#onHandshakePacket(path);
    core.trace?.packetReceived(space.id, packetNumber, header.end - header.start, core.nowMs);
    core.lastReceivedMs = core.nowMs;
    core.isIdleFresh = true;
    const frames = this.#frames;
    frames.space = space.id;
    frames.isEarly = isEarly;
    frames.path = path;
    frames.usedId = destinationIn(bytes);
    const start = packetNumberAt + packetNumberBytes;
    const { largest } = space.received;
    const end = header.end - 16;
    const content = readFrames(reader.set(bytes, start, end), bitOf(header.kind), frames);
    const isAckEliciting = (content & PacketContent.ackEliciting) !== 0;
    if (space.isDiscarded) return;
    space.received.add(packetNumber);
    space.schedule.onPacket(packetNumber, largest, isAckEliciting, core.nowMs);
    space.schedule.onMark(ecn, isAckEliciting, core.nowMs);
    if (space.id !== SpaceId.application || core.state !== 'open') return;
    const isNonProbing = (content & PacketContent.nonProbing) !== 0;
    if (packetNumber > largest && path !== core.paths.active) this.#onOtherPath(path, isNonProbing);
  }

  /** The peer's ID is the one of its first packet (RFC 9000 §7.2). */
  #checkPeerId(bytes: Uint8Array): boolean {
    const core = this.#core;
    const { kind, sourceAt, sourceBytes } = header;
    if (kind === PacketKind.application) return true;
    const id = bytes.subarray(sourceAt, sourceAt + sourceBytes);
    if (!core.hasPeerId) {
      core.hasPeerId = true;
      core.remoteIds.replaceFirst(copyOfBytes(id));
      return true;
    }
    const known = core.remoteIds.active;
    if (core.isHandshakeConfirmed) return true;
    return sameBytes(id, known);
  }

  /** The peer has handshake keys: it receives at its address (RFC 9000 §8.1, RFC 9001 §4.9.1). */
  #onHandshakePacket(path: Path): void {
    if (this.#core.role === 'client') return;
    // Who sends from another address has shown nothing of the one that we send to.
    path.isValidated = true;
    this.#handshake.discard(SpaceId.initial);
  }

  /** The peer sends from another address (RFC 9000 §9.3). */
  #onOtherPath(path: Path, isNonProbing: boolean): void {
    const core = this.#core;
    // Before the handshake is confirmed nobody migrates, and clients follow no server (RFC 9000 §9).
    if (!core.isHandshakeConfirmed || core.role === 'client') return;
    if (!isNonProbing) {
      if (!path.isValidated && path.challenges.length === 0) core.challenge(path);
      return;
    }
    const old = core.paths.active;
    core.paths.activate(path);
    if (sameHost(old.address, path.address)) {
      path.inherit(old);
      core.recovery.goOnWith(path);
    } else core.recovery.moveTo(path);
    core.remoteIds.change();
    core.trace?.pathChanged(path.address.key, path.isValidated, core.nowMs);
    if (!path.isValidated) core.challenge(path);
    // The old one is asked, too: the new address may be somebody else's copy (RFC 9000 §9.3.3).
    if (old.isValidated) core.challenge(old);
  }

  free(): void {
    this.#waiting = [];
  }
}

/** The connection ID that the packet of the header was sent to. */
function destinationIn(bytes: Uint8Array): Uint8Array {
  return bytes.subarray(header.destinationAt, header.destinationAt + header.destinationBytes);
}

function spaceOf(kind: PacketKind): SpaceId {
  if (kind === PacketKind.initial) return SpaceId.initial;
  return kind === PacketKind.handshake ? SpaceId.handshake : SpaceId.application;
}

function bitOf(kind: PacketKind): number {
  if (kind === PacketKind.initial) return PacketBit.initial;
  if (kind === PacketKind.early) return PacketBit.early;
  return kind === PacketKind.handshake ? PacketBit.handshake : PacketBit.application;
}
