/**
 * The request recorder's memory: what request-recorder.ts writes, and request-reading.ts finds when the
 * process is dead. All words are 32-bit integers in the machine's order.
 *
 * ```
 * header | slot 0 | slot 1 | …
 * slot:   words, then three texts: the target, the request's headers, the response's headers
 * target: VERSION METHOD PEER AUTHORITY PATH, one space between two
 * header: `name: value`, or `name#123` where the value of 123 bytes is kept out; one to a line
 * ```
 *
 * A slot's number is wiped first and written last: what a process leaves at any moment can be read.
 */

/** Requests recorded at once; those beyond are served all the same, and counted. */
export const REQUEST_SLOTS = 256;

/** Bytes of a slot: what is longer than its room is cut. Memory that was never written costs nothing. */
export const REQUEST_SLOT_BYTES = 2_048;

export const REQUEST_HEADER_BYTES = 64;

/** Bytes of memory that a recorder takes. */
export const requestRegionBytes = REQUEST_HEADER_BYTES + REQUEST_SLOTS * REQUEST_SLOT_BYTES;

/** 32-bit words of the header. */
export const RequestHeader = {
  /** The slot of the request that was worked at last, from 1; 0 when it has ended since. */
  active: 0,
  /** Number of the last request. */
  last: 1,
  /** Requests for which there was no slot. */
  leftOut: 2,
  /** The feature that runs for a request, by its place in the identity's list, from 1; 0 for none. */
  running: 3,
} as const;

/** Pieces of a body whose lengths are kept: the first ones. */
export const BODY_PIECES_MAX = 16;

/** 32-bit words of a body's part of a slot. */
export const BodyWord = {
  /** As announced; -1 when it is not known in advance. */
  announced: 0,
  /** Pieces that have come. */
  pieces: 1,
  /** Bytes that have come, as a double in two words. */
  bytes: 2,
  /** Lengths of the first pieces. */
  lengths: 4,
} as const;

const BODY_WORDS = BodyWord.lengths + BODY_PIECES_MAX;

/** 32-bit words of a slot. */
export const RequestSlot = {
  /** 0 for a free slot, and while it is written. */
  number: 0,
  /** Place in `requestPhases`. */
  phase: 1,
  /** `RequestFlag` bits. */
  flags: 2,
  textBytes: 3,
  /** Wall-clock milliseconds, as a double in two words. */
  startedAt: 4,
  /** Bytes of the text before it was cut. */
  fullBytes: 6,
  /** Bytes of the query, which is kept out. */
  queryBytes: 7,
  requestHeadersBytes: 8,
  responseHeadersBytes: 9,
  /** Of the origin's response; 0 while there is none. */
  status: 10,
  requestBody: 12,
  responseBody: 12 + BODY_WORDS,
} as const;

export const SLOT_WORDS = 64;

/** Where the texts of a slot begin, in bytes from the slot's start. */
export const SlotText = {
  target: SLOT_WORDS * 4,
  requestHeaders: 704,
  responseHeaders: 1_472,
} as const;

/** Bytes of the target. */
export const TARGET_BYTES_MAX = SlotText.requestHeaders - SlotText.target;
export const REQUEST_HEADERS_BYTES_MAX = SlotText.responseHeaders - SlotText.requestHeaders;
export const RESPONSE_HEADERS_BYTES_MAX = REQUEST_SLOT_BYTES - SlotText.responseHeaders;

export const RequestFlag = {
  early: 1,
  tls: 2,
  query: 4,
  /** Headers were left out for want of room. */
  requestCut: 8,
  responseCut: 16,
  /** The request's body has ended. */
  requestEnded: 32,
  responseEnded: 64,
} as const;

/** What is done with a request, in the usual order. */
export const requestPhases = [
  /** Its route is looked for, and what the route demands is looked at. */
  'route',
  /** The cache is looked into, or the answer is made. */
  'look-up',
  /** An origin is asked. */
  'origin',
  /** The origin's response has begun, and is looked at. */
  'response',
  /** The client is answered. */
  'deliver',
  /** It is over, and is written to logs and metrics. */
  'log',
] as const;
export type RequestPhase = (typeof requestPhases)[number];

export const RequestPhaseCode = {
  route: 0,
  lookUp: 1,
  origin: 2,
  response: 3,
  deliver: 4,
  log: 5,
} as const;
export type RequestPhaseCode = (typeof RequestPhaseCode)[keyof typeof RequestPhaseCode];

/** Where slot `index` begins, in words. */
export function requestSlotWord(index: number): number {
  return (REQUEST_HEADER_BYTES + index * REQUEST_SLOT_BYTES) / 4;
}
