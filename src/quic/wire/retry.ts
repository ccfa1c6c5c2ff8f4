/** Retry packets (RFC 9000 §17.2.5, RFC 9001 §5.8). */
import { PACKET_TAG_BYTES, type PacketProtectionFactory } from '../contracts.ts';
import { type PacketHeader, QUIC_VERSION_1 } from './packet-header.ts';
import { endsInSecret } from './secret-bytes.ts';
import { WireWriter } from './varint.ts';

export interface RetryPacket {
  /** The client's Source Connection ID, to which the Retry goes. */
  readonly destinationId: Uint8Array;
  /** The ID that the client is to send to from now on. */
  readonly sourceId: Uint8Array;
  /** The Destination Connection ID of the client's first Initial. */
  readonly originalId: Uint8Array;
  readonly token: Uint8Array;
}

/** Writes a Retry to `target` from 0 on, and returns the number of bytes. */
export function writeRetry(
  target: Uint8Array,
  retry: RetryPacket,
  factory: PacketProtectionFactory,
): number {
  const writer = new WireWriter().set(target, 0, target.length);
  writer.byte(0xf0);
  writer.uint32(QUIC_VERSION_1);
  writer.byte(retry.destinationId.length);
  writer.put(retry.destinationId);
  writer.byte(retry.sourceId.length);
  writer.put(retry.sourceId);
  writer.put(retry.token);
  const tag = factory.retryTag(pseudoPacket(retry.originalId, target.subarray(0, writer.at)));
  writer.put(tag.subarray(0, PACKET_TAG_BYTES));
  return writer.at;
}

/** Whether a Retry that a client got answers its first Initial. */
export function isGenuineRetry(
  bytes: Uint8Array,
  header: PacketHeader,
  originalId: Uint8Array,
  factory: PacketProtectionFactory,
): boolean {
  const end = header.end - PACKET_TAG_BYTES;
  const tag = factory.retryTag(pseudoPacket(originalId, bytes.subarray(header.start, end)));
  return endsInSecret(bytes, header.end, tag);
}

function pseudoPacket(originalId: Uint8Array, packet: Uint8Array): Uint8Array {
  const whole = new Uint8Array(1 + originalId.length + packet.length);
  whole[0] = originalId.length;
  whole.set(originalId, 1);
  whole.set(packet, 1 + originalId.length);
  return whole;
}
