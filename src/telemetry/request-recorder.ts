/**
 * The request recorder: which requests a worker has, and how far each is, in memory that outlives the
 * worker. Handshakes have a recorder of their own (tls/trace-recorder.ts); this one begins where that
 * ends. Nothing here throws, allocates per event or waits.
 *
 * ```
 * header | slot 0 | slot 1 | …
 * slot:   words, then text: VERSION METHOD PEER AUTHORITY PATH, one space between two
 * ```
 *
 * A query may hold secrets, so of a target there is the path, and whether a query follows. A slot's
 * number is wiped first and written last: what a process leaves at any moment can be read.
 */
import { assert } from '../base/assert.ts';
import { copyOfBytes, readLatin1, writeLatin1 } from '../base/bytes.ts';

/** Requests recorded at once; those beyond are served all the same, and counted. */
export const REQUEST_SLOTS = 256;

/** Bytes of a slot: what is longer than its text's room is cut at the end of the path. */
export const REQUEST_SLOT_BYTES = 512;

const HEADER_BYTES = 64;

/** Bytes of memory that a recorder takes. */
export const requestRegionBytes = HEADER_BYTES + REQUEST_SLOTS * REQUEST_SLOT_BYTES;

/** 32-bit words of the header. */
const RequestHeader = {
  /** The slot of the request that was worked at last, from 1; 0 when it has ended since. */
  active: 0,
  /** Number of the last request. */
  last: 1,
  /** Requests for which there was no slot. */
  leftOut: 2,
} as const;

/** 32-bit words of a slot. */
const RequestSlot = {
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
} as const;

const SLOT_WORDS = 8;
const TEXT_BYTES_MAX = REQUEST_SLOT_BYTES - SLOT_WORDS * 4;

const RequestFlag = { early: 1, tls: 2, query: 4 } as const;

/** What is done with a request, in the usual order. */
const requestPhases = [
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

/** Of a request's head, what is recorded. */
interface RecordedHead {
  readonly version: string;
  readonly method: string;
  readonly authority: { readonly text: string };
  readonly path: string;
  readonly fields: FieldLines;
}

/** Field lines, in the order in which they came. */
export interface FieldLines {
  readonly names: readonly string[];
  readonly values: readonly string[];
}

/** Of what is known about it, the same. */
interface RecordedFacts {
  readonly early: boolean;
  readonly tls: object | null;
  readonly remoteAddress: string;
}

export class RequestRecorder {
  readonly #words: Int32Array;
  readonly #doubles: Float64Array;
  readonly #bytes: Uint8Array;
  /** Slots that are free: those below `#freeCount`. */
  readonly #free = new Int32Array(REQUEST_SLOTS);
  #freeCount = REQUEST_SLOTS;
  /** By slot: what is described later, or told of an exception. */
  readonly #heads: (RecordedHead | null)[] = new Array(REQUEST_SLOTS).fill(null);
  readonly #facts: (RecordedFacts | null)[] = new Array(REQUEST_SLOTS).fill(null);

  /** `region` is `requestRegionBytes` long, and what it holds of a predecessor is wiped. */
  constructor(region: Uint8Array) {
    assert(region.length >= requestRegionBytes, 'the recorder fits its memory');
    assert(region.byteOffset % 8 === 0, 'the region begins at a multiple of 8');
    const { buffer, byteOffset } = region;
    this.#words = new Int32Array(buffer, byteOffset, requestRegionBytes / 4);
    this.#doubles = new Float64Array(buffer, byteOffset, requestRegionBytes / 8);
    this.#bytes = new Uint8Array(buffer, byteOffset, requestRegionBytes);
    this.#words.fill(0, 0, HEADER_BYTES / 4);
    for (let slot = 0; slot < REQUEST_SLOTS; slot++) {
      this.#words[slotWord(slot) + RequestSlot.number] = 0;
      this.#free[slot] = REQUEST_SLOTS - 1 - slot;
    }
  }

  /** A recorder that nobody will read. */
  static forNobody(): RequestRecorder {
    return new RequestRecorder(new Uint8Array(requestRegionBytes));
  }

  /**
   * A request has come. Its slot, or -1 when there is none free: all calls take that, too. A hit ends
   * before it is described, which would cost more than all the rest.
   */
  begin(head: RecordedHead, facts: RecordedFacts, nowMs: number): number {
    const words = this.#words;
    const number = (words[RequestHeader.last]! + 1) | 0 || 1;
    words[RequestHeader.last] = number;
    if (this.#freeCount === 0) {
      words[RequestHeader.leftOut] = (words[RequestHeader.leftOut]! + 1) | 0;
      words[RequestHeader.active] = 0;
      return -1;
    }
    const slot = this.#free[--this.#freeCount]!;
    this.#heads[slot] = head;
    const at = slotWord(slot);
    this.#facts[slot] = facts;
    words[at + RequestSlot.textBytes] = 0;
    words[at + RequestSlot.fullBytes] = 0;
    words[at + RequestSlot.phase] = RequestPhaseCode.route;
    words[at + RequestSlot.flags] =
      (facts.early ? RequestFlag.early : 0) | (facts.tls === null ? 0 : RequestFlag.tls);
    this.#doubles[(at + RequestSlot.startedAt) / 2] = nowMs;
    words[at + RequestSlot.number] = number;
    words[RequestHeader.active] = slot + 1;
    return slot;
  }

  /** Notes what the request is. */
  describe(slot: number): void {
    if (slot < 0) return;
    const head = this.#heads[slot];
    const facts = this.#facts[slot];
    if (head == null || facts == null) return;
    const words = this.#words;
    const at = slotWord(slot);
    const { path } = head;
    const query = path.indexOf('?');
    const shown = query === -1 ? path : path.slice(0, query);
    const text = `${head.version} ${head.method} ${facts.remoteAddress} ${head.authority.text} ${shown}`;
    const textAt = (at + SLOT_WORDS) * 4;
    words[at + RequestSlot.fullBytes] = text.length;
    if (query !== -1) words[at + RequestSlot.flags]! |= RequestFlag.query;
    const fitting = text.length > TEXT_BYTES_MAX ? text.slice(0, TEXT_BYTES_MAX) : text;
    words[at + RequestSlot.textBytes] = writeLatin1(fitting, this.#bytes, textAt) - textAt;
  }

  /** From here on something else is done with it. */
  enter(slot: number, phase: RequestPhaseCode): void {
    if (slot < 0) return;
    this.#words[slotWord(slot) + RequestSlot.phase] = phase;
    this.#words[RequestHeader.active] = slot + 1;
  }

  /** Something has happened to it. */
  touch(slot: number): void {
    if (slot >= 0) this.#words[RequestHeader.active] = slot + 1;
  }

  /** It is over. */
  end(slot: number): void {
    if (slot < 0) return;
    const words = this.#words;
    words[slotWord(slot) + RequestSlot.number] = 0;
    if (words[RequestHeader.active] === slot + 1) words[RequestHeader.active] = 0;
    this.#heads[slot] = null;
    this.#facts[slot] = null;
    this.#free[this.#freeCount++] = slot;
  }

  /** Fields of the request that was worked at last, for an exception; null when it has ended since. */
  activeFields(): FieldLines | null {
    const slot = this.#words[RequestHeader.active]! - 1;
    const head = this.#heads[slot] ?? null;
    if (head === null) return null;
    this.describe(slot);
    return head.fields;
  }
}

/** Where slot `index` begins, in words. */
function slotWord(index: number): number {
  return (HEADER_BYTES + index * REQUEST_SLOT_BYTES) / 4;
}

/** A request as it was left in memory. */
export interface RecordedRequest {
  readonly number: number;
  readonly phase: RequestPhase;
  readonly early: boolean;
  readonly tls: boolean;
  readonly version: string;
  readonly method: string;
  readonly peer: string;
  readonly authority: string;
  /** Without its query; `?` at its end when there is one. */
  readonly path: string;
  readonly isCut: boolean;
  /** Wall-clock milliseconds. */
  readonly startedAtMs: number;
}

export interface RequestReading {
  /** Of the request that was worked at last; 0 for none. */
  readonly active: number;
  /** How many there were since the worker's start. */
  readonly count: number;
  readonly leftOut: number;
  /** In the order in which they came. */
  readonly requests: readonly RecordedRequest[];
}

/** Reads what a recorder has left. A stray write may have hit anything: never throws. */
export function readRequests(region: Uint8Array): RequestReading {
  if (region.length < requestRegionBytes) return { active: 0, count: 0, leftOut: 0, requests: [] };
  const copy = copyOfBytes(region, 0, requestRegionBytes);
  const words = new Int32Array(copy.buffer);
  const doubles = new Float64Array(copy.buffer);
  const requests: RecordedRequest[] = [];
  let active = 0;
  for (let slot = 0; slot < REQUEST_SLOTS; slot++) {
    const at = slotWord(slot);
    const number = words[at + RequestSlot.number]! >>> 0;
    if (number === 0) continue;
    const bytes = Math.max(0, Math.min(words[at + RequestSlot.textBytes]!, TEXT_BYTES_MAX));
    const textAt = (at + SLOT_WORDS) * 4;
    const text = readLatin1(copy, textAt, textAt + bytes);
    const flags = words[at + RequestSlot.flags]!;
    if (words[RequestHeader.active] === slot + 1) active = number;
    const [version = '', method = '', peer = '', authority = '', ...rest] = text.split(' ');
    const startedAtMs = doubles[(at + RequestSlot.startedAt) / 2]!;
    requests.push({
      ...{ number, version, method, peer, authority },
      phase: requestPhases[words[at + RequestSlot.phase]!] ?? 'route',
      early: (flags & RequestFlag.early) !== 0,
      tls: (flags & RequestFlag.tls) !== 0,
      path: `${rest.join(' ')}${(flags & RequestFlag.query) === 0 ? '' : '?'}`,
      isCut: words[at + RequestSlot.fullBytes]! > bytes,
      startedAtMs: startedAtMs > 0 && startedAtMs < 1e14 ? Math.floor(startedAtMs) : 0,
    });
  }
  const last = words[RequestHeader.last]!;
  const age = ({ number }: RecordedRequest) => (last - number) >>> 0;
  requests.sort((one, other) => age(other) - age(one));
  return { active, count: last >>> 0, leftOut: words[RequestHeader.leftOut]! >>> 0, requests };
}
