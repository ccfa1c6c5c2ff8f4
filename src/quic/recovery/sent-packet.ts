/** What is remembered of a packet that was sent, until it is acknowledged or lost. */
import { isAckEliciting } from '../wire/frame-types.ts';

/**
 * A frame that was sent, by which it is known what to do when its packet is acknowledged or lost. What the
 * numbers mean depends on the type.
 */
export class SentFrame {
  type = 0;
  /** Of a stream; the sequence number of a connection ID. */
  id = 0;
  /** Of content; the limit of MAX frames; the largest number of an ACK. */
  offset = 0;
  length = 0;
  isFin = false;
  next: SentFrame | undefined = undefined;
}

export class SentPacket {
  number = 0;
  /** Of the datagram that it took. */
  bytes = 0;
  sentMs = 0;
  /** Whether any of its frames asks for an acknowledgement. */
  isAckEliciting = false;
  /** Counts toward bytes in flight: ack-eliciting or padded (RFC 9002 §2). */
  isInFlight = false;
  isMarkedEct0 = false;
  isMtuProbe = false;
  /** Sent with 0-RTT keys. */
  isEarly = false;
  /** The path that it went on, by its serial number. */
  pathSerial = 0;
  frames: SentFrame | undefined = undefined;
}

/** Objects kept for reuse; beyond it they are left to the collector. */
const POOL_MAX = 4_096;
const framePool: SentFrame[] = [];
const packetPool: SentPacket[] = [];

export function takeSentPacket(): SentPacket {
  return packetPool.pop() ?? new SentPacket();
}

/** Adds a frame at the head of the packet's list. */
export function addSentFrame(packet: SentPacket, type: number, id: number): SentFrame {
  const frame = framePool.pop() ?? new SentFrame();
  frame.type = type;
  frame.id = id;
  frame.offset = 0;
  frame.length = 0;
  frame.isFin = false;
  frame.next = packet.frames;
  packet.frames = frame;
  packet.isAckEliciting ||= isAckEliciting(type);
  return frame;
}

/** Gives a packet and its frames back; nobody may hold them any more. */
export function releaseSentPacket(packet: SentPacket): void {
  let frame = packet.frames;
  packet.frames = undefined;
  while (frame !== undefined) {
    const { next } = frame;
    frame.next = undefined;
    if (framePool.length < POOL_MAX) framePool.push(frame);
    frame = next;
  }
  packet.isAckEliciting = false;
  packet.isMtuProbe = false;
  packet.isEarly = false;
  if (packetPool.length < POOL_MAX) packetPool.push(packet);
}
