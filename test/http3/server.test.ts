/** What a server connection does for its driver and its answerer, beside what the vectors show. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SluiceError } from '../../src/base/errors.ts';
import { FieldSection } from '../../src/http/field-section.ts';
import { echo, prepared, type RecordedRequest } from '../http2/server-under-test.ts';
import { ENCODER, Http3UnderTest } from './server-under-test.ts';
import {
  data,
  frame,
  GET_FIELDS,
  headers,
  hex,
  POST_FIELDS,
  SETTING,
  TYPE,
  varint,
} from './wire.ts';

const get = headers(GET_FIELDS);
const post = headers(POST_FIELDS);
const NONE = FieldSection.of();
const internal = new SluiceError('oops', 'oops', { blame: 'internal' });

function started(options: ConstructorParameters<typeof Http3UnderTest>[0] = {}): Http3UnderTest {
  return new Http3UnderTest(options).greet();
}

const first = (of: Http3UnderTest): RecordedRequest => of.requests[0]!;

describe('a request', () => {
  test('is handed up with its target, fields and length', () => {
    const of = started();
    of.ask(0, [headers([...POST_FIELDS, ['content-length', '5'], ['x-a', 'b']]), data('hello')]);
    const { head, text, trailers } = first(of);
    assert.equal(head.method, 'POST');
    assert.equal(head.version, '3');
    assert.equal(head.scheme, 'https');
    assert.equal(head.authority.text, 'example.com');
    assert.equal(head.path, '/');
    assert.equal(head.contentLength, 5);
    assert.deepEqual(
      [...head.fields],
      [
        ['content-length', '5'],
        ['x-a', 'b'],
      ],
    );
    assert.equal(text, 'hello');
    assert.equal(trailers, null);
  });

  test('without content has a length of 0 when its end comes with its head', () => {
    const of = started();
    of.ask(0, [get]);
    assert.equal(first(of).head.contentLength, 0);
    assert.equal(first(of).trailers, null);
  });

  test('whose end comes in a frame of its own, in the same turn, has no content either', () => {
    const of = started({ hasTurns: true });
    of.ask(0, [get], false);
    assert.equal(of.requests.length, 0, 'it waits');
    of.ask(0, [], true);
    assert.equal(first(of).head.contentLength, 0);
    assert.equal(first(of).trailers, null);
    of.endTurn();
    assert.equal(of.requests.length, 1);
  });

  test('whose end does not come in its turn has content of unknown length', () => {
    const of = started({ hasTurns: true });
    of.ask(0, [post], false);
    of.endTurn();
    assert.equal(first(of).head.contentLength, -1);
    assert.equal(first(of).trailers, undefined);
    of.ask(0, [data('hello')], true);
    assert.equal(first(of).text, 'hello');
  });

  test('that waits for its turn loses no byte that comes meanwhile', () => {
    const of = started({ hasTurns: true });
    of.ask(0, [post], false);
    of.ask(0, [data('hel')], false);
    assert.equal(first(of).text, 'hel');
    of.endTurn();
    of.ask(0, [data('lo')], true);
    assert.equal(first(of).text, 'hello');
    of.ask(4, [post], false);
    of.stream(4).resetByPeer(0x10c);
    of.endTurn();
    assert.equal(of.requests.length, 1, 'what was cancelled meanwhile is never handed up');
  });

  test('with trailers brings them after its content, without what must not be there', () => {
    const of = started();
    const trailers = headers([
      ['x-checksum', '1'],
      ['content-type', 'a/b'],
    ]);
    of.ask(0, [post, data('x'), trailers]);
    assert.deepEqual([...first(of).trailers!], [['x-checksum', '1']]);
  });

  test('in early data says so, by the first bytes of its head', () => {
    const of = started();
    of.stream(0).deliver(get.subarray(0, 9), false, true);
    of.stream(0).deliver(get.subarray(9), true, false);
    of.stream(4).deliver(get, true, false);
    assert.deepEqual(
      of.requests.map(({ early }) => early),
      [true, false],
    );
  });

  test('for an authority that the certificate does not cover gets 421 (RFC 9114 §3.3)', () => {
    const of = started({ isCovered: (authority) => authority.host === 'example.org' });
    of.ask(0, [get]);
    assert.deepEqual(of.told(0).slice(0, 2), ['HEADERS 421', 'FIN']);
    assert.deepEqual(of.badRequests, [' 421']);
  });

  test('with headers beyond the limit gets 431, however small they are compressed', () => {
    const of = started({ limits: { fieldSectionBytesMax: 4_000 } });
    of.ask(0, [headers([...GET_FIELDS, ['x-a', 'b'.repeat(4_000)]])]);
    assert.equal(of.told(0)[0], 'HEADERS 431');
    of.ask(4, [get]);
    assert.equal(of.requests.length, 1);
  });

  test('that breaks off is told to its handler, once and last', () => {
    const of = started();
    of.ask(0, [post, data('x')], false);
    of.stream(0).resetByPeer(0x10c);
    assert.equal(first(of).aborted?.code, 'http3-request-cancelled');
    assert.equal(first(of).aborted?.blame, 'downstream');
  });

  test('is told of the end of its connection', () => {
    const of = started();
    of.ask(0, [post], false);
    of.ask(4, [get]);
    of.quic.end({ by: 'idle', isApplication: false });
    assert.deepEqual(
      of.requests.map(({ aborted }) => aborted?.code),
      Array(2).fill('http3-no-error'),
    );
    assert.ok(of.server.isClosed);
  });
});

describe('content', () => {
  test('is held while the handler has paused, and QUIC gives its sender no more', () => {
    const of = started({ onRequest: ({ sender }) => sender.pause() });
    const stream = of.ask(0, [post], false);
    const before = stream.consumedBytes;
    for (let i = 0; i < 100; i++) of.ask(0, [data('hello')], i === 99);
    assert.equal(first(of).text, '');
    assert.equal(stream.consumedBytes, before);
    first(of).sender.resume();
    assert.equal(first(of).text, 'hello'.repeat(100));
    assert.equal(first(of).trailers, null);
    assert.equal(stream.consumedBytes, stream.deliveredBytes);
  });

  test('comes a piece at a time to a handler that pauses with each', () => {
    const of = started();
    of.ask(0, [post], false);
    const request = first(of);
    request.onPart = () => request.sender.pause();
    of.ask(0, [data('a'), data('b'), data('c')]);
    assert.equal(request.text, 'a');
    request.sender.resume();
    assert.equal(request.text, 'ab');
    request.onPart = () => {
      request.sender.pause();
      request.sender.resume();
    };
    request.sender.resume();
    assert.equal(request.text, 'abc');
    assert.equal(request.trailers, null);
  });

  test('that nobody wants is dropped as it comes, and its sender told after the response', () => {
    const of = started({ onRequest: ({ sender }) => sender.discardContent() });
    const stream = of.ask(0, [post, data('x'.repeat(100))], false);
    assert.equal(first(of).text, '');
    assert.equal(stream.consumedBytes, stream.deliveredBytes);
    first(of).sender.sendStored(prepared('done'));
    assert.deepEqual(of.told(0), ['HEADERS 200', 'DATA 4', 'FIN', 'STOP H3_NO_ERROR']);
    assert.equal(of.server.openStreams, 0);
  });

  test('that is held is given back to QUIC when the stream breaks', () => {
    const of = started({ onRequest: ({ sender }) => sender.pause() });
    const stream = of.ask(0, [post, data('x'.repeat(5_000))], false);
    stream.resetByPeer(0x10c);
    assert.equal(stream.consumedBytes, stream.deliveredBytes);
    assert.equal(first(of).text, '');
  });

  test('never exceeds what was announced, nor is an excess handed on', () => {
    const of = started();
    of.ask(0, [headers([...POST_FIELDS, ['content-length', '3']]), data('four')]);
    assert.equal(first(of).text, '');
    assert.equal(first(of).aborted?.code, 'http3-message-error');
  });
});

describe('a response', () => {
  test('has interim responses, a head, content and trailers', () => {
    const of = started();
    of.ask(0, [get]);
    const { sender } = first(of);
    sender.sendInformational(103, FieldSection.of(['link', '</a.css>; rel=preload']));
    sender.sendInformational(101, NONE);
    sender.sendHead({
      status: 200,
      fields: FieldSection.of(['connection', 'x']),
      contentLength: -1,
    });
    assert.ok(sender.sendContent(Buffer.from('hello')));
    sender.sendEnd(FieldSection.of(['x-checksum', '1']));
    sender.sendContent(Buffer.from('too late'));
    assert.deepEqual(of.told(0), [
      'HEADERS 103',
      'HEADERS 200',
      'DATA 5',
      'HEADERS trailers',
      'FIN',
    ]);
    const head = of.frames(0)[1]!;
    assert.deepEqual([...of.teller.fields(head.payload)], [[':status', '200']]);
  });

  test('is a copy: the bytes of the answerer may change', () => {
    const of = started();
    of.ask(0, [get]);
    const content = Buffer.from('hello');
    const { sender } = first(of);
    sender.sendHead({ status: 200, fields: NONE, contentLength: 5 });
    sender.sendContent(content);
    content.fill(0);
    assert.equal(of.frames(0)[1]!.payload.toString(), 'hello');
  });

  test('without content ends with its head: HEAD, 204, 304, and what stands alone', () => {
    const of = started();
    of.ask(0, [headers([[':method', 'HEAD'], ...GET_FIELDS.slice(1)])]);
    of.ask(4, [get]);
    of.ask(8, [get]);
    of.requests[0]!.sender.sendHead({ status: 200, fields: NONE, contentLength: 9 });
    of.requests[1]!.sender.sendHead({ status: 304, fields: NONE, contentLength: 9 });
    of.requests[2]!.sender.sendHead({
      status: 200,
      fields: NONE,
      contentLength: -1,
      isAlone: true,
    });
    assert.deepEqual(
      [0, 4, 8].map((id) => of.told(id)),
      [
        ['HEADERS 200', 'FIN'],
        ['HEADERS 304', 'FIN'],
        ['HEADERS 200', 'FIN'],
      ],
    );
    const fields = of.teller.fields(of.frames(0)[0]!.payload);
    assert.equal(fields.first('content-length'), '9');
    assert.equal(of.teller.fields(of.frames(4)[0]!.payload).first('content-length'), undefined);
  });

  test('out of the store is encoded once; only its age is new', () => {
    const of = started();
    const stored = prepared('hello');
    of.ask(0, [get]);
    first(of).sender.sendStored(stored);
    const section = stored.http3Head;
    assert.ok(section !== undefined);
    of.ask(4, [get]);
    of.requests[1]!.sender.sendStored({ ...stored, ageSeconds: 123_456 });
    assert.equal(stored.http3Head, section);
    for (const [id, age] of [
      [0, '7'],
      [4, '123456'],
    ] as const) {
      assert.deepEqual(of.told(id), ['HEADERS 200', 'DATA 5', 'FIN']);
      const fields = of.teller.fields(of.frames(id)[0]!.payload);
      assert.equal(fields.first('age'), age);
      assert.equal(fields.first('content-length'), '5');
      assert.equal(fields.first('x-origin'), 'one');
    }
  });

  test('waits for a client that reads slowly', () => {
    const of = started();
    const stream = of.ask(0, [get]);
    stream.isSlow = true;
    stream.sendMax = 1_000;
    const { sender } = first(of);
    sender.sendHead({ status: 200, fields: NONE, contentLength: -1 });
    assert.ok(!sender.sendContent(Buffer.alloc(2_000)));
    assert.equal(first(of).writableCount, 0);
    stream.drain();
    assert.equal(first(of).writableCount, 1);
  });

  test('that is broken off is cut where the client can tell, after what was sent', () => {
    const of = started();
    const stream = of.ask(0, [get]);
    stream.isSlow = true;
    stream.sendMax = 10;
    const { sender } = first(of);
    sender.sendHead({ status: 200, fields: NONE, contentLength: 100 });
    sender.sendContent(Buffer.alloc(50));
    sender.abort(internal);
    assert.equal(stream.resetCode, -1, 'not before it has left');
    stream.drain();
    assert.equal(of.told(0).at(-1), 'RESET H3_INTERNAL_ERROR');
    assert.equal(of.server.openStreams, 0);
    assert.equal(first(of).aborted, undefined, 'who aborts is not told');
  });

  test('may be over before the request is, which then may end in peace', () => {
    const of = started();
    of.ask(0, [post, data('x')], false);
    first(of).sender.sendStored(prepared('early'));
    assert.equal(of.server.openStreams, 1);
    of.ask(0, [data('y')]);
    assert.equal(first(of).text, 'xy');
    assert.equal(of.server.openStreams, 0);
  });

  test('that the client stops is no fault of ours', () => {
    const of = started();
    of.ask(0, [get]);
    of.stream(0).stopByPeer(0x10c);
    assert.equal(first(of).aborted?.blame, 'downstream');
    assert.ok(first(of).sender.sendContent(Buffer.alloc(10)), 'dropped');
    assert.deepEqual(of.refusals, []);
  });
});

describe('priorities (RFC 9218)', () => {
  test('of the request, then of the response, are told to QUIC', () => {
    const of = started();
    of.ask(0, [headers([...GET_FIELDS, ['priority', 'u=1, i']])]);
    assert.equal(of.stream(0).priority, 'u=1, i');
    const fields = FieldSection.of(['priority', 'u=6']);
    first(of).sender.sendHead({ status: 200, fields, contentLength: -1 });
    assert.equal(of.stream(0).priority, 'u=6, i');
  });

  test('of PRIORITY_UPDATE count before the request has come and after', () => {
    const of = started();
    const update = (value: string) =>
      of.control(frame(TYPE.PRIORITY_UPDATE, varint(0), Buffer.from(value)));
    update('u=0');
    of.ask(0, [headers([...GET_FIELDS, ['priority', 'u=5']])]);
    assert.equal(of.stream(0).priority, 'u=0');
    update('u=7, i');
    assert.equal(of.stream(0).priority, 'u=7, i');
  });
});

describe('the dynamic table', () => {
  test('shrinks the second response, and waits for nothing that the client does not allow', () => {
    for (const blocked of [0, 16]) {
      const of = new Http3UnderTest({
        onRequest: echo,
        tableBytesMax: 4_096,
        blockedStreamsMax: blocked,
      });
      of.greet([SETTING.QPACK_MAX_TABLE_CAPACITY, 4_096], [SETTING.QPACK_BLOCKED_STREAMS, blocked]);
      const fields = FieldSection.of(['x-long', 'v'.repeat(200)]);
      const sizes: number[] = [];
      for (const id of [0, 4, 8]) {
        of.ask(id, [post], false);
        of.requests.at(-1)!.sender.sendHead({ status: 200, fields, contentLength: -1 });
        const { decoder } = of.teller;
        const said = of.quic.streams.get(7)!.written.splice(0);
        if (id === 0) said.shift();
        assert.ok(decoder.receive(Buffer.concat(said)), decoder.failure);
        const [head] = of.frames(id);
        sizes.push(head!.payload.length);
        assert.equal(of.teller.fields(head!.payload, id).first('x-long'), 'v'.repeat(200));
        const told = Buffer.from(decoder.instructions.bytes.slice(0, decoder.instructions.length));
        decoder.instructions.length = 0;
        of.stream(10).deliver(told);
      }
      assert.ok(blocked > 0 || sizes[0]! > 100, 'the client may not be made to wait');
      assert.ok(sizes[2]! < 10, `${sizes}`);
      assert.equal(of.ending, '');
    }
  });

  test('of a client is used, and what was used acknowledged', () => {
    const of = started();
    of.stream(ENCODER).deliver(hex('3fe11f c0 0b 6578616d706c652e636f6d'));
    of.ask(0, [frame(TYPE.HEADERS, hex('0200 d1 d7 80 c1'))]);
    assert.equal(first(of).head.authority.text, 'example.com');
    // The type, an increment of 1, an acknowledgement of stream 0.
    assert.equal(of.quic.streams.get(11)!.bytes.toString('hex'), '030180');
  });

  test('lets no more streams wait than was said', () => {
    const of = started({ limits: { blockedStreamsMax: 2 } });
    for (const id of [0, 4]) of.ask(id, [frame(TYPE.HEADERS, hex('0200 80'))]);
    assert.equal(of.ending, '');
    of.ask(8, [frame(TYPE.HEADERS, hex('0200 80'))]);
    assert.equal(of.ending, 'QPACK_DECOMPRESSION_FAILED');
  });

  test('cancels what will not be read, so that the client can evict', () => {
    const of = started();
    of.ask(4, [post, data('x')], false);
    of.stream(4).resetByPeer(0x10c);
    assert.equal(of.quic.streams.get(11)!.bytes.toString('hex'), '0344');
  });
});

describe('the end', () => {
  test('in order: what is on its way is answered, what comes later refused, then it closes', () => {
    const of = started({ onRequest: () => {} });
    of.ask(0, [get]);
    of.server.shutdown();
    assert.equal(of.goaways[0], 2 ** 62);
    of.server.sweep(10, 1e6, 1e6);
    assert.equal(of.goaways.length, 1, 'two round trips have not passed');
    of.ask(4, [get]);
    assert.equal(of.requests.length, 2, 'it was on its way');
    of.nowMs = 100;
    of.server.sweep(100, 1e6, 1e6);
    assert.equal(of.goaways[1], 8);
    of.ask(8, [get]);
    assert.deepEqual(of.told(8), ['RESET H3_REQUEST_REJECTED', 'STOP H3_REQUEST_REJECTED']);
    for (const { sender } of of.requests) sender.sendStored(prepared('bye'));
    assert.equal(of.ending, '', 'what was sent has not arrived');
    of.quic.settle();
    assert.equal(of.ending, 'H3_NO_ERROR');
  });

  test('a second shutdown does not wait, and an idle connection closes at once', () => {
    const of = started();
    of.server.shutdown();
    of.server.shutdown();
    of.server.shutdown();
    assert.equal(of.goaways[1], 0);
    assert.equal(of.ending, 'H3_NO_ERROR');
  });

  test('a response of which the client takes nothing ends after its time', () => {
    const of = started();
    const stream = of.ask(0, [get]);
    stream.isSlow = true;
    first(of).sender.sendHead({ status: 200, fields: NONE, contentLength: -1 });
    first(of).sender.sendContent(Buffer.alloc(10_000));
    for (let ms = 0; ms < 30_000; ms += 5_000) of.server.sweep(ms, 30_000, 1e6);
    assert.equal(first(of).aborted, undefined);
    stream.unsentBytes -= 2_000;
    of.server.sweep(30_000, 30_000, 1e6);
    of.server.sweep(59_000, 30_000, 1e6);
    assert.equal(first(of).aborted, undefined, 'it has moved');
    of.server.sweep(60_000, 30_000, 1e6);
    assert.equal(first(of).aborted?.code, 'http3-request-cancelled');
  });

  test('a request of whose content nothing comes ends after its time, unless it is answered', () => {
    const of = started();
    of.ask(0, [post], false);
    of.ask(4, [post], false);
    of.requests[1]!.sender.sendHead({ status: 200, fields: NONE, contentLength: -1 });
    of.server.sweep(0, 1e6, 30_000);
    of.server.sweep(30_000, 1e6, 30_000);
    assert.equal(of.requests[0]!.aborted?.code, 'http3-request-cancelled');
    assert.equal(of.requests[1]!.aborted, undefined);
  });

  test('a client that allows no streams of ours yet gets settings when it does', () => {
    const of = new Http3UnderTest({ unidirectionalMax: 0 });
    of.ask(0, [get]);
    assert.deepEqual([...of.quic.streams.keys()], [0]);
    of.quic.unidirectionalMax = 3;
    of.server.application.onStreamsAvailable('unidirectional');
    assert.equal(of.frames(3)[0]!.type, TYPE.SETTINGS);
    of.server.application.onStreamsAvailable('unidirectional');
    assert.deepEqual([...of.quic.streams.keys()], [0, 3, 7, 11], 'each once');
  });
});

describe('too much of it', () => {
  const exceed = (of: Http3UnderTest, act: (i: number) => void, kind: string) => {
    for (let i = 0; i < 1_200 && of.ending === ''; i++) act(i);
    assert.equal(of.ending, 'H3_EXCESSIVE_LOAD');
    assert.deepEqual(of.abuses, [kind]);
  };

  test('requests that are opened and cancelled at once (CVE-2023-44487)', () => {
    const of = started();
    exceed(
      of,
      (i) => {
        of.ask(i * 4, [post], false);
        of.stream(i * 4).resetByPeer(0x10c);
      },
      'rapid-reset',
    );
  });

  test('responses that are stopped at once', () => {
    const of = started();
    exceed(
      of,
      (i) => {
        of.ask(i * 4, [get]);
        of.stream(i * 4).stopByPeer(0x10c);
      },
      'rapid-reset',
    );
  });

  test('malformed requests', () => {
    const of = started();
    exceed(of, (i) => of.ask(i * 4, [headers([[':method', 'GET']])]), 'stream-errors');
  });

  test('empty DATA frames', () => {
    const of = started();
    of.ask(0, [post], false);
    exceed(of, () => of.ask(0, [data('')], false), 'empty-frames');
  });

  test('frames that mean nothing, on a request and on the control stream', () => {
    const of = started();
    exceed(of, () => of.ask(0, [frame(0x21)], false), 'empty-frames');
    const other = started();
    exceed(other, () => other.control(frame(0x21)), 'control-frames');
  });

  test('priorities', () => {
    const of = started();
    const update = frame(TYPE.PRIORITY_UPDATE, varint(0), Buffer.from('u=1'));
    exceed(of, () => of.control(update), 'priority');
  });

  test('streams of unknown types', () => {
    const of = started();
    exceed(of, (i) => of.stream(14 + i * 4).deliver(Buffer.from([0x21])), 'unknown-streams');
  });

  test('instructions of QPACK that the client does not read', () => {
    const of = started({ limits: { unreadInstructionBytesMax: 500 } });
    of.quic.streams.get(11)!.isSlow = true;
    for (let i = 0; i < 2_000 && of.ending === ''; i++) {
      if (i === 0) of.stream(ENCODER).deliver(hex('3fe11f'));
      of.stream(ENCODER).deliver(hex('4161 0162'));
    }
    assert.deepEqual(of.abuses, ['unread-instructions']);
  });
});
