/** The parts of packets that are readable without keys (RFC 8999, RFC 9000 §17). */
import { readLatin1 } from '../../base/bytes.ts';
import { STEERED_ID_BYTES } from '../../base/steered-ids.ts';
import type { WireReader, WireWriter } from './varint.ts';

export const QUIC_VERSION_1 = 1;

/** RFC 9000 §17.2. */
export const CONNECTION_ID_BYTES_MAX = 20;

/** Bytes of the connection IDs that we choose. */
export const OUR_ID_BYTES = STEERED_ID_BYTES;

export const PacketKind = {
  initial: 0,
  early: 1,
  handshake: 2,
  retry: 3,
  /** A short header. */
  application: 4,
  versionNegotiation: 5,
  /** A long header of a version that we do not speak: only version and IDs are known. */
  unknownVersion: 6,
} as const;
export type PacketKind = (typeof PacketKind)[keyof typeof PacketKind];

/** What a header says; one object that is used again for each packet. */
export class PacketHeader {
  kind: PacketKind = PacketKind.initial;
  version = 0;
  /** Clear: a packet only for who has said that it takes such (RFC 9287). */
  isFixedBitSet = true;
  start = 0;
  /** The destination connection ID. */
  destinationAt = 0;
  destinationBytes = 0;
  /** The source connection ID of a long header. */
  sourceAt = 0;
  sourceBytes = 0;
  /** Of an Initial packet, or of a Retry without its tag. */
  tokenAt = 0;
  tokenBytes = 0;
  /** Where the packet number begins; of version negotiation and unknown versions what comes after the IDs. */
  packetNumberAt = 0;
  /** Where the packet ends; another may follow in the datagram. */
  end = 0;
}

/**
 * Reads the header of a packet of version 1, or the invariants of another version. False: what is
 * there is no packet, being too short, and nothing after it is either.
 */
export function readPacketHeader(reader: WireReader, header: PacketHeader): boolean {
  const { bytes, at: start } = reader;
  header.start = start;
  const first = reader.byte();
  if (reader.hasFailed) return false;
  header.isFixedBitSet = (first & 0x40) !== 0;
  if ((first & 0x80) === 0) return readShort(reader, header);
  header.version = reader.uint32();
  header.destinationBytes = reader.byte();
  header.destinationAt = reader.at;
  reader.skip(header.destinationBytes);
  header.sourceBytes = reader.byte();
  header.sourceAt = reader.at;
  reader.skip(header.sourceBytes);
  if (reader.hasFailed) return false;
  header.packetNumberAt = reader.at;
  header.end = reader.end;
  header.tokenBytes = 0;
  if (header.version !== QUIC_VERSION_1) {
    header.kind = header.version === 0 ? PacketKind.versionNegotiation : PacketKind.unknownVersion;
    return true;
  }
  if (header.destinationBytes > CONNECTION_ID_BYTES_MAX) return false;
  if (header.sourceBytes > CONNECTION_ID_BYTES_MAX) return false;
  return readLong(reader, header, ((bytes[start]! >> 4) & 3) as PacketKind);
}

function readShort(reader: WireReader, header: PacketHeader): boolean {
  header.kind = PacketKind.application;
  header.version = QUIC_VERSION_1;
  header.destinationAt = reader.at;
  header.destinationBytes = OUR_ID_BYTES;
  header.sourceBytes = 0;
  header.tokenBytes = 0;
  reader.skip(OUR_ID_BYTES);
  header.packetNumberAt = reader.at;
  header.end = reader.end;
  return !reader.hasFailed;
}

const RETRY_TAG_BYTES = 16;

function readLong(reader: WireReader, header: PacketHeader, kind: PacketKind): boolean {
  header.kind = kind;
  if (kind === PacketKind.retry) {
    header.tokenAt = reader.at;
    header.tokenBytes = reader.left - RETRY_TAG_BYTES;
    return header.tokenBytes > 0;
  }
  if (kind === PacketKind.initial) {
    header.tokenBytes = reader.varint();
    header.tokenAt = reader.at;
    reader.skip(header.tokenBytes);
  }
  const length = reader.varint();
  header.packetNumberAt = reader.at;
  header.end = reader.at + length;
  return !reader.hasFailed && length <= reader.left;
}

/** A connection ID as a byte string, to find things by. */
export function idText(bytes: Uint8Array, at: number, length: number): string {
  return readLatin1(bytes, at, at + length);
}

/** What a long header of version 1 needs. */
export interface LongHeader {
  readonly kind: PacketKind;
  readonly destinationId: Uint8Array;
  readonly sourceId: Uint8Array;
  /** Of an Initial packet. */
  readonly token: Uint8Array;
}

/** The bytes of the length of a long header's rest: two, whatever it is, so that it can be set later. */
export const LENGTH_BYTES = 2;

/**
 * Writes a long header up to the Length, which the caller sets when the packet is done; the packet number
 * begins where the writer then stands.
 */
export function writeLongHeader(writer: WireWriter, header: LongHeader, numberBytes: number): void {
  writer.byte(0xc0 | (header.kind << 4) | (numberBytes - 1));
  writer.uint32(QUIC_VERSION_1);
  writer.byte(header.destinationId.length);
  writer.put(header.destinationId);
  writer.byte(header.sourceId.length);
  writer.put(header.sourceId);
  if (header.kind === PacketKind.initial) writer.putTold(header.token);
  writer.varintOf(0, LENGTH_BYTES);
}

/** Writes a packet number in so many bytes. */
export function writePacketNumber(writer: WireWriter, number: number, bytes: number): void {
  for (let i = bytes - 1; i >= 0; i--) writer.byte(Math.floor(number / 2 ** (8 * i)) & 0xff);
}
