/** What the index knows of one stored response: enough to read it and to judge purges. */
import { NAME_BYTES } from './record.ts';

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

const ENTRY_BYTES = 64;

export function encodeEntry(entry: IndexEntry): Buffer {
  const bytes = Buffer.allocUnsafe(ENTRY_BYTES);
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
  return bytes;
}

/** Undefined for what another version wrote. The name is copied: LMDB reuses its memory. */
export function decodeEntry(name: Buffer, bytes: Buffer): IndexEntry | undefined {
  if (bytes.length !== ENTRY_BYTES || name.length !== NAME_BYTES) return undefined;
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
