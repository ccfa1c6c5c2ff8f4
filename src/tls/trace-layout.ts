/**
 * The trace recorder's memory: what tls/trace-recorder.ts writes, and a reader finds when the
 * process is dead. All words are 32-bit integers in the machine's order.
 *
 * ```
 * header | identity: JSON text | slot 0 | slot 1 | … | requests | exception: JSON text
 * slot:   header, then events
 * event:  word 0  type, argument << 8, bytes of payload << 16
 *         word 1  microseconds since the connection's start
 *         word 2  check: over words 0 and 1, the payload and the connection's number
 *         …       payload, filled up to whole words
 * ```
 *
 * Each handshake has a slot to itself, so that a slow one is not pushed out by those that come and
 * go meanwhile. A slot's length is written after the event that it covers, and its number first and
 * last of all when it changes hands: what a process leaves at any moment can be read. Requests are
 * written by telemetry/requests/request-recorder.ts.
 */
import { requestRegionBytes } from '../telemetry/requests/request-layout.ts';

export const TRACE_MAGIC = 0x52_46_4c_53;
export const TRACE_LAYOUT = 3;

/**
 * Handshakes kept: those that are open, and beside them the last that have ended. At 2,000
 * handshakes a second of 5 ms each ten are open.
 */
export const TRACE_SLOTS = 128;

/**
 * Words of a slot: 32 KiB, for two flights of the longest record each. Memory that was never
 * written costs nothing.
 */
export const TRACE_SLOT_WORDS = 8_192;

/** Words that bytes received do not take, so that calls and states that follow have room. */
export const TRACE_RESERVED_WORDS = 512;

export const TraceHeader = {
  magic: 0,
  layout: 1,
  slots: 2,
  slotWords: 3,
  pid: 4,
  /** Number of the last connection. */
  lastConnection: 5,
  /** What is being done: 0 for nothing. */
  insideConnection: 6,
  insideCall: 7,
  /** Place in the identity's list of observers, from 1. */
  insideObserver: 8,
  /** Counts turns of the event loop, one in a while. */
  heartbeat: 9,
  /** Wall-clock milliseconds of the start, as a double in two words. */
  startedAt: 10,
  identityBytes: 12,
  identityCheck: 13,
  exceptionBytes: 14,
  exceptionCheck: 15,
} as const;

export const TRACE_HEADER_WORDS = 64;

/** Bytes of the identity: configuration, versions and features as JSON. */
export const TRACE_IDENTITY_BYTES = 65_536;

export const SlotHeader = {
  /** 0 while the slot changes hands. */
  connection: 0,
  /** Words of events, all of them whole. */
  used: 1,
  /** `SlotFlag` bits. */
  flags: 2,
  outcome: 3,
  /** Wall-clock milliseconds of the start, as a double in two words. */
  startedAt: 4,
} as const;

/** A multiple of 2, so that doubles are aligned. */
export const SLOT_HEADER_WORDS = 8;

export const SlotFlag = { client: 1, cut: 2, late: 4 } as const;

export const SlotOutcome = { open: 0, complete: 1, failed: 2 } as const;

export const EVENT_HEADER_WORDS = 3;

export const TraceEvent = {
  /** Word 0 of the payload: bytes of the read. Then parts; see `TracePart`. */
  received: 1,
  /** Payload word 0: bytes. Of early data, the SHA-256 may follow. */
  earlyData: 2,
  sent: 3,
  /** Argument: OpenSSL's state. */
  state: 4,
  /** Argument: a `TraceCall`. */
  entered: 5,
  left: 6,
  /** Argument: the observer. */
  observerEntered: 7,
  observerLeft: 8,
  /** Argument: a `SlotOutcome`. */
  ended: 9,
  /** Argument: a `TraceText`. Payload: the text. */
  text: 10,
} as const;

/** A part begins with one word: bytes << 2 | what. Only `bytes` is followed by them. */
export const TracePart = { bytes: 0, sealed: 1, framing: 2, room: 3 } as const;

export const TraceText = { peer: 1, serverName: 2, errorCode: 3, alert: 4 } as const;

/** By number, the C names of what a connection may be inside of. */
export const traceCalls = [
  '',
  'SSL_do_handshake',
  'SSL_read_early_data',
  'SSL_read',
  'SSL_write',
  'SSL_write_early_data',
  'SSL_shutdown',
  'SSL_free',
] as const;

export const TraceCall = {
  handshake: 1,
  readEarlyData: 2,
  read: 3,
  write: 4,
  writeEarlyData: 5,
  shutdown: 6,
  free: 7,
} as const;
export type TraceCall = (typeof TraceCall)[keyof typeof TraceCall];

/** Bytes of the exception that the process ended with, and of the request that it met it in. */
export const TRACE_EXCEPTION_BYTES = 32_768;

/** Where slot `index` begins, in words. */
export function slotWord(index: number): number {
  return TRACE_HEADER_WORDS + TRACE_IDENTITY_BYTES / 4 + index * TRACE_SLOT_WORDS;
}

/** Where requests begin, in bytes; a multiple of 8. */
export const TRACE_REQUESTS_AT = slotWord(TRACE_SLOTS) * 4;

/** Where the exception begins, in bytes. */
export const TRACE_EXCEPTION_AT = TRACE_REQUESTS_AT + requestRegionBytes;

/** Bytes of shared memory that a recorder takes; a multiple of a page. */
export const traceRegionBytes =
  Math.ceil((TRACE_EXCEPTION_AT + TRACE_EXCEPTION_BYTES) / 4_096) * 4_096;

/** What word 2 of an event must be. A sum notices every single flip and everything half written. */
export function eventCheck(words: Int32Array, at: number, end: number, connection: number): number {
  let sum = words[at]! + Math.imul(words[at + 1]!, 0x9e3779b1);
  for (let i = at + EVENT_HEADER_WORDS; i < end; i++) sum = (sum + words[i]!) | 0;
  return Math.imul(sum ^ connection, 0x85ebca6b) | 0;
}

/** Of a text's bytes, the same. */
export function textCheck(bytes: Uint8Array): number {
  let sum = bytes.length;
  for (const byte of bytes) sum = (Math.imul(sum, 31) + byte) | 0;
  return sum;
}
