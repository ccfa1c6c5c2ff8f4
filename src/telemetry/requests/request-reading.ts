/** What a request recorder has left, for whoever finds it: request-layout.ts. */
import { readLatin1 } from '../../base/bytes.ts';
import {
  BODY_PIECES_MAX,
  BodyWord,
  REQUEST_HEADERS_BYTES_MAX,
  REQUEST_SLOTS,
  RESPONSE_HEADERS_BYTES_MAX,
  RequestFlag,
  RequestHeader,
  type RequestPhase,
  RequestSlot,
  requestPhases,
  requestRegionBytes,
  requestSlotWord,
  SlotText,
  TARGET_BYTES_MAX,
} from './request-layout.ts';

/** A header; of one that may be secret there is the length of its value. */
export type RecordedHeader =
  | { readonly name: string; readonly value: string }
  | { readonly name: string; readonly bytes: number };

export interface RecordedBody {
  /** As announced; -1 when it was not known in advance. */
  readonly announced: number;
  /** That have come. */
  readonly bytes: number;
  /** Lengths of the first pieces, as they came. */
  readonly pieces: readonly number[];
  readonly isWhole: boolean;
}

export interface RecordedMessage {
  readonly headers: readonly RecordedHeader[];
  /** Headers are missing at the end. */
  readonly isCut: boolean;
  readonly body: RecordedBody;
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
  /** Bytes of the query. */
  readonly queryBytes: number;
  /** Wall-clock milliseconds. */
  readonly startedAtMs: number;
  /** Null for one that was not described yet. */
  readonly message: RecordedMessage | null;
  /** Of the origin, when it has answered. */
  readonly response: (RecordedMessage & { readonly status: number }) | null;
}

export interface RequestReading {
  /** Of the request that was worked at last; 0 for none. */
  readonly active: number;
  /** The feature that ran for a request, by its place in the identity's list; -1 for none. */
  readonly running: number;
  /** How many there were since the worker's start. */
  readonly count: number;
  readonly leftOut: number;
  /** In the order in which they came. */
  readonly requests: readonly RecordedRequest[];
}

const NOTHING = { active: 0, running: -1, count: 0, leftOut: 0, requests: [] } as const;

/** Reads what a recorder has left. A stray write may have hit anything: never throws. */
export function readRequests(region: Uint8Array): RequestReading {
  if (region.length < requestRegionBytes) return NOTHING;
  const copy = new Uint8Array(region.subarray(0, requestRegionBytes));
  const words = new Int32Array(copy.buffer);
  const reader = new SlotReader(copy);
  const requests: RecordedRequest[] = [];
  let active = 0;
  for (let slot = 0; slot < REQUEST_SLOTS; slot++) {
    const number = words[requestSlotWord(slot) + RequestSlot.number]! >>> 0;
    if (number === 0) continue;
    if (words[RequestHeader.active] === slot + 1) active = number;
    requests.push(reader.request(requestSlotWord(slot), number));
  }
  const last = words[RequestHeader.last]!;
  const age = ({ number }: RecordedRequest) => (last - number) >>> 0;
  requests.sort((one, other) => age(other) - age(one));
  const leftOut = words[RequestHeader.leftOut]! >>> 0;
  return {
    active,
    running: words[RequestHeader.running]! - 1,
    count: last >>> 0,
    leftOut,
    requests,
  };
}

class SlotReader {
  readonly #bytes: Uint8Array;
  readonly #words: Int32Array;
  readonly #doubles: Float64Array;

  constructor(copy: Uint8Array<ArrayBuffer>) {
    this.#bytes = copy;
    this.#words = new Int32Array(copy.buffer);
    this.#doubles = new Float64Array(copy.buffer);
  }

  request(at: number, number: number): RecordedRequest {
    const words = this.#words;
    const textBytes = words[at + RequestSlot.textBytes]!;
    const text = this.#text(at, SlotText.target, textBytes, TARGET_BYTES_MAX);
    const flags = words[at + RequestSlot.flags]!;
    const has = (flag: number) => (flags & flag) !== 0;
    const [version = '', method = '', peer = '', authority = '', ...rest] = text.split(' ');
    const startedAtMs = this.#doubles[(at + RequestSlot.startedAt) / 2]!;
    const status = words[at + RequestSlot.status]!;
    return {
      ...{ number, version, method, peer, authority },
      phase: requestPhases[words[at + RequestSlot.phase]!] ?? 'route',
      early: has(RequestFlag.early),
      tls: has(RequestFlag.tls),
      path: `${rest.join(' ')}${has(RequestFlag.query) ? '?' : ''}`,
      isCut: words[at + RequestSlot.fullBytes]! > text.length,
      queryBytes: has(RequestFlag.query) ? Math.max(0, words[at + RequestSlot.queryBytes]!) : 0,
      startedAtMs: startedAtMs > 0 && startedAtMs < 1e14 ? Math.floor(startedAtMs) : 0,
      message: textBytes === 0 ? null : this.#requestMessage(at, flags),
      response: status === 0 ? null : { status: status >>> 0, ...this.#responseMessage(at, flags) },
    };
  }

  #requestMessage(at: number, flags: number): RecordedMessage {
    const bytes = this.#words[at + RequestSlot.requestHeadersBytes]!;
    const text = this.#text(at, SlotText.requestHeaders, bytes, REQUEST_HEADERS_BYTES_MAX);
    const isWhole = (flags & RequestFlag.requestEnded) !== 0;
    return {
      headers: headersIn(text),
      isCut: (flags & RequestFlag.requestCut) !== 0,
      body: this.#body(at + RequestSlot.requestBody, isWhole),
    };
  }

  #responseMessage(at: number, flags: number): RecordedMessage {
    const bytes = this.#words[at + RequestSlot.responseHeadersBytes]!;
    const text = this.#text(at, SlotText.responseHeaders, bytes, RESPONSE_HEADERS_BYTES_MAX);
    const isWhole = (flags & RequestFlag.responseEnded) !== 0;
    return {
      headers: headersIn(text),
      isCut: (flags & RequestFlag.responseCut) !== 0,
      body: this.#body(at + RequestSlot.responseBody, isWhole),
    };
  }

  #text(at: number, place: number, bytes: number, bytesMax: number): string {
    const from = at * 4 + place;
    return readLatin1(this.#bytes, from, from + Math.max(0, Math.min(bytes, bytesMax)));
  }

  #body(at: number, isWhole: boolean): RecordedBody {
    const words = this.#words;
    const count = Math.max(0, Math.min(words[at + BodyWord.pieces]!, BODY_PIECES_MAX));
    const from = at + BodyWord.lengths;
    const bytes = this.#doubles[(at + BodyWord.bytes) / 2]!;
    return {
      announced: Math.max(-1, words[at + BodyWord.announced]!),
      bytes: bytes >= 0 && bytes <= Number.MAX_SAFE_INTEGER ? Math.floor(bytes) : 0,
      pieces: [...words.subarray(from, from + count)].map((length) => Math.max(0, length)),
      isWhole,
    };
  }
}

function headersIn(text: string): RecordedHeader[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [, secret, bytes] = /^([^:]*)#(\d{1,9})$/.exec(line) ?? [];
      if (secret !== undefined) return { name: secret, bytes: Number(bytes) };
      const at = line.indexOf(': ');
      if (at === -1) return { name: line, value: '' };
      return { name: line.slice(0, at), value: line.slice(at + 2) };
    });
}
