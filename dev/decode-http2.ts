/**
 * Prints the frames of an HTTP/2 byte stream (RFC 9113) on standard input. For people; the product
 * has its own way with frames, whose reader and HPACK decoder are used here.
 */
import { readFileSync } from 'node:fs';
import { FrameReader } from '../src/http2/frame-reader.ts';
import { HpackDecoder } from '../src/http2/hpack-decoder.ts';
import {
  CONNECTION_PREFACE,
  errorCodeName,
  FRAME_SIZE_MAX,
  FrameType,
  SettingId,
} from '../src/http2/protocol.ts';

const USAGE = `usage: node_modules/.bin/node dev/decode-http2.ts < STREAM
Prints one line for each frame, and the header lines of each field block. The client's preface may stand
at the beginning. Header lines need the stream from its beginning: HPACK has a memory.
`;

const TYPE_NAMES = new Map(Object.entries(FrameType).map(([name, type]) => [type as number, name]));
const SETTING_NAMES = new Map(Object.entries(SettingId).map(([name, id]) => [id as number, name]));

const END_STREAM = 0x1;
const END_HEADERS = 0x4;
const PADDED = 0x8;
const PRIORITY = 0x20;

/** The text for a whole stream. What does not decode is said where it stands. */
export function describeHttp2(stream: Uint8Array): string {
  const lines: string[] = [];
  const decoder = new HpackDecoder({ fieldSectionBytesMax: 1 << 20, tableBytesMax: 65_536 });
  let block: Buffer[] = [];
  const onBlock = (fragment: Buffer, isEnd: boolean) => {
    block.push(Buffer.from(fragment));
    if (!isEnd) return;
    lines.push(...headerLines(decoder, Buffer.concat(block)));
    block = [];
  };
  const reader = new FrameReader(
    {
      onFrame(type, flags, streamId, bytes, start, end) {
        const payload = Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start);
        lines.push(frameLine(type, flags, streamId, payload));
        if (type === FrameType.HEADERS)
          onBlock(fragmentOf(payload, flags), isSet(flags, END_HEADERS));
        if (type === FrameType.CONTINUATION) onBlock(payload, isSet(flags, END_HEADERS));
        return true;
      },
      onFrameTooLarge: (length) => lines.push(`a frame of ${length} bytes: this is no HTTP/2`),
    },
    FRAME_SIZE_MAX,
  );
  const hasPreface = CONNECTION_PREFACE.every((byte, index) => stream[index] === byte);
  if (hasPreface) lines.push('preface');
  reader.receive(stream, hasPreface ? CONNECTION_PREFACE.length : 0, false);
  if (reader.isInsideFrame) lines.push('the stream ends inside a frame');
  return `${lines.join('\n')}\n`;
}

function frameLine(type: number, flags: number, streamId: number, payload: Buffer): string {
  const name = TYPE_NAMES.get(type) ?? `type 0x${type.toString(16)}`;
  const bits = `0x${flags.toString(16).padStart(2, '0')}`;
  const head = `${name.padEnd(14)} stream ${streamId}, flags ${bits}, ${payload.length} bytes`;
  const detail = details(type, flags, payload);
  return detail === '' ? head : `${head}: ${detail}`;
}

function details(type: number, flags: number, payload: Buffer): string {
  const enough = (bytes: number) => payload.length >= bytes;
  switch (type) {
    case FrameType.DATA:
    case FrameType.HEADERS:
      return isSet(flags, END_STREAM) ? 'END_STREAM' : '';
    case FrameType.SETTINGS:
      return isSet(flags, 1) ? 'ACK' : settings(payload);
    case FrameType.PING:
      return `${isSet(flags, 1) ? 'ACK ' : ''}${payload.toString('hex')}`;
    case FrameType.RST_STREAM:
      return enough(4) ? errorCodeName(payload.readUInt32BE(0)) : 'too short';
    case FrameType.WINDOW_UPDATE:
      return enough(4) ? `+${payload.readUInt32BE(0) & 0x7fffffff}` : 'too short';
    case FrameType.GOAWAY: {
      if (!enough(8)) return 'too short';
      const last = payload.readUInt32BE(0) & 0x7fffffff;
      return `last stream ${last}, ${errorCodeName(payload.readUInt32BE(4))} ${JSON.stringify(payload.toString('latin1', 8))}`;
    }
    default:
      return '';
  }
}

function settings(payload: Buffer): string {
  const parts: string[] = [];
  for (let at = 0; at + 6 <= payload.length; at += 6) {
    const id = payload.readUInt16BE(at);
    parts.push(`${SETTING_NAMES.get(id) ?? `setting ${id}`}=${payload.readUInt32BE(at + 2)}`);
  }
  return parts.join(' ');
}

/** A HEADERS frame's field block fragment, without padding and priority (RFC 9113 §6.2). */
function fragmentOf(payload: Buffer, flags: number): Buffer {
  const padding = isSet(flags, PADDED) ? (payload[0] ?? 0) : 0;
  const start = (isSet(flags, PADDED) ? 1 : 0) + (isSet(flags, PRIORITY) ? 5 : 0);
  return payload.subarray(start, Math.max(start, payload.length - padding));
}

function headerLines(decoder: HpackDecoder, block: Buffer): string[] {
  if (!decoder.decode(block, 0, block.length)) return [`  does not decode: ${decoder.failure}`];
  const { names, values, count } = decoder.fields;
  return Array.from({ length: count }, (_, i) => `  ${names[i]}: ${JSON.stringify(values[i])}`);
}

function isSet(flags: number, bit: number): boolean {
  return (flags & bit) !== 0;
}

if (import.meta.main) {
  const isAsked = process.argv.includes('--help');
  process.stdout.write(isAsked ? USAGE : describeHttp2(readFileSync(0)));
}
