/**
 * Loss detection and the probe timeout of one connection (RFC 9002, appendix A), over its three packet
 * number spaces, and what its present path is measured by.
 */
import type { AckFrame } from '../wire/frame-reader.ts';
import type { AcknowledgedBytes, CongestionController } from './congestion.ts';
import type { EcnValidation } from './ecn.ts';
import { DATAGRAM_BYTES_MIN, type MtuProbe } from './mtu-probe.ts';
import type { RoundTrip } from './rtt.ts';
import { releaseSentPacket, type SentPacket } from './sent-packet.ts';
import { SentPackets } from './sent-packets.ts';

/** The packet number spaces (RFC 9000 §12.3). */
export const SpaceId = { initial: 0, handshake: 1, application: 2 } as const;
export type SpaceId = (typeof SpaceId)[keyof typeof SpaceId];
const SPACES = [SpaceId.initial, SpaceId.handshake, SpaceId.application] as const;

/** RFC 9002 §6.1.1. */
export const REORDERING_PACKETS = 3;
/** RFC 9002 §7.6.1. */
const PERSISTENT_CONGESTION_FACTOR = 3;
/** Doublings of the probe timeout; the idle time-out ends a connection long before. */
const BACKOFF_MAX = 12;
/** Numbers from the oldest open packet to the newest; a window of 64 MiB has fewer packets. */
export const OPEN_NUMBERS_MAX = 65_536;
/** Datagrams of free window at which the window is no limit of what is sent (RFC 9002 §7.8). */
const FREE_DATAGRAMS = 3;

/** What becomes of the frames of a packet. The packet must not be kept. */
export interface RecoveryHandler {
  onPacketAcknowledged(space: SpaceId, packet: SentPacket): void;
  onPacketLost(space: SpaceId, packet: SentPacket): void;
}

/** What one path is measured by; another one begins anew (RFC 9000 §9.4). */
export interface PathMeasures {
  readonly serial: number;
  readonly roundTrip: RoundTrip;
  readonly controller: CongestionController;
  readonly ecn: EcnValidation;
  readonly mtu: MtuProbe;
}

class SpaceRecovery {
  /** All of them count toward bytes in flight, unless of another path: others are not kept. */
  readonly sent = new SentPackets();
  largestAcked = -1;
  /** When the next packet is to be declared lost. */
  lossMs = Number.POSITIVE_INFINITY;
  lastElicitingMs = 0;
  eliciting = 0;
}

export class LossRecovery {
  readonly #spaces = SPACES.map(() => new SpaceRecovery());
  readonly #handler: RecoveryHandler;
  #path: PathMeasures;
  bytesInFlight = 0;
  probeCount = 0;
  packetsLost = 0;
  probeTimeouts = 0;
  isHandshakeConfirmed = false;
  hasHandshakeKeys = false;
  /** Whether the peer can send to us without our help: true on servers (RFC 9002 §6.2.2.1). */
  isPeerValidated: boolean;
  /** ms; the peer's max_ack_delay. */
  peerAckDelayMs = 25;
  /** Since when a client waits with nothing in flight. */
  #idleSinceMs = 0;
  readonly #sample: AcknowledgedBytes = {
    bytes: 0,
    sentMs: 0,
    isApplicationLimited: false,
    smoothedRttMs: 0,
  };

  constructor(handler: RecoveryHandler, path: PathMeasures, isServer: boolean) {
    this.#handler = handler;
    this.#path = path;
    this.isPeerValidated = isServer;
  }

  get path(): PathMeasures {
    return this.#path;
  }

  /**
   * Goes on with another path: what is in flight on the old one counts no more. What counts is what is
   * still open of the new one, which may have been left before.
   */
  moveTo(path: PathMeasures): void {
    this.#path = path;
    this.bytesInFlight = this.#spaces.reduce((sum, { sent }) => sum + openBytes(sent, path), 0);
    this.probeCount = 0;
  }

  /** The address has changed, and the way is the same: what is in flight still counts. */
  goOnWith(path: PathMeasures): void {
    this.#path = path;
  }

  largestAcked(space: SpaceId): number {
    return this.#spaces[space]!.largestAcked;
  }

  /** Packets of a space that are neither acknowledged nor lost, for tests. */
  openCount(space: SpaceId): number {
    return this.#spaces[space]!.sent.count;
  }

  /** Whether something that asks for an answer is in flight. */
  hasEliciting(space: SpaceId): boolean {
    return this.#spaces[space]!.eliciting > 0;
  }

  /**
   * Notes a packet, and takes it over. One that neither asks for an answer nor is padded is not kept:
   * the peer need never acknowledge it, so that they would be ever more (CVE-2023-50247).
   */
  onSent(space: SpaceId, packet: SentPacket): void {
    const state = this.#spaces[space]!;
    if (packet.isMarkedEct0) this.#path.ecn.onMarkedSent();
    if (!packet.isInFlight) {
      releaseSentPacket(packet);
      return;
    }
    // A peer that leaves one packet open for ever makes the ring no longer than that.
    while (state.sent.count > 0 && packet.number - state.sent.first >= OPEN_NUMBERS_MAX) {
      this.#lose(space, state.sent.get(state.sent.first)!, packet.sentMs);
    }
    state.sent.add(packet);
    if (packet.isAckEliciting) {
      state.lastElicitingMs = packet.sentMs;
      state.eliciting++;
    }
    this.bytesInFlight += packet.bytes;
  }

  /** `delayMs`: the peer's own delay, 0 outside of the application space. */
  onAck(space: SpaceId, ack: AckFrame, delayMs: number, nowMs: number): void {
    const state = this.#spaces[space]!;
    const inFlightBefore = this.bytesInFlight;
    const isLargest = ack.largest > state.largestAcked;
    if (isLargest) state.largestAcked = ack.largest;
    const newest = state.sent.get(ack.largest);
    const newestSentMs = newest?.sentMs;
    const isSample = newest !== undefined && newest.pathSerial === this.#path.serial;
    const { controller, roundTrip } = this.#path;
    const free = controller.windowBytes - inFlightBefore;
    const isHalfUsed = inFlightBefore > controller.windowBytes / 2;
    this.#sample.isApplicationLimited =
      free > FREE_DATAGRAMS * this.#path.mtu.bytes &&
      !(controller.windowBytes < controller.slowStartBytes && isHalfUsed);
    this.#sample.smoothedRttMs = roundTrip.smoothedMs;
    const [count, eliciting, marked] = this.#acknowledge(space, ack, nowMs);
    if (count === 0) return;
    if (isSample && eliciting > 0) {
      const delay = this.isHandshakeConfirmed ? Math.min(delayMs, this.peerAckDelayMs) : delayMs;
      roundTrip.onSample(nowMs - newestSentMs!, delay, nowMs);
    }
    if (isLargest && this.#path.ecn.onAck(space, ack, marked) && newestSentMs !== undefined) {
      controller.onCongestion(newestSentMs, nowMs);
    }
    this.#detectLost(space, nowMs);
    if (this.isPeerValidated) this.probeCount = 0;
    this.#idleSinceMs = nowMs;
  }

  /** Returns how many packets were newly acknowledged, asked for an answer, and were marked. */
  #acknowledge(space: SpaceId, ack: AckFrame, nowMs: number): [number, number, number] {
    const { sent } = this.#spaces[space]!;
    let count = 0;
    let eliciting = 0;
    let marked = 0;
    const { ranges } = ack;
    for (let i = 0; i < ranges.length; i += 2) {
      // What was never sent, or is long done, is not looked at: a range may be as long as it likes.
      const high = Math.min(ranges[i + 1]!, sent.end - 1);
      for (let number = Math.max(ranges[i]!, sent.first); number <= high; number++) {
        const packet = sent.get(number);
        if (packet === undefined) continue;
        count++;
        if (packet.isAckEliciting) eliciting++;
        if (packet.isMarkedEct0 && packet.pathSerial === this.#path.serial) marked++;
        sent.remove(number, true);
        this.#onAcknowledged(space, packet, nowMs);
      }
      if (ranges[i]! < sent.first) break;
    }
    return [count, eliciting, marked];
  }

  #onAcknowledged(space: SpaceId, packet: SentPacket, nowMs: number): void {
    if (packet.isAckEliciting) this.#spaces[space]!.eliciting--;
    if (packet.pathSerial === this.#path.serial) {
      this.bytesInFlight -= packet.bytes;
      this.#sample.bytes = packet.bytes;
      this.#sample.sentMs = packet.sentMs;
      const { controller, mtu } = this.#path;
      controller.onAcknowledged(this.#sample, nowMs);
      if (packet.isMtuProbe && mtu.onProbeAcknowledged(packet.bytes)) {
        controller.onDatagramBytes(mtu.bytes);
      }
      if (packet.bytes > DATAGRAM_BYTES_MIN) mtu.onFullAcknowledged();
    }
    this.#handler.onPacketAcknowledged(space, packet);
    releaseSentPacket(packet);
  }

  #detectLost(space: SpaceId, nowMs: number): void {
    const state = this.#spaces[space]!;
    const { sent, largestAcked } = state;
    const delayMs = this.#path.roundTrip.lossDelayMs;
    state.lossMs = Number.POSITIVE_INFINITY;
    let latestMs = Number.NEGATIVE_INFINITY;
    let runStartMs = Number.POSITIVE_INFINITY;
    let longestMs = 0;
    const end = Math.min(largestAcked, sent.end - 1);
    for (let number = sent.first; number <= end; number++) {
      const packet = sent.get(number);
      if (packet === undefined) {
        if (sent.wasAcknowledged(number)) runStartMs = Number.POSITIVE_INFINITY;
        continue;
      }
      const isOld = packet.sentMs + delayMs <= nowMs;
      if (!isOld && largestAcked < number + REORDERING_PACKETS) {
        state.lossMs = Math.min(state.lossMs, packet.sentMs + delayMs);
        continue;
      }
      const isOfPath = packet.pathSerial === this.#path.serial;
      if (isOfPath && !packet.isMtuProbe) {
        latestMs = Math.max(latestMs, packet.sentMs);
        if (packet.isAckEliciting && packet.sentMs > this.#path.roundTrip.firstSampleMs) {
          runStartMs = Math.min(runStartMs, packet.sentMs);
          longestMs = Math.max(longestMs, packet.sentMs - runStartMs);
        }
      }
      this.#lose(space, packet, nowMs);
    }
    if (latestMs === Number.NEGATIVE_INFINITY) return;
    const { controller, roundTrip } = this.#path;
    controller.onCongestion(latestMs, nowMs);
    const persistentMs = PERSISTENT_CONGESTION_FACTOR * roundTrip.probeMs(this.peerAckDelayMs);
    if (longestMs > persistentMs) controller.onPersistentCongestion();
  }

  #lose(space: SpaceId, packet: SentPacket, nowMs: number): void {
    this.packetsLost++;
    if (packet.pathSerial === this.#path.serial) {
      const { controller, ecn, mtu } = this.#path;
      if (packet.isMarkedEct0) ecn.onMarkedLost();
      if (packet.isMtuProbe) mtu.onProbeLost(packet.bytes, nowMs);
      else if (packet.bytes > DATAGRAM_BYTES_MIN && mtu.onFullLost(nowMs)) {
        controller.onDatagramBytes(mtu.bytes);
      }
    }
    this.#take(space, packet);
    this.#handler.onPacketLost(space, packet);
    releaseSentPacket(packet);
  }

  /** Takes a packet out of the books without an answer. */
  #take(space: SpaceId, packet: SentPacket): void {
    const state = this.#spaces[space]!;
    state.sent.remove(packet.number, false);
    if (packet.isAckEliciting) state.eliciting--;
    if (packet.pathSerial === this.#path.serial) {
      this.bytesInFlight -= packet.bytes;
    }
  }

  /** The keys of a space are gone, and all that was sent with them (RFC 9002 §6.4). */
  discard(space: SpaceId): void {
    this.#takeAll(space, () => true);
    this.#spaces[space]!.lossMs = Number.POSITIVE_INFINITY;
    this.probeCount = 0;
  }

  /** Packets that the peer never took up, of a Retry or of refused early data: their frames are lost. */
  giveUp(space: SpaceId, isMeant: (packet: SentPacket) => boolean): void {
    this.#takeAll(space, isMeant, (packet) => this.#handler.onPacketLost(space, packet));
  }

  #takeAll(
    space: SpaceId,
    isMeant: (packet: SentPacket) => boolean,
    each: (packet: SentPacket) => void = () => {},
  ): void {
    const { sent } = this.#spaces[space]!;
    const end = sent.end;
    for (let number = sent.first; number < end; number++) {
      const packet = sent.get(number);
      if (packet === undefined || !isMeant(packet)) continue;
      this.#take(space, packet);
      each(packet);
      releaseSentPacket(packet);
    }
  }

  /**
   * When `onTimeout` is to be called. `isBlocked`: a server may send nothing to an address that is not
   * validated, so that no timer runs (RFC 9002 §6.2.2.1).
   */
  deadlineMs(isBlocked: boolean): number {
    const lossMs = Math.min(...this.#spaces.map((space) => space.lossMs));
    if (lossMs !== Number.POSITIVE_INFINITY) return lossMs;
    return isBlocked ? Number.POSITIVE_INFINITY : this.#probe().deadlineMs;
  }

  #probe(): { deadlineMs: number; space: SpaceId } {
    const backoff = 2 ** Math.min(this.probeCount, BACKOFF_MAX);
    const probeMs = this.#path.roundTrip.probeMs(0);
    if (this.#spaces.every((space) => space.eliciting === 0)) {
      if (this.isPeerValidated) {
        return { deadlineMs: Number.POSITIVE_INFINITY, space: SpaceId.initial };
      }
      // A client goes on, so that a server that may not send more gets something to answer.
      const space = this.hasHandshakeKeys ? SpaceId.handshake : SpaceId.initial;
      return { deadlineMs: this.#idleSinceMs + probeMs * backoff, space };
    }
    let deadlineMs = Number.POSITIVE_INFINITY;
    let earliest: SpaceId = SpaceId.initial;
    for (const space of SPACES) {
      const state = this.#spaces[space]!;
      if (state.eliciting === 0) continue;
      const isApplication = space === SpaceId.application;
      if (isApplication && !this.isHandshakeConfirmed) continue;
      const delayMs = isApplication ? this.peerAckDelayMs : 0;
      const spaceMs = state.lastElicitingMs + (probeMs + delayMs) * backoff;
      if (spaceMs >= deadlineMs) continue;
      deadlineMs = spaceMs;
      earliest = space;
    }
    return { deadlineMs, space: earliest };
  }

  /**
   * The deadline has passed. Returns the space in which one or two packets are to be sent that ask for an
   * answer, whatever the window; undefined when packets were declared lost instead.
   */
  onTimeout(nowMs: number): SpaceId | undefined {
    const spaces = SPACES.filter((space) => this.#spaces[space]!.lossMs <= nowMs);
    if (spaces.length > 0) {
      for (const space of spaces) this.#detectLost(space, nowMs);
      return undefined;
    }
    const { space, deadlineMs } = this.#probe();
    if (deadlineMs > nowMs) return undefined;
    this.probeCount++;
    this.probeTimeouts++;
    this.#idleSinceMs = nowMs;
    return space;
  }

  /** A client begins to wait with nothing in flight. */
  onIdle(nowMs: number): void {
    this.#idleSinceMs = nowMs;
  }

  /** The oldest open packets of a space, whose frames a probe sends again. */
  oldest(space: SpaceId): SentPacket | undefined {
    const { sent } = this.#spaces[space]!;
    for (let number = sent.first; number < sent.end; number++) {
      const packet = sent.get(number);
      if (packet?.isAckEliciting) return packet;
    }
    return undefined;
  }

  /** Frees all; nothing is told. */
  free(): void {
    for (const space of SPACES) this.discard(space);
  }
}

/** Bytes of the packets that are open on a path. */
function openBytes(sent: SentPackets, { serial }: PathMeasures): number {
  let bytes = 0;
  for (let number = sent.first; number < sent.end; number++) {
    const packet = sent.get(number);
    if (packet?.pathSerial === serial) bytes += packet.bytes;
  }
  return bytes;
}
