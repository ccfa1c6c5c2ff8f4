/** HTTP/3 built and read for tests, by code that shares nothing with the core but its QPACK decoder. */
import { FieldSection } from '../../src/http/field-section.ts';
import { QpackDecoder } from '../../src/http3/qpack/decoder.ts';

export const TYPE = {
  DATA: 0,
  HEADERS: 1,
  CANCEL_PUSH: 3,
  SETTINGS: 4,
  PUSH_PROMISE: 5,
  GOAWAY: 7,
  MAX_PUSH_ID: 13,
  PRIORITY_UPDATE: 0xf0700,
  PRIORITY_UPDATE_PUSH: 0xf0701,
} as const;

export const SETTING = {
  QPACK_MAX_TABLE_CAPACITY: 1,
  MAX_FIELD_SECTION_SIZE: 6,
  QPACK_BLOCKED_STREAMS: 7,
  ENABLE_CONNECT_PROTOCOL: 8,
  H3_DATAGRAM: 0x33,
} as const;

export const ERROR: Readonly<Record<number, string>> = {
  256: 'H3_NO_ERROR',
  257: 'H3_GENERAL_PROTOCOL_ERROR',
  258: 'H3_INTERNAL_ERROR',
  259: 'H3_STREAM_CREATION_ERROR',
  260: 'H3_CLOSED_CRITICAL_STREAM',
  261: 'H3_FRAME_UNEXPECTED',
  262: 'H3_FRAME_ERROR',
  263: 'H3_EXCESSIVE_LOAD',
  264: 'H3_ID_ERROR',
  265: 'H3_SETTINGS_ERROR',
  266: 'H3_MISSING_SETTINGS',
  267: 'H3_REQUEST_REJECTED',
  268: 'H3_REQUEST_CANCELLED',
  269: 'H3_REQUEST_INCOMPLETE',
  270: 'H3_MESSAGE_ERROR',
  271: 'H3_CONNECT_ERROR',
  512: 'QPACK_DECOMPRESSION_FAILED',
  513: 'QPACK_ENCODER_STREAM_ERROR',
  514: 'QPACK_DECODER_STREAM_ERROR',
};

export const hex = (text: string): Buffer => Buffer.from(text.replaceAll(/\s/g, ''), 'hex');

/** RFC 9000 §16, in as few bytes as it takes. */
export function varint(value: number): Buffer {
  if (value < 64) return Buffer.from([value]);
  if (value < 16_384) return Buffer.from([0x40 | (value >> 8), value & 0xff]);
  const bytes = Buffer.alloc(value < 2 ** 30 ? 4 : 8);
  bytes.writeUIntBE(value, bytes.length === 4 ? 0 : 2, bytes.length === 4 ? 4 : 6);
  bytes[0]! |= bytes.length === 4 ? 0x80 : 0xc0;
  return bytes;
}

export function frame(type: number, ...payload: readonly Uint8Array[]): Buffer {
  const bytes = Buffer.concat(payload);
  return Buffer.concat([varint(type), varint(bytes.length), bytes]);
}

/** RFC 7541 §5.1. */
function integer(pattern: number, prefixBits: number, value: number): Buffer {
  const limit = 2 ** prefixBits - 1;
  if (value < limit) return Buffer.from([pattern | value]);
  const bytes = [pattern | limit];
  for (value -= limit; value >= 128; value = Math.floor(value / 128))
    bytes.push((value % 128) | 128);
  return Buffer.from([...bytes, value]);
}

/** A literal field line that depends on no table and no Huffman code (RFC 9204 §4.5.6). */
export function line(name: string, value: string): Buffer {
  const text = (part: string) => Buffer.from(part, 'latin1');
  return Buffer.concat([
    integer(0x20, 3, text(name).length),
    text(name),
    integer(0, 7, text(value).length),
    text(value),
  ]);
}

/** A section without references. */
export function section(lines: readonly (readonly [string, string])[]): Buffer {
  return Buffer.concat([hex('0000'), ...lines.map(([name, value]) => line(name, value))]);
}

export function headers(lines: readonly (readonly [string, string])[]): Buffer {
  return frame(TYPE.HEADERS, section(lines));
}

export const data = (content: string): Buffer => frame(TYPE.DATA, Buffer.from(content, 'latin1'));

export function settings(...pairs: readonly (readonly [number, number])[]): Buffer {
  return frame(TYPE.SETTINGS, ...pairs.flatMap(([id, value]) => [varint(id), varint(value)]));
}

export const GET_FIELDS = [
  [':method', 'GET'],
  [':scheme', 'https'],
  [':authority', 'example.com'],
  [':path', '/'],
] as const;

export const POST_FIELDS = [[':method', 'POST'], ...GET_FIELDS.slice(1)] as const;

export interface ReadFrame {
  readonly type: number;
  readonly payload: Buffer;
}

function readVarint(bytes: Buffer, at: number): { value: number; at: number } {
  const length = 1 << (bytes[at]! >> 6);
  let value = bytes[at]! & 0x3f;
  for (let i = 1; i < length; i++) value = value * 256 + bytes[at + i]!;
  return { value, at: at + length };
}

/** Whole frames; throws when the last one is cut off. */
export function readFrames(bytes: Buffer): ReadFrame[] {
  const frames: ReadFrame[] = [];
  for (let at = 0; at < bytes.length; ) {
    const type = readVarint(bytes, at);
    const length = readVarint(bytes, type.at);
    const end = length.at + length.value;
    if (end > bytes.length) throw new Error('a frame that is cut off');
    frames.push({ type: type.value, payload: bytes.subarray(length.at, end) });
    at = end;
  }
  return frames;
}

export const firstVarint = (bytes: Buffer): number => readVarint(bytes, 0).value;

/** What a peer's decoder makes of what a server under test says. */
export class SectionTeller {
  readonly decoder: QpackDecoder;

  constructor(tableBytesMax = 0, blockedStreamsMax = 0) {
    const fieldSectionBytesMax = 1 << 20;
    this.decoder = new QpackDecoder({ fieldSectionBytesMax, tableBytesMax, blockedStreamsMax });
  }

  fields(payload: Uint8Array, streamId = 0): FieldSection {
    if (this.decoder.decode(streamId, payload, 0, payload.length) !== 0) {
      throw new Error(`no field section: ${this.decoder.failure}`);
    }
    const { names, values, count } = this.decoder.fields;
    const lines = Array.from({ length: count }, (_, i) => [names[i]!, values[i]!] as const);
    return FieldSection.of(...lines);
  }
}
