import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SluiceError } from '../../src/base/errors.ts';
import { configuredAuthority } from '../../src/http/authority.ts';
import type { RequestSender, ResponseHandler } from '../../src/http/exchange.ts';
import { FieldSection } from '../../src/http/field-section.ts';
import type { RequestHead, ResponseHead } from '../../src/http/message.ts';
import { Http2ClientConnection } from '../../src/http2/client-connection.ts';
import {
  ACK,
  data,
  END_HEADERS,
  END_STREAM,
  FrameTeller,
  frame,
  goaway,
  headers,
  latin1,
  PREFACE,
  type ReadFrame,
  readFrames,
  reset,
  settings,
  TYPE,
  u32,
} from './wire.ts';

class RecordedResponse implements ResponseHandler {
  readonly events: string[] = [];
  error: SluiceError | undefined;

  onInformational(status: number): void {
    this.events.push(`informational ${status}`);
  }

  onHead(head: ResponseHead): void {
    this.events.push(`head ${head.status} ${head.contentLength}`);
  }

  onContent(bytes: Uint8Array): void {
    this.events.push(`content ${Buffer.from(bytes).toString('latin1')}`);
  }

  onEnd(trailers: FieldSection | null): void {
    this.events.push(trailers === null ? 'end' : `end ${[...trailers]}`);
  }

  onUpgrade(head: ResponseHead): void {
    this.events.push(`upgrade ${head.status}`);
  }

  onWritable(): void {
    this.events.push('writable');
  }

  onError(error: SluiceError): void {
    this.error = error;
    this.events.push(`error ${error.code} ${error.retry}`);
  }
}

class ClientUnderTest {
  readonly written: Buffer[] = [];
  readonly connection: Http2ClientConnection;
  ended = false;
  availableCount = 0;
  pongs = 0;
  #told = PREFACE.length;
  readonly #teller = new FrameTeller();

  constructor() {
    this.connection = new Http2ClientConnection({
      output: {
        write: (bytes) => this.written.push(Buffer.from(bytes)) > 0,
        end: () => {
          this.ended = true;
        },
        reset: () => {
          this.ended = true;
        },
        pauseReading: () => {},
        resumeReading: () => {},
      },
      monotonicMs: () => 0,
      onAvailable: () => this.availableCount++,
      onPong: () => this.pongs++,
    });
  }

  get(more: Partial<RequestHead> = {}, contentLength = 0): [RecordedResponse, RequestSender] {
    const handler = new RecordedResponse();
    const head: RequestHead = {
      method: 'GET',
      version: '1.1',
      scheme: 'https',
      authority: configuredAuthority('origin.example'),
      path: '/p?q',
      fields: FieldSection.of(['host', 'x'], ['accept', '*/*'], ['connection', 'close']),
      contentLength,
      expectContinue: false,
      upgrade: '',
      ...more,
    };
    return [handler, this.connection.start(head, contentLength, handler)];
  }

  receive(...parts: Uint8Array[]): this {
    const bytes = Buffer.concat(parts);
    this.connection.receive(bytes);
    // Whoever has kept a view of it is found out.
    bytes.fill(0xdd);
    return this;
  }

  frames(): ReadFrame[] {
    const all = Buffer.concat(this.written);
    const fresh = all.subarray(this.#told);
    this.#told = all.length;
    return readFrames(fresh);
  }

  told(): string[] {
    return this.frames().map((sent) => this.#teller.tell(sent));
  }

  fields(sent: ReadFrame): [string, string][] {
    return [...this.#teller.fields(sent.payload)];
  }
}

const response = (streamId: number, flags: number, status: string, ...more: [string, string][]) =>
  headers(streamId, flags | END_HEADERS, [[':status', status], ...more]);

describe('a request to an origin', () => {
  test('follows the preface and our settings, and has HTTP/2 fields only', () => {
    const client = new ClientUnderTest();
    client.get();
    const bytes = Buffer.concat(client.written);
    assert.deepEqual(bytes.subarray(0, PREFACE.length), PREFACE);
    const [ours, , request] = client.frames();
    assert.equal(ours!.type, TYPE.SETTINGS);
    assert.equal(request!.flags, END_STREAM | END_HEADERS);
    assert.deepEqual(client.fields(request!), [
      [':method', 'GET'],
      [':scheme', 'https'],
      [':path', '/p?q'],
      [':authority', 'origin.example'],
      ['accept', '*/*'],
    ]);
  });

  test('with content and trailers', () => {
    const client = new ClientUnderTest().receive(settings());
    const [, sender] = client.get({ method: 'POST' }, 5);
    sender.sendContent(latin1('he'));
    sender.sendContent(latin1('llo'));
    sender.sendEnd(FieldSection.of(['x-sum', '1']));
    const [head, ...rest] = client.frames().slice(3);
    assert.deepEqual(client.fields(head!).at(-1), ['content-length', '5']);
    assert.deepEqual(
      rest.map(({ type, flags }) => [type, flags]),
      [
        [TYPE.DATA, 0],
        [TYPE.DATA, 0],
        [TYPE.HEADERS, END_HEADERS | END_STREAM],
      ],
    );
  });

  test('given up is reset, and nothing more is said of it', () => {
    const client = new ClientUnderTest().receive(settings());
    const [handler, sender] = client.get();
    sender.cancel();
    assert.equal(client.told().at(-1), 'RST_STREAM 1 CANCEL');
    client.receive(response(1, 0, '200'), data(1, 'x', END_STREAM));
    client.connection.onConnectionLost(new SluiceError('x', 'x', { blame: 'upstream' }));
    assert.deepEqual(handler.events, []);
  });
});

describe('a response from an origin', () => {
  test('comes with interim responses, content and trailers', () => {
    const client = new ClientUnderTest();
    const [handler] = client.get();
    client.receive(
      settings(),
      response(1, 0, '103', ['link', '</a>']),
      response(1, 0, '200', ['content-length', '3']),
      data(1, 'abc'),
      headers(1, END_HEADERS | END_STREAM, [['x-sum', '6']]),
    );
    assert.deepEqual(handler.events, [
      'informational 103',
      'head 200 3',
      'content abc',
      'end x-sum,6',
    ]);
    assert.equal(client.connection.openStreams, 0);
  });

  test('without content, to HEAD, and with 304', () => {
    const client = new ClientUnderTest().receive(settings());
    for (const [method, status, flags, expected] of [
      ['GET', '200', END_STREAM, 'head 200 0'],
      ['HEAD', '200', END_STREAM, 'head 200 9'],
      ['GET', '304', END_STREAM, 'head 304 9'],
    ] as const) {
      const [handler] = client.get({ method });
      const id = client.connection.connection.lastStreamId;
      const more: [string, string][] = expected.endsWith('9') ? [['content-length', '9']] : [];
      client.receive(response(id, flags, status, ...more));
      assert.deepEqual(handler.events, [expected, 'end']);
    }
  });

  test('may come whole before the request is (RFC 9113 §8.1)', () => {
    const client = new ClientUnderTest().receive(settings());
    const [handler, sender] = client.get({ method: 'POST' }, -1);
    sender.pause();
    client.receive(response(1, 0, '413'), data(1, 'no', END_STREAM), reset(1, 0));
    sender.resume();
    assert.deepEqual(handler.events, ['head 413 -1', 'content no', 'end']);
    assert.equal(sender.sendContent(latin1('dropped')), true);
    assert.equal(client.connection.openStreams, 0);
  });

  for (const [name, frames] of Object.entries({
    'content before the head': [data(1, 'x')],
    'content after an interim response': [response(1, 0, '103'), data(1, 'x')],
    'no status': [headers(1, END_HEADERS, [['a', 'b']])],
    'a request pseudo-header field': [response(1, 0, '200', [':path', '/'])],
    'a status of two digits': [response(1, 0, '20')],
    '101': [response(1, 0, '101')],
    'an interim response that ends the stream': [response(1, END_STREAM, '103')],
    'an upper-case name': [response(1, 0, '200', ['X', 'y'])],
    'a line break in a value': [response(1, 0, '200', ['x', 'y\r\nz: 1'])],
    'transfer-encoding': [response(1, 0, '200', ['transfer-encoding', 'chunked'])],
    'two lengths': [response(1, 0, '200', ['content-length', '1'], ['content-length', '2'])],
    'too little content': [
      response(1, 0, '200', ['content-length', '3']),
      data(1, 'ab', END_STREAM),
    ],
    'content announced, and none': [response(1, END_STREAM, '200', ['content-length', '3'])],
    'too much content': [response(1, 0, '200', ['content-length', '1']), data(1, 'ab')],
    'content with 204': [response(1, 0, '204'), data(1, 'ab')],
    'trailers that do not end the stream': [
      response(1, 0, '200'),
      headers(1, END_HEADERS, [['a', 'b']]),
    ],
  })) {
    test(`malformed is reset: ${name}`, () => {
      const client = new ClientUnderTest().receive(settings());
      const [handler] = client.get();
      client.told();
      client.receive(...frames);
      assert.deepEqual(client.told(), ['RST_STREAM 1 PROTOCOL_ERROR']);
      assert.equal(handler.events.at(-1), 'error http2-protocol-error never');
      assert.equal(handler.error!.blame, 'upstream');
      assert.ok(!handler.events.some((event) => event.startsWith('content ')));
    });
  }

  test('pushed, or on a stream that we did not open, ends the connection', () => {
    for (const bad of [
      frame(TYPE.PUSH_PROMISE, END_HEADERS, 1, u32(2)),
      response(2, 0, '200'),
      response(3, 0, '200'),
      frame(TYPE.PRIORITY_UPDATE, 0, 0, u32(1)),
    ]) {
      const client = new ClientUnderTest().receive(settings());
      const [handler] = client.get();
      client.receive(bad);
      assert.equal(client.told().at(-1), 'GOAWAY 0 PROTOCOL_ERROR');
      assert.equal(handler.events.at(-1), 'error http2-protocol-error never');
      assert.ok(client.ended);
    }
  });
});

describe('which exchange may be tried again', () => {
  test('one that the origin refused', () => {
    const client = new ClientUnderTest().receive(settings());
    const [handler] = client.get();
    client.receive(reset(1, 7));
    assert.deepEqual(handler.events, ['error http2-refused-stream always']);
  });

  test('those above the last stream of GOAWAY; the others go on (RFC 9113 §6.8)', () => {
    const client = new ClientUnderTest().receive(settings());
    const [first] = client.get();
    const [second] = client.get();
    client.receive(goaway(1));
    assert.deepEqual(second.events, ['error http2-refused-stream always']);
    assert.equal(client.connection.availableStreams, 0);
    assert.equal(client.ended, false);
    client.receive(response(1, END_STREAM, '200'));
    assert.deepEqual(first.events, ['head 200 0', 'end']);
    assert.ok(client.ended);
  });

  test('those on a connection that ended, if it had carried others before', () => {
    const client = new ClientUnderTest().receive(settings());
    const [handler] = client.get();
    client.connection.onEndOfInput();
    assert.deepEqual(handler.events, ['error http2-cancel ifReused']);
    assert.ok(client.ended);
  });
});

describe('how many exchanges', () => {
  test('follows the settings of the origin', () => {
    const client = new ClientUnderTest();
    assert.equal(client.connection.availableStreams, 100);
    client.receive(settings([3, 2]));
    assert.equal(client.availableCount, 1);
    client.get();
    client.get();
    assert.equal(client.connection.availableStreams, 0);
    client.receive(response(1, END_STREAM, '200'));
    assert.equal(client.connection.availableStreams, 1);
    client.receive(settings([3, 0]));
    assert.equal(client.connection.availableStreams, 0);
  });

  test('is none after shutdown, which ends when the open ones have', () => {
    const client = new ClientUnderTest().receive(settings());
    client.get();
    client.connection.shutdown();
    assert.equal(client.connection.availableStreams, 0);
    assert.equal(client.ended, false);
    client.receive(response(1, END_STREAM, '204'));
    assert.ok(client.ended);
  });
});

test('extended CONNECT makes a tunnel where the origin allows it (RFC 8441)', () => {
  const client = new ClientUnderTest();
  assert.equal(client.connection.allowsExtendedConnect, false);
  client.receive(settings([8, 1]));
  assert.ok(client.connection.allowsExtendedConnect);
  const [handler, sender] = client.get({ method: 'CONNECT', upgrade: 'websocket' });
  const head = client.frames().find(({ type }) => type === TYPE.HEADERS)!;
  assert.equal(head.flags, END_HEADERS);
  assert.deepEqual(client.fields(head).slice(0, 2), [
    [':method', 'CONNECT'],
    [':protocol', 'websocket'],
  ]);
  client.receive(response(1, 0, '200'), data(1, 'raw'));
  sender.sendContent(latin1('raw too'));
  assert.deepEqual(handler.events, ['upgrade 200', 'content raw']);
  assert.deepEqual(client.told(), ['DATA 1 7']);
});

test('a keep-alive PING is answered by onPong', () => {
  const client = new ClientUnderTest().receive(settings());
  client.connection.ping();
  const probe = client.frames().find(({ type, flags }) => type === TYPE.PING && flags === 0)!;
  client.receive(frame(TYPE.PING, ACK, 0, probe.payload));
  assert.equal(client.pongs, 1);
});
