/** What the index knows of one stored response: enough to read it and to judge purges. */
import { crc32 } from 'node:zlib';
import { RECORD_NAME_BYTES } from '../segments/record.ts';

export interface IndexEntry {
  /** Hash of the key, then of the variant. */
  readonly name: Buffer;
  readonly headSegment: number;
  readonly headOffset: number;
  readonly headLength: number;
  readonly contentSegment: number;
  readonly contentOffset: number;
  readonly contentLength: number;
  /** Where the checksums of the content start from. */
  readonly seed: number;
  /** The last purge that was known when its fetch began. */
  readonly purgeSequence: number;
  /** When a soft purge of its key made it stale; 0 for never. */
  readonly markedStaleMs: number;
  /** Until when it is written anew when its segment is evicted; 0 for never. */
  readonly pinnedUntilMs: number;
}

/** What is told, then a checksum over the name and that. */
const FACTS_BYTES = 64;
export const INDEX_ENTRY_BYTES = FACTS_BYTES + 4;

export function encodeEntry(entry: IndexEntry): Buffer {
  const bytes = Buffer.allocUnsafe(INDEX_ENTRY_BYTES);
  bytes.writeUInt32LE(entry.headSegment, 0);
  bytes.writeUInt32LE(entry.headLength, 4);
  bytes.writeDoubleLE(entry.headOffset, 8);
  bytes.writeUInt32LE(entry.contentSegment, 16);
  bytes.writeUInt32LE(entry.seed, 20);
  bytes.writeDoubleLE(entry.contentOffset, 24);
  bytes.writeDoubleLE(entry.contentLength, 32);
  bytes.writeDoubleLE(entry.markedStaleMs, 40);
  bytes.writeDoubleLE(entry.purgeSequence, 48);
  bytes.writeDoubleLE(entry.pinnedUntilMs, 56);
  bytes.writeUInt32LE(checksum(entry.name, bytes), FACTS_BYTES);
  return bytes;
}

/**
 * Undefined for what is damaged or under another's name. The name is copied: LMDB reuses its memory.
 */
export function decodeEntry(name: Buffer, bytes: Buffer): IndexEntry | undefined {
  if (bytes.length !== INDEX_ENTRY_BYTES || name.length !== RECORD_NAME_BYTES) return undefined;
  if (checksum(name, bytes) !== bytes.readUInt32LE(FACTS_BYTES)) return undefined;
  return {
    name: Buffer.from(name),
    headSegment: bytes.readUInt32LE(0),
    headLength: bytes.readUInt32LE(4),
    headOffset: bytes.readDoubleLE(8),
    contentSegment: bytes.readUInt32LE(16),
    seed: bytes.readUInt32LE(20),
    contentOffset: bytes.readDoubleLE(24),
    contentLength: bytes.readDoubleLE(32),
    markedStaleMs: bytes.readDoubleLE(40),
    purgeSequence: bytes.readDoubleLE(48),
    pinnedUntilMs: bytes.readDoubleLE(56),
  };
}

function checksum(name: Buffer, bytes: Buffer): number {
  return crc32(bytes.subarray(0, FACTS_BYTES), crc32(name));
}
