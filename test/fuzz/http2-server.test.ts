// Invariant: no sequence of bytes makes a server connection throw, send field blocks that cannot be
// decoded, hold more than its windows allow, or write after it has ended; and every request that was
// handed up is ended or aborted once the connection is gone.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { SluiceError } from '../../src/base/errors.ts';
import { defaultHttp2Limits } from '../../src/http2/limits.ts';
import { prepared, type RecordedRequest, ServerUnderTest } from '../http2/server-under-test.ts';
import {
  ACK,
  data,
  END_HEADERS,
  END_STREAM,
  frame,
  GET_FIELDS,
  get,
  goaway,
  headers,
  PREFACE,
  ping,
  post,
  reset,
  settings,
  TYPE,
  u32,
  windowUpdate,
} from '../http2/wire.ts';
import fc from '../support/fast-check.ts';

const corpus = new URL('./http2-corpus/', import.meta.url);

/** Odd requests are answered at once, others when they are whole; each names its own path. */
function answer(request: RecordedRequest): void {
  const respond = (): void => request.sender.sendStored(prepared(`for ${request.head.path}`));
  const { length } = request.head.path;
  if (length % 3 === 0) request.sender.pause();
  if (length % 2 === 1) respond();
  else request.onAll = respond;
}

function run(input: Uint8Array, cuts: readonly number[]): void {
  const server = new ServerUnderTest({ onRequest: answer, highWater: 20_000 });
  let offset = 0;
  for (let i = 0; offset < input.length; i++) {
    const length = cuts.length === 0 ? input.length : 1 + cuts[i % cuts.length]!;
    const writes = server.writes;
    const wasEnded = server.ended;
    server.connection.receive(input.subarray(offset, offset + length), i % 2 === 0);
    offset += length;
    server.nowMs += 5;
    assert.ok(!wasEnded || server.writes === writes, 'nothing is written after the end');
    if (i % 8 === 7) server.drain();
    const { heldBytes } = server.connection.connection.receiver;
    assert.ok(heldBytes <= defaultHttp2Limits.connectionWindowBytesMax);
    assert.ok(server.connection.openStreams <= defaultHttp2Limits.streamsConcurrentMax);
  }
  // Undecodable field blocks of ours would throw here.
  server.told();
  server.connection.onConnectionLost(new SluiceError('lost', 'lost', { blame: 'downstream' }));
  for (const request of server.requests) {
    const isPaused = request.head.path.length % 3 === 0;
    assert.ok(request.trailers !== undefined || request.aborted !== undefined || isPaused);
  }
}

const streamId = fc.constantFrom(0, 1, 1, 2, 3, 3, 5, 7, 9, 0x7fff_ffff);
const flags = fc.constantFrom(0, ACK, END_HEADERS, END_STREAM | END_HEADERS, 0x08, 0x2d, 0xff);
const anyFrame = fc
  .tuple(fc.nat(17), flags, streamId, fc.uint8Array({ maxLength: 40 }))
  .map(([type, flag, id, payload]) => frame(type, flag, id, payload));
const likelyFrame = fc.oneof(
  streamId.map((id) => get(id)),
  streamId.map((id) => post(id)),
  fc.tuple(streamId, fc.stringMatching(/^\/[a-z]{0,5}$/)).map(([id, path]) => {
    const fields = GET_FIELDS.map(
      ([name, value]) => [name, name === ':path' ? path : value] as const,
    );
    return headers(id, END_HEADERS | END_STREAM, fields);
  }),
  fc.tuple(streamId, fc.nat(20_000), flags).map(([id, n, flag]) => data(id, Buffer.alloc(n), flag)),
  streamId.map((id) => headers(id, END_HEADERS | END_STREAM, [['x-trailer', '1']])),
  fc.tuple(streamId, fc.nat(14)).map(([id, code]) => reset(id, code)),
  fc.tuple(streamId, fc.nat()).map(([id, increment]) => windowUpdate(id, increment)),
  fc.tuple(fc.nat(9), fc.nat()).map(([id, value]) => settings([id, value])),
  fc.constantFrom(ping(), ping('12345678', ACK), frame(TYPE.SETTINGS, ACK, 0)),
  streamId.map((id) => goaway(id)),
  streamId.map((id) => frame(TYPE.PRIORITY_UPDATE, 0, 0, Buffer.concat([u32(id), u32(1)]))),
);

const cuts = fc.array(fc.oneof(fc.nat(20), fc.nat(5_000)), { maxLength: 10 });
const scale = Number(process.env.FUZZ_SCALE ?? 1);

describe('fuzz: HTTP/2 server connection', () => {
  test('bytes of any kind', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), cuts, run), { numRuns: 200 * scale });
  });

  test('frames of any kind after the preface', () => {
    const frames = fc
      .array(anyFrame, { maxLength: 40 })
      .map((parts) => Buffer.concat([PREFACE, settings(), ...parts]));
    fc.assert(fc.property(frames, cuts, run), { numRuns: 400 * scale });
  });

  test('frames that make some sense, with some bytes wrong', () => {
    const frames = fc.array(fc.oneof({ weight: 8, arbitrary: likelyFrame }, anyFrame), {
      maxLength: 60,
    });
    const damage = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 2 });
    fc.assert(
      fc.property(frames, damage, cuts, (parts, wrong, cut) => {
        const input = Buffer.concat([PREFACE, settings(), ...parts]);
        for (const [place, value] of wrong) input[33 + (place % (input.length - 32))] = value;
        run(input, cut);
      }),
      { numRuns: 500 * scale },
    );
  });

  for (const name of readdirSync(corpus)) {
    test(`corpus: ${name}`, () => {
      const input = readFileSync(new URL(name, corpus));
      for (const cut of [[], [0], [6]]) run(input, cut);
    });
  }
});
