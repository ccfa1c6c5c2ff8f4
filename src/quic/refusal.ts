/** Answers that an endpoint gives without a connection: bounded in number, and never longer than what came. */
import { copyOfBytes } from '../base/bytes.ts';
import {
  type DatagramBatch,
  PACKET_TAG_BYTES,
  type PacketProtectionFactory,
  type QuicSecrets,
  type ReceivedDatagram,
} from './contracts.ts';
import { writeClose } from './wire/frame-writer.ts';
import {
  LENGTH_BYTES,
  type PacketHeader,
  PacketKind,
  QUIC_VERSION_1,
  writeLongHeader,
  writePacketNumber,
} from './wire/packet-header.ts';
import { writeRetry } from './wire/retry.ts';
import { resetBytesFor, writeReset } from './wire/stateless-reset.ts';
import { WireWriter } from './wire/varint.ts';
import { writeVersionNegotiation } from './wire/version-negotiation.ts';

/** A datagram that no connection is for, and its first header. */
export interface Unclaimed {
  readonly datagram: ReceivedDatagram;
  readonly header: PacketHeader;
}

/** How many answers there may be: so many for each second, and no more than a second's worth at once. */
export class AnswerBudget {
  readonly #perSecond: number;
  #left: number;
  #filledMs = Number.NEGATIVE_INFINITY;

  constructor(perSecond: number) {
    this.#perSecond = perSecond;
    this.#left = perSecond;
  }

  take(nowMs: number): boolean {
    if (this.#filledMs !== Number.NEGATIVE_INFINITY) {
      const more = ((nowMs - this.#filledMs) * this.#perSecond) / 1_000;
      this.#left = Math.min(this.#perSecond, this.#left + more);
    }
    this.#filledMs = nowMs;
    if (this.#left < 1) return false;
    this.#left--;
    return true;
  }
}

export function versionNegotiation(batch: DatagramBatch, asked: Unclaimed, chance: number): void {
  const { datagram, header } = asked;
  const packet = { bytes: datagram.bytes, header };
  batch.length = writeVersionNegotiation(batch.bytes, packet, [QUIC_VERSION_1], chance);
}

/** A Retry that asks the client for `retryId` and a token (RFC 9000 §8.1.2). */
export function retry(
  batch: DatagramBatch,
  asked: Unclaimed,
  answer: { readonly retryId: Uint8Array; readonly token: Uint8Array },
  factory: PacketProtectionFactory,
): void {
  const { destinationId, sourceId } = idsOf(asked);
  const { retryId, token } = answer;
  const packet = { destinationId: sourceId, sourceId: retryId, originalId: destinationId, token };
  batch.length = writeRetry(batch.bytes, packet, factory);
}

/** A stateless reset (RFC 9000 §10.3). The batch stays empty when the packet was too short for one. */
export function statelessReset(batch: DatagramBatch, asked: Unclaimed, secrets: QuicSecrets): void {
  const { datagram } = asked;
  const length = resetBytesFor(datagram.end - datagram.start);
  batch.length = length;
  if (length === 0) return;
  secrets.fillRandom(batch.bytes.subarray(0, length));
  writeReset(batch.bytes, length, secrets.resetToken(idsOf(asked).destinationId));
}

/** An Initial that closes: no connection is begun (RFC 9000 §5.2.2, §8.1.3). */
export function refusal(
  batch: DatagramBatch,
  asked: Unclaimed,
  errorCode: number,
  factory: PacketProtectionFactory,
): void {
  const { destinationId, sourceId } = idsOf(asked);
  const { sealer, opener } = factory.initialKeys(destinationId, 'server');
  const writer = new WireWriter().set(batch.bytes, 0, REFUSAL_BYTES_MAX);
  const ids = { destinationId: sourceId, sourceId: destinationId, token: NOTHING };
  writeLongHeader(writer, { kind: PacketKind.initial, ...ids }, 1);
  const packetNumberAt = writer.at;
  writePacketNumber(writer, 0, 1);
  writeClose(writer, { isApplication: false, errorCode, frameType: 0, reason: NOTHING });
  const end = writer.at;
  const length = end + PACKET_TAG_BYTES - packetNumberAt;
  writer.set(batch.bytes, packetNumberAt - LENGTH_BYTES, packetNumberAt);
  writer.varintOf(length, LENGTH_BYTES);
  const numbers = { packetNumberBytes: 1, packetNumber: 0 };
  sealer.seal(batch.bytes, { start: 0, packetNumberAt, end, ...numbers });
  sealer.free();
  opener.free();
  batch.length = end + PACKET_TAG_BYTES;
}

const REFUSAL_BYTES_MAX = 200;
const NOTHING = new Uint8Array(0);

/** Copies of the IDs of a header: the destination's, and the source's of a long one. */
export function idsOf({ datagram, header }: Unclaimed): {
  destinationId: Uint8Array;
  sourceId: Uint8Array;
} {
  const { bytes } = datagram;
  const { destinationAt, destinationBytes, sourceAt, sourceBytes } = header;
  return {
    destinationId: copyOfBytes(bytes, destinationAt, destinationAt + destinationBytes),
    sourceId: copyOfBytes(bytes, sourceAt, sourceAt + sourceBytes),
  };
}
