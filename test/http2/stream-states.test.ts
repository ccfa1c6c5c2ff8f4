/**
 * Every state of a stream with every frame (RFC 9113 §5.1 and §6), on a real connection. The
 * expectations are written out here again, cell by cell, from the RFC.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { echo, prepared, ServerUnderTest } from './server-under-test.ts';
import {
  data,
  END_HEADERS,
  END_STREAM,
  frame,
  GET_FIELDS,
  get,
  goaway,
  headers,
  hex,
  ping,
  post,
  reset,
  settings,
  TYPE,
  u32,
  windowUpdate,
} from './wire.ts';

/** How to bring stream 5 into a state; the responses held back keep it open where it must be. */
const states: Record<string, (server: ServerUnderTest) => void> = {
  idle: () => {},
  open: (server) => void server.receive(post(5)),
  'half-closed (local)': (server) => {
    server.receive(post(5));
    const { sender } = server.requests.at(-1)!;
    sender.sendHead({ status: 200, fields: prepared('').fields, contentLength: 0 });
    sender.sendEnd(null);
  },
  'half-closed (remote)': (server) => void server.receive(get(5)),
  'closed by END_STREAM': (server) => {
    server.receive(get(5));
    server.requests.at(-1)!.sender.sendStored(prepared('x'));
  },
  'closed by our RST_STREAM': (server) => {
    server.receive(post(5));
    server.receive(windowUpdate(5, 0));
  },
  'closed by their RST_STREAM': (server) => void server.receive(post(5), reset(5)),
  'closed by a higher identifier': (server) => void server.receive(get(7)),
};

const frames: Record<string, Buffer> = {
  DATA: data(5, 'abc'),
  'DATA with END_STREAM': data(5, 'abc', END_STREAM),
  HEADERS: headers(5, END_HEADERS, GET_FIELDS),
  'HEADERS with END_STREAM': get(5),
  trailers: headers(5, END_HEADERS | END_STREAM, [['x-trailer', '1']]),
  PRIORITY: frame(TYPE.PRIORITY, 0, 5, Buffer.concat([u32(3), Buffer.from([1])])),
  RST_STREAM: reset(5),
  'SETTINGS on the stream': frame(TYPE.SETTINGS, 0, 5),
  SETTINGS: settings([3, 5]),
  PUSH_PROMISE: frame(TYPE.PUSH_PROMISE, END_HEADERS, 5, u32(2)),
  PING: ping(),
  GOAWAY: goaway(0),
  WINDOW_UPDATE: windowUpdate(5, 1),
  CONTINUATION: frame(TYPE.CONTINUATION, END_HEADERS, 5),
  PRIORITY_UPDATE: frame(TYPE.PRIORITY_UPDATE, 0, 0, Buffer.concat([u32(5), Buffer.from('u=1')])),
  'unknown type': frame(0x77, 0, 5, u32(1)),
};

/**
 * One letter for each state in the order above:
 * `.` taken or ignored without an answer; `r` the handler sees the frame; `S` stream error
 * STREAM_CLOSED; `M` stream error PROTOCOL_ERROR (malformed); `C` connection error STREAM_CLOSED;
 * `P` connection error PROTOCOL_ERROR; `A` answered by a frame that is no error.
 */
const expectations: Record<string, string> = {
  //                          idle open hcl hcr end ours theirs skipped
  DATA: 'P r r S S . S P',
  'DATA with END_STREAM': 'P r r S S . S P',
  HEADERS: 'r M M S C . S P',
  'HEADERS with END_STREAM': 'r M M S C . S P',
  trailers: 'M r r S C . S P',
  PRIORITY: '. . . . . . . .',
  RST_STREAM: 'P r r r . . . P',
  'SETTINGS on the stream': 'P P P P P P P P',
  SETTINGS: 'A A A A A A A A',
  PUSH_PROMISE: 'P P P P P P P P',
  PING: 'A A A A A A A A',
  GOAWAY: '. . . . . . . .',
  WINDOW_UPDATE: 'P . . . . . . P',
  CONTINUATION: 'P P P P P P P P',
  PRIORITY_UPDATE: '. . . . . . . .',
  'unknown type': '. . . . . . . .',
};

function traceOf(server: ServerUnderTest): string {
  return JSON.stringify(
    server.requests.map(({ text, trailers, aborted }) => [text, trailers !== undefined, !aborted]),
  );
}

function outcome(server: ServerUnderTest, bytes: Buffer): string {
  const before = traceOf(server);
  const told = server.receive(bytes).told();
  const error = told.find((line) => /^(GOAWAY|RST_STREAM)/.test(line));
  if (error === undefined) {
    if (told.length > 0) return 'A';
    return traceOf(server) === before ? '.' : 'r';
  }
  assert.equal(told.length, 1, `one error, and nothing else: ${told}`);
  const [kind, stream, code] = error.split(' ');
  if (kind === 'RST_STREAM') {
    assert.equal(stream, '5');
    assert.equal(server.ended, false);
    return code === 'STREAM_CLOSED' ? 'S' : code === 'PROTOCOL_ERROR' ? 'M' : error;
  }
  assert.equal(server.ended, true);
  return code === 'STREAM_CLOSED' ? 'C' : code === 'PROTOCOL_ERROR' ? 'P' : error;
}

describe('every state × every frame', () => {
  for (const [frameName, bytes] of Object.entries(frames)) {
    const letters = expectations[frameName]!.split(' ');
    Object.entries(states).forEach(([stateName, reach], i) => {
      test(`${stateName}: ${frameName}`, () => {
        const server = new ServerUnderTest().greet();
        reach(server);
        server.frames();
        assert.equal(outcome(server, bytes), letters[i]);
      });
    });
  }
});

test('after our RST_STREAM field blocks are still decoded, so that the tables stay in step', () => {
  const server = new ServerUnderTest({ onRequest: echo }).greet();
  server.receive(post(5), windowUpdate(5, 0));
  server.frames();
  server.receive(frame(TYPE.HEADERS, END_HEADERS | END_STREAM, 5, hex('40 01 61 01 62')));
  server.receive(frame(TYPE.HEADERS, END_HEADERS | END_STREAM, 7, hex('82 86 84 01 01 61 be')));
  assert.deepEqual([...server.requests.at(-1)!.head.fields], [['a', 'b']]);
});

test('DATA for a stream that we reset gives its bytes back to the connection window', () => {
  const server = new ServerUnderTest().greet();
  server.receive(post(5), windowUpdate(5, 0));
  const window = 1_048_576;
  for (let sent = 0; sent < window * 2; sent += 16_384) {
    server.receive(data(5, Buffer.alloc(16_384)));
  }
  assert.equal(server.ended, false);
  assert.ok(server.told().some((line) => line.startsWith('WINDOW_UPDATE 0 ')));
});
