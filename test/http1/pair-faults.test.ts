/**
 * Client and server cores over a fake wire of which something breaks: at every step of an exchange,
 * in every way. Nobody may take a part for the whole, be told twice, or be left waiting.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SluiceError } from '../../src/base/errors.ts';
import { configuredAuthority } from '../../src/http/authority.ts';
import type { RequestSender, ResponseSender } from '../../src/http/exchange.ts';
import { FieldSection } from '../../src/http/field-section.ts';
import { type Pipe, testClient, testServer } from './wire.ts';

const LOST = new SluiceError('lost', 'lost', { blame: 'internal' });
const UP = 'request content';
const DOWN = 'response content';
/** Bytes moved per step: small enough that steps fall within heads, chunks and trailers. */
const STEP_BYTES = 7;
const STEPS_MAX = 200;

/** One side of the exchange: what came, and how it ended. */
class Side {
  content = '';
  ends = 0;
  errors = 0;

  onContent(bytes: Uint8Array): void {
    this.#open();
    this.content += Buffer.from(bytes).toString('latin1');
  }

  onEnd(): void {
    this.#open();
    this.ends++;
  }

  onError(): void {
    assert.equal(this.errors, 0, 'told of the error twice');
    this.errors++;
  }

  #open(): void {
    assert.deepEqual([this.ends, this.errors], [0, 0], 'a call after the last one');
  }
}

interface Run {
  readonly client: ReturnType<typeof testClient>;
  readonly server: ReturnType<typeof testServer>;
  readonly asked: Side;
  readonly answered: Side;
  readonly requestSender: RequestSender;
  responseSender: ResponseSender | null;
  /** All of the response was handed to the server's core. */
  isAnswerSent: boolean;
}

type Length = 'known' | 'unknown';

function begin(length: Length): Run {
  const asked = new Side();
  const answered = new Side();
  const head = (content: string) => (length === 'known' ? content.length : -1);
  const client = testClient();
  const server = testServer({
    onRequest(_request, sender) {
      run.responseSender = sender;
      sender.sendInformational(103, new FieldSection());
      return {
        onContent: (bytes) => asked.onContent(bytes),
        onEnd() {
          asked.onEnd();
          sender.sendHead({ status: 200, fields: new FieldSection(), contentLength: head(DOWN) });
          sender.sendContent(Buffer.from(DOWN));
          sender.sendEnd(FieldSection.of(['x-trailer', '1']));
          run.isAnswerSent = true;
        },
        onAbort: () => asked.onError(),
        onWritable() {},
      };
    },
  });
  const requestSender = client.connection.start(
    {
      method: 'POST',
      version: '1.1',
      scheme: 'http',
      authority: configuredAuthority('a'),
      path: '/',
      fields: FieldSection.of(['host', 'a']),
      contentLength: head(UP),
      expectContinue: false,
      upgrade: '',
    },
    {
      onInformational() {},
      onHead() {},
      onContent: (bytes) => answered.onContent(bytes),
      onEnd: () => answered.onEnd(),
      onUpgrade: () => assert.fail('no tunnel was asked for'),
      onWritable() {},
      onError: () => answered.onError(),
    },
  );
  const run: Run = {
    client,
    server,
    asked,
    answered,
    requestSender,
    responseSender: null,
    isAnswerSent: false,
  };
  requestSender.sendContent(Buffer.from(UP));
  requestSender.sendEnd(FieldSection.of(['x-trailer', '1']));
  return run;
}

/** Moves some bytes in both directions; false when there was nothing to move. */
function step({ client, server }: Run): boolean {
  const up = client.output.takeBytes(STEP_BYTES);
  if (up.length > 0) server.receive(up.toString('latin1'));
  const down = server.output.takeBytes(STEP_BYTES);
  if (down.length > 0) client.receive(down.toString('latin1'));
  return up.length + down.length > 0;
}

const drop = (pipe: Pipe) => pipe.takeBytes(pipe.waitingBytes);

/** What may happen to an exchange; afterwards bytes still move where they can. */
const FAULTS: Record<string, (run: Run) => void> = {
  'the connection is lost': ({ client, server }) => {
    drop(client.output);
    drop(server.output);
    server.connection.onConnectionLost(null);
    client.connection.onConnectionLost(LOST);
  },
  'the client ends its side': ({ client, server }) => {
    drop(client.output);
    server.connection.onEndOfInput();
  },
  'the server ends its side': ({ client, server }) => {
    drop(server.output);
    client.connection.onEndOfInput();
  },
  'the asker cancels': ({ requestSender }) => requestSender.cancel(),
  'the answerer breaks off': ({ responseSender }) => responseSender?.abort(LOST),
  'the server takes too long': ({ server }) => server.connection.timeOut(),
};

function finish(run: Run): void {
  const { client, server } = run;
  for (let i = 0; i < STEPS_MAX && step(run); i++);
  // A reset and an end reach the other side, as a socket would report them.
  if (client.output.isReset) server.connection.onConnectionLost(null);
  if (server.output.isReset) client.connection.onConnectionLost(LOST);
  else if (server.output.isEnded) client.connection.onEndOfInput();
}

for (const length of ['known', 'unknown'] as const) {
  test(`without a fault all arrives and the connection is clean (length ${length})`, () => {
    const run = begin(length);
    finish(run);
    assert.deepEqual([run.asked.content, run.asked.ends, run.asked.errors], [UP, 1, 0]);
    assert.deepEqual([run.answered.content, run.answered.ends, run.answered.errors], [DOWN, 1, 0]);
    assert.ok(run.client.connection.isReusable && run.server.connection.isIdle);
  });

  for (const [fault, cause] of Object.entries(FAULTS)) {
    test(`${fault}: at no step is a part taken for the whole (length ${length})`, () => {
      let isOver = false;
      let at = 0;
      for (; !isOver; at++) {
        assert.ok(at < STEPS_MAX);
        const run = begin(length);
        for (let i = 0; i < at; i++) isOver = !step(run);
        const wasComplete = run.answered.ends === 1;
        cause(run);
        finish(run);
        const { asked, answered, client, server } = run;
        const where = `step ${at}`;
        assert.ok(UP.startsWith(asked.content), where);
        if (asked.ends === 1) assert.equal(asked.content, UP, where);
        // A refusal of the server's own (408, 400) is a whole response, too.
        const isRefused = server.refusals.length > 0;
        if (!isRefused) assert.ok(DOWN.startsWith(answered.content), where);
        if (answered.ends === 1 && !isRefused) {
          assert.ok(run.isAnswerSent, where);
          assert.equal(answered.content, DOWN, where);
        }
        if (wasComplete) assert.equal(answered.errors, 0, where);
        const isTold = answered.ends + answered.errors === 1;
        assert.equal(isTold, fault !== 'the asker cancels' || wasComplete, where);
        if (client.connection.isReusable) assert.equal(answered.ends, 1, where);
        server.connection.onConnectionLost(null);
        // Who breaks off is not told of it.
        const knows = asked.ends + asked.errors >= 1 || fault === 'the answerer breaks off';
        assert.ok(run.responseSender === null || knows, where);
      }
      assert.ok(at > 10, 'there were steps to break');
    });
  }
}
