/**
 * Builds datagrams. `wantsToSend` is the one predicate for whether there is something to build: `build`
 * builds a datagram if and only if it says so.
 */
import { assert } from '../../base/assert.ts';
import { type DatagramBatch, EcnMark, newPacketPlace, PACKET_TAG_BYTES } from '../contracts.ts';
import { SpaceId } from '../recovery/loss.ts';
import { DATAGRAM_BYTES_MIN } from '../recovery/mtu-probe.ts';
import {
  addSentFrame,
  releaseSentPacket,
  type SentPacket,
  takeSentPacket,
} from '../recovery/sent-packet.ts';
import type { SendPiece } from '../streams/send-buffer.ts';
import { AckFrame } from '../wire/frame-reader.ts';
import { QuicFrameType } from '../wire/frame-types.ts';
import {
  type CloseText,
  handshakeDataOverhead,
  writeAck,
  writeBare,
  writeClose,
  writeHandshakeDataHead,
} from '../wire/frame-writer.ts';
import {
  LENGTH_BYTES,
  PacketKind,
  writeLongHeader,
  writePacketNumber,
} from '../wire/packet-header.ts';
import { packetNumberBytes } from '../wire/packet-number.ts';
import { TransportErrorCode } from '../wire/transport-error.ts';
import { WireWriter } from '../wire/varint.ts';
import { ApplicationFrames } from './application-frames.ts';
import type { ConnectionCore } from './connection-core.ts';
import type { PacketSpace } from './packet-space.ts';
import type { Path } from './paths.ts';

/** A packet needs so much room to be worth beginning: header, number, tag and a small frame. */
const PACKET_BYTES_MIN = 100;
/** Less room than this at a packet's end is filled with padding. */
const NEARLY_FULL_BYTES = 64;
/** The payload and the number together, for the header's sample (RFC 9001 §5.4.2). */
const SAMPLED_BYTES_MIN = 4;
/** So many acknowledgements in a row, one asks for an answer. */
const ASK_EVERY = 32;
/** About so many packets, a number is left out (RFC 9000 §21.4). */
const SKIP_EVERY = 256;

const SPACES = [SpaceId.initial, SpaceId.handshake, SpaceId.application] as const;
const KINDS = [PacketKind.initial, PacketKind.handshake, PacketKind.application] as const;

// One of each for all connections: no packet is built while another is.
const writer = new WireWriter();
const ack = new AckFrame();
const piece: SendPiece = { offset: 0, length: 0, isFin: false, isNew: false };
const place = newPacketPlace();
const chance = new Uint8Array(1);

export class PacketBuilder {
  readonly #core: ConnectionCore;
  readonly #application: ApplicationFrames;
  #untilSkip = SKIP_EVERY;
  /** Packets in a row that asked for no answer. */
  #unasked = 0;

  constructor(core: ConnectionCore) {
    this.#core = core;
    this.#application = new ApplicationFrames(core);
  }

  get application(): ApplicationFrames {
    return this.#application;
  }

  // -------------------------------------------------------------------------------- predicates

  /** Whether a datagram on the active path can and should be built now. */
  wantsToSend(): boolean {
    const core = this.#core;
    if (core.state !== 'open' || !this.#hasAllowance(core.paths.active)) return false;
    const mayElicit = this.#mayElicit();
    return SPACES.some((id) => this.#wants(core.spaces[id]!, mayElicit));
  }

  /** Whether `buildForPath` would build a datagram. */
  wantsForPath(path: Path): boolean {
    const { applicationSpace, state } = this.#core;
    const isAble = state === 'open' && applicationSpace.sealer !== undefined;
    return isAble && path.wantsFrames && path.allowance >= PACKET_BYTES_MIN;
  }

  /** A datagram, padded where it must be, may go to this address (RFC 9000 §8.1). */
  #hasAllowance(path: Path): boolean {
    return path.allowance >= DATAGRAM_BYTES_MIN;
  }

  /** Whether the congestion window and the pacer let something go that asks for an answer. */
  #mayElicit(): boolean {
    const { recovery, paths } = this.#core;
    const { controller, mtu, pacer } = paths.active;
    return (
      recovery.bytesInFlight + mtu.bytes <= controller.windowBytes && pacer.tokens >= mtu.bytes
    );
  }

  /** Whether only the pacer holds something back: then a timer is needed. */
  get isPaced(): boolean {
    const { recovery, paths } = this.#core;
    const { controller, mtu, pacer } = paths.active;
    return (
      recovery.bytesInFlight + mtu.bytes <= controller.windowBytes &&
      pacer.tokens < mtu.bytes &&
      SPACES.some((id) => this.#wants(this.#core.spaces[id]!, true))
    );
  }

  #wants(space: PacketSpace, mayElicit: boolean): boolean {
    if (this.#sealerOf(space) === undefined) return false;
    if (space.probes > 0) return true;
    if (space.sealer !== undefined && space.schedule.deadlineMs <= this.#core.nowMs) return true;
    return mayElicit && this.#hasFrames(space);
  }

  #hasFrames(space: PacketSpace): boolean {
    if (space.sealer !== undefined && space.hasHandshakeBytes()) return true;
    return space.id === SpaceId.application && this.#application.hasFrames(this.#isEarly(space));
  }

  #isEarly(space: PacketSpace): boolean {
    return space.sealer === undefined;
  }

  #sealerOf(space: PacketSpace) {
    if (space.sealer !== undefined) return space.sealer;
    return space.id === SpaceId.application ? this.#core.earlySealer : undefined;
  }

  // ---------------------------------------------------------------------------------- building

  /**
   * Builds one datagram for the active path at `at` of the batch. Returns its bytes, 0 when there is
   * nothing to send.
   */
  build(batch: DatagramBatch, at: number): number {
    if (!this.wantsToSend()) return 0;
    const core = this.#core;
    const path = core.paths.active;
    const room = Math.min(path.mtu.bytes, path.allowance, batch.bytes.length - at);
    const end = at + room;
    let next = at;
    let hasInitial = false;
    let isEliciting = false;
    const mayElicit = this.#mayElicit();
    for (const id of SPACES) {
      const space = core.spaces[id]!;
      if (!this.#wants(space, mayElicit) || end - next < PACKET_BYTES_MIN) continue;
      const isInitial = id === SpaceId.initial;
      const hasLater = SPACES.some(
        (later) => later > id && this.#wants(core.spaces[later]!, mayElicit),
      );
      // RFC 9000 §14.1: datagrams with Initials that ask for an answer are full, and all of a client's.
      const mustFill = isInitial || hasInitial;
      const packet = this.#packet(space, batch.bytes, {
        start: next,
        end,
        mayElicit,
        fillTo: mustFill && !hasLater ? at + DATAGRAM_BYTES_MIN : 0,
      });
      if (packet === 0) continue;
      next = packet;
      hasInitial ||= isInitial;
      isEliciting = true;
    }
    assert(isEliciting && next > at, 'what wants to be sent is sent');
    if (hasInitial && next - at < DATAGRAM_BYTES_MIN) {
      // The packet that was to fill it had nothing to say after all: zero bytes are no packet.
      batch.bytes.fill(0, next, at + DATAGRAM_BYTES_MIN);
      next = at + DATAGRAM_BYTES_MIN;
    }
    this.#account(path, next - at);
    return next - at;
  }

  #account(path: Path, bytes: number): void {
    path.sentBytes += bytes;
    path.pacer.spend(bytes);
    this.#core.bytesSent += bytes;
  }

  /** Builds a packet of a space and returns where it ends. */
  #packet(
    space: PacketSpace,
    bytes: Uint8Array,
    room: { start: number; end: number; mayElicit: boolean; fillTo: number },
  ): number {
    const core = this.#core;
    const packet = this.#begin(space, bytes, room.start, room.end);
    if (space.sealer !== undefined && space.schedule.isOwed) this.#writeAck(space, packet);
    const isProbe = space.probes > 0;
    if (room.mayElicit || isProbe) {
      if (space.sealer !== undefined) this.#writeHandshake(space, packet);
      if (space.id === SpaceId.application) {
        this.#application.write(writer, packet, this.#isEarly(space));
      }
      if (room.mayElicit && !isProbe && this.#isTimeToAsk(packet)) this.#writePing(packet);
      if (isProbe) {
        space.probes--;
        if (!packet.isAckEliciting) this.#writePing(packet);
      }
    }
    if (packet.frames === undefined) return this.#abandon(space, packet);
    const numberAt = place.packetNumberAt;
    const least = Math.max(numberAt + SAMPLED_BYTES_MIN, room.fillTo - PACKET_TAG_BYTES);
    // A packet that is full but for some bytes is filled up: datagrams of one size go in one call.
    const isNearlyFull = writer.left < NEARLY_FULL_BYTES && packet.isAckEliciting;
    const target = isNearlyFull ? writer.end : least;
    const isPadded = writer.at < target;
    while (writer.at < target) writer.byte(0);
    packet.isInFlight = packet.isAckEliciting || isPadded;
    return this.#finish(space, bytes, packet, core.paths.active);
  }

  /**
   * Who only receives learns now and then which of its acknowledgements have come, so that they do not
   * grow (RFC 9000 §13.2.4).
   */
  #isTimeToAsk(packet: SentPacket): boolean {
    if (packet.isAckEliciting) this.#unasked = 0;
    else if (++this.#unasked >= ASK_EVERY) {
      this.#unasked = 0;
      return writer.left > 0;
    }
    return false;
  }

  /** There was no room for anything: the next datagram has it. */
  #abandon(space: PacketSpace, packet: SentPacket): number {
    space.nextNumber--;
    releaseSentPacket(packet);
    return 0;
  }

  /** Writes the header. */
  #begin(space: PacketSpace, bytes: Uint8Array, start: number, end: number): SentPacket {
    const core = this.#core;
    if (space.id === SpaceId.application && --this.#untilSkip <= 0) this.#skip(space);
    const packet = takeSentPacket();
    packet.number = space.nextNumber++;
    packet.isEarly = this.#isEarly(space);
    const numberBytes = packetNumberBytes(packet.number, core.recovery.largestAcked(space.id));
    writer.set(bytes, start, end - PACKET_TAG_BYTES);
    const destinationId = core.remoteIds.active;
    if (space.id === SpaceId.application && !packet.isEarly) {
      writer.byte(0x40 | (core.phases.sendPhase << 2) | (numberBytes - 1));
      writer.put(destinationId);
    } else {
      const kind = packet.isEarly ? PacketKind.early : KINDS[space.id]!;
      const sourceId = core.localIds.first;
      writeLongHeader(writer, { kind, destinationId, sourceId, token: core.token }, numberBytes);
    }
    place.start = start;
    place.packetNumberAt = writer.at;
    place.packetNumberBytes = numberBytes;
    place.packetNumber = packet.number;
    writePacketNumber(writer, packet.number, numberBytes);
    return packet;
  }

  #skip(space: PacketSpace): void {
    this.#core.environment.secrets.fillRandom(chance);
    this.#untilSkip = SKIP_EVERY / 2 + chance[0]!;
    space.skipNumber();
  }

  /** Sets the length, seals, and notes the packet. */
  #finish(space: PacketSpace, bytes: Uint8Array, packet: SentPacket, path: Path): number {
    const core = this.#core;
    place.end = writer.at;
    const end = writer.at + PACKET_TAG_BYTES;
    if (space.id !== SpaceId.application || packet.isEarly) {
      const lengthAt = place.packetNumberAt - LENGTH_BYTES;
      const length = end - place.packetNumberAt;
      writer.set(bytes, lengthAt, place.packetNumberAt).varintOf(length, LENGTH_BYTES);
    } else core.phases.onSeal(packet.number);
    this.#sealerOf(space)!.seal(bytes, place);
    packet.bytes = end - place.start;
    packet.sentMs = core.nowMs;
    packet.pathSerial = path.serial;
    packet.isMarkedEct0 = core.mark === EcnMark.ect0;
    core.packetsSent++;
    if (space.id === SpaceId.handshake) core.hasSentHandshake = true;
    core.trace?.packetSent(space.id, packet.number, packet.bytes, core.nowMs);
    if (packet.isAckEliciting && core.isIdleFresh) {
      core.isIdleFresh = false;
      core.lastReceivedMs = core.nowMs;
    }
    core.recovery.onSent(space.id, packet);
    return end;
  }

  #writeAck(space: PacketSpace, packet: SentPacket): void {
    const core = this.#core;
    const { received, schedule } = space;
    if (received.isEmpty) return;
    ack.largest = received.largest;
    ack.ranges.length = 0;
    for (const bound of received.pairs) ack.ranges.push(bound);
    const exponent = core.ours!.ackDelayExponent;
    const delayMs = Math.max(0, core.nowMs - schedule.largestCameMs);
    ack.delay = Math.floor((delayMs * 1_000) / 2 ** exponent);
    ack.hasEcn = schedule.hasEcn;
    ack.ect0 = schedule.ect0;
    ack.ect1 = schedule.ect1;
    ack.congested = schedule.congested;
    if (!writeAck(writer, ack)) return;
    schedule.onSent();
    addSentFrame(packet, QuicFrameType.ack, 0).offset = ack.largest;
  }

  #writeHandshake(space: PacketSpace, packet: SentPacket): void {
    const { send } = space;
    while (send.next(piece, writer.left, Number.POSITIVE_INFINITY)) {
      const room = writer.left - handshakeDataOverhead(piece.offset);
      if (room <= 0 || !send.next(piece, room, Number.POSITIVE_INFINITY)) return;
      writeHandshakeDataHead(writer, piece.offset, piece.length);
      send.copy(piece.offset, piece.length, writer.bytes, writer.at);
      writer.at += piece.length;
      send.onSent(piece);
      const frame = addSentFrame(packet, QuicFrameType.handshakeData, 0);
      frame.offset = piece.offset;
      frame.length = piece.length;
    }
  }

  #writePing(packet: SentPacket): void {
    writeBare(writer, QuicFrameType.ping);
    addSentFrame(packet, QuicFrameType.ping, 0);
  }

  /**
   * Builds a datagram that finds out how large datagrams may be (RFC 8899), at the batch's beginning. 0:
   * none is due.
   */
  buildProbe(batch: DatagramBatch): number {
    const core = this.#core;
    const path = core.paths.active;
    if (!core.isHandshakeConfirmed || !path.isValidated || !this.#mayElicit()) return 0;
    const bytes = path.mtu.probeBytes(core.nowMs);
    if (bytes === 0) return 0;
    const space = core.applicationSpace;
    const packet = this.#begin(space, batch.bytes, 0, bytes);
    this.#writePing(packet);
    while (writer.left > 0) writer.byte(0);
    packet.isInFlight = true;
    packet.isMtuProbe = true;
    this.#finish(space, batch.bytes, packet, path);
    path.mtu.onProbeSent(bytes);
    this.#account(path, bytes);
    return bytes;
  }

  /** Builds the datagram that closes the connection, from 0 on. 0: there are no keys for it. */
  buildClose(bytes: Uint8Array, close: CloseText): number {
    const core = this.#core;
    const room = Math.min(DATAGRAM_BYTES_MIN, bytes.length);
    let at = 0;
    for (const id of SPACES) {
      const space = core.spaces[id]!;
      // What of the handshake is still open the peer may need, for want of later keys.
      if (space.sealer === undefined || room - at < PACKET_BYTES_MIN) continue;
      const packet = this.#begin(space, bytes, at, room);
      writeClose(writer, closeTextFor(id, close));
      packet.isInFlight = false;
      const isLast = SPACES.every((one) => one <= id || !core.spaces[one]!.sealer);
      const fillTo = isLast && core.spaces[SpaceId.initial].sealer !== undefined ? room : 0;
      while (writer.at < fillTo - PACKET_TAG_BYTES) writer.byte(0);
      at = this.#finish(space, bytes, packet, core.paths.active);
    }
    return at;
  }

  /**
   * Builds a datagram with PATH_CHALLENGE or PATH_RESPONSE for a path, at the batch's beginning; full where
   * the amplification limit lets it (RFC 9000 §8.2.1). 0: none is due.
   */
  buildForPath(path: Path, batch: DatagramBatch): number {
    if (!this.wantsForPath(path)) return 0;
    const core = this.#core;
    const space = core.applicationSpace;
    const room = Math.min(DATAGRAM_BYTES_MIN, path.allowance);
    const packet = this.#begin(space, batch.bytes, 0, room);
    this.#application.writePathFrames(writer, packet, path);
    while (writer.left > 0) writer.byte(0);
    packet.isInFlight = path === core.paths.active;
    const bytes = this.#finish(space, batch.bytes, packet, path);
    this.#account(path, bytes);
    return bytes;
  }
}

/** What a close says; `isApplication` goes into 1-RTT packets alone (RFC 9000 §10.2.3). */
function closeTextFor(space: SpaceId, close: CloseText): CloseText {
  if (space === SpaceId.application || !close.isApplication) return close;
  const { applicationError } = TransportErrorCode;
  return { isApplication: false, errorCode: applicationError, frameType: 0, reason: NOTHING };
}

const NOTHING = new Uint8Array(0);
