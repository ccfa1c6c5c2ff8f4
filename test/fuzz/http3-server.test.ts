// Invariant: whatever a client does on whatever streams, at whatever cuts, a server connection neither
// throws nor writes after its end, holds no more than came and was not given back, and every request that
// was handed up is ended or aborted once the connection is gone.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { prepared, type RecordedRequest } from '../http2/server-under-test.ts';
import { Http3UnderTest } from '../http3/server-under-test.ts';
import fc from '../support/fast-check.ts';
import { KIND, RECORD_HEADER_BYTES, scriptOf } from '../vectors/http3/script.ts';
import { readVectors } from '../vectors/vector-file.ts';

const folder = new URL('../vectors/http3/', import.meta.url).pathname;

interface Act {
  readonly id: number;
  readonly kind: number;
  readonly bytes: Buffer;
}

/** Scripts of the vectors as what a client does, act by act: what the fuzzer breaks and mixes. */
const corpus: Act[][] = readdirSync(folder)
  .filter((name) => name.endsWith('.md'))
  .flatMap((name) => readVectors(folder + name, scriptOf))
  .map(({ input }) => actsOf(input));

function actsOf(input: Buffer): Act[] {
  const acts: Act[] = [];
  for (let at = 0; at < input.length; ) {
    const end = at + RECORD_HEADER_BYTES + input.readUInt32BE(at + 5);
    const bytes = input.subarray(at + RECORD_HEADER_BYTES, end);
    acts.push({ id: input.readUInt32BE(at), kind: input.readUInt8(at + 4), bytes });
    at = end;
  }
  return acts;
}

/** By the length of the path: paused, answered at once, or when whole. */
function answer(request: RecordedRequest): void {
  const { sender, head } = request;
  const respond = (): void => sender.sendStored(prepared(`for ${head.path}`));
  if (head.method === 'CONNECT') sender.upgrade(200, head.fields);
  else if (head.fields.length % 3 === 1) sender.pause();
  else if (head.fields.length % 3 === 2) request.onAll = respond;
  else respond();
}

const damage = fc.record({
  script: fc.nat(corpus.length - 1),
  /** Which act, and which of its bytes, is changed to what; or nothing. */
  act: fc.nat(8),
  byte: fc.nat(60),
  value: fc.nat(255),
  /** Its stream may become another one's, its kind another. */
  id: fc.option(fc.constantFrom(0, 2, 4, 6, 10, 14), { freq: 6 }),
  kind: fc.option(fc.constantFrom(0, 1, 2, 3), { freq: 8 }),
  cut: fc.nat(40),
});

function play(of: Http3UnderTest, { id, kind, bytes }: Act, cut: number): void {
  const stream = of.stream(id);
  if (kind === KIND.RESET) stream.resetByPeer(0x10c);
  else if (kind === KIND.STOP) stream.stopByPeer(0x10c);
  else {
    if (cut > 0 && cut < bytes.length) stream.deliver(bytes.subarray(0, cut), false, true);
    const rest = cut > 0 && cut < bytes.length ? bytes.subarray(cut) : bytes;
    stream.deliver(rest, kind === KIND.FIN);
  }
  of.quic.settle();
}

test('a client that does anything harms nobody but itself', () => {
  fc.assert(
    fc.property(
      fc.array(damage, { minLength: 1, maxLength: 6 }),
      fc.boolean(),
      (plan, hasTurns) => {
        const of = new Http3UnderTest({ onRequest: answer, hasTurns }).greet();
        for (const { script, act, byte, value, id, kind, cut } of plan) {
          for (const [i, one] of corpus[script]!.entries()) {
            if (of.quic.closed !== null) break;
            const bytes = Buffer.from(one.bytes);
            if (i === act && byte < bytes.length) bytes[byte] = value;
            play(of, { id: id ?? one.id, kind: kind ?? one.kind, bytes }, cut);
            if (i % 2 === 1) of.endTurn();
          }
        }
        of.endTurn();
        for (const request of of.requests) {
          if (request.aborted === undefined) request.sender.resume();
        }
        of.quic.settle();
        const { closed } = of.quic;
        if (closed === null) of.quic.end({ by: 'idle', isApplication: false });
        assert.equal(of.server.openStreams, 0);
        for (const { trailers, aborted } of of.requests) {
          assert.ok(trailers !== undefined || aborted !== undefined, 'ended or aborted');
        }
        for (const stream of of.quic.streams.values()) if (stream.id % 4 === 0) of.told(stream.id);
      },
    ),
    { numRuns: 1_500 },
  );
});
