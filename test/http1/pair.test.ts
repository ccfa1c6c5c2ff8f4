/**
 * Client and server cores over a fake wire: whatever is sent arrives as it was sent, however the
 * bytes are cut, whoever pauses, and whether the response comes before the request has ended.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configuredAuthority } from '../../src/http/authority.ts';
import type {
  RequestHandler,
  RequestSender,
  ResponseHandler,
  ResponseSender,
} from '../../src/http/exchange.ts';
import { knownFieldNames } from '../../src/http/field-names.ts';
import { FieldSection } from '../../src/http/field-section.ts';
import type { RequestHead, ResponseHead } from '../../src/http/message.ts';
import fc from '../support/fast-check.ts';
import { type Pipe, testClient, testServer } from './wire.ts';

type Lines = (readonly [name: string, value: string])[];

interface Body {
  readonly pieces: readonly Uint8Array[];
  readonly isLengthKnown: boolean;
  readonly trailers: Lines;
}

interface Plan {
  readonly method: string;
  readonly path: string;
  readonly fields: Lines;
  readonly content: Body;
  readonly answersEarly: boolean;
  readonly informational: readonly number[];
  readonly status: number;
  readonly responseFields: Lines;
  readonly response: Body;
}

// -------------------------------------------------------------------- generators

const TCHARS = [..."!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"];
const token = fc.string({ unit: fc.constantFrom(...TCHARS), minLength: 1, maxLength: 20 });
const FRAMING = ['content-length', 'transfer-encoding'];
const ENDS_HERE = ['host', 'connection', 'keep-alive', 'te', ...FRAMING];
const DECISIVE = [...ENDS_HERE, 'upgrade', 'expect'];
const name = fc
  .oneof(token, fc.constantFrom(...knownFieldNames))
  .filter((text) => !DECISIVE.includes(text));
const byte = fc.oneof(
  { weight: 9, arbitrary: fc.integer({ min: 0x20, max: 0x7e }) },
  fc.constantFrom(0x09, 0x80, 0xe9, 0xff),
);
const value = fc
  .array(byte, { maxLength: 30 })
  .map((bytes) => String.fromCharCode(...bytes).replace(/^[ \t]+|[ \t]+$/g, ''));
const lines: fc.Arbitrary<Lines> = fc.array(fc.tuple(name, value), { maxLength: 6 });
const trailerLines = lines.map((all) => all.map(([name, text]) => [`x-${name}`, text] as const));
const target = fc
  .string({ unit: fc.constantFrom(...'/abz09?&=%-._~:@!$\'()*+,;[]|{}^"<>\\`') })
  .map((text) => `/${text}`);

const body: fc.Arbitrary<Body> = fc.record({
  pieces: fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 5 }),
  isLengthKnown: fc.boolean(),
  trailers: trailerLines,
});

const plan: fc.Arbitrary<Plan> = fc.record({
  method: fc.oneof(fc.constantFrom('GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH'), token),
  path: target,
  fields: lines,
  content: body,
  answersEarly: fc.boolean(),
  informational: fc.array(fc.constantFrom(100, 102, 103), { maxLength: 2 }),
  status: fc.constantFrom(200, 201, 204, 206, 304, 404, 500),
  responseFields: lines,
  response: body,
});

const lengthOf = ({ pieces }: Body) => pieces.reduce((sum, { length }) => sum + length, 0);
const announced = (content: Body) => (content.isLengthKnown ? lengthOf(content) : -1);
const bytesOf = ({ pieces }: Body) => Buffer.concat([...pieces]).toString('latin1');

// -------------------------------------------------------------------- what arrived

/** One message as its receiver saw it. */
class Arrival {
  head: RequestHead | ResponseHead | null = null;
  content = '';
  trailers: Lines = [];
  informational: number[] = [];
  isComplete = false;

  expect(fields: Lines, content: string, trailers: Lines): void {
    assert.ok(this.isComplete);
    assert.deepEqual(
      [...this.head!.fields].filter(([name]) => !ENDS_HERE.includes(name)),
      fields,
    );
    assert.equal(this.content, content);
    assert.deepEqual(this.trailers, trailers);
  }
}

/** Chance that a seed repeats (a linear congruential generator). */
class Chance {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  below(limit: number): number {
    this.#state = (Math.imul(this.#state, 1_664_525) + 1_013_904_223) | 0;
    return ((this.#state >>> 8) ^ (this.#state >>> 20)) % limit;
  }
}

/** Two cores and the wire; senders that were paused are resumed in a later step. */
class Pair {
  readonly received = new Map<number, Arrival>();
  readonly answered = new Map<number, Arrival>();
  readonly #plans: readonly Plan[];
  readonly #chance: Chance;
  readonly #paused: { resume(): void }[] = [];
  readonly #server = testServer({
    onRequest: (head, sender) => this.#onRequest(head, sender),
  });
  readonly #client = testClient();

  constructor(plans: readonly Plan[], chance: Chance) {
    this.#plans = plans;
    this.#chance = chance;
  }

  run(): void {
    this.#ask(0);
    for (let steps = 0; !this.#isOver; steps++) {
      assert.ok(steps < 100_000, 'it comes to an end');
      const [client, server] = [this.#client, this.#server];
      switch (this.#chance.below(3)) {
        case 0:
          this.#move(client.output, server.output, (bytes) => server.receive(bytes));
          break;
        case 1:
          this.#move(server.output, client.output, (bytes) => client.receive(bytes));
          break;
        default:
          this.#paused.splice(this.#chance.below(this.#paused.length + 1), 1)[0]?.resume();
      }
    }
    assert.deepEqual(this.#server.refusals, []);
  }

  get #isOver(): boolean {
    const last = this.answered.get(this.#plans.length - 1);
    return last?.isComplete === true || this.#client.output.isReset || this.#server.output.isReset;
  }

  #move(from: Pipe, to: Pipe, receive: (text: string) => void): void {
    if (!to.isReading) return;
    const count = this.#chance.below(2) === 0 ? 1 + this.#chance.below(9) : from.waitingBytes;
    const bytes = from.takeBytes(count);
    if (bytes.length > 0) receive(bytes.toString('latin1'));
    if (from.isEnded && from.waitingBytes === 0) this.#client.connection.onEndOfInput();
  }

  #mayPause(sender: { pause(): void; resume(): void }): void {
    if (this.#chance.below(3) !== 0) return;
    sender.pause();
    this.#paused.push(sender);
  }

  #ask(index: number): void {
    const { method, path, fields, content } = this.#plans[index]!;
    const head: RequestHead = {
      method,
      version: '1.1',
      scheme: 'http',
      authority: configuredAuthority('a.example'),
      path,
      fields: FieldSection.of(['host', 'a.example'], ['x-plan', String(index)], ...fields),
      contentLength: announced(content),
      expectContinue: false,
      upgrade: '',
    };
    const arrival = new Arrival();
    this.answered.set(index, arrival);
    let sender: RequestSender | null = null;
    const pause = () => sender !== null && this.#mayPause(sender);
    const handler: ResponseHandler = {
      onInformational: (status) => arrival.informational.push(status),
      onHead(head) {
        arrival.head = head;
        pause();
      },
      onContent(bytes) {
        arrival.content += Buffer.from(bytes).toString('latin1');
        pause();
      },
      onEnd: (trailers) => {
        arrival.trailers = [...(trailers ?? [])];
        arrival.isComplete = true;
        // After an early response the rest of the request has still to go.
        if (index + 1 < this.#plans.length && this.#client.connection.isReusable) {
          this.#ask(index + 1);
        } else if (index + 1 < this.#plans.length) {
          assert.fail('the connection can be used again');
        }
      },
      onUpgrade: () => assert.fail('no tunnel was asked for'),
      onWritable() {},
      onError: (error) => assert.fail(error.message),
    };
    sender = this.#client.connection.start(head, handler);
    for (const piece of content.pieces) sender.sendContent(piece);
    sender.sendEnd(FieldSection.of(...content.trailers));
  }

  #onRequest(head: RequestHead, sender: ResponseSender): RequestHandler {
    const index = Number(head.fields.first('x-plan'));
    const { answersEarly } = this.#plans[index]!;
    const arrival = new Arrival();
    arrival.head = head;
    this.received.set(index, arrival);
    if (answersEarly) this.#answer(index, sender);
    else this.#mayPause(sender);
    return {
      onContent: (bytes) => {
        arrival.content += Buffer.from(bytes).toString('latin1');
        this.#mayPause(sender);
      },
      onEnd: (trailers) => {
        arrival.trailers = [...(trailers ?? [])];
        arrival.isComplete = true;
        if (!answersEarly) this.#answer(index, sender);
      },
      onAbort: (error) => assert.fail(error.message),
      onWritable() {},
    };
  }

  #answer(index: number, sender: ResponseSender): void {
    const { status, responseFields, response, informational } = this.#plans[index]!;
    for (const interim of informational) sender.sendInformational(interim, new FieldSection());
    const fields = FieldSection.of(...responseFields);
    sender.sendHead({ status, fields, contentLength: announced(response) });
    for (const piece of response.pieces) sender.sendContent(piece);
    sender.sendEnd(FieldSection.of(...response.trailers));
  }
}

test('every request and response arrives as it was sent, one after another', () => {
  const arrives = fc.property(
    fc.array(plan, { minLength: 1, maxLength: 4 }),
    fc.integer(),
    (plans, seed) => {
      const pair = new Pair(plans, new Chance(seed));
      pair.run();
      for (const [index, sent] of plans.entries()) {
        const request = pair.received.get(index)!;
        const { method, path, contentLength } = request.head as RequestHead;
        assert.deepEqual([method, path], [sent.method, sent.path]);
        assert.equal(contentLength, announced(sent.content));
        if (!sent.answersEarly) {
          const trailers = sent.content.isLengthKnown ? [] : sent.content.trailers;
          request.expect(
            [['x-plan', String(index)], ...sent.fields],
            bytesOf(sent.content),
            trailers,
          );
        }
        const answer = pair.answered.get(index)!;
        assert.equal((answer.head as ResponseHead).status, sent.status);
        assert.deepEqual(answer.informational, sent.informational);
        const hasContent = sent.method !== 'HEAD' && ![204, 304].includes(sent.status);
        const trailers = hasContent && !sent.response.isLengthKnown ? sent.response.trailers : [];
        answer.expect(sent.responseFields, hasContent ? bytesOf(sent.response) : '', trailers);
      }
    },
  );
  fc.assert(arrives, { numRuns: 300 });
});
