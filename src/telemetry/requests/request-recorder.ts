/**
 * The request recorder: which requests a worker has, what they and the origins' answers are, and how
 * far each is, in memory that outlives the worker (request-layout.ts). Handshakes have a recorder of
 * their own (tls/trace-recorder.ts); this one begins where that ends. Nothing here throws, allocates
 * per event or waits.
 *
 * A query may hold secrets, so of a target there is the path, and the query's length; of headers there
 * is what recorded-headers.ts allows, and of bodies only lengths.
 */
import { assert } from '../../base/assert.ts';
import { writeLatin1 } from '../../base/bytes.ts';
import { isRecorded } from './recorded-headers.ts';
import {
  BODY_PIECES_MAX,
  BodyWord,
  REQUEST_HEADER_BYTES,
  REQUEST_HEADERS_BYTES_MAX,
  REQUEST_SLOTS,
  RESPONSE_HEADERS_BYTES_MAX,
  RequestFlag,
  RequestHeader,
  RequestPhaseCode,
  RequestSlot,
  requestRegionBytes,
  requestSlotWord,
  SlotText,
  TARGET_BYTES_MAX,
} from './request-layout.ts';

/** Of a request's head, what is recorded. */
export interface RecordedHead {
  readonly version: string;
  readonly method: string;
  readonly authority: { readonly text: string };
  readonly path: string;
  readonly fields: FieldLines;
  /** Of the body, as announced; -1 when it is not known. */
  readonly contentLength: number;
}

/** Of an origin's response, the same. */
export interface RecordedResponse {
  readonly status: number;
  readonly fields: FieldLines;
  readonly contentLength: number;
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

/**
 * Runs at moments of every request but hits: features that an operator loads to show harm, or to look
 * for it.
 */
export interface RequestWatcher {
  onRequest(head: RecordedHead): void;
  onRequestPiece(head: RecordedHead, bytes: number): void;
  /** The origin has answered. */
  onResponse(head: RecordedHead, response: RecordedResponse): void;
  onResponsePiece(head: RecordedHead, bytes: number): void;
  onEnd(head: RecordedHead): void;
}

export class RequestRecorder {
  /** Null: nobody watches. */
  watcher: RequestWatcher | null = null;
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
    this.#words.fill(0, 0, REQUEST_HEADER_BYTES / 4);
    for (let slot = 0; slot < REQUEST_SLOTS; slot++) {
      this.#words[requestSlotWord(slot) + RequestSlot.number] = 0;
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
    const at = requestSlotWord(slot);
    this.#facts[slot] = facts;
    words[at + RequestSlot.textBytes] = 0;
    words[at + RequestSlot.fullBytes] = 0;
    words[at + RequestSlot.status] = 0;
    words[at + RequestSlot.requestHeadersBytes] = 0;
    words[at + RequestSlot.phase] = RequestPhaseCode.route;
    words[at + RequestSlot.flags] =
      (facts.early ? RequestFlag.early : 0) | (facts.tls === null ? 0 : RequestFlag.tls);
    this.#doubles[(at + RequestSlot.startedAt) / 2] = nowMs;
    words[at + RequestSlot.number] = number;
    words[RequestHeader.active] = slot + 1;
    return slot;
  }

  /** Notes what the request is, once. */
  describe(slot: number): void {
    if (slot < 0) return;
    const head = this.#heads[slot];
    const facts = this.#facts[slot];
    if (head == null || facts == null) return;
    const words = this.#words;
    const at = requestSlotWord(slot);
    if (words[at + RequestSlot.textBytes] !== 0) return;
    const { path } = head;
    const query = path.indexOf('?');
    const shown = query === -1 ? path : path.slice(0, query);
    const text = `${head.version} ${head.method} ${facts.remoteAddress} ${head.authority.text} ${shown}`;
    words[at + RequestSlot.fullBytes] = text.length;
    words[at + RequestSlot.queryBytes] = query === -1 ? 0 : path.length - query - 1;
    let flags = words[at + RequestSlot.flags]! | (query === -1 ? 0 : RequestFlag.query);
    const fitting = text.length > TARGET_BYTES_MAX ? text.slice(0, TARGET_BYTES_MAX) : text;
    words[at + RequestSlot.textBytes] = this.#write(fitting, at, SlotText.target);
    const headers = headerText(head.fields, REQUEST_HEADERS_BYTES_MAX);
    if (headers.isCut) flags |= RequestFlag.requestCut;
    const headersBytes = this.#write(headers.text, at, SlotText.requestHeaders);
    words[at + RequestSlot.requestHeadersBytes] = headersBytes;
    this.#beginBody(at + RequestSlot.requestBody, head.contentLength);
    words[at + RequestSlot.flags] = flags;
  }

  /** The origin has answered: what came of an answer before it is forgotten. */
  answered(slot: number, response: RecordedResponse): void {
    if (slot < 0) return;
    const words = this.#words;
    const at = requestSlotWord(slot);
    words[at + RequestSlot.status] = 0;
    const { text, isCut } = headerText(response.fields, RESPONSE_HEADERS_BYTES_MAX);
    words[at + RequestSlot.responseHeadersBytes] = this.#write(text, at, SlotText.responseHeaders);
    this.#beginBody(at + RequestSlot.responseBody, response.contentLength);
    const flags = words[at + RequestSlot.flags]!;
    const cut = isCut ? RequestFlag.responseCut : 0;
    words[at + RequestSlot.flags] =
      (flags & ~(RequestFlag.responseCut | RequestFlag.responseEnded)) | cut;
    words[at + RequestSlot.status] = response.status;
    this.enter(slot, RequestPhaseCode.response);
  }

  /** A piece of the request's body has come. */
  requestPiece(slot: number, bytes: number): void {
    if (slot < 0) return;
    this.#addPiece(requestSlotWord(slot) + RequestSlot.requestBody, bytes);
    this.#words[RequestHeader.active] = slot + 1;
  }

  /** A piece of the body of the origin's response has come. */
  responsePiece(slot: number, bytes: number): void {
    if (slot < 0) return;
    this.#addPiece(requestSlotWord(slot) + RequestSlot.responseBody, bytes);
    this.#words[RequestHeader.active] = slot + 1;
  }

  /** All of the request's body is here, or of the response's. */
  bodyEnded(slot: number, whose: 'request' | 'response'): void {
    if (slot < 0) return;
    const flag = whose === 'request' ? RequestFlag.requestEnded : RequestFlag.responseEnded;
    this.#words[requestSlotWord(slot) + RequestSlot.flags]! |= flag;
    this.#words[RequestHeader.active] = slot + 1;
  }

  /** A feature runs for a request: its place in the identity's list. */
  enterFeature(index: number): void {
    this.#words[RequestHeader.running] = index + 1;
  }

  leaveFeature(): void {
    this.#words[RequestHeader.running] = 0;
  }

  /** How many bytes were written. */
  #write(text: string, slotAt: number, place: number): number {
    const from = slotAt * 4 + place;
    return writeLatin1(text, this.#bytes, from) - from;
  }

  #beginBody(at: number, announced: number): void {
    this.#words[at + BodyWord.announced] = Math.min(announced, 0x7fff_ffff);
    this.#words[at + BodyWord.pieces] = 0;
    this.#doubles[(at + BodyWord.bytes) / 2] = 0;
  }

  #addPiece(at: number, bytes: number): void {
    const words = this.#words;
    const piece = words[at + BodyWord.pieces]!;
    if (piece < BODY_PIECES_MAX) words[at + BodyWord.lengths + piece] = bytes;
    words[at + BodyWord.pieces] = (piece + 1) | 0;
    this.#doubles[(at + BodyWord.bytes) / 2]! += bytes;
  }

  /** From here on something else is done with it. */
  enter(slot: number, phase: RequestPhaseCode): void {
    if (slot < 0) return;
    this.#words[requestSlotWord(slot) + RequestSlot.phase] = phase;
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
    words[requestSlotWord(slot) + RequestSlot.number] = 0;
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

/** Whole lines only: what has no room is left out. */
function headerText({ names, values }: FieldLines, bytesMax: number) {
  let text = '';
  for (let i = 0; i < names.length; i++) {
    const name = names[i]!;
    const value = values[i]!;
    const isOpen = isRecorded(name, value);
    const line = isOpen ? `${name}: ${value}\n` : `${name}#${value.length}\n`;
    if (text.length + line.length > bytesMax) return { text, isCut: true };
    text += line;
  }
  return { text, isCut: false };
}
