/**
 * What a server must do with frames, case by case: those of h2spec (https://github.com/summerwind/h2spec)
 * and more, written anew. `send` follows the preface, a SETTINGS frame and the acknowledgement of the
 * server's; `expect` is what comes back. Requests without content get a response of 5 octets, others
 * their own content; `ended`: the connection is closed.
 */
import {
  ACK,
  block,
  data,
  END_HEADERS,
  END_STREAM,
  frame,
  GET_FIELDS,
  get,
  goaway,
  headers,
  hex,
  latin1,
  PADDED,
  POST_FIELDS,
  PRIORITY,
  ping,
  post,
  reset,
  settings,
  TYPE,
  u32,
  windowUpdate,
} from '../../http2/wire.ts';

export interface Vector {
  /** RFC 9113 unless another is named. */
  readonly section: string;
  readonly name: string;
  readonly send: readonly Uint8Array[];
  readonly expect: readonly string[];
  readonly ended?: true;
}

const OK = ['HEADERS 1 200', 'DATA 1 5 END_STREAM'];
const OK3 = ['HEADERS 3 200', 'DATA 3 5 END_STREAM'];
const priority = (on: number, weight = 15, exclusive = 0): Buffer =>
  Buffer.concat([u32(on + exclusive * 0x8000_0000), Buffer.from([weight])]);
const padded = (content: Buffer, length: number): Buffer =>
  Buffer.concat([Buffer.from([length]), content, Buffer.alloc(length)]);
const getBlock = block(...GET_FIELDS);
const ALL = END_STREAM | END_HEADERS;
const fragment = (type: number, flags: number, from: number, to: number, streamId = 1): Buffer =>
  frame(type, flags, streamId, getBlock.subarray(from, to));
const without = (name: string): (readonly [string, string])[] =>
  GET_FIELDS.filter(([other]) => other !== name);
const malformed = (lines: readonly (readonly [string, string])[]): Uint8Array[] => [
  headers(1, ALL, lines),
  get(3),
];
const REFUSED_THEN_OK = ['RST_STREAM 1 PROTOCOL_ERROR', ...OK3];
const connectionError = (code: string, last = 0): string[] => [`GOAWAY ${last} ${code}`];

export const framing: readonly Vector[] = [
  { section: '§3.4', name: 'a request is answered', send: [get(1)], expect: OK },
  {
    section: '§4.1',
    name: 'a frame of unknown type is ignored',
    send: [frame(0x16, 0xff, 0, latin1('whatever')), frame(0x17, 0, 1, latin1('x')), get(1)],
    expect: OK,
  },
  {
    section: '§4.1',
    name: 'an undefined flag is ignored',
    send: [frame(TYPE.PING, 0xfe, 0, latin1('undefind'))],
    expect: ['PING ACK undefind'],
  },
  {
    section: '§4.1',
    name: 'the reserved bit of a stream identifier is ignored',
    send: [frame(TYPE.HEADERS, ALL, 0x8000_0001, getBlock)],
    expect: OK,
  },
  {
    section: '§4.2',
    name: 'a DATA frame of 2^14 octets is taken',
    send: [post(1), data(1, 'x'.repeat(16_384), END_STREAM)],
    expect: ['HEADERS 1 200', 'DATA 1 16384 END_STREAM'],
  },
  {
    section: '§4.2',
    name: 'a DATA frame above the maximum size',
    send: [post(1), data(1, 'x'.repeat(16_385), END_STREAM)],
    expect: connectionError('FRAME_SIZE_ERROR', 1),
    ended: true,
  },
  {
    section: '§4.2',
    name: 'a HEADERS frame above the maximum size',
    send: [headers(1, ALL, [...GET_FIELDS, ['x', 'y'.repeat(16_385)]])],
    expect: connectionError('FRAME_SIZE_ERROR'),
    ended: true,
  },
  {
    section: '§4.3',
    name: 'a field block that cannot be decoded',
    send: [frame(TYPE.HEADERS, ALL, 1, hex('82 40 01'))],
    expect: connectionError('COMPRESSION_ERROR'),
    ended: true,
  },
  {
    section: '§4.3',
    name: 'a PRIORITY frame inside a field block',
    send: [fragment(TYPE.HEADERS, END_STREAM, 0, 9), frame(TYPE.PRIORITY, 0, 1, priority(0))],
    expect: connectionError('PROTOCOL_ERROR'),
    ended: true,
  },
  {
    section: '§4.3',
    name: 'HEADERS of another stream inside a field block',
    send: [fragment(TYPE.HEADERS, END_STREAM, 0, 9), get(3)],
    expect: connectionError('PROTOCOL_ERROR'),
    ended: true,
  },
  {
    section: '§5.5',
    name: 'a frame of unknown type inside a field block',
    send: [fragment(TYPE.HEADERS, END_STREAM, 0, 9), frame(0x16, 0, 0, latin1('x'))],
    expect: connectionError('PROTOCOL_ERROR'),
    ended: true,
  },
  {
    section: '§6.1',
    name: 'DATA in several frames, with padding',
    send: [
      post(1),
      data(1, 'ab'),
      data(1, padded(latin1('cd'), 6), PADDED),
      data(1, padded(latin1(''), 0), PADDED | END_STREAM),
    ],
    expect: ['HEADERS 1 200', 'DATA 1 4 END_STREAM'],
  },
  {
    section: '§6.1',
    name: 'DATA on stream 0',
    send: [data(0, 'x')],
    expect: connectionError('PROTOCOL_ERROR'),
    ended: true,
  },
  {
    section: '§6.1',
    name: 'DATA with more padding than octets',
    send: [post(1), data(1, Buffer.concat([Buffer.from([4]), latin1('abc')]), PADDED)],
    expect: connectionError('PROTOCOL_ERROR', 1),
    ended: true,
  },
  {
    section: '§6.1',
    name: 'DATA with padding and no room for its length',
    send: [post(1), data(1, '', PADDED)],
    expect: connectionError('FRAME_SIZE_ERROR', 1),
    ended: true,
  },
  {
    section: '§6.2',
    name: 'HEADERS with padding',
    send: [frame(TYPE.HEADERS, ALL | PADDED, 1, padded(getBlock, 7))],
    expect: OK,
  },
  {
    section: '§6.2',
    name: 'HEADERS with priority, and with both',
    send: [
      frame(TYPE.HEADERS, ALL | PRIORITY, 1, Buffer.concat([priority(0), getBlock])),
      frame(
        TYPE.HEADERS,
        ALL | PRIORITY | PADDED,
        3,
        padded(Buffer.concat([priority(1, 255, 1), getBlock]), 2),
      ),
    ],
    expect: [...OK, ...OK3],
  },
  {
    section: '§6.2',
    name: 'HEADERS on stream 0',
    send: [get(0)],
    expect: connectionError('PROTOCOL_ERROR'),
    ended: true,
  },
  {
    section: '§6.2',
    name: 'HEADERS with more padding than octets',
    send: [frame(TYPE.HEADERS, ALL | PADDED, 1, Buffer.concat([Buffer.from([200]), getBlock]))],
    expect: connectionError('PROTOCOL_ERROR'),
    ended: true,
  },
  {
    section: '§6.2',
    name: 'HEADERS too short for its priority',
    send: [frame(TYPE.HEADERS, ALL | PRIORITY, 1, hex('00 00 00'))],
    expect: connectionError('FRAME_SIZE_ERROR'),
    ended: true,
  },
  {
    section: '§6.10',
    name: 'one CONTINUATION frame, and several',
    send: [
      fragment(TYPE.HEADERS, END_STREAM, 0, 9),
      fragment(TYPE.CONTINUATION, END_HEADERS, 9, getBlock.length),
      fragment(TYPE.HEADERS, END_STREAM, 0, 4, 3),
      fragment(TYPE.CONTINUATION, 0, 4, 20, 3),
      fragment(TYPE.CONTINUATION, 0, 20, 20, 3),
      fragment(TYPE.CONTINUATION, END_HEADERS, 20, getBlock.length, 3),
    ],
    expect: [...OK, ...OK3],
  },
  {
    section: '§6.10',
    name: 'DATA between CONTINUATION frames',
    send: [
      fragment(TYPE.HEADERS, 0, 0, 9),
      fragment(TYPE.CONTINUATION, 0, 9, 12),
      data(1, 'x', END_STREAM),
    ],
    expect: connectionError('PROTOCOL_ERROR'),
    ended: true,
  },
  {
    section: '§6.10',
    name: 'CONTINUATION on stream 0',
    send: [fragment(TYPE.HEADERS, END_STREAM, 0, 9), fragment(TYPE.CONTINUATION, 4, 9, 12, 0)],
    expect: connectionError('PROTOCOL_ERROR'),
    ended: true,
  },
  {
    section: '§6.10',
    name: 'CONTINUATION after END_HEADERS, in HEADERS or in CONTINUATION',
    send: [
      fragment(TYPE.HEADERS, 0, 0, 9),
      fragment(TYPE.CONTINUATION, END_HEADERS, 9, getBlock.length),
      fragment(TYPE.CONTINUATION, END_HEADERS, 0, 9),
    ],
    expect: connectionError('PROTOCOL_ERROR', 1),
    ended: true,
  },
  {
    section: '§6.10',
    name: 'CONTINUATION after DATA',
    send: [post(1), data(1, 'x'), fragment(TYPE.CONTINUATION, END_HEADERS, 0, 9)],
    expect: connectionError('PROTOCOL_ERROR', 1),
    ended: true,
  },
];

export const streams: readonly Vector[] = [
  {
    section: '§5.1',
    name: 'idle: DATA',
    send: [data(1, 'x', END_STREAM)],
    expect: connectionError('PROTOCOL_ERROR'),
    ended: true,
  },
  {
    section: '§5.1',
    name: 'idle: RST_STREAM',
    send: [reset(1)],
    expect: connectionError('PROTOCOL_ERROR'),
    ended: true,
  },
  {
    section: '§5.1',
    name: 'idle: WINDOW_UPDATE',
    send: [windowUpdate(1, 100)],
    expect: connectionError('PROTOCOL_ERROR'),
    ended: true,
  },
  {
    section: '§5.1',
    name: 'idle: CONTINUATION',
    send: [fragment(TYPE.CONTINUATION, ALL, 0, getBlock.length)],
    expect: connectionError('PROTOCOL_ERROR'),
    ended: true,
  },
  {
    section: '§5.1',
    name: 'idle: PRIORITY, after which lower and higher identifiers may be used',
    send: [frame(TYPE.PRIORITY, 0, 5, priority(0, 255)), get(1), get(3)],
    expect: [...OK, ...OK3],
  },
  {
    section: '§5.1',
    name: 'half-closed (remote): WINDOW_UPDATE and PRIORITY',
    send: [
      settings([4, 0]),
      get(1),
      frame(TYPE.PRIORITY, 0, 1, priority(0, 0, 1)),
      windowUpdate(1, 5),
    ],
    expect: ['SETTINGS ACK', 'HEADERS 1 200', 'DATA 1 5 END_STREAM'],
  },
  {
    section: '§5.1',
    name: 'half-closed (remote): RST_STREAM',
    send: [settings([4, 0]), get(1), reset(1), settings([4, 9])],
    expect: ['SETTINGS ACK', 'HEADERS 1 200', 'SETTINGS ACK'],
  },
  {
    section: '§5.1',
    name: 'closed: PRIORITY, WINDOW_UPDATE, RST_STREAM',
    send: [get(1), frame(TYPE.PRIORITY, 0, 1, priority(0)), windowUpdate(1, 1), reset(1), get(3)],
    expect: [...OK, ...OK3],
  },
  {
    section: '§5.1',
    name: 'half-closed (remote): DATA',
    send: [settings([4, 0]), get(1), data(1, 'x')],
    expect: ['SETTINGS ACK', 'HEADERS 1 200', 'RST_STREAM 1 STREAM_CLOSED'],
  },
  {
    section: '§5.1',
    name: 'half-closed (remote): HEADERS',
    send: [settings([4, 0]), get(1), get(1)],
    expect: ['SETTINGS ACK', 'HEADERS 1 200', 'RST_STREAM 1 STREAM_CLOSED'],
  },
  {
    section: '§5.1',
    name: 'half-closed (remote): CONTINUATION',
    send: [settings([4, 0]), get(1), fragment(TYPE.CONTINUATION, END_HEADERS, 0, 9)],
    expect: ['SETTINGS ACK', ...connectionError('PROTOCOL_ERROR', 1)],
    ended: true,
  },
  {
    section: '§5.1',
    name: 'closed by RST_STREAM: DATA',
    send: [post(1), reset(1), data(1, 'x')],
    expect: ['RST_STREAM 1 STREAM_CLOSED'],
  },
  {
    section: '§5.1',
    name: 'closed by RST_STREAM: HEADERS',
    send: [post(1), reset(1), get(1)],
    expect: ['RST_STREAM 1 STREAM_CLOSED'],
  },
  {
    section: '§5.1',
    name: 'closed by RST_STREAM: CONTINUATION',
    send: [post(1), reset(1), fragment(TYPE.CONTINUATION, END_HEADERS, 0, 9)],
    expect: connectionError('PROTOCOL_ERROR', 1),
    ended: true,
  },
  {
    section: '§5.1',
    name: 'closed by END_STREAM: DATA',
    send: [get(1), data(1, 'x')],
    expect: [...OK, 'RST_STREAM 1 STREAM_CLOSED'],
  },
  {
    section: '§5.1',
    name: 'closed by END_STREAM: HEADERS',
    send: [get(1), get(1)],
    expect: connectionError('STREAM_CLOSED', 1),
    ended: true,
  },
  {
    section: '§5.1',
    name: 'closed by END_STREAM: CONTINUATION',
    send: [get(1), fragment(TYPE.CONTINUATION, END_HEADERS, 0, 9)],
    expect: connectionError('PROTOCOL_ERROR', 1),
    ended: true,
  },
  {
    section: '§5.1.1',
    name: 'an even stream identifier',
    send: [get(2)],
    expect: connectionError('PROTOCOL_ERROR'),
    ended: true,
  },
  {
    section: '§5.1.1',
    name: 'a stream identifier below one used before',
    send: [get(5), get(3)],
    expect: connectionError('PROTOCOL_ERROR', 5),
    ended: true,
  },
  {
    section: '§5.1.2',
    name: 'more streams at once than allowed (here 3)',
    send: [post(1), post(3), post(5), post(7)],
    expect: ['RST_STREAM 7 REFUSED_STREAM'],
  },
  {
    section: '§5.3.1 of RFC 7540',
    name: 'HEADERS that make a stream depend on itself',
    send: [frame(TYPE.HEADERS, ALL | PRIORITY, 1, Buffer.concat([priority(1), getBlock])), get(3)],
    expect: REFUSED_THEN_OK,
  },
  {
    section: '§5.3.1 of RFC 7540',
    name: 'PRIORITY that makes an open stream depend on itself',
    send: [post(1), frame(TYPE.PRIORITY, 0, 1, priority(1)), get(3)],
    expect: REFUSED_THEN_OK,
  },
  {
    section: '§5.3.1 of RFC 7540',
    name: 'PRIORITY that makes an idle stream depend on itself',
    send: [frame(TYPE.PRIORITY, 0, 1, priority(1))],
    expect: connectionError('PROTOCOL_ERROR'),
    ended: true,
  },
];

export const controlFrames: readonly Vector[] = [
  {
    section: '§5.4.1',
    name: 'after a connection error nothing is taken any more',
    send: [ping('short'), ping('12345678')],
    expect: connectionError('FRAME_SIZE_ERROR'),
    ended: true,
  },
  {
    section: '§6.3',
    name: 'PRIORITY of every weight, exclusive or not',
    send: [
      frame(TYPE.PRIORITY, 0, 1, priority(0, 0)),
      frame(TYPE.PRIORITY, 0, 3, priority(1, 255)),
      frame(TYPE.PRIORITY, 0, 5, priority(3, 9, 1)),
    ],
    expect: [],
  },
  {
    section: '§6.3',
    name: 'PRIORITY on stream 0',
    send: [frame(TYPE.PRIORITY, 0, 0, priority(1))],
    expect: connectionError('PROTOCOL_ERROR'),
    ended: true,
  },
  {
    section: '§6.3',
    name: 'PRIORITY of a wrong length is a stream error',
    send: [post(1), frame(TYPE.PRIORITY, 0, 1, hex('00 00 00 00')), get(3)],
    expect: ['RST_STREAM 1 FRAME_SIZE_ERROR', ...OK3],
  },
  {
    section: '§6.4',
    name: 'RST_STREAM on stream 0',
    send: [reset(0)],
    expect: connectionError('PROTOCOL_ERROR'),
    ended: true,
  },
  {
    section: '§6.4',
    name: 'RST_STREAM of a wrong length',
    send: [post(1), frame(TYPE.RST_STREAM, 0, 1, hex('00 00 08'))],
    expect: connectionError('FRAME_SIZE_ERROR', 1),
    ended: true,
  },
  {
    section: '§6.5',
    name: 'an acknowledgement of SETTINGS with octets',
    send: [frame(TYPE.SETTINGS, ACK, 0, hex('00'))],
    expect: connectionError('FRAME_SIZE_ERROR'),
    ended: true,
  },
  {
    section: '§6.5',
    name: 'SETTINGS on a stream',
    send: [frame(TYPE.SETTINGS, 0, 1, hex('0003 00000064'))],
    expect: connectionError('PROTOCOL_ERROR'),
    ended: true,
  },
  {
    section: '§6.5',
    name: 'SETTINGS of a wrong length',
    send: [frame(TYPE.SETTINGS, 0, 0, hex('0003 0000'))],
    expect: connectionError('FRAME_SIZE_ERROR'),
    ended: true,
  },
  {
    section: '§6.5.2',
    name: 'ENABLE_PUSH other than 0 and 1',
    send: [settings([2, 2])],
    expect: connectionError('PROTOCOL_ERROR'),
    ended: true,
  },
  {
    section: '§6.5.2',
    name: 'INITIAL_WINDOW_SIZE above the maximum',
    send: [settings([4, 0x8000_0000])],
    expect: connectionError('FLOW_CONTROL_ERROR'),
    ended: true,
  },
  {
    section: '§6.5.2',
    name: 'MAX_FRAME_SIZE below the initial value',
    send: [settings([5, 16_383])],
    expect: connectionError('PROTOCOL_ERROR'),
    ended: true,
  },
  {
    section: '§6.5.2',
    name: 'MAX_FRAME_SIZE above the maximum',
    send: [settings([5, 16_777_216])],
    expect: connectionError('PROTOCOL_ERROR'),
    ended: true,
  },
  {
    section: '§6.5.2',
    name: 'an unknown setting is ignored',
    send: [settings([0xff, 1]), ping()],
    expect: ['SETTINGS ACK', 'PING ACK 12345678'],
  },
  {
    section: '§6.5.3',
    name: 'of a setting that comes twice the last value counts',
    send: [settings([4, 100], [4, 1]), get(1)],
    expect: ['SETTINGS ACK', 'HEADERS 1 200', 'DATA 1 1'],
  },
  {
    section: '§3 of RFC 8441',
    name: 'ENABLE_CONNECT_PROTOCOL other than 0 and 1',
    send: [settings([8, 2])],
    expect: connectionError('PROTOCOL_ERROR'),
    ended: true,
  },
  {
    section: '§3 of RFC 8441',
    name: 'ENABLE_CONNECT_PROTOCOL taken back',
    send: [settings([8, 1]), settings([8, 0])],
    expect: ['SETTINGS ACK', ...connectionError('PROTOCOL_ERROR')],
    ended: true,
  },
  {
    section: '§6.6, §8.4',
    name: 'PUSH_PROMISE',
    send: [frame(TYPE.PUSH_PROMISE, END_HEADERS, 1, Buffer.concat([u32(2), getBlock]))],
    expect: connectionError('PROTOCOL_ERROR'),
    ended: true,
  },
  { section: '§6.7', name: 'PING is answered', send: [ping()], expect: ['PING ACK 12345678'] },
  {
    section: '§6.7',
    name: 'an acknowledgement of PING is not answered',
    send: [ping('notanswe', ACK), ping('12345678')],
    expect: ['PING ACK 12345678'],
  },
  {
    section: '§6.7',
    name: 'PING on a stream',
    send: [frame(TYPE.PING, 0, 1, latin1('12345678'))],
    expect: connectionError('PROTOCOL_ERROR'),
    ended: true,
  },
  {
    section: '§6.7',
    name: 'PING of a wrong length',
    send: [ping('123456')],
    expect: connectionError('FRAME_SIZE_ERROR'),
    ended: true,
  },
  {
    section: '§6.8',
    name: 'GOAWAY ends an idle connection',
    send: [goaway(0)],
    expect: [],
    ended: true,
  },
  {
    section: '§6.8',
    name: 'GOAWAY on a stream',
    send: [frame(TYPE.GOAWAY, 0, 1, Buffer.concat([u32(0), u32(0)]))],
    expect: connectionError('PROTOCOL_ERROR'),
    ended: true,
  },
  {
    section: '§6.8',
    name: 'GOAWAY of a wrong length',
    send: [frame(TYPE.GOAWAY, 0, 0, u32(0))],
    expect: connectionError('FRAME_SIZE_ERROR'),
    ended: true,
  },
  {
    section: '§7',
    name: 'GOAWAY with an unknown error code, after which what is open is answered',
    send: [post(1), goaway(0, 0xff), data(1, 'hello', END_STREAM)],
    expect: ['HEADERS 1 200', 'DATA 1 5 END_STREAM'],
    ended: true,
  },
  {
    section: '§7',
    name: 'RST_STREAM with an unknown error code',
    send: [post(1), reset(1, 0xff), ping()],
    expect: ['PING ACK 12345678'],
  },
  {
    section: '§7.1 of RFC 9218',
    name: 'PRIORITY_UPDATE for an idle and an open stream',
    send: [
      frame(TYPE.PRIORITY_UPDATE, 0, 0, Buffer.concat([u32(1), latin1('u=1, i')])),
      get(1),
      post(3),
      frame(TYPE.PRIORITY_UPDATE, 0, 0, Buffer.concat([u32(3), latin1('u=7')])),
    ],
    expect: OK,
  },
  {
    section: '§7.1 of RFC 9218',
    name: 'PRIORITY_UPDATE on a stream',
    send: [frame(TYPE.PRIORITY_UPDATE, 0, 1, u32(1))],
    expect: connectionError('PROTOCOL_ERROR'),
    ended: true,
  },
  {
    section: '§7.1 of RFC 9218',
    name: 'PRIORITY_UPDATE of stream 0',
    send: [frame(TYPE.PRIORITY_UPDATE, 0, 0, u32(0))],
    expect: connectionError('PROTOCOL_ERROR'),
    ended: true,
  },
  {
    section: '§7.1 of RFC 9218',
    name: 'PRIORITY_UPDATE of a push that was never promised',
    send: [frame(TYPE.PRIORITY_UPDATE, 0, 0, u32(2))],
    expect: connectionError('PROTOCOL_ERROR'),
    ended: true,
  },
  {
    section: '§7.1 of RFC 9218',
    name: 'PRIORITY_UPDATE of a wrong length',
    send: [frame(TYPE.PRIORITY_UPDATE, 0, 0, hex('000001'))],
    expect: connectionError('FRAME_SIZE_ERROR'),
    ended: true,
  },
];

export const flowControl: readonly Vector[] = [
  {
    section: '§6.9',
    name: 'WINDOW_UPDATE of 0 on the connection',
    send: [windowUpdate(0, 0)],
    expect: connectionError('PROTOCOL_ERROR'),
    ended: true,
  },
  {
    section: '§6.9',
    name: 'WINDOW_UPDATE of 0 on a stream',
    send: [post(1), windowUpdate(1, 0), get(3)],
    expect: REFUSED_THEN_OK,
  },
  {
    section: '§6.9',
    name: 'WINDOW_UPDATE of a wrong length',
    send: [frame(TYPE.WINDOW_UPDATE, 0, 0, hex('000001'))],
    expect: connectionError('FRAME_SIZE_ERROR'),
    ended: true,
  },
  {
    section: '§6.9.1',
    name: 'a stream window of one octet is respected',
    send: [settings([4, 1]), get(1), windowUpdate(1, 3), windowUpdate(1, 9)],
    expect: ['SETTINGS ACK', 'HEADERS 1 200', 'DATA 1 5 END_STREAM'],
  },
  {
    section: '§6.9.1',
    name: 'a connection window above the maximum',
    send: [windowUpdate(0, 0x7fff_ffff)],
    expect: connectionError('FLOW_CONTROL_ERROR'),
    ended: true,
  },
  {
    section: '§6.9.1',
    name: 'a stream window above the maximum',
    send: [post(1), windowUpdate(1, 0x7fff_ffff), get(3)],
    expect: ['RST_STREAM 1 FLOW_CONTROL_ERROR', ...OK3],
  },
  {
    section: '§6.9.2',
    name: 'a change of INITIAL_WINDOW_SIZE applies to open streams',
    send: [settings([4, 0]), get(1), settings([4, 1])],
    expect: ['SETTINGS ACK', 'HEADERS 1 200', 'SETTINGS ACK', 'DATA 1 1'],
  },
  {
    section: '§6.9.2',
    name: 'an INITIAL_WINDOW_SIZE that makes open windows overflow',
    send: [settings([4, 1]), post(1), windowUpdate(1, 0x7fff_fff0), settings([4, 0x7fff_ffff])],
    expect: ['SETTINGS ACK', ...connectionError('FLOW_CONTROL_ERROR', 1)],
    ended: true,
  },
];

export const messages: readonly Vector[] = [
  {
    section: '§8.1',
    name: 'HEAD is answered without content',
    send: [headers(1, ALL, [[':method', 'HEAD'], ...without(':method')])],
    expect: ['HEADERS 1 200 END_STREAM'],
  },
  {
    section: '§8.1',
    name: 'a request with content and trailers',
    send: [post(1), data(1, 'hello'), headers(1, ALL, [['x-checksum', '1']])],
    expect: OK,
  },
  {
    section: '§8.1',
    name: 'a second HEADERS frame without END_STREAM',
    send: [post(1), data(1, 'x'), headers(1, END_HEADERS, [['x-checksum', '1']]), get(3)],
    expect: REFUSED_THEN_OK,
  },
  {
    section: '§8.1',
    name: 'a pseudo-header field in trailers',
    send: [post(1), data(1, 'x'), headers(1, ALL, [[':method', 'GET']]), get(3)],
    expect: REFUSED_THEN_OK,
  },
  {
    section: '§8.1.1',
    name: 'content shorter than announced',
    send: [post(1, ['content-length', '5']), data(1, 'four', END_STREAM), get(3)],
    expect: REFUSED_THEN_OK,
  },
  {
    section: '§8.1.1',
    name: 'content longer than announced, in several frames',
    send: [post(1, ['content-length', '5']), data(1, 'four'), data(1, 'er', END_STREAM), get(3)],
    expect: REFUSED_THEN_OK,
  },
  {
    section: '§8.1.1',
    name: 'content shorter than announced, then trailers',
    send: [
      post(1, ['content-length', '5']),
      data(1, 'four'),
      headers(1, ALL, [['a', 'b']]),
      get(3),
    ],
    expect: REFUSED_THEN_OK,
  },
  {
    section: '§8.1.1',
    name: 'content announced, and none',
    send: malformed([...GET_FIELDS, ['content-length', '1']]),
    expect: REFUSED_THEN_OK,
  },
  {
    section: '§8.2.1',
    name: 'an upper-case field name',
    send: malformed([...GET_FIELDS, ['X-Test', 'ok']]),
    expect: REFUSED_THEN_OK,
  },
  ...['', 'a b', 'a:b', 'a\0', 'caf\xe9', 'a\x7f', ':'].map((name) => ({
    section: '§8.2.1',
    name: `the field name ${JSON.stringify(name)}`,
    send: malformed([...GET_FIELDS, [name, 'ok']]),
    expect: REFUSED_THEN_OK,
  })),
  ...['a\r\nb: c', 'a\nb', 'a\0', ' a', 'a ', '\ta', 'a\t'].map((value) => ({
    section: '§8.2.1',
    name: `the field value ${JSON.stringify(value)}`,
    send: malformed([...GET_FIELDS, ['x', value]]),
    expect: REFUSED_THEN_OK,
  })),
  ...['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade'].map(
    (name) => ({
      section: '§8.2.2',
      name: `the connection-specific field ${name}`,
      send: malformed([...GET_FIELDS, [name, 'x']]),
      expect: REFUSED_THEN_OK,
    }),
  ),
  {
    section: '§8.2.2',
    name: 'TE other than trailers',
    send: malformed([...GET_FIELDS, ['te', 'trailers, deflate']]),
    expect: REFUSED_THEN_OK,
  },
  { section: '§8.2.2', name: 'TE: trailers', send: [get(1, ['te', 'trailers'])], expect: OK },
  {
    section: '§8.3',
    name: 'an unknown pseudo-header field',
    send: malformed([...GET_FIELDS, [':test', 'ok']]),
    expect: REFUSED_THEN_OK,
  },
  {
    section: '§8.3',
    name: "a response's pseudo-header field",
    send: malformed([...GET_FIELDS, [':status', '200']]),
    expect: REFUSED_THEN_OK,
  },
  {
    section: '§8.3',
    name: 'a pseudo-header field after others',
    send: malformed([...without(':path'), ['x-test', 'ok'], [':path', '/']]),
    expect: REFUSED_THEN_OK,
  },
  ...[':method', ':scheme', ':path', ':authority'].map((name) => ({
    section: '§8.3.1',
    name: `a request without ${name}`,
    send: malformed(without(name)),
    expect: REFUSED_THEN_OK,
  })),
  ...GET_FIELDS.map((line) => ({
    section: '§8.3',
    name: `${line[0]} twice`,
    send: malformed([...GET_FIELDS, line]),
    expect: REFUSED_THEN_OK,
  })),
  ...['', 'index.html', '*', '/a b', '/a#b', '/a\n'].map((path) => ({
    section: '§8.3.1',
    name: `the path ${JSON.stringify(path)}`,
    send: malformed([...without(':path'), [':path', path]]),
    expect: REFUSED_THEN_OK,
  })),
  {
    section: '§8.3.1',
    name: 'OPTIONS *',
    send: [headers(1, ALL, [...without(':path').slice(1), [':path', '*'], [':method', 'OPTIONS']])],
    expect: OK,
  },
  ...[
    ...[
      '',
      'user@example.com',
      'a b',
      'a/b',
      'a,b?c',
      'a:b:c',
      'a:1:443',
      'a::1',
      ':80',
      'a:99999',
    ],
    ...[
      '[',
      '[::1%25lo]',
      '%zz',
      '%61',
      'a%2eb',
      'a..b',
      'a.127.1',
      'b\xc3\xbccher',
      'a'.repeat(64),
    ],
  ].map((authority) => ({
    section: '§8.3.1',
    name: `the authority ${JSON.stringify(authority)}`,
    send: malformed([...without(':authority'), [':authority', authority]]),
    expect: REFUSED_THEN_OK,
  })),
  {
    section: '§8.3.1',
    name: 'Host and :authority that differ',
    send: malformed([...GET_FIELDS, ['host', 'other.example']]),
    expect: REFUSED_THEN_OK,
  },
  {
    section: '§8.3.1',
    name: 'Host and :authority that agree but for case, final dot and default port',
    send: [get(1, ['host', 'EXAMPLE.com.:80'])],
    expect: OK,
  },
  {
    section: '§8.3.1',
    name: 'Host and :authority whose ports differ',
    send: malformed([...GET_FIELDS, ['host', 'example.com:8080']]),
    expect: REFUSED_THEN_OK,
  },
  {
    section: '§8.3.1',
    name: 'Host without :authority',
    send: [headers(1, ALL, [...without(':authority'), ['host', 'example.com']])],
    expect: OK,
  },
  {
    section: '§8.3.1',
    name: 'a method that is no token',
    send: malformed([[':method', 'GE T'], ...without(':method')]),
    expect: REFUSED_THEN_OK,
  },
  {
    section: '§8.5',
    name: 'CONNECT without a port',
    send: malformed([
      [':method', 'CONNECT'],
      [':authority', 'example.com'],
    ]),
    expect: REFUSED_THEN_OK,
  },
  {
    section: '§8.5',
    name: 'CONNECT with :path',
    send: malformed([[':method', 'CONNECT'], ...without(':method')]),
    expect: REFUSED_THEN_OK,
  },
  {
    section: '§4 of RFC 8441',
    name: ':protocol without CONNECT',
    send: malformed([...GET_FIELDS, [':protocol', 'websocket']]),
    expect: REFUSED_THEN_OK,
  },
  {
    section: '§8.1.1',
    name: 'content-length twice',
    send: [post(1, ['content-length', '1'], ['content-length', '1']), get(3)],
    expect: REFUSED_THEN_OK,
  },
  ...['-1', '1, 1', '0x1', '', '1e3'].map((value) => ({
    section: '§8.1.1',
    name: `content-length: ${value}`,
    send: [headers(1, END_HEADERS, [...POST_FIELDS, ['content-length', value]]), get(3)],
    expect: REFUSED_THEN_OK,
  })),
];

const hpackBlock = (text: string): Uint8Array[] => [
  frame(TYPE.HEADERS, ALL, 1, Buffer.concat([hex('82 84 86'), block(['host', 'a']), hex(text)])),
];
const hpackError = { expect: connectionError('COMPRESSION_ERROR'), ended: true } as const;
const hpackOk = (name: string, section: string, text: string): Vector => ({
  section: `${section} of RFC 7541`,
  name,
  send: hpackBlock(text),
  expect: OK,
});

export const hpack: readonly Vector[] = [
  hpackOk('an indexed field', '§6.1', '90'),
  hpackOk('a literal with indexing, indexed name', '§6.2.1', '6a 04 74657374'),
  hpackOk('a literal with indexing, indexed name, Huffman', '§6.2.1', '6a 83 49509f'),
  hpackOk('a literal with indexing, new name', '§6.2.1', '40 01 61 01 62'),
  hpackOk('a literal with indexing, new name, Huffman', '§6.2.1', '40 83 49509f 83 49509f'),
  hpackOk('a literal without indexing, indexed name', '§6.2.2', '0f 1b 04 74657374'),
  hpackOk('a literal without indexing, indexed name, Huffman', '§6.2.2', '0f 1b 83 49509f'),
  hpackOk('a literal without indexing, new name', '§6.2.2', '00 01 61 01 62'),
  hpackOk('a literal without indexing, new name, Huffman', '§6.2.2', '00 83 49509f 83 49509f'),
  hpackOk('a literal never indexed, indexed name', '§6.2.3', '1f 1b 04 74657374'),
  hpackOk('a literal never indexed, indexed name, Huffman', '§6.2.3', '1f 1b 83 49509f'),
  hpackOk('a literal never indexed, new name', '§6.2.3', '10 01 61 01 62'),
  hpackOk('a literal never indexed, new name, Huffman', '§6.2.3', '10 83 49509f 83 49509f'),
  {
    section: '§6.3 of RFC 7541',
    name: 'one table size update, and several, at the start of a block',
    send: [
      frame(TYPE.HEADERS, ALL, 1, Buffer.concat([hex('20 3f e1 1f'), getBlock])),
      frame(TYPE.HEADERS, ALL, 3, Buffer.concat([hex('3f 61'), getBlock])),
    ],
    expect: [...OK, ...OK3],
  },
  {
    section: '§2.3.3 of RFC 7541',
    name: 'an index beyond both tables',
    send: hpackBlock('c6'),
    ...hpackError,
  },
  {
    section: '§2.3.3 of RFC 7541',
    name: 'a name index beyond both tables',
    send: hpackBlock('7e 01 61'),
    ...hpackError,
  },
  {
    section: '§4.2 of RFC 7541',
    name: 'a table size update after a field',
    send: hpackBlock('3f e1 1f'),
    ...hpackError,
  },
  {
    section: '§5.1 of RFC 7541',
    name: 'an integer without end',
    send: hpackBlock('ff ff ff ff ff ff ff ff ff ff 7f'),
    ...hpackError,
  },
  {
    section: '§5.2 of RFC 7541',
    name: 'Huffman padding of more than 7 bits',
    send: hpackBlock('00 01 61 84 49509fff'),
    ...hpackError,
  },
  {
    section: '§5.2 of RFC 7541',
    name: 'Huffman padding that is not of ones',
    send: hpackBlock('00 01 61 83 495090'),
    ...hpackError,
  },
  {
    section: '§5.2 of RFC 7541',
    name: 'Huffman code with EOS',
    send: hpackBlock('00 01 61 84 ffffffff'),
    ...hpackError,
  },
  { section: '§6.1 of RFC 7541', name: 'index 0', send: hpackBlock('80'), ...hpackError },
  {
    section: '§6.3 of RFC 7541',
    name: 'a table size above the setting',
    send: [frame(TYPE.HEADERS, ALL, 1, Buffer.concat([hex('3f e2 1f'), getBlock]))],
    ...hpackError,
  },
];
