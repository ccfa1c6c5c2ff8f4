import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SluiceError } from '../../src/base/errors.ts';
import { FieldSection } from '../../src/http/field-section.ts';
import { echo, prepared, type RecordedRequest, ServerUnderTest } from './server-under-test.ts';
import {
  ACK,
  data,
  END_HEADERS,
  END_STREAM,
  frame,
  GET_FIELDS,
  get,
  headers,
  latin1,
  PREFACE,
  ping,
  post,
  reset,
  settings,
  TYPE,
  u32,
  windowUpdate,
} from './wire.ts';

const NONE = new FieldSection();
const stored =
  (content: string, status = 200) =>
  ({ sender }: RecordedRequest): void =>
    sender.sendStored(prepared(content, status));

describe('a request', () => {
  test('is handed up with its target, fields and length', () => {
    const server = new ServerUnderTest().greet();
    server.receive(
      headers(1, END_HEADERS, [
        [':method', 'PUT'],
        [':authority', 'EXAMPLE.com:8443'],
        [':scheme', 'HTTPS'],
        [':path', '/a?b=c'],
        ['content-length', '3'],
        ['expect', '100-continue'],
        ['x-name', 'caf\xe9'],
      ]),
    );
    const { fields, authority, ...head } = server.requests[0]!.head;
    assert.equal(authority.text, 'example.com:8443');
    assert.deepEqual(head, {
      method: 'PUT',
      version: '2',
      scheme: 'https',
      path: '/a?b=c',
      contentLength: 3,
      expectContinue: true,
      upgrade: '',
    });
    assert.deepEqual(
      [...fields],
      [
        ['content-length', '3'],
        ['expect', '100-continue'],
        ['x-name', 'caf\xe9'],
      ],
    );
  });

  test('has its cookie crumbs joined, in the place of the first (RFC 9113 §8.2.3)', () => {
    const server = new ServerUnderTest().greet();
    server.receive(
      get(1, ['cookie', 'a=b'], ['accept', '*/*'], ['cookie', 'c=d'], ['cookie', 'e']),
    );
    assert.deepEqual(
      [...server.requests[0]!.head.fields],
      [
        ['cookie', 'a=b; c=d; e'],
        ['accept', '*/*'],
      ],
    );
  });

  test('with trailers brings them after its content', () => {
    const server = new ServerUnderTest().greet();
    server.receive(post(1), data(1, 'abc'), headers(1, END_HEADERS | END_STREAM, [['x-sum', '6']]));
    const request = server.requests[0]!;
    assert.equal(request.text, 'abc');
    assert.deepEqual([...request.trailers!], [['x-sum', '6']]);
  });

  test('loses trailers that must not be trailers (RFC 9110 §6.5.1)', () => {
    const server = new ServerUnderTest().greet();
    const forged = ['host', 'authorization', 'early-data', 'client-cert', 'content-length'];
    const lines = [
      ...forged.map((name) => [name, name === 'host' ? 'a' : '1'] as const),
      ['x-sum', '6'] as const,
    ];
    server.receive(post(1), data(1, 'abc'), headers(1, END_HEADERS | END_STREAM, lines));
    assert.deepEqual([...server.requests[0]!.trailers!], [['x-sum', '6']]);
  });

  test('for an authority that the certificate does not cover gets 421 (RFC 9113 §9.1.2)', () => {
    const server = new ServerUnderTest({
      onRequest: stored('x'),
      isCovered: (authority, scheme) => authority.text === 'example.com' && scheme === 'http',
    }).greet();
    const other = GET_FIELDS.map(([name, value]) =>
      name === ':authority' ? ([name, 'other.example'] as const) : ([name, value] as const),
    );
    server.receive(
      get(1),
      headers(3, END_HEADERS | END_STREAM, other),
      headers(5, END_HEADERS, other),
    );
    assert.deepEqual(server.told(), [
      'HEADERS 1 200',
      'DATA 1 1 END_STREAM',
      'HEADERS 3 421 END_STREAM',
      'HEADERS 5 421 END_STREAM',
      'RST_STREAM 5 NO_ERROR',
    ]);
    assert.equal(server.requests.length, 1);
  });

  test('that expects something else than 100-continue gets 417 (RFC 9110 §10.1.1)', () => {
    const server = new ServerUnderTest({ onRequest: stored('x') }).greet();
    const expecting = (...values: string[]) => [
      ...GET_FIELDS,
      ...values.map((value) => ['expect', value] as const),
    ];
    server.receive(
      headers(1, END_HEADERS | END_STREAM, expecting('100-Continue')),
      headers(3, END_HEADERS | END_STREAM, expecting('y 100-continue')),
      headers(5, END_HEADERS, expecting('100-continue', '100-continue')),
      headers(7, END_HEADERS | END_STREAM, expecting('')),
    );
    assert.deepEqual(server.told(), [
      'HEADERS 1 200',
      'DATA 1 1 END_STREAM',
      'HEADERS 3 417 END_STREAM',
      'HEADERS 5 417 END_STREAM',
      'HEADERS 7 417 END_STREAM',
      // RFC 9113 §8.1, after what answers: in a later write.
      'RST_STREAM 5 NO_ERROR',
    ]);
    assert.equal(server.requests.length, 1);
    assert.equal(
      server.requests[0]!.head.expectContinue,
      false,
      'without content nothing is expected',
    );
  });

  test('that breaks off is told to its handler', () => {
    const server = new ServerUnderTest().greet();
    server.receive(post(1), data(1, 'abc'), reset(1), post(3));
    assert.equal(server.requests[0]!.aborted?.code, 'http2-cancel');
    assert.equal(server.requests[0]!.aborted?.blame, 'downstream');
    server.connection.onConnectionLost(new SluiceError('gone', 'gone', { blame: 'downstream' }));
    assert.equal(server.requests[1]!.aborted?.code, 'gone');
  });

  test('never hands on content beyond what was announced', () => {
    const server = new ServerUnderTest().greet();
    server.receive(post(1, ['content-length', '3']), data(1, 'ab'), data(1, 'cd'));
    assert.equal(server.requests[0]!.text, 'ab');
    assert.equal(server.requests[0]!.aborted?.code, 'http2-protocol-error');
  });
});

describe('requests in early data', () => {
  const [a, b] = [post(1), data(1, 'early', END_STREAM)];

  test('each has its own flag, by the first byte of its HEADERS', () => {
    const server = new ServerUnderTest();
    const flight = Buffer.concat([PREFACE, settings(), a, get(3), get(5).subarray(0, 4)]);
    server.connection.receive(flight, true);
    server.connection.receive(Buffer.concat([get(5).subarray(4), get(7)]), false);
    assert.deepEqual(
      server.requests.map(({ early }) => early),
      [true, true, true, false],
    );
  });

  test('a field block in several frames counts from its HEADERS frame', () => {
    const server = new ServerUnderTest();
    const block = get(1).subarray(9);
    server.connection.receive(
      Buffer.concat([
        PREFACE,
        settings(),
        frame(TYPE.HEADERS, END_STREAM, 1, block.subarray(0, 9)),
      ]),
      true,
    );
    server.connection.receive(frame(TYPE.CONTINUATION, END_HEADERS, 1, block.subarray(9)), false);
    assert.deepEqual(
      server.requests.map(({ early }) => early),
      [true],
    );
  });

  test('DATA belongs to its request, and the answer leaves at once', () => {
    const server = new ServerUnderTest({ onRequest: echo });
    server.connection.receive(Buffer.concat([PREFACE, settings(), a, b]), true);
    assert.equal(server.requests[0]!.text, 'early');
    assert.ok(server.told().includes('DATA 1 5 END_STREAM'));
  });
});

describe('a response', () => {
  test('has interim responses before it and trailers after it', () => {
    const server = new ServerUnderTest({
      onRequest: ({ sender }) => {
        sender.sendInformational(103, FieldSection.of(['link', '</a>']));
        sender.sendInformational(101, NONE);
        sender.sendHead({ status: 200, fields: NONE, contentLength: -1 });
        sender.sendContent(latin1('abc'));
        sender.sendEnd(FieldSection.of(['grpc-status', '0']));
        sender.sendContent(latin1('dropped'));
      },
    }).greet();
    server.receive(get(1));
    assert.deepEqual(server.told(), [
      'HEADERS 1 103',
      'HEADERS 1 200',
      'DATA 1 3',
      'HEADERS 1 trailers END_STREAM',
    ]);
  });

  test('may end before its request', () => {
    const server = new ServerUnderTest({ onRequest: stored('early') }).greet();
    server.receive(post(1));
    assert.deepEqual(server.told(), ['HEADERS 1 200', 'DATA 1 5 END_STREAM']);
    server.receive(data(1, 'more', END_STREAM));
    assert.equal(server.requests[0]!.text, 'more');
    assert.equal(server.connection.openStreams, 0);
  });

  test('asks for an unwanted request to be stopped (RFC 9113 §8.1)', () => {
    const server = new ServerUnderTest({ onRequest: stored('enough') }).greet();
    server.receive(post(1), data(1, 'x'));
    server.requests[0]!.sender.discardContent();
    assert.equal(server.told().at(-1), 'RST_STREAM 1 NO_ERROR');
    server.receive(data(1, 'still on its way', END_STREAM));
    assert.deepEqual(server.told(), []);
  });

  test('without content is one frame', () => {
    const server = new ServerUnderTest({
      onRequest: ({ sender }) => {
        sender.sendHead({ status: 200, fields: NONE, contentLength: 0 });
        sender.sendEnd(null);
      },
    }).greet();
    assert.deepEqual(server.receive(get(1)).told(), ['HEADERS 1 200 END_STREAM']);
  });

  test('says its length where it may (RFC 9110 §8.6)', () => {
    for (const [status, expected] of [
      [200, '5'],
      [204, undefined],
      [304, undefined],
    ] as const) {
      const server = new ServerUnderTest({ onRequest: stored('hello', status) }).greet();
      const [head] = server.receive(get(1)).frames();
      const fields = server.fields(head!);
      assert.equal(fields.first('content-length'), expected);
      assert.equal(fields.first('age'), '7');
      assert.equal(fields.first('x-origin'), 'one');
    }
  });

  test('to HEAD has the fields and no content', () => {
    const server = new ServerUnderTest({ onRequest: stored('hello') }).greet();
    server.receive(
      headers(1, END_HEADERS | END_STREAM, [[':method', 'HEAD'], ...GET_FIELDS.slice(1)]),
    );
    const frames = server.frames();
    assert.equal(frames.length, 1);
    assert.equal(server.fields(frames[0]!).first('content-length'), '5');
  });

  test('stored has its fields encoded once for all connections', () => {
    const response = prepared('hello');
    const answer = ({ sender }: RecordedRequest): void => sender.sendStored(response);
    const first = new ServerUnderTest({ onRequest: answer }).greet();
    first.receive(get(1));
    const head = response.http2Head;
    assert.ok(head !== undefined);
    const second = new ServerUnderTest({ onRequest: answer }).greet([1, 0]);
    second.receive(get(1));
    assert.equal(response.http2Head, head);
    assert.equal(second.told()[0], 'HEADERS 1 200', 'after the table was made smaller, too');
  });

  test('broken off by the answerer is reset', () => {
    const server = new ServerUnderTest({
      onRequest: ({ sender }) => {
        sender.sendHead({ status: 200, fields: NONE, contentLength: 9 });
        sender.abort(new SluiceError('x', 'the origin broke off', { blame: 'upstream' }));
        sender.sendContent(latin1('dropped'));
      },
    }).greet();
    assert.deepEqual(server.receive(get(1)).told(), [
      'HEADERS 1 200',
      'RST_STREAM 1 INTERNAL_ERROR',
    ]);
  });

  test('of many streams leave in one write', () => {
    const server = new ServerUnderTest({ onRequest: stored('hello') }).greet();
    const before = server.writes;
    server.receive(...Array.from({ length: 100 }, (_, i) => get(2 * i + 1)));
    assert.equal(server.writes - before, 1);
    assert.equal(server.frames().length, 200);
  });
});

describe('tunnels', () => {
  test('CONNECT (RFC 9113 §8.5)', () => {
    const server = new ServerUnderTest({
      onRequest: (request) => {
        request.sender.upgrade(200, NONE);
        request.onPart = (bytes) => request.sender.sendContent(bytes);
        request.onAll = () => request.sender.sendEnd(null);
      },
    }).greet();
    server.receive(
      headers(1, END_HEADERS, [
        [':method', 'CONNECT'],
        [':authority', 'example.com:443'],
      ]),
      data(1, 'raw'),
      data(1, '', END_STREAM),
    );
    const { head } = server.requests[0]!;
    assert.deepEqual([head.authority.text, head.path, head.upgrade], ['example.com:443', '', '']);
    assert.deepEqual(server.told(), ['HEADERS 1 200', 'DATA 1 3 END_STREAM']);
  });

  test('extended CONNECT: WebSocket (RFC 8441)', () => {
    const server = new ServerUnderTest({
      onRequest: ({ sender }) => sender.upgrade(101, FieldSection.of(['upgrade', 'websocket'])),
    }).greet();
    server.receive(
      headers(1, END_HEADERS, [
        [':method', 'CONNECT'],
        [':protocol', 'WebSocket'],
        ...GET_FIELDS.slice(1),
      ]),
    );
    const { head } = server.requests[0]!;
    assert.deepEqual([head.method, head.upgrade, head.path], ['CONNECT', 'websocket', '/']);
    const [response] = server.frames();
    assert.deepEqual([...server.fields(response!)], [[':status', '200']]);
  });
});

describe('flow control', () => {
  test('content waits for the windows of stream and connection', () => {
    const server = new ServerUnderTest({ onRequest: stored('x'.repeat(100_000)) }).greet([
      4, 90_000,
    ]);
    const sent = (): number =>
      server
        .frames()
        .filter(({ type }) => type === TYPE.DATA)
        .reduce((sum, { payload }) => sum + payload.length, 0);
    server.receive(get(1));
    assert.equal(sent(), 65_535, 'the connection');
    server.receive(windowUpdate(0, 1_000_000));
    assert.equal(sent(), 90_000 - 65_535, 'the stream');
    server.receive(windowUpdate(1, 10_000));
    assert.equal(sent(), 10_000);
    assert.equal(server.connection.openStreams, 0);
  });

  test('a sender is stopped when its content waits, and told when it may go on', () => {
    const server = new ServerUnderTest().greet([4, 0]);
    server.receive(get(1));
    const { sender } = server.requests[0]!;
    sender.sendHead({ status: 200, fields: NONE, contentLength: -1 });
    let pieces = 0;
    while (sender.sendContent(Buffer.alloc(10_000))) pieces++;
    assert.ok(pieces <= 7);
    assert.equal(server.requests[0]!.writableCount, 0);
    server.receive(windowUpdate(1, 20_000));
    assert.equal(server.requests[0]!.writableCount, 0, 'more than half still waits');
    server.receive(windowUpdate(1, 40_000));
    assert.equal(server.requests[0]!.writableCount, 1);
  });

  test('a paused handler gets nothing, and the peer no window for it', () => {
    const server = new ServerUnderTest().greet();
    server.receive(post(1));
    const request = server.requests[0]!;
    request.sender.pause();
    for (let i = 0; i < 16; i++) server.receive(data(1, Buffer.alloc(16_384)));
    assert.equal(request.content.length, 0);
    assert.deepEqual(server.told(), []);
    server.receive(data(1, 'one too many'));
    assert.deepEqual(server.told(), ['RST_STREAM 1 FLOW_CONTROL_ERROR']);
  });

  test('a handler that goes on gets all, in order, and the peer its window back', () => {
    const server = new ServerUnderTest().greet();
    server.receive(post(1));
    const request = server.requests[0]!;
    request.sender.pause();
    for (let i = 0; i < 16; i++) server.receive(data(1, Buffer.alloc(16_384, i)));
    request.onPart = () => {
      if (request.content.length === 3) request.sender.pause();
    };
    request.sender.resume();
    assert.equal(request.content.length, 3);
    request.sender.resume();
    assert.deepEqual(
      request.content.map((part) => part[0]),
      Array.from({ length: 16 }, (_, i) => i),
    );
    const told = server.told();
    assert.ok(told.some((line) => line.startsWith('WINDOW_UPDATE 1 ')));
    server.receive(data(1, 'end', END_STREAM));
    assert.notEqual(request.trailers, undefined);
  });

  test('paused content comes even after the response has ended the stream', () => {
    const server = new ServerUnderTest().greet();
    server.receive(post(1));
    const request = server.requests[0]!;
    request.sender.pause();
    server.receive(data(1, 'late', END_STREAM));
    request.sender.sendStored(prepared('x'));
    request.sender.resume();
    assert.equal(request.text, 'late');
    assert.notEqual(request.trailers, undefined);
  });

  test('windows grow for a peer that fills them in one round trip, up to the maximum', () => {
    const server = new ServerUnderTest().greet();
    server.receive(post(1));
    const { receiver } = server.connection.connection;
    assert.equal(receiver.streamWindowBytes, 262_144);
    let [stream, connection] = [262_144, 1_048_576];
    for (let round = 0; round < 20; round++) {
      for (; Math.min(stream, connection) >= 16_384; stream -= 16_384, connection -= 16_384) {
        server.receive(data(1, Buffer.alloc(16_384)));
      }
      for (const { type, flags, streamId, payload } of server.frames()) {
        if (type === TYPE.PING && flags === 0) server.receive(frame(TYPE.PING, ACK, 0, payload));
        if (type !== TYPE.WINDOW_UPDATE) continue;
        if (streamId === 0) connection += payload.readUInt32BE(0);
        else stream += payload.readUInt32BE(0);
      }
    }
    assert.equal(server.ended, false);
    assert.equal(receiver.streamWindowBytes, 2_097_152);
  });
});

describe('priorities (RFC 9218)', () => {
  const big = stored('x'.repeat(40_000));
  const order = (server: ServerUnderTest): number[] =>
    server
      .frames()
      .filter(({ type }) => type === TYPE.DATA)
      .map(({ streamId }) => streamId);

  test('the most urgent stream first, then by identifier', () => {
    const server = new ServerUnderTest({ onRequest: big }).greet([4, 1_000_000]);
    server.receive(
      windowUpdate(0, 1_000_000),
      get(1, ['priority', 'u=5']),
      get(3),
      get(5, ['priority', 'u=0']),
      get(7),
    );
    assert.deepEqual(order(server), [5, 5, 5, 3, 3, 3, 7, 7, 7, 1, 1, 1]);
  });

  test('incremental streams take turns', () => {
    const server = new ServerUnderTest({ onRequest: big }).greet([4, 1_000_000]);
    server.receive(
      windowUpdate(0, 1_000_000),
      get(1, ['priority', 'i']),
      get(3, ['priority', 'i']),
    );
    assert.deepEqual(order(server), [1, 3, 1, 3, 1, 3]);
  });

  test('a response’s Priority field overrides what it names, and only that', () => {
    const server = new ServerUnderTest({
      onRequest: (request) => {
        const value = request.head.fields.first('x-origin-says') ?? '';
        const fields = FieldSection.of(['priority', value]);
        request.sender.sendStored({ ...prepared('x'.repeat(40_000)), fields });
      },
    }).greet([4, 1_000_000]);
    server.receive(
      windowUpdate(0, 1_000_000),
      get(1, ['x-origin-says', 'u=6']),
      get(3, ['priority', 'i'], ['x-origin-says', 'u=1']),
      get(5, ['priority', 'i, u=1']),
      get(7, ['priority', 'i, u=0'], ['x-origin-says', 'i=?0']),
    );
    assert.deepEqual(order(server), [7, 7, 7, 3, 5, 3, 5, 3, 5, 1, 1, 1]);
  });

  test('PRIORITY_UPDATE counts before and after its request', () => {
    const update = (id: number, value: string): Buffer =>
      frame(TYPE.PRIORITY_UPDATE, 0, 0, Buffer.concat([u32(id), latin1(value)]));
    const server = new ServerUnderTest({ onRequest: big }).greet([4, 1_000_000]);
    server.receive(
      windowUpdate(0, 1_000_000),
      update(3, 'u=1'),
      get(1),
      get(3),
      get(5),
      update(5, 'u=0'),
    );
    assert.deepEqual(order(server), [5, 5, 5, 3, 3, 3, 1, 1, 1]);
  });
});

describe('closing in order (RFC 9113 §6.8)', () => {
  test('requests on their way arrive, are answered, and then the connection ends', () => {
    const server = new ServerUnderTest().greet();
    server.receive(get(1));
    server.connection.shutdown();
    const [goaway, probe] = server.frames();
    assert.equal(goaway!.payload.readUInt32BE(0), 0x7fff_ffff);
    server.receive(get(3), frame(TYPE.PING, ACK, 0, probe!.payload));
    assert.deepEqual(server.told(), ['GOAWAY 3 NO_ERROR']);
    server.receive(get(5));
    assert.equal(server.requests.length, 2, 'later ones are not taken');
    for (const { sender } of server.requests) sender.sendStored(prepared('x'));
    assert.ok(server.ended);
    assert.equal(server.told().at(-1), 'DATA 3 1 END_STREAM');
  });

  test('a second call does not wait for the peer', () => {
    const server = new ServerUnderTest().greet();
    server.connection.shutdown();
    assert.equal(server.ended, false);
    server.connection.shutdown();
    assert.ok(server.ended);
  });

  test('a peer that ends its side gets the answers to whole requests', () => {
    const server = new ServerUnderTest().greet();
    server.receive(get(1), post(3));
    server.connection.onEndOfInput();
    assert.equal(server.requests[1]!.aborted?.code, 'http2-cancel');
    assert.equal(server.ended, false);
    server.requests[0]!.sender.sendStored(prepared('x'));
    assert.ok(server.ended);
  });
});

test('state for time-outs: idle, inside a frame, inside content', () => {
  const server = new ServerUnderTest().greet();
  const { connection } = server;
  assert.ok(connection.isIdle);
  assert.equal(connection.awaitsSettingsAck, false);
  server.receive(ping().subarray(0, 5));
  assert.ok(!connection.isIdle && connection.isInsideFrame);
  server.receive(ping().subarray(5));
  assert.ok(connection.isIdle);
  server.receive(post(1), data(1, 'slowly').subarray(0, 12));
  assert.ok(!connection.isIdle && !connection.isInsideFrame, 'slow content is no slow head');
});
