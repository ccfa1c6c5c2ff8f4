/** Frames as they are sent (RFC 9114 §7). Each is bytes of its own, which QUIC keeps by reference. */
import type { FieldBlock } from '../http/field-block.ts';
import { varintBytes, WireWriter } from '../quic/wire/varint.ts';
import { Http3FrameType } from './protocol.ts';

const wire = new WireWriter();

export function frameOf(type: number, payload: Uint8Array): Uint8Array {
  const headerBytes = varintBytes(type) + varintBytes(payload.length);
  const bytes = new Uint8Array(headerBytes + payload.length);
  wire.set(bytes, 0, headerBytes);
  wire.varint(type);
  wire.varint(payload.length);
  bytes.set(payload, headerBytes);
  return bytes;
}

/** A HEADERS frame of a section in two parts. */
export function headersOf(prefix: FieldBlock, lines: FieldBlock): Uint8Array {
  const length = prefix.length + lines.length;
  const headerBytes = 1 + varintBytes(length);
  const bytes = new Uint8Array(headerBytes + length);
  wire.set(bytes, 0, headerBytes);
  wire.varint(Http3FrameType.HEADERS);
  wire.varint(length);
  bytes.set(prefix.bytes.subarray(0, prefix.length), headerBytes);
  bytes.set(lines.bytes.subarray(0, lines.length), headerBytes + prefix.length);
  return bytes;
}

/** What stands before a DATA or HEADERS frame's payload. */
export function frameHeader(type: number, length: number): Uint8Array {
  const bytes = new Uint8Array(varintBytes(type) + varintBytes(length));
  wire.set(bytes, 0, bytes.length);
  wire.varint(type);
  wire.varint(length);
  return bytes;
}

/** A frame or a stream's beginning that is a row of integers. */
export function varints(values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(values.reduce((sum, value) => sum + varintBytes(value), 0));
  wire.set(bytes, 0, bytes.length);
  for (const value of values) wire.varint(value);
  return bytes;
}

/**
 * RFC 9114 §5.2: the first GOAWAY of a server that closes in order names the largest identifier of a
 * request, 2^62 - 4, which is no exact number here.
 */
export function goawayForAll(): Uint8Array {
  return Uint8Array.of(Http3FrameType.GOAWAY, 8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfc);
}

export function goaway(id: number): Uint8Array {
  return frameOf(Http3FrameType.GOAWAY, varints([id]));
}
