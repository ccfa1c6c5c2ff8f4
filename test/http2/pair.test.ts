/**
 * Both roles against each other over a fake wire that cuts, delays and stops bytes at random:
 * whatever happens on the wire, every exchange gets its own content, whole and in order.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SluiceError } from '../../src/base/errors.ts';
import { configuredAuthority } from '../../src/http/authority.ts';
import type { RequestSender, ResponseHandler } from '../../src/http/exchange.ts';
import { FieldSection } from '../../src/http/field-section.ts';
import type { RequestHead, ResponseHead } from '../../src/http/message.ts';
import { Http2ClientConnection } from '../../src/http2/client-connection.ts';
import type { Http2Output } from '../../src/http2/frame-writer.ts';
import { defaultHttp2Limits, type Http2Limits } from '../../src/http2/limits.ts';
import { Http2ServerConnection } from '../../src/http2/server-connection.ts';
import fc from '../support/fast-check.ts';
import { facts, RecordedRequest } from './server-under-test.ts';

/** One direction. Bytes wait here until the schedule lets some of them through. */
class Wire implements Http2Output {
  waiting = Buffer.alloc(0);
  isStopped = false;
  isFull = false;
  isEnded = false;
  readonly #highWater: number;
  onPause: (stopped: boolean) => void = () => {};

  constructor(highWater: number) {
    this.#highWater = highWater;
  }

  write(bytes: Uint8Array): boolean {
    this.waiting = Buffer.concat([this.waiting, bytes]);
    if (this.waiting.length > this.#highWater) this.isFull = true;
    return !this.isFull;
  }

  end(): void {
    this.isEnded = true;
  }

  reset(): void {
    this.isEnded = true;
  }

  pauseReading(): void {
    this.onPause(true);
  }

  resumeReading(): void {
    this.onPause(false);
  }

  /** Lets some bytes through; true when the writer may go on. */
  deliver(count: number, receive: (bytes: Uint8Array) => void): boolean {
    if (this.isStopped || this.waiting.length === 0) return false;
    const bytes = this.waiting.subarray(0, count);
    this.waiting = this.waiting.subarray(count);
    receive(Buffer.from(bytes));
    if (!this.isFull || this.waiting.length > this.#highWater / 2) return false;
    this.isFull = false;
    return true;
  }
}

/** Sends content as far as it is allowed, and goes on when told. */
class Pouring {
  readonly #content: Buffer;
  readonly #pieceBytes: number;
  #offset = 0;
  #ended = false;
  sender: Pick<RequestSender, 'sendContent' | 'sendEnd'> | null = null;

  constructor(content: Buffer, pieceBytes: number) {
    this.#content = content;
    this.#pieceBytes = pieceBytes;
  }

  pour(): void {
    while (this.#offset < this.#content.length) {
      const piece = this.#content.subarray(this.#offset, this.#offset + this.#pieceBytes);
      this.#offset += piece.length;
      if (!this.sender!.sendContent(Buffer.from(piece))) return;
    }
    if (this.#ended) return;
    this.#ended = true;
    this.sender!.sendEnd(FieldSection.of(['x-length', String(this.#content.length)]));
  }
}

class Response implements ResponseHandler {
  readonly content: Buffer[] = [];
  readonly pouring: Pouring;
  status = 0;
  trailers: FieldSection | null | undefined;
  error: SluiceError | null = null;

  constructor(pouring: Pouring) {
    this.pouring = pouring;
  }

  onInformational(): void {}

  onHead(head: ResponseHead): void {
    this.status = head.status;
  }

  onContent(bytes: Uint8Array): void {
    this.content.push(Buffer.from(bytes));
  }

  onEnd(trailers: FieldSection | null): void {
    this.trailers = trailers;
  }

  onUpgrade(): void {}

  onWritable(): void {
    this.pouring.pour();
  }

  onError(error: SluiceError): void {
    this.error = error;
  }
}

interface Exchange {
  readonly requestBytes: number;
  readonly responseBytes: number;
  readonly pieceBytes: number;
  readonly pauses: boolean;
  readonly cancels: boolean;
}

interface Scenario {
  readonly exchanges: readonly Exchange[];
  readonly schedule: readonly number[];
  readonly limits: Http2Limits;
  readonly highWater: number;
}

function contentOf(index: number, length: number): Buffer {
  return Buffer.from(Uint8Array.from({ length }, (_, i) => (i * 31 + index * 7) & 0xff));
}

class Pairing {
  readonly toServer: Wire;
  readonly toClient: Wire;
  readonly server: Http2ServerConnection;
  readonly client: Http2ClientConnection;
  readonly requests: RecordedRequest[] = [];
  readonly paused: RecordedRequest[] = [];
  readonly faults: string[] = [];

  constructor({ limits, highWater, exchanges }: Scenario) {
    this.toServer = new Wire(highWater);
    this.toClient = new Wire(highWater);
    // Who pauses reading stops the other direction's delivery.
    this.toClient.onPause = (stopped) => {
      this.toServer.isStopped = stopped;
    };
    this.toServer.onPause = (stopped) => {
      this.toClient.isStopped = stopped;
    };
    const shared = {
      limits,
      monotonicMs: () => 0,
      onRefused: (error: SluiceError) => this.faults.push(error.message),
      onAbuse: (kind: string) => this.faults.push(kind),
    };
    this.server = new Http2ServerConnection({
      ...shared,
      sink: { onRequest: (head, sender) => this.#answer(exchanges, head, sender) },
      output: this.toClient,
      factsFor: facts,
      scheme: 'http',
    });
    this.client = new Http2ClientConnection({ ...shared, output: this.toServer });
  }

  step(choice: number): void {
    const count = 1 + (choice % 4_096) * ((choice % 7) + 1);
    if (choice % 2 === 0) {
      const drained = this.toServer.deliver(count, (bytes) => this.server.receive(bytes, false));
      if (drained) this.client.onWritable();
    } else {
      const drained = this.toClient.deliver(count, (bytes) => this.client.receive(bytes));
      if (drained) this.server.onWritable();
    }
    if (choice % 5 === 0) this.paused.shift()?.sender.resume();
  }

  get isQuiet(): boolean {
    const { toServer, toClient, paused } = this;
    return toServer.waiting.length + toClient.waiting.length + paused.length === 0;
  }

  #answer(
    exchanges: readonly Exchange[],
    head: RequestHead,
    sender: RecordedRequest['sender'],
  ): RecordedRequest {
    const request = new RecordedRequest(head, sender, false);
    this.requests.push(request);
    const index = Number(head.path.slice(1));
    const { responseBytes, pieceBytes, pauses } = exchanges[index]!;
    const pouring = new Pouring(contentOf(index + 1_000, responseBytes), pieceBytes);
    pouring.sender = sender;
    request.onDrained = () => pouring.pour();
    request.onPart = () => {
      if (!pauses) return;
      sender.pause();
      this.paused.push(request);
    };
    sender.sendHead({ status: 200, fields: new FieldSection(), contentLength: -1 });
    pouring.pour();
    return request;
  }
}

function run(scenario: Scenario): void {
  const pairing = new Pairing(scenario);
  const responses = scenario.exchanges.map((exchange, index) => {
    const pouring = new Pouring(contentOf(index, exchange.requestBytes), exchange.pieceBytes);
    const response = new Response(pouring);
    const head = {
      method: 'POST',
      version: '2',
      scheme: 'http',
      authority: configuredAuthority('example.com'),
      path: `/${index}`,
      fields: FieldSection.of(['x-index', String(index)]),
      contentLength: -1,
      expectContinue: false,
      upgrade: '',
    } as const;
    const sender = pairing.client.start(head, -1, response);
    pouring.sender = sender;
    pouring.pour();
    if (exchange.cancels) sender.cancel();
    return response;
  });
  const { schedule } = scenario;
  for (let i = 0; i < 200_000 && !pairing.isQuiet; i++) {
    // Another remainder in each round: no schedule leaves one side out for ever.
    pairing.step(schedule[i % schedule.length]! + Math.floor(i / schedule.length));
  }
  assert.ok(pairing.isQuiet, 'it came to an end');
  assert.deepEqual(pairing.faults, []);
  check(scenario, pairing, responses);
}

function check(scenario: Scenario, pairing: Pairing, responses: readonly Response[]): void {
  scenario.exchanges.forEach((exchange, index) => {
    const response = responses[index]!;
    const request = pairing.requests.find(({ head }) => head.path === `/${index}`);
    if (exchange.cancels) {
      assert.equal(response.error, null, 'nothing is said of what was given up');
      return;
    }
    assert.ok(request !== undefined);
    const sent = contentOf(index, exchange.requestBytes);
    assert.ok(Buffer.concat(request.content).equals(sent), `request content of ${index}`);
    assert.equal(request.trailers?.first('x-length'), String(exchange.requestBytes));
    const answered = contentOf(index + 1_000, exchange.responseBytes);
    assert.ok(Buffer.concat(response.content).equals(answered), `response content of ${index}`);
    assert.equal(response.trailers?.first('x-length'), String(exchange.responseBytes));
    assert.equal(response.status, 200);
  });
  assert.equal(pairing.server.openStreams, 0);
  assert.equal(pairing.client.openStreams, 0);
  assert.equal(pairing.server.connection.receiver.heldBytes, 0);
}

const exchange = fc.record({
  requestBytes: fc.oneof(fc.nat(300), fc.nat(60_000)),
  responseBytes: fc.oneof(fc.nat(300), fc.nat(60_000)),
  pieceBytes: fc.integer({ min: 1_000, max: 30_000 }),
  pauses: fc.boolean(),
  cancels: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
});

const scenario: fc.Arbitrary<Scenario> = fc.record({
  exchanges: fc.array(exchange, { minLength: 1, maxLength: 12 }),
  schedule: fc.array(fc.nat(1_000_000), { minLength: 20, maxLength: 200 }),
  highWater: fc.constantFrom(1_000, 30_000, 1_000_000),
  limits: fc.constantFrom(defaultHttp2Limits, {
    ...defaultHttp2Limits,
    streamWindowBytes: 20_000,
    connectionWindowBytes: 70_000,
    streamSendBytesMax: 4_000,
    blockedBytesMax: 2_000,
  }),
});

test('every exchange gets its own content, whole and in order', () => {
  fc.assert(fc.property(scenario, run), { numRuns: 60 });
});
