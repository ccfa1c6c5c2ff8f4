// Invariant: whatever bytes come, an HTTP/1 connection of either role does the same whole as one
// byte at a time; it throws nothing; each request and response is ended or broken off exactly once,
// with no call after it; and nothing is written after the output has ended.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { SluiceError } from '../../src/base/errors.ts';
import { configuredAuthority } from '../../src/http/authority.ts';
import type { RequestHandler, ResponseHandler, ResponseSender } from '../../src/http/exchange.ts';
import { FieldSection } from '../../src/http/field-section.ts';
import { Pipe, testClient, testServer } from '../http1/wire.ts';
import fc from '../support/fast-check.ts';
import { recordEvents } from '../vectors/http1/recording.ts';
import { readVectors, type Vector } from '../vectors/vector-file.ts';

const corpus = new URL('./corpus/http1/', import.meta.url);
const vectorFolder = new URL('../vectors/http1/', import.meta.url);
const scale = process.env.SLUICE_LONG === '1' ? 50 : 1;

/** Longer ones, made to exceed limits, would take all the time. */
const SEED_BYTES_MAX = 700;
const vectors = readdirSync(vectorFolder)
  .filter((name) => name.endsWith('.md'))
  .flatMap((name) => readVectors(new URL(name, vectorFolder).pathname))
  .filter(({ input }) => input.length <= SEED_BYTES_MAX);

// -------------------------------------------------------------------- the same at every cut

function eventsOf(vector: Vector, cuts: readonly number[]): readonly string[] {
  return recordEvents(vector, (receive) => {
    for (let start = 0, i = 0; start < vector.input.length; i++) {
      const length = cuts.length === 0 ? vector.input.length : 1 + cuts[i % cuts.length]!;
      const piece = Buffer.from(vector.input.subarray(start, start + length));
      receive(piece);
      piece.fill(0xaa);
      start += length;
    }
  });
}

function sameHoweverCut(vector: Vector, cuts: readonly number[]): void {
  const whole = eventsOf(vector, []);
  assert.deepEqual(eventsOf(vector, [0]), whole, 'one byte at a time');
  assert.deepEqual(eventsOf(vector, cuts), whole, `pieces of ${cuts}`);
}

// -------------------------------------------------------------------- calls in order

/** Counts what a handler is told; fails on calls after the last one. */
class Life {
  ends = 0;
  isAborted = false;
  /** The handler of a tunnel hears of the end of the request, and of the tunnel's input. */
  endsMax = 1;

  onAny(): void {
    assert.ok(!this.isAborted, 'a call after it was broken off');
    assert.ok(this.ends < this.endsMax, 'a call after the end');
  }

  onEnd(): void {
    this.onAny();
    this.ends++;
  }

  /** A tunnel may break after one direction has ended; anything else is over then. */
  onAbort(): void {
    assert.ok(!this.isAborted, 'broken off twice');
    this.isAborted = true;
  }
}

const LOST = new SluiceError('lost', 'lost', { blame: 'internal' });

function strictPipe(highWater: number): Pipe {
  const pipe = new Pipe(highWater);
  const write = pipe.write.bind(pipe);
  pipe.write = (bytes) => {
    assert.ok(bytes.length === 0 || !(pipe.isEnded || pipe.isReset), 'output after its end');
    return write(bytes);
  };
  return pipe;
}

const ACTIONS = [
  'none',
  'answer',
  'head',
  'pause',
  'resume',
  'discard',
  'abort',
  'tunnel',
] as const;
type Action = (typeof ACTIONS)[number];

/** One request, answered by what the plan says, a step at each call. */
class Answerer implements RequestHandler {
  readonly life = new Life();
  readonly #sender: ResponseSender;
  readonly #upgrade: string;
  readonly #next: () => Action;
  #hasHead = false;
  isAnswered = false;
  content = '';

  constructor(sender: ResponseSender, upgrade: string, next: () => Action) {
    this.#sender = sender;
    this.#upgrade = upgrade;
    this.#next = next;
    this.step();
  }

  onContent(bytes: Uint8Array): void {
    assert.ok(bytes.length > 0);
    this.life.onAny();
    this.content += Buffer.from(bytes).toString('latin1');
    this.step();
  }

  onEnd(): void {
    this.life.onEnd();
    this.step();
  }

  onAbort(): void {
    this.life.onAbort();
    this.step();
  }

  onWritable(): void {
    this.step();
  }

  step(action: Action = this.#next()): void {
    const sender = this.#sender;
    if (action === 'answer' || action === 'head') {
      const head = { status: 200, fields: new FieldSection(), contentLength: 2 };
      if (!this.#hasHead) sender.sendHead(head);
      this.#hasHead = true;
      if (action === 'head' || this.isAnswered) return;
      this.isAnswered = true;
      sender.sendContent(Buffer.from('ok'));
      sender.sendEnd(null);
    } else if (action === 'tunnel' && this.#upgrade !== '' && !this.#hasHead) {
      this.#hasHead = true;
      this.life.endsMax++;
      sender.upgrade(this.#upgrade === 'CONNECT' ? 200 : 101, new FieldSection());
    } else if (action === 'pause') sender.pause();
    else if (action === 'resume') sender.resume();
    else if (action === 'discard') sender.discardContent();
    else if (action === 'abort') {
      this.isAnswered = true;
      sender.abort(LOST);
    }
  }
}

interface Plan {
  readonly actions: readonly Action[];
  readonly cuts: readonly number[];
  /** Bytes after which the output is congested. */
  readonly highWater: number;
}

function* pieces(input: Uint8Array, cuts: readonly number[]): Generator<Buffer> {
  for (let start = 0, i = 0; start < input.length; i++) {
    const length = cuts.length === 0 ? input.length : 1 + cuts[i % cuts.length]!;
    const piece = Buffer.from(input.subarray(start, start + length));
    yield piece;
    piece.fill(0xaa);
    start += length;
  }
}

function cycle(actions: readonly Action[]): () => Action {
  let count = 0;
  return () => actions[count++ % actions.length] ?? 'answer';
}

/**
 * The server's role. Everything is let go at the end: nothing may be left unanswered for ever.
 * Returns what the answerers were told.
 */
function serverKeepsOrder(input: Uint8Array, { actions, cuts, highWater }: Plan): string[] {
  const next = cycle(actions);
  const answerers: Answerer[] = [];
  const output = strictPipe(highWater);
  const { connection } = testServer(
    {
      onRequest(head, sender) {
        const upgrade = head.method === 'CONNECT' ? 'CONNECT' : head.upgrade;
        const answerer = new Answerer(sender, upgrade, next);
        answerers.push(answerer);
        return answerer;
      },
    },
    output,
  );
  const drain = (): void => {
    while (output.waitingBytes > highWater) {
      output.take();
      connection.onWritable();
    }
  };
  for (const piece of pieces(input, cuts)) {
    connection.receive(piece, false);
    drain();
    answerers.at(-1)?.step();
  }
  for (let i = 0; i < answerers.length; i++) {
    // A handler that pauses at every call must be resumed as often.
    for (let turn = 0; turn <= 2 * input.length; turn++) answerers[i]!.step('resume');
    answerers[i]!.step('answer');
    drain();
  }
  const awaitsMore = connection.isIdle || connection.isReadingHead || connection.isReadingContent;
  assert.ok(awaitsMore || output.isReset, 'all was answered, and yet it does not read on');
  assert.ok(output.isReading || output.isReset, 'reading stays paused');
  const told = answerers.map(({ life, content }) => `${life.ends} ${life.isAborted} ${content}`);
  connection.onEndOfInput();
  for (const action of ['pause', 'resume', 'resume'] as const) answerers.at(-1)?.step(action);
  connection.onConnectionLost(null);
  for (const answerer of answerers) {
    const { life } = answerer;
    assert.ok(life.isAborted || life.ends > 0 || answerer.isAnswered, 'a request left alone');
    for (const action of ACTIONS) if (life.isAborted) answerer.step(action);
  }
  assert.ok(!connection.isReadingContent && !connection.isReadingHead);
  return told;
}

/**
 * The client's role: exchanges as long as the connection can carry one. Returns what they were told.
 */
function clientKeepsOrder(input: Uint8Array, plan: Plan, requests: readonly Vector[]): string[] {
  const next = cycle(plan.actions);
  const output = strictPipe(plan.highWater);
  const { connection } = testClient(output);
  const lives: Life[] = [];
  const contents: string[] = [];
  let step: (action?: Action) => void = () => {};

  function start(): void {
    const { options } = requests[lives.length % requests.length]!;
    const life = new Life();
    const index = lives.push(life) - 1;
    contents.push('');
    let isCancelled = false;
    const told = (kind: 'onAny' | 'onEnd' | 'onAbort') => (): void => {
      assert.ok(!isCancelled, 'a call after the cancel');
      life[kind]();
      step();
    };
    const handler: ResponseHandler = {
      onInformational: told('onAny'),
      onHead: told('onAny'),
      onContent(bytes) {
        contents[index] += Buffer.from(bytes).toString('latin1');
        told('onAny')();
      },
      onUpgrade: told('onAny'),
      onEnd: told('onEnd'),
      onWritable: () => step(),
      onError: told('onAbort'),
    };
    const contentLength = Number(options.get('length') ?? 0);
    const sender = connection.start(
      {
        method: options.get('to') ?? 'GET',
        version: '1.1',
        scheme: 'http',
        authority: configuredAuthority('a.example:80'),
        path: options.get('to') === 'CONNECT' ? '' : '/',
        fields: FieldSection.of(['host', 'a.example']),
        contentLength,
        expectContinue: false,
        upgrade: options.has('upgrade') ? 'websocket' : '',
      },
      handler,
    );
    let isSent = false;
    step = (action = next()) => {
      if (action === 'pause') sender.pause();
      else if (action === 'resume') sender.resume();
      else if (action === 'abort') {
        isCancelled = life.ends === 0;
        sender.cancel();
      } else if (action === 'answer' && !isSent) {
        isSent = true;
        sender.sendContent(Buffer.alloc(contentLength));
        sender.sendEnd(null);
      }
    };
  }

  for (const piece of pieces(input, plan.cuts)) {
    if (connection.isReusable) start();
    connection.receive(piece);
    step();
  }
  // A handler that pauses at every call must be resumed as often.
  for (let i = 0; i <= 2 * input.length; i++) step('resume');
  const isOpen = (life: Life): boolean => life.ends === 0 && !life.isAborted;
  assert.ok(
    lives.slice(0, -1).every((life) => !isOpen(life)),
    'two exchanges at a time',
  );
  connection.onEndOfInput();
  for (const action of ['pause', 'resume', 'pause', 'resume'] as const) step(action);
  const toldAll = lives.map(({ ends, isAborted }, i) => `${ends} ${isAborted} ${contents[i]}`);
  connection.onConnectionLost(LOST);
  assert.ok(!connection.isReusable);
  return toldAll;
}

// -------------------------------------------------------------------- what comes

/** What parsers have been found to differ about. */
const MORSELS = [
  ...['\r\n', '\r', '\n', '\0', ' ', '\t', ':', ',', ';', '"', '0', '1', '-1', '+1', '0x1', 'ff'],
  ...['Content-Length: 1\r\n', 'Content-Length: 0\r\n', 'Transfer-Encoding: chunked\r\n'],
  ...['Connection: close\r\n', 'Connection: upgrade\r\nUpgrade: websocket\r\n', 'Host: b\r\n'],
  ...['Expect: 100-continue\r\n', ' folded\r\n', 'HTTP/1.0', 'HTTP/2.0', '\x80', '#', '0\r\n\r\n'],
  ...['GET / HTTP/1.1\r\nHost: a\r\n\r\n', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx'],
  ...['CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n', 'HTTP/1.1 100 Continue\r\n\r\n', '1\r\nx\r\n'],
  ...['POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc'],
];

const change = fc.record({
  place: fc.nat(),
  removed: fc.oneof(fc.constant(0), fc.nat(4), fc.nat(60)),
  added: fc.oneof(
    {
      weight: 4,
      arbitrary: fc.constantFrom(...MORSELS).map((text) => Buffer.from(text, 'latin1')),
    },
    fc.uint8Array({ maxLength: 3 }).map((bytes) => Buffer.from(bytes)),
  ),
});

/** One or more vectors of a kind one after another, damaged in places, with the last one's options. */
function damaged(kind: string): fc.Arbitrary<Vector> {
  // An answerer that opens a tunnel would be at fault where none is asked for; see `Answerer`.
  const opensTunnel = ({ options }: Vector) => /upgrade|connect/.test(options.get('answer') ?? '');
  const seeds = vectors.filter((vector) => vector.kind === kind && !opensTunnel(vector));
  const some = fc.array(fc.constantFrom(...seeds), { minLength: 1, maxLength: 3 });
  return fc.tuple(some, fc.array(change, { maxLength: 4 })).map(([parts, changes]) => {
    let input = Buffer.concat(parts.map((part) => part.input));
    for (const { place, removed, added } of changes) {
      const at = place % (input.length + 1);
      input = Buffer.concat([input.subarray(0, at), added, input.subarray(at + removed)]);
    }
    return { ...parts.at(-1)!, input };
  });
}

const KINDS = ['request', 'response'] as const;
const cuts = fc.array(fc.oneof(fc.nat(3), fc.nat(100)), { maxLength: 6 });
const plan: fc.Arbitrary<Plan> = fc.record({
  actions: fc.array(fc.constantFrom(...ACTIONS), { maxLength: 12 }),
  cuts,
  highWater: fc.constantFrom(0, 100, Number.POSITIVE_INFINITY),
});

describe('fuzz: HTTP/1', () => {
  for (const kind of KINDS) {
    test(`${kind}s do the same however they are cut`, () => {
      const property = fc.property(damaged(kind), cuts, sameHoweverCut);
      fc.assert(property, { numRuns: 1_500 * scale });
    });
  }

  test('a server keeps its order whatever comes and whatever its answerer does', () => {
    const property = fc.property(damaged('request'), plan, ({ input }, steps) => {
      serverKeepsOrder(input, steps);
    });
    fc.assert(property, { numRuns: 3_000 * scale });
  });

  test('a client keeps its order whatever comes and whatever its asker does', () => {
    const requests = fc.array(damaged('response'), { minLength: 1, maxLength: 3 });
    const property = fc.property(requests, plan, (parts, steps) => {
      clientKeepsOrder(Buffer.concat(parts.map(({ input }) => input)), steps, parts);
    });
    fc.assert(property, { numRuns: 3_000 * scale });
  });

  test('pauses change when something comes, not what', () => {
    const pausing = fc.record({
      actions: fc.array(fc.constantFrom('none', 'pause', 'resume'), { minLength: 1, maxLength: 8 }),
      cuts,
      highWater: fc.constantFrom(0, 100),
    });
    const calm: Plan = { actions: ['none'], cuts: [], highWater: Number.POSITIVE_INFINITY };
    const requests = fc.property(damaged('request'), pausing, ({ input }, steps) => {
      assert.deepEqual(serverKeepsOrder(input, steps), serverKeepsOrder(input, calm));
    });
    fc.assert(requests, { numRuns: 1_000 * scale });
    // Of one response: the next is asked for where the pieces happen to end.
    const responses = fc.property(damaged('response'), pausing, (vector, { actions, cuts }) => {
      const asked = { ...calm, cuts: [] };
      const wanted = clientKeepsOrder(vector.input, asked, [vector])[0];
      const plans = { ...asked, actions };
      assert.equal(clientKeepsOrder(vector.input, plans, [vector])[0], wanted);
      assert.equal(clientKeepsOrder(vector.input, { ...plans, cuts }, [vector])[0], wanted);
    });
    fc.assert(responses, { numRuns: 1_000 * scale });
  });

  test('bytes of any kind', () => {
    const property = fc.property(fc.uint8Array({ maxLength: 200 }), plan, (bytes, steps) => {
      const [request, response] = KINDS.map((kind) => vectors.find((one) => one.kind === kind)!);
      for (const vector of [request!, response!]) {
        sameHoweverCut({ ...vector, input: Buffer.from(bytes) }, steps.cuts);
      }
      serverKeepsOrder(bytes, steps);
      clientKeepsOrder(bytes, steps, [response!]);
    });
    fc.assert(property, { numRuns: 500 * scale });
  });

  for (const name of readdirSync(corpus)) {
    test(`corpus: ${name}`, () => {
      const input = readFileSync(new URL(name, corpus));
      const kind = name.startsWith('request') ? 'request' : 'response';
      const like = vectors.find((vector) => vector.kind === kind)!;
      for (const cut of [[], [0], [6], [30]]) {
        sameHoweverCut({ ...like, input }, cut);
        for (const action of ACTIONS) {
          const steps = { actions: [action, 'none' as const], cuts: cut, highWater: 50 };
          if (kind === 'request') serverKeepsOrder(input, steps);
          else clientKeepsOrder(input, steps, [like]);
        }
      }
    });
  }
});
