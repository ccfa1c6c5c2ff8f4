/** The numbers of RFC 9113 §6, §7 and §11, RFC 8441 and RFC 9218. */

export const FrameType = {
  DATA: 0x0,
  HEADERS: 0x1,
  PRIORITY: 0x2,
  RST_STREAM: 0x3,
  SETTINGS: 0x4,
  PUSH_PROMISE: 0x5,
  PING: 0x6,
  GOAWAY: 0x7,
  WINDOW_UPDATE: 0x8,
  CONTINUATION: 0x9,
  /** RFC 9218 §7.1. */
  PRIORITY_UPDATE: 0x10,
} as const;

export const Flag = {
  ACK: 0x1,
  END_STREAM: 0x1,
  END_HEADERS: 0x4,
  PADDED: 0x8,
  PRIORITY: 0x20,
} as const;

/** RFC 9113 §7. */
export const ErrorCode = {
  NO_ERROR: 0x0,
  PROTOCOL_ERROR: 0x1,
  INTERNAL_ERROR: 0x2,
  FLOW_CONTROL_ERROR: 0x3,
  SETTINGS_TIMEOUT: 0x4,
  STREAM_CLOSED: 0x5,
  FRAME_SIZE_ERROR: 0x6,
  REFUSED_STREAM: 0x7,
  CANCEL: 0x8,
  COMPRESSION_ERROR: 0x9,
  CONNECT_ERROR: 0xa,
  ENHANCE_YOUR_CALM: 0xb,
  INADEQUATE_SECURITY: 0xc,
  HTTP_1_1_REQUIRED: 0xd,
} as const;

const errorNames = Object.keys(ErrorCode);

/** The RFC's name of an error code, or its number in hexadecimal. */
export function errorCodeName(code: number): string {
  return errorNames[code] ?? `0x${code.toString(16)}`;
}

export const SettingId = {
  HEADER_TABLE_SIZE: 0x1,
  ENABLE_PUSH: 0x2,
  MAX_CONCURRENT_STREAMS: 0x3,
  INITIAL_WINDOW_SIZE: 0x4,
  MAX_FRAME_SIZE: 0x5,
  MAX_HEADER_LIST_SIZE: 0x6,
  /** RFC 8441 §3. */
  ENABLE_CONNECT_PROTOCOL: 0x8,
  /** RFC 9218 §2.1. */
  NO_RFC7540_PRIORITIES: 0x9,
} as const;

/** Bytes of a frame's header (RFC 9113 §4.1). */
export const FRAME_HEADER_BYTES = 9;

/** RFC 9113 §6.5.2: the initial value of SETTINGS_MAX_FRAME_SIZE and its limits. */
export const FRAME_SIZE_MIN = 16_384;
export const FRAME_SIZE_MAX = 16_777_215;

/** RFC 9113 §6.9.1 and §6.9.2. */
export const WINDOW_SIZE_MAX = 2_147_483_647;
export const WINDOW_SIZE_INITIAL = 65_535;

/** RFC 7541 §4.2 with RFC 9113 §6.5.2: the dynamic table's initial size. */
export const TABLE_SIZE_INITIAL = 4_096;

export const STREAM_ID_MAX = 2_147_483_647;

/** RFC 9113 §3.4: what a client sends first. */
export const CONNECTION_PREFACE: Uint8Array = new TextEncoder().encode(
  'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
);
