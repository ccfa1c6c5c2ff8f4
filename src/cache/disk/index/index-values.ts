/**
 * Values of the index beside its entries, each with a checksum over its key and itself. What is
 * damaged among them makes the index useless: it says how much room there is.
 */
import { crc32 } from 'node:zlib';

/** A file of records. `active` while its owner, a process, appends to it. */
export interface Segment {
  readonly id: number;
  readonly active: boolean;
  readonly owner: number;
  /** Bytes reserved for it (active) or in it (sealed). */
  readonly bytes: number;
  /** Of a response that has it for itself: kept until then, if there is room; else 0. */
  readonly pinnedUntilMs: number;
}

export const SEGMENT_KEY_BYTES = 4;
const CHECKSUM_BYTES = 4;
const NUMBER_BYTES = 8;
const SEGMENT_BYTES = 21;

export function segmentKey(id: number): Buffer {
  const key = Buffer.allocUnsafe(SEGMENT_KEY_BYTES);
  key.writeUInt32BE(id, 0);
  return key;
}

export function segmentName(id: number, name: Buffer): Buffer {
  return Buffer.concat([segmentKey(id), name]);
}

export function encodeSegment(segment: Segment): Buffer {
  const bytes = Buffer.allocUnsafe(SEGMENT_BYTES);
  bytes.writeUInt8(segment.active ? 1 : 0, 0);
  bytes.writeUInt32LE(segment.owner, 1);
  bytes.writeDoubleLE(segment.bytes, 5);
  bytes.writeDoubleLE(segment.pinnedUntilMs, 13);
  return sealed(segmentKey(segment.id), bytes);
}

/** Throws when it is damaged. */
export function decodeSegment(key: Buffer, value: Buffer): Segment {
  const bytes = unsealed(key, value);
  if (bytes?.length !== SEGMENT_BYTES || key.length !== SEGMENT_KEY_BYTES) {
    throw new Error('what the index knows of a segment is damaged');
  }
  return {
    id: key.readUInt32BE(0),
    active: bytes.readUInt8(0) === 1,
    owner: bytes.readUInt32LE(1),
    bytes: bytes.readDoubleLE(5),
    pinnedUntilMs: bytes.readDoubleLE(13),
  };
}

export function encodeNumber(name: string, value: number): Buffer {
  const bytes = Buffer.allocUnsafe(NUMBER_BYTES);
  bytes.writeDoubleLE(value, 0);
  return sealed(Buffer.from(name), bytes);
}

/** Throws when it is damaged. */
export function decodeNumber(name: string, value: Buffer): number {
  const bytes = unsealed(Buffer.from(name), value);
  if (bytes?.length !== NUMBER_BYTES) throw new Error(`a number of the index is damaged: ${name}`);
  return bytes.readDoubleLE(0);
}

export function encodePurge(sequence: number, text: string): Buffer {
  return sealed(Buffer.from(String(sequence)), Buffer.from(text));
}

/** Null when it is damaged: whoever judges must then take it for a purge of all. */
export function decodePurge(sequence: number, value: Buffer): string | null {
  return unsealed(Buffer.from(String(sequence)), value)?.toString() ?? null;
}

function sealed(key: Buffer, bytes: Buffer): Buffer {
  const checksum = Buffer.allocUnsafe(CHECKSUM_BYTES);
  checksum.writeUInt32LE(crc32(bytes, crc32(key)), 0);
  return Buffer.concat([bytes, checksum]);
}

function unsealed(key: Buffer, value: Buffer): Buffer | undefined {
  const end = value.length - CHECKSUM_BYTES;
  if (end < 0) return undefined;
  const bytes = value.subarray(0, end);
  return crc32(bytes, crc32(key)) === value.readUInt32LE(end) ? bytes : undefined;
}
