// Invariant: no sequence of bytes from an origin makes a client connection throw, call a handler
// after its last call, or out of order; and every exchange ends once the connection is gone.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SluiceError } from '../../src/base/errors.ts';
import { configuredAuthority } from '../../src/http/authority.ts';
import type { ResponseHandler } from '../../src/http/exchange.ts';
import { FieldSection } from '../../src/http/field-section.ts';
import { Http2ClientConnection } from '../../src/http2/client-connection.ts';
import {
  ACK,
  data,
  END_HEADERS,
  END_STREAM,
  frame,
  goaway,
  headers,
  ping,
  reset,
  settings,
  windowUpdate,
} from '../http2/wire.ts';
import fc from '../support/fast-check.ts';

/** Accepts calls only in the order that the contract gives. */
class StrictHandler implements ResponseHandler {
  #state: 'head' | 'content' | 'over' = 'head';

  get isOver(): boolean {
    return this.#state === 'over';
  }

  onInformational(status: number): void {
    assert.equal(this.#state, 'head');
    assert.ok(status >= 100 && status < 200 && status !== 101);
  }

  onHead(): void {
    assert.equal(this.#state, 'head');
    this.#state = 'content';
  }

  onContent(): void {
    assert.equal(this.#state, 'content');
  }

  onEnd(): void {
    assert.equal(this.#state, 'content');
    this.#state = 'over';
  }

  onUpgrade(): void {
    assert.fail('no tunnel was asked for');
  }

  onWritable(): void {}

  onError(): void {
    assert.notEqual(this.#state, 'over');
    this.#state = 'over';
  }
}

function run(input: Uint8Array, cuts: readonly number[], paused: boolean): void {
  const connection = new Http2ClientConnection({
    output: {
      write: () => true,
      end() {},
      reset() {},
      pauseReading() {},
      resumeReading() {},
    },
    monotonicMs: () => 0,
  });
  const head = {
    method: 'POST',
    version: '2',
    scheme: 'http',
    authority: configuredAuthority('origin.example'),
    path: '/',
    fields: new FieldSection(),
    contentLength: -1,
    expectContinue: false,
    upgrade: '',
  } as const;
  const exchanges = [0, 5, -1].map((contentLength) => {
    const handler = new StrictHandler();
    const sender = connection.start(head, contentLength, handler);
    if (paused) sender.pause();
    return { handler, sender };
  });
  let offset = 0;
  for (let i = 0; offset < input.length; i++) {
    const length = cuts.length === 0 ? input.length : 1 + cuts[i % cuts.length]!;
    connection.receive(input.subarray(offset, offset + length));
    offset += length;
    if (i === 2) exchanges[2]!.sender.sendContent(Buffer.alloc(1_000));
    if (i === 3) exchanges[2]!.sender.sendEnd(null);
  }
  connection.onConnectionLost(new SluiceError('lost', 'lost', { blame: 'upstream' }));
  for (const { handler, sender } of exchanges) {
    sender.resume();
    assert.ok(handler.isOver);
  }
}

const streamId = fc.constantFrom(0, 1, 1, 3, 3, 5, 5, 2, 7);
const flags = fc.constantFrom(0, ACK, END_HEADERS, END_STREAM | END_HEADERS, 0x08, 0x2d, 0xff);
const statuses = fc.constantFrom('200', '204', '304', '103', '101', '20', '404');
const likelyFrame = fc.oneof(
  fc
    .tuple(streamId, flags, statuses)
    .map(([id, flag, status]) => headers(id, flag | END_HEADERS, [[':status', status]])),
  fc.tuple(streamId, fc.nat(9), fc.nat(9)).map(([id, announced, length]) =>
    Buffer.concat([
      headers(id, END_HEADERS, [
        [':status', '200'],
        ['content-length', String(announced)],
      ]),
      data(id, Buffer.alloc(length), END_STREAM),
    ]),
  ),
  fc.tuple(streamId, fc.nat(20_000), flags).map(([id, n, flag]) => data(id, Buffer.alloc(n), flag)),
  streamId.map((id) => headers(id, END_HEADERS | END_STREAM, [['x-trailer', '1']])),
  fc.tuple(streamId, fc.nat(14)).map(([id, code]) => reset(id, code)),
  fc.tuple(streamId, fc.nat()).map(([id, increment]) => windowUpdate(id, increment)),
  fc.tuple(fc.nat(9), fc.nat()).map(([id, value]) => settings([id, value])),
  fc.constantFrom(ping(), ping('12345678', ACK)),
  streamId.map((id) => goaway(id)),
);
const anyFrame = fc
  .tuple(fc.nat(17), flags, streamId, fc.uint8Array({ maxLength: 40 }))
  .map(([type, flag, id, payload]) => frame(type, flag, id, payload));
const cuts = fc.array(fc.oneof(fc.nat(20), fc.nat(5_000)), { maxLength: 10 });
const scale = Number(process.env.FUZZ_SCALE ?? 1);

describe('fuzz: HTTP/2 client connection', () => {
  test('bytes of any kind', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), cuts, fc.boolean(), run), {
      numRuns: 200 * scale,
    });
  });

  test('frames that make some sense', () => {
    const frames = fc
      .array(fc.oneof({ weight: 12, arbitrary: likelyFrame }, anyFrame), { maxLength: 40 })
      .map((parts) => Buffer.concat([settings(), ...parts]));
    fc.assert(fc.property(frames, cuts, fc.boolean(), run), { numRuns: 500 * scale });
  });
});
