/** Version Negotiation packets (RFC 8999 §6, RFC 9000 §6 and §17.2.1). */
import type { PacketHeader } from './packet-header.ts';
import { WireReader, WireWriter } from './varint.ts';

/**
 * Answers a packet of an unknown version, in `target` from 0 on: IDs swapped, our versions, and one
 * reserved one, so that clients stay used to unknown ones (RFC 9000 §15). `chance` is any byte.
 * Returns the number of bytes.
 */
export function writeVersionNegotiation(
  target: Uint8Array,
  asked: { readonly bytes: Uint8Array; readonly header: PacketHeader },
  versions: readonly number[],
  chance: number,
): number {
  const { bytes, header } = asked;
  const writer = new WireWriter().set(target, 0, target.length);
  writer.byte(0xc0 | (chance & 0x3f));
  writer.uint32(0);
  writer.byte(header.sourceBytes);
  writer.put(bytes.subarray(header.sourceAt, header.sourceAt + header.sourceBytes));
  writer.byte(header.destinationBytes);
  writer.put(bytes.subarray(header.destinationAt, header.destinationAt + header.destinationBytes));
  writer.uint32(reservedVersion(chance));
  for (const version of versions) writer.uint32(version);
  return writer.at;
}

/** One of the versions 0x?a?a?a?a that nobody will ever speak (RFC 9000 §15). */
function reservedVersion(chance: number): number {
  return (0x0a0a_0a0a | ((chance & 0xf) * 0x1010_1010)) >>> 0;
}

/** The versions that such a packet lists. Undefined when it is malformed. */
export function readVersionNegotiation(
  bytes: Uint8Array,
  header: PacketHeader,
): number[] | undefined {
  const reader = new WireReader().set(bytes, header.packetNumberAt, header.end);
  if (reader.left === 0 || reader.left % 4 !== 0) return undefined;
  const versions: number[] = [];
  while (reader.left > 0) versions.push(reader.uint32());
  return versions;
}
