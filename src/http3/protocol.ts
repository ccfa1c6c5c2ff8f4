/** The numbers of RFC 9114 §8.1 and §11, RFC 9204, RFC 9218, RFC 9220 and RFC 9297. */

export const Http3FrameType = {
  DATA: 0x0,
  HEADERS: 0x1,
  CANCEL_PUSH: 0x3,
  SETTINGS: 0x4,
  PUSH_PROMISE: 0x5,
  GOAWAY: 0x7,
  MAX_PUSH_ID: 0xd,
  /** RFC 9218 §7.2. */
  PRIORITY_UPDATE: 0xf0700,
  PRIORITY_UPDATE_PUSH: 0xf0701,
} as const;

/** RFC 9114 §7.2.8: what HTTP/2 has and HTTP/3 must not (PRIORITY, PING, WINDOW_UPDATE, CONTINUATION). */
const FORBIDDEN_FRAMES: readonly number[] = [0x2, 0x6, 0x8, 0x9];

export function isForbiddenFrame(type: number): boolean {
  return type < 0x10 && FORBIDDEN_FRAMES.includes(type);
}

/** RFC 9114 §6.2, RFC 9204 §4.2. */
export const Http3StreamType = {
  CONTROL: 0x0,
  PUSH: 0x1,
  QPACK_ENCODER: 0x2,
  QPACK_DECODER: 0x3,
} as const;

export const Http3SettingId = {
  QPACK_MAX_TABLE_CAPACITY: 0x1,
  MAX_FIELD_SECTION_SIZE: 0x6,
  QPACK_BLOCKED_STREAMS: 0x7,
  /** RFC 9220 §3. */
  ENABLE_CONNECT_PROTOCOL: 0x8,
  /** RFC 9297 §2.1.1. */
  H3_DATAGRAM: 0x33,
} as const;

/** RFC 9114 §8.1, RFC 9204 §6, RFC 9297 §5.2. */
export const Http3ErrorCode = {
  NO_ERROR: 0x100,
  GENERAL_PROTOCOL_ERROR: 0x101,
  INTERNAL_ERROR: 0x102,
  STREAM_CREATION_ERROR: 0x103,
  CLOSED_CRITICAL_STREAM: 0x104,
  FRAME_UNEXPECTED: 0x105,
  FRAME_ERROR: 0x106,
  EXCESSIVE_LOAD: 0x107,
  ID_ERROR: 0x108,
  SETTINGS_ERROR: 0x109,
  MISSING_SETTINGS: 0x10a,
  REQUEST_REJECTED: 0x10b,
  REQUEST_CANCELLED: 0x10c,
  REQUEST_INCOMPLETE: 0x10d,
  MESSAGE_ERROR: 0x10e,
  CONNECT_ERROR: 0x10f,
  VERSION_FALLBACK: 0x110,
  QPACK_DECOMPRESSION_FAILED: 0x200,
  QPACK_ENCODER_STREAM_ERROR: 0x201,
  QPACK_DECODER_STREAM_ERROR: 0x202,
  DATAGRAM_ERROR: 0x33,
} as const;

const names = new Map<number, string>(
  Object.entries(Http3ErrorCode).map(([name, code]) => [
    code,
    name.startsWith('QPACK') ? name : `H3_${name}`,
  ]),
);

/** The RFC's name of an error code, or its number in hexadecimal. */
export function http3ErrorName(code: number): string {
  return names.get(code) ?? `0x${code.toString(16)}`;
}

/** RFC 9114 §7.2.8 and others: numbers of this form mean nothing, and are to be ignored. */
export function reservedNumber(n: number): number {
  return 0x1f * n + 0x21;
}

/** RFC 9000 §2.1: a stream that the client opened for both directions. */
export function isRequestStream(streamId: number): boolean {
  return streamId % 4 === 0;
}
