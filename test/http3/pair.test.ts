/** HTTP/3 of both roles over QUIC, on a wire that loses, delays, doubles and damages datagrams. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FieldSection } from '../../src/http/field-section.ts';
import { defaultHttp3Limits } from '../../src/http3/limits.ts';
import { Http3ServerConnection } from '../../src/http3/server-connection.ts';
import { ourParameters } from '../../src/quic/connection/our-parameters.ts';
import { defaultQuicLimits } from '../../src/quic/limits.ts';
import { encodeTransportParameters } from '../../src/quic/wire/transport-parameters.ts';
import { echo, facts, prepared, RecordedRequest } from '../http2/server-under-test.ts';
import { type Http3Answer, Http3TestClient } from '../support/http3-client.ts';
import { FakeTls, type FakeTlsOptions } from '../support/quic/fake-tls.ts';
import { FakeWire, type WireOptions } from '../support/quic/fake-wire.ts';

interface PairOptions {
  readonly wire?: WireOptions;
  readonly onRequest?: (request: RecordedRequest) => void;
  readonly begin?: (client: Http3TestClient) => void;
  readonly clientTls?: FakeTlsOptions;
  readonly serverTls?: FakeTlsOptions;
  /** The client has been here before: it knows the server's limits. */
  readonly remembers?: boolean;
}

class Http3Pair {
  readonly wire: FakeWire;
  readonly requests: RecordedRequest[] = [];
  readonly refusals: string[] = [];
  client!: Http3TestClient;
  server!: Http3ServerConnection;

  constructor(options: PairOptions = {}) {
    this.wire = new FakeWire(options.wire);
    const now = (): number => this.wire.nowMs;
    this.wire.add('server', {
      accept: () => ({
        tls: new FakeTls('server', options.serverTls),
        trace: undefined,
        application: (quic) => {
          this.server = new Http3ServerConnection({
            quic,
            sink: {
              onRequest: (head, sender, { early }) => {
                const request = new RecordedRequest(head, sender, early);
                this.requests.push(request);
                options.onRequest?.(request);
                return request;
              },
            },
            factsFor: (early) => facts(early),
            limits: defaultHttp3Limits,
            monotonicMs: now,
            grease: 3,
            onRefused: (error) => this.refusals.push(`${error.code}: ${error.message}`),
          });
          return this.server.application;
        },
      }),
    });
    this.wire.add('client', {}).endpoint.dial(
      {
        tls: new FakeTls('client', options.clientTls),
        trace: undefined,
        application: (quic) => {
          this.client = new Http3TestClient(quic, now);
          const { connection } = this.client;
          const onReady = connection.onReady.bind(connection);
          connection.onReady = () => {
            onReady();
            options.begin?.(this.client);
          };
          return connection;
        },
      },
      {
        path: this.wire.pathTo('server'),
        token: new Uint8Array(0),
        rememberedParameters: options.remembers === true ? rememberedParameters() : undefined,
      },
      this.wire.nowMs,
    );
  }

  /** Runs until all of them are over. */
  finish(answers: readonly (Http3Answer | undefined)[], withinMs = 60_000): void {
    const done = this.wire.run(() => answers.every((one) => one?.isOver === true), withinMs);
    assert.ok(done, `in time; refused: ${[...this.refusals, ...this.client.refusals]}`);
    assert.deepEqual(
      answers.map((one) => one?.error?.message),
      answers.map(() => undefined),
    );
  }
}

function rememberedParameters(): Uint8Array {
  return encodeTransportParameters(ourParameters(defaultQuicLimits), 0);
}

/** A pair, and answers to what the client asks as soon as it may. */
function asked(
  options: Omit<PairOptions, 'begin'>,
  begin: (client: Http3TestClient) => (Http3Answer | undefined)[],
) {
  let answers: (Http3Answer | undefined)[] = [];
  const pair = new Http3Pair({ ...options, begin: (client) => (answers = begin(client)) });
  assert.ok(
    pair.wire.run(() => answers.length > 0, 10_000),
    'the connection is ready',
  );
  return { pair, answers };
}

test('a request is answered two round trips after the client has begun', () => {
  const onRequest = ({ sender }: RecordedRequest) => sender.sendStored(prepared('hello'));
  const { pair, answers } = asked({ onRequest, wire: { delayMs: 25 } }, (one) => [one.ask()]);
  const startMs = 1_000;
  pair.finish(answers);
  const [answer] = answers;
  assert.equal(answer!.content.toString(), 'hello');
  assert.equal(answer!.fields.first('x-origin'), 'one');
  assert.equal(answer!.headMs - startMs, 100);
  assert.equal(pair.requests[0]!.head.contentLength, 0);
});

test('a request in early data is answered after one round trip, and is known to be early', () => {
  const onRequest = ({ sender }: RecordedRequest) => sender.sendStored(prepared('hello'));
  const options = {
    onRequest,
    wire: { delayMs: 25 },
    remembers: true,
    clientTls: { isEarly: true },
    serverTls: { isEarly: true },
  };
  const { pair, answers } = asked(options, (client) => [client.ask()]);
  pair.finish(answers);
  assert.equal(answers[0]!.content.toString(), 'hello');
  assert.equal(answers[0]!.headMs - 1_000, 50);
  assert.equal(pair.requests[0]!.early, true);
});

test('content and trailers go both ways, interim responses before', () => {
  const onRequest = (request: RecordedRequest): void => {
    request.sender.sendInformational(103, FieldSection.of(['link', '</a.css>']));
    request.onAll = () => {
      const { sender } = request;
      sender.sendHead({ status: 201, fields: FieldSection.of(['x-a', 'b']), contentLength: -1 });
      sender.sendContent(Buffer.concat(request.content));
      sender.sendEnd(request.trailers ?? null);
    };
  };
  const { pair, answers } = asked({ onRequest }, (client) => [
    client.ask({
      method: 'POST',
      content: Buffer.from('hello'),
      trailers: FieldSection.of(['x-checksum', '1']),
    }),
  ]);
  pair.finish(answers);
  const [answer] = answers;
  assert.deepEqual(answer!.interim, [103]);
  assert.equal(answer!.status, 201);
  assert.equal(answer!.content.toString(), 'hello');
  assert.deepEqual([...answer!.trailers!], [['x-checksum', '1']]);
});

for (const [what, wire] of [
  ['loses one datagram in ten', { lost: 0.1 }],
  ['reorders, doubles and damages', { jitterMs: 30, doubled: 0.1, damaged: 0.05, lost: 0.02 }],
] as const) {
  test(`60 requests with large content on a wire that ${what}: every byte is right`, () => {
    const content = (i: number) => Buffer.alloc(20_000 + i * 100, `content ${i}, `);
    const ask = (client: Http3TestClient, i: number) =>
      client.ask({
        method: 'POST',
        path: `/${i}`,
        fields: [
          ['x-always', 'the same on each request, so that the table is of use'],
          ['x-number', `${i % 5}`],
        ],
        content: content(i),
      });
    const wave = (from: number) => Array.from({ length: 30 }, (_, i) => from + i);
    const { pair, answers } = asked({ onRequest: echo, wire: { ...wire, seed: 7 } }, (client) =>
      wave(0).map((i) => ask(client, i)),
    );
    pair.finish(answers, 600_000);
    answers.push(...wave(30).map((i) => ask(pair.client, i)));
    pair.finish(answers, 600_000);
    for (const [i, answer] of answers.entries()) {
      assert.equal(Buffer.compare(answer!.content, content(i)), 0, `/${i}`);
    }
    assert.deepEqual(pair.refusals, []);
    assert.ok(pair.client.connection.encoder.insertCount > 0, 'the dynamic table was used');
    assert.ok(pair.server.connection.decoder.insertCount > 0);
  });
}

test('a slow reader holds its sender up, and nothing else', () => {
  let paused: RecordedRequest | undefined;
  const onRequest = (request: RecordedRequest): void => {
    if (request.head.path === '/slow') {
      paused = request;
      request.sender.pause();
    }
    echo(request);
  };
  const content = Buffer.alloc(3_000_000, 'much, ');
  const { pair, answers } = asked({ onRequest }, (client) => [
    client.ask({ method: 'POST', path: '/slow', content }),
    client.ask({ method: 'POST', path: '/fast', content: Buffer.from('little') }),
  ]);
  pair.finish([answers[1]]);
  pair.wire.run(() => false, 2_000);
  assert.ok(answers[0]!.stream.quic.unsentBytes > 1_000_000, 'its window is used up');
  assert.equal(paused!.text.length, 0);
  paused!.sender.resume();
  pair.finish([answers[0]], 600_000);
  assert.equal(Buffer.compare(answers[0]!.content, content), 0);
});

test('a request that is cancelled is aborted at the server, and others go on', () => {
  const { pair, answers } = asked({ onRequest: echo }, (client) => [
    client.ask({ method: 'POST', content: null }),
    client.ask({ method: 'POST', content: null }),
  ]);
  assert.ok(pair.wire.run(() => pair.requests.length === 2, 10_000));
  pair.client.cancel(answers[0]!);
  answers[1]!.send('on', true);
  pair.client.connection.onLocalEnd(answers[1]!.stream);
  pair.finish([answers[1]]);
  assert.equal(pair.requests[0]!.aborted?.code, 'http3-request-cancelled');
  assert.equal(answers[1]!.content.toString(), 'on');
});

test('extended CONNECT is a tunnel both ways', () => {
  const onRequest = (request: RecordedRequest): void => {
    request.sender.upgrade(200, FieldSection.of());
    request.onPart = (bytes) => request.sender.sendContent(Buffer.from(bytes).reverse());
    request.onAll = () => request.sender.sendEnd(null);
  };
  const { pair, answers } = asked({ onRequest }, (client) => [
    client.ask({ method: 'CONNECT', protocol: 'websocket', path: '/chat', content: null }),
  ]);
  const [tunnel] = answers;
  assert.ok(pair.wire.run(() => tunnel!.status === 200, 10_000));
  assert.equal(pair.requests[0]!.head.upgrade, 'websocket');
  tunnel!.send('abc');
  assert.ok(pair.wire.run(() => tunnel!.content.toString() === 'cba', 10_000));
  tunnel!.send('de', true);
  pair.client.connection.onLocalEnd(tunnel!.stream);
  pair.finish(answers);
  assert.equal(tunnel!.content.toString(), 'cbaed');
});

test('a server that closes in order answers what is under way, and then the connection ends', () => {
  const { pair, answers } = asked({}, (client) => [client.ask(), client.ask()]);
  assert.ok(pair.wire.run(() => pair.requests.length === 2, 10_000));
  pair.server.shutdown();
  assert.ok(pair.wire.run(() => pair.client.goaways.length === 1, 10_000));
  pair.server.shutdown();
  assert.ok(pair.wire.run(() => pair.client.goaways.length === 2, 10_000));
  assert.equal(pair.client.goaways[1], 8);
  for (const { sender } of pair.requests) sender.sendStored(prepared('bye'));
  pair.finish(answers);
  assert.ok(pair.wire.run(() => pair.client.connection.isClosed, 10_000));
});
