/**
 * What hostile clients send, over HTTP/3, with an origin behind it that speaks HTTP/1.1: the tables of
 * test/hostile/ that were made for HTTP/2, frame by frame, and those made for HTTP/1, line by line. The
 * origin sees one request for each that was taken, with the target that was judged, and nothing else.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FieldSection } from '../../src/http/field-section.ts';
import { Http1ClientConnection } from '../../src/http1/client-connection.ts';
import { HpackDecoder } from '../../src/http2/hpack-decoder.ts';
import { hostSpellings, http1Inputs, http2Inputs } from '../hostile/requests.ts';
import type { RecordedRequest } from '../http2/server-under-test.ts';
import { PREFACE, readFrames, TYPE as TYPE2 } from '../http2/wire.ts';
import { RecordedOutput, Recording } from '../vectors/http1/recording.ts';
import { Http3UnderTest } from './server-under-test.ts';
import { data, frame, GET_FIELDS, hex, line, TYPE } from './wire.ts';

type Lines = readonly (readonly [string, string])[];

/** A section as it is written, also where a name or a value is none. */
const headersOf = (lines: Lines) =>
  frame(TYPE.HEADERS, hex('0000'), ...lines.map(([name, value]) => line(name, value)));

class Origin {
  readonly asked: string[] = [];
  readonly #output = new RecordedOutput(new Recording());

  get received(): string {
    return this.#output.written;
  }

  /** Sends a request on as a proxy would that changes nothing: whatever it holds. */
  readonly take = (request: RecordedRequest): void => {
    const { head } = request;
    const connection = new Http1ClientConnection({ output: this.#output });
    this.asked.push(`${head.method} ${head.path}`);
    if (head.method === 'CONNECT' || head.upgrade !== '') return;
    const fields = FieldSection.of(['host', head.authority.text], ...head.fields);
    fields.remove('content-length');
    fields.remove('expect');
    const exchange = connection.start({ ...head, fields }, NOBODY);
    request.onPart = (bytes) => exchange.sendContent(bytes);
    request.onAll = () => exchange.sendEnd(request.trailers ?? null);
  };
}

const ignore = (): void => {};
const NOBODY = {
  onInformational: ignore,
  onHead: ignore,
  onContent: ignore,
  onEnd: ignore,
  onUpgrade: ignore,
  onWritable: ignore,
  onError: ignore,
};

const REQUEST_LINE = /^[^\s:]+ \S+ HTTP\/\d/;

/** Request lines as the most lenient of origins finds them: after any line end, outside of content. */
function requestLines(received: string): string[] {
  const found: string[] = [];
  let rest = received;
  while (rest !== '') {
    const head = /^[\s\S]*?\r?\n\r?\n/.exec(rest)?.[0] ?? rest;
    rest = rest.slice(head.length);
    found.push(...head.split(/\r\n|\r|\n/).filter((text) => REQUEST_LINE.test(text)));
    const length = /^content-length: *(\d+)/im.exec(head);
    if (length !== null) rest = rest.slice(Number(length[1]));
    else if (/^transfer-encoding: *chunked/im.test(head)) rest = afterChunks(rest);
  }
  return found;
}

function afterChunks(text: string): string {
  let rest = text;
  for (;;) {
    const size = /^([0-9a-f]+)\r\n/i.exec(rest);
    if (size === null) return '';
    const length = Number.parseInt(size[1]!, 16);
    rest = rest.slice(size[0].length);
    if (length === 0) return rest.slice(/^(?:[^\r\n]+\r\n)*\r\n/.exec(rest)?.[0].length ?? 0);
    rest = rest.slice(length + 2);
  }
}

/** Plays what a stream brings, and looks at what has reached the origin. Whether it was taken. */
function play(frames: readonly Uint8Array[], mayInject = false): boolean {
  const origin = new Origin();
  const of = new Http3UnderTest({ onRequest: origin.take }).greet();
  of.ask(0, frames);
  const lines = requestLines(origin.received);
  const forwarded = origin.asked.filter((asked) => !asked.startsWith('CONNECT'));
  assert.deepEqual(
    lines,
    forwarded.map((asked) => `${asked} HTTP/1.1`),
  );
  if (!mayInject) assert.doesNotMatch(origin.received, /^x-injected/im);
  assert.ok(of.requests.length <= 1);
  return of.requests.length === 1;
}

/** The frames of the first stream of an input for HTTP/2, as frames of HTTP/3. */
function translated(bytes: Buffer): Buffer[] {
  if (bytes.indexOf(PREFACE) !== 0) return [];
  const decoder = new HpackDecoder({ fieldSectionBytesMax: 1 << 20, tableBytesMax: 4_096 });
  return readFrames(bytes.subarray(PREFACE.length))
    .filter(({ streamId }) => streamId === 1)
    .flatMap(({ type, flags, payload }) => {
      if (type === TYPE2.DATA) return [data(payload.toString('latin1'))];
      const isWhole = type === TYPE2.HEADERS && flags !== undefined;
      if (!isWhole || !decoder.decode(payload, 0, payload.length)) return [];
      const { names, values, count } = decoder.fields;
      return [headersOf(Array.from({ length: count }, (_, i) => [names[i]!, values[i]!] as const))];
    });
}

/** Fields of an HTTP/1 message, read naively: what a gateway without rules would make of them. */
function naive(text: string): Buffer[] {
  const end = /\r?\n\r?\n/.exec(text);
  const head = end === null ? text : text.slice(0, end.index);
  const content = end === null ? '' : text.slice(end.index + end[0].length);
  const [first = '', ...rest] = head.split('\r\n');
  const [method = '', path = ''] = first.split(' ');
  const fields = rest.map((text) => {
    const colon = text.indexOf(':');
    const name = colon < 0 ? text : text.slice(0, colon);
    return [name.toLowerCase(), colon < 0 ? '' : text.slice(colon + 1).trim()] as const;
  });
  const pseudo = [
    [':method', method],
    [':scheme', 'https'],
    [':authority', 'open.example'],
    [':path', path],
  ] as const;
  return [headersOf([...pseudo, ...fields.filter(([name]) => name !== 'host')]), data(content)];
}

test('what was made for HTTP/2 reaches no origin past the rules', () => {
  let taken = 0;
  let played = 0;
  for (const { name, bytes } of http2Inputs) {
    let frames: Buffer[] = [];
    try {
      frames = translated(bytes);
    } catch {
      // What is no frame of HTTP/2 cannot be one of HTTP/3.
    }
    if (frames.length === 0) continue;
    played++;
    try {
      if (play(frames)) taken++;
    } catch (error) {
      throw new Error(name, { cause: error });
    }
  }
  assert.ok(played > 100, `${played} were played`);
  assert.ok(taken > 20 && taken < played, `${taken} of ${played} were taken`);
});

test('what was made for HTTP/1 reaches no origin past the rules', () => {
  let taken = 0;
  let played = 0;
  for (const { name, bytes } of http1Inputs) {
    if (bytes.length > 40_000) continue;
    played++;
    try {
      if (play(naive(bytes.toString('latin1')), true)) taken++;
    } catch (error) {
      throw new Error(name, { cause: error });
    }
  }
  assert.ok(played > 200, `${played} were played`);
  assert.ok(taken > 20 && taken < played, `${taken} of ${played} were taken`);
});

const post = (...more: Lines): Lines => [[':method', 'POST'], ...GET_FIELDS.slice(1), ...more];
const get = (...more: Lines): Lines => [...GET_FIELDS, ...more];
const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: a.example\r\n\r\n';

describe('refused, and the origin not asked', () => {
  const ambiguous: Record<string, Lines> = {
    'Transfer-Encoding: chunked': post(['transfer-encoding', 'chunked']),
    'Transfer-Encoding beside Content-Length': post(
      ['content-length', '4'],
      ['transfer-encoding', 'chunked'],
    ),
    'two Content-Lengths': post(['content-length', '0'], ['content-length', '44']),
    'the same Content-Length twice': post(['content-length', '44'], ['content-length', '44']),
    'a list in Content-Length': post(['content-length', '0, 44']),
    'Content-Length with a sign': post(['content-length', '+44']),
    'Content-Length in hexadecimal': post(['content-length', '0x2c']),
    'Content-Length with a blank behind': post(['content-length', '44 ']),
    'Content-Length beyond 2^53': post(['content-length', '9007199254740993']),
    'Content-Length in upper case': post(['Content-Length', '44']),
    'a line end in a value': get(['x-a', `b\r\n\r\n${SMUGGLED}`]),
    'a bare LF in a value': get(['x-a', 'b\nx-injected: 1']),
    'a bare CR in a value': get(['x-a', 'b\rx-injected: 1']),
    'a NUL in a value': get(['x-a', 'b\0']),
    'a blank before a value': get(['x-a', ' b']),
    'a line end in a name': get(['x-a: b\r\nx-injected', '1']),
    'a colon in a name': get(['x-a:', 'b']),
    'a blank in a name': get(['transfer-encoding ', 'chunked']),
    'a line end in the path': [
      ...GET_FIELDS.slice(0, 3),
      [':path', `/ HTTP/1.1\r\n\r\n${SMUGGLED}`],
    ],
    'a blank in the path': [...GET_FIELDS.slice(0, 3), [':path', '/ HTTP/1.1']],
    'a line end in the method': [[':method', `${SMUGGLED}GET`], ...GET_FIELDS.slice(1)],
    'a blank in the method': [[':method', 'GET /smuggled HTTP/1.1'], ...GET_FIELDS.slice(1)],
    'a line end in the authority': get().map(([name, value]) =>
      name === ':authority'
        ? ([name, 'a.example\r\nx-injected: 1'] as const)
        : ([name, value] as const),
    ),
    'a path in the authority': get().map(([name, value]) =>
      name === ':authority' ? ([name, 'a.example/smuggled'] as const) : ([name, value] as const),
    ),
    'a line end in the scheme': get().map(([name, value]) =>
      name === ':scheme' ? ([name, 'https\r\nx-injected: 1'] as const) : ([name, value] as const),
    ),
    'Host beside another authority': get(['host', 'b.example']),
    'a second path': get([':path', '/smuggled']),
    'Connection that names a field': get(['connection', 'content-length']),
    'TE of chunked': get(['te', 'chunked']),
    Upgrade: get(['upgrade', 'h2c']),
  };
  for (const [name, lines] of Object.entries(ambiguous)) {
    test(name, () => assert.ok(!play([headersOf(lines), data(SMUGGLED)])));
  }
});

test('content that speaks of requests is content, whatever its length is known by', () => {
  const length = ['content-length', String(SMUGGLED.length)] as const;
  assert.ok(play([headersOf(post(length)), data(SMUGGLED)]));
  assert.ok(play([headersOf(post()), data(SMUGGLED)]));
  assert.ok(play([headersOf(post()), data(`0\r\n\r\n${SMUGGLED}`)]));
});

test('trailers are no head: what frames or routes is not passed on', () => {
  const trailers = headersOf([
    ['x-checksum', '1'],
    ['content-length', '44'],
    ['host', 'b.example'],
    ['te', 'trailers'],
  ]);
  const origin = new Origin();
  const of = new Http3UnderTest({ onRequest: origin.take }).greet();
  of.ask(0, [headersOf(post()), data('hello'), trailers]);
  assert.match(origin.received, /\r\n0\r\nx-checksum: 1\r\n\r\n$/i);
});

test('a host that is written in another way is the same host, or none', () => {
  for (const host of hostSpellings) {
    const origin = new Origin();
    const of = new Http3UnderTest({ onRequest: origin.take }).greet();
    const lines = GET_FIELDS.map(([name, value]) => [name, name === ':authority' ? host : value]);
    of.ask(0, [headersOf(lines as unknown as Lines)]);
    const [request] = of.requests;
    if (request === undefined) continue;
    assert.match(request.head.authority.host, /^(?:[!-~]+)$/, JSON.stringify(host));
    assert.match(origin.received, /^host: [!-~]+\r$/im);
  }
});
