/** What attackers send over HTTP/2, frame by frame, as endless as they would have it. */
import {
  block,
  data,
  END_HEADERS,
  END_STREAM,
  frame,
  headers,
  ping,
  reset,
  settings,
  TYPE,
  windowUpdate,
} from '../http2/wire.ts';

/** Makes a burst of frames; `turn` counts from 0 on each connection. */
export type Attack = (turn: number, path: string) => Buffer;

/** Streams begun per burst. */
const STREAMS = 20;

function request(method: string, path: string) {
  return [
    [':method', method],
    [':scheme', 'https'],
    [':path', path],
    [':authority', 'localhost'],
  ] as const;
}

function streams(turn: number, make: (id: number) => readonly Buffer[]): Buffer {
  const ids = Array.from({ length: STREAMS }, (_, i) => 1 + 2 * (turn * STREAMS + i));
  return Buffer.concat(ids.flatMap(make));
}

function get(id: number, path: string): Buffer {
  return headers(id, END_HEADERS | END_STREAM, request('GET', path));
}

function many(count: number, bytes: Buffer): Buffer {
  return Buffer.concat(Array.from({ length: count }, () => bytes));
}

/** The abuse that ends each, as sluice_http2_abuse_total names it; '' where it is bounded instead. */
export const attacks: Readonly<Record<string, { readonly kind: string; readonly burst: Attack }>> =
  {
    // CVE-2023-44487.
    'rapid reset': {
      kind: 'rapid-reset',
      burst: (turn, path) => streams(turn, (id) => [get(id, path), reset(id)]),
    },
    // CVE-2025-8671: the server is made to reset.
    MadeYouReset: {
      kind: 'stream-errors',
      burst: (turn, path) => streams(turn, (id) => [get(id, path), windowUpdate(id, 0)]),
    },
    // CVE-2024-27316 and its kin.
    'CONTINUATION flood': {
      kind: 'continuation',
      burst: (turn, path) => {
        const start = headers(1, END_STREAM, request('GET', path));
        const more = frame(TYPE.CONTINUATION, 0, 1, block(['x-more', 'x'.repeat(1_000)]));
        return Buffer.concat([turn === 0 ? start : Buffer.alloc(0), many(20, more)]);
      },
    },
    // CVE-2019-9515.
    'SETTINGS flood': { kind: 'settings', burst: () => many(100, settings([4, 65_535])) },
    // CVE-2019-9512.
    'PING flood': { kind: 'ping', burst: () => many(100, ping()) },
    // CVE-2019-9513.
    'PRIORITY flood': {
      kind: 'priority',
      burst: () => many(100, frame(TYPE.PRIORITY, 0, 1, Buffer.from([0, 0, 0, 3, 16]))),
    },
    // CVE-2019-9518.
    'flood of empty frames': {
      kind: 'empty-frames',
      burst: (turn, path) =>
        Buffer.concat([
          turn === 0 ? headers(1, END_HEADERS, request('POST', path)) : Buffer.alloc(0),
          many(100, data(1, '')),
        ]),
    },
    'flood of WINDOW_UPDATE': {
      kind: 'window-update',
      burst: (turn, path) =>
        Buffer.concat([
          turn === 0 ? headers(1, END_HEADERS, request('POST', path)) : Buffer.alloc(0),
          many(100, windowUpdate(1, 1)),
        ]),
    },
    // CVE-2016-1544: a large field stored once and named thousands of times.
    'HPACK bomb': {
      kind: 'field-section-size',
      burst: (turn, path) => {
        const id = 1 + 2 * turn;
        const entry = block(['x-bomb', 'x'.repeat(3_900)]);
        // With incremental indexing (RFC 7541 §6.2.1) instead of without.
        entry[0] = 0x40;
        const references = Buffer.alloc(8_000, 0x80 | 62);
        const fields = Buffer.concat([block(...request('GET', path)), entry, references]);
        return frame(TYPE.HEADERS, END_HEADERS | END_STREAM, id, fields);
      },
    },
    // CVE-2019-9517, CVE-2019-9511: answers are asked for and never taken.
    'zero windows': {
      kind: '',
      burst: (turn, path) => (turn < 6 ? streams(turn, (id) => [get(id, path)]) : Buffer.alloc(0)),
    },
  };
