/** Packets of a client that says what no client of ours would. */
import type { TransportConnection } from '../../../src/quic/connection/connection.ts';
import { EcnMark, PACKET_TAG_BYTES } from '../../../src/quic/contracts.ts';
import { SpaceId } from '../../../src/quic/recovery/loss.ts';
import {
  LENGTH_BYTES,
  PacketKind,
  writeLongHeader,
  writePacketNumber,
} from '../../../src/quic/wire/packet-header.ts';
import { WireWriter } from '../../../src/quic/wire/varint.ts';
import type { FakeWire } from './fake-wire.ts';

const KINDS = [PacketKind.initial, PacketKind.handshake, PacketKind.application] as const;

/** A packet of a connection with frames as they are written by `write`. */
function packetWith(
  connection: TransportConnection,
  write: (writer: WireWriter) => void,
  space: SpaceId = SpaceId.application,
): Uint8Array {
  const { core } = connection;
  const { sealer } = core.spaces[space]!;
  const bytes = new Uint8Array(1_500);
  const writer = new WireWriter().set(bytes, 0, bytes.length - PACKET_TAG_BYTES);
  const destinationId = core.remoteIds.active;
  const isLong = space !== SpaceId.application;
  if (isLong) {
    const ids = { destinationId, sourceId: core.localIds.first, token: core.token };
    writeLongHeader(writer, { kind: KINDS[space]!, ...ids }, 4);
  } else {
    writer.byte(0x43 | (core.phases.sendPhase << 2));
    writer.put(destinationId);
  }
  const packetNumberAt = writer.at;
  const packetNumber = core.spaces[space]!.nextNumber++;
  writePacketNumber(writer, packetNumber, 4);
  write(writer);
  while (space === SpaceId.initial && writer.at < 1_200 - PACKET_TAG_BYTES) writer.byte(0);
  const end = writer.at;
  if (isLong) {
    const length = end + PACKET_TAG_BYTES - packetNumberAt;
    writer.set(bytes, packetNumberAt - LENGTH_BYTES, packetNumberAt).varintOf(length, LENGTH_BYTES);
  }
  sealer!.seal(bytes, { start: 0, packetNumberAt, packetNumberBytes: 4, end, packetNumber });
  return bytes.subarray(0, end + PACKET_TAG_BYTES);
}

/** Such a packet, on its way. */
export function sendFrames(
  wire: FakeWire,
  connection: TransportConnection,
  write: (writer: WireWriter) => void,
  from = 'client',
): void {
  const bytes = packetWith(connection, write);
  wire.inject({ from, to: 'server', bytes, ecn: EcnMark.none, sentMs: wire.nowMs });
}
