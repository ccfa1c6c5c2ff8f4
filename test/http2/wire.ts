/** Frames built and read for tests, by code that shares nothing with the core but its HPACK decoder. */
import { FieldSection } from '../../src/http/field-section.ts';
import { HpackDecoder } from '../../src/http2/hpack-decoder.ts';

export const TYPE = {
  DATA: 0,
  HEADERS: 1,
  PRIORITY: 2,
  RST_STREAM: 3,
  SETTINGS: 4,
  PUSH_PROMISE: 5,
  PING: 6,
  GOAWAY: 7,
  WINDOW_UPDATE: 8,
  CONTINUATION: 9,
  PRIORITY_UPDATE: 16,
} as const;

export const END_STREAM = 1;
export const ACK = 1;
export const END_HEADERS = 4;
export const PADDED = 8;
export const PRIORITY = 32;

export const ERRORS = [
  'NO_ERROR',
  'PROTOCOL_ERROR',
  'INTERNAL_ERROR',
  'FLOW_CONTROL_ERROR',
  'SETTINGS_TIMEOUT',
  'STREAM_CLOSED',
  'FRAME_SIZE_ERROR',
  'REFUSED_STREAM',
  'CANCEL',
  'COMPRESSION_ERROR',
  'CONNECT_ERROR',
  'ENHANCE_YOUR_CALM',
];

export const PREFACE = latin1('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

export function latin1(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}

export function hex(text: string): Buffer {
  return Buffer.from(text.replaceAll(/\s/g, ''), 'hex');
}

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

export function frame(
  type: number,
  flags: number,
  streamId: number,
  payload: Uint8Array = Buffer.alloc(0),
): Buffer {
  const header = Buffer.alloc(9);
  header.writeUIntBE(payload.length, 0, 3);
  header[3] = type;
  header[4] = flags;
  header.writeUInt32BE(streamId, 5);
  return Buffer.concat([header, payload]);
}

export function settings(...pairs: (readonly [id: number, value: number])[]): Buffer {
  const payload = Buffer.alloc(pairs.length * 6);
  pairs.forEach(([id, value], i) => {
    payload.writeUInt16BE(id, i * 6);
    payload.writeUInt32BE(value, i * 6 + 2);
  });
  return frame(TYPE.SETTINGS, 0, 0, payload);
}

/** Literals without indexing, not Huffman coded: nothing depends on any table. */
export function block(...lines: (readonly [name: string, value: string])[]): Buffer {
  const parts: Buffer[] = [];
  for (const [name, value] of lines) {
    parts.push(Buffer.from([0]), string(name), string(value));
  }
  return Buffer.concat(parts);
}

function string(text: string): Buffer {
  const bytes = latin1(text);
  if (bytes.length < 127) return Buffer.concat([Buffer.from([bytes.length]), bytes]);
  const digits: number[] = [127];
  let rest = bytes.length - 127;
  for (; rest >= 128; rest = Math.floor(rest / 128)) digits.push((rest % 128) + 128);
  digits.push(rest);
  return Buffer.concat([Buffer.from(digits), bytes]);
}

export const GET_FIELDS: readonly (readonly [string, string])[] = [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':path', '/'],
  [':authority', 'example.com'],
];

export const POST_FIELDS: readonly (readonly [string, string])[] = [
  [':method', 'POST'],
  ...GET_FIELDS.slice(1),
];

export function headers(
  streamId: number,
  flags: number,
  lines: readonly (readonly [string, string])[],
): Buffer {
  return frame(TYPE.HEADERS, flags, streamId, block(...lines));
}

/** A whole GET request. */
export function get(streamId: number, ...more: (readonly [string, string])[]): Buffer {
  return headers(streamId, END_STREAM | END_HEADERS, [...GET_FIELDS, ...more]);
}

/** The head of a POST request whose content follows. */
export function post(streamId: number, ...more: (readonly [string, string])[]): Buffer {
  return headers(streamId, END_HEADERS, [...POST_FIELDS, ...more]);
}

export function data(streamId: number, content: string | Uint8Array, flags = 0): Buffer {
  const payload = typeof content === 'string' ? latin1(content) : content;
  return frame(TYPE.DATA, flags, streamId, payload);
}

export function reset(streamId: number, code = 8): Buffer {
  return frame(TYPE.RST_STREAM, 0, streamId, u32(code));
}

export function windowUpdate(streamId: number, increment: number): Buffer {
  return frame(TYPE.WINDOW_UPDATE, 0, streamId, u32(increment));
}

export function ping(text = '12345678', flags = 0): Buffer {
  return frame(TYPE.PING, flags, 0, latin1(text));
}

export function goaway(lastStreamId: number, code = 0): Buffer {
  return frame(TYPE.GOAWAY, 0, 0, Buffer.concat([u32(lastStreamId), u32(code)]));
}

export interface ReadFrame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
}

/** All whole frames. */
export function readFrames(bytes: Uint8Array): ReadFrame[] {
  const buffer = Buffer.from(bytes);
  const frames: ReadFrame[] = [];
  let offset = 0;
  while (offset + 9 <= buffer.length) {
    const length = buffer.readUIntBE(offset, 3);
    frames.push({
      type: buffer[offset + 3]!,
      flags: buffer[offset + 4]!,
      streamId: buffer.readUInt32BE(offset + 5),
      payload: buffer.subarray(offset + 9, offset + 9 + length),
    });
    offset += 9 + length;
  }
  return frames;
}

/** Says each frame in a line; keeps the peer's view of the field tables. */
export class FrameTeller {
  readonly #decoder = new HpackDecoder({ fieldSectionBytesMax: 1 << 20, tableBytesMax: 4_096 });

  tell(frame: ReadFrame): string {
    const { type, flags, streamId, payload } = frame;
    const end = (flags & END_STREAM) !== 0 ? ' END_STREAM' : '';
    switch (type) {
      case TYPE.HEADERS: {
        const fields = this.fields(payload);
        const status = fields.first(':status');
        return `HEADERS ${streamId} ${status ?? 'trailers'}${end}`;
      }
      case TYPE.DATA:
        return `DATA ${streamId} ${payload.length}${end}`;
      case TYPE.RST_STREAM:
        return `RST_STREAM ${streamId} ${ERRORS[payload.readUInt32BE(0)]}`;
      case TYPE.SETTINGS:
        return (flags & ACK) !== 0 ? 'SETTINGS ACK' : 'SETTINGS';
      case TYPE.PING:
        return `PING${(flags & ACK) !== 0 ? ' ACK' : ''} ${payload.toString('latin1')}`;
      case TYPE.GOAWAY:
        return `GOAWAY ${payload.readUInt32BE(0)} ${ERRORS[payload.readUInt32BE(4)]}`;
      case TYPE.WINDOW_UPDATE:
        return `WINDOW_UPDATE ${streamId} ${payload.readUInt32BE(0)}`;
      default:
        return `frame ${type} ${streamId}`;
    }
  }

  fields(payload: Uint8Array): FieldSection {
    if (!this.#decoder.decode(payload, 0, payload.length)) {
      throw new Error(`undecodable: ${this.#decoder.failure}`);
    }
    const section = new FieldSection();
    const { names, values, count } = this.#decoder.fields;
    for (let i = 0; i < count; i++) section.append(names[i]!, values[i]!);
    return section;
  }
}
