/** Our cores against other implementations, over real sockets: Node's (nghttp2), curl, nghttp, h2load. */
import assert from 'node:assert/strict';
import { type SpawnSyncReturns, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import http2 from 'node:http2';
import net, { type AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { SluiceError } from '../../src/base/errors.ts';
import { configuredAuthority } from '../../src/http/authority.ts';
import type { ResponseHandler } from '../../src/http/exchange.ts';
import { FieldSection } from '../../src/http/field-section.ts';
import { encodeHuffman, huffmanLength } from '../../src/http/huffman.ts';
import type { RequestHead, ResponseHead } from '../../src/http/message.ts';
import { Http2ClientConnection } from '../../src/http2/client-connection.ts';
import type { Http2Output } from '../../src/http2/frame-writer.ts';
import { Http2ServerConnection } from '../../src/http2/server-connection.ts';
import { patience } from '../support/waiting.ts';
import { facts, prepared, RecordedRequest } from './server-under-test.ts';
import * as wire from './wire.ts';

const gone = new SluiceError('connection-lost', 'the socket closed', { blame: 'downstream' });

function outputOf(socket: net.Socket): Http2Output {
  return {
    write: (bytes) => socket.write(Buffer.from(bytes)),
    end: () => socket.end(),
    reset: () => socket.resetAndDestroy(),
    pauseReading: () => socket.pause(),
    resumeReading: () => socket.resume(),
  };
}

function pump(socket: net.Socket, connection: Http2ServerConnection | Http2ClientConnection): void {
  socket.on('data', (bytes: Buffer) => connection.receive(bytes, false));
  socket.on('drain', () => connection.onWritable());
  socket.on('end', () => connection.onEndOfInput());
  socket.on('error', () => connection.onConnectionLost(gone));
  socket.on('close', () => connection.onConnectionLost(gone));
}

const small = prepared('hello');
const large = prepared('x'.repeat(3_000_000));

/** GET gets a stored response; POST its content back as it comes, with trailers. */
function answer(request: RecordedRequest): void {
  const { head, sender } = request;
  if (head.method !== 'POST') {
    sender.sendStored(head.path === '/large' ? large : small);
    return;
  }
  sender.sendInformational(103, FieldSection.of(['link', '</style.css>; rel=preload']));
  sender.sendHead({ status: 200, fields: new FieldSection(), contentLength: -1 });
  request.onPart = (bytes) => {
    if (!sender.sendContent(bytes)) sender.pause();
  };
  request.onDrained = () => sender.resume();
  request.onAll = () => sender.sendEnd(FieldSection.of(['x-trailer', 'end']));
}

const refusals: string[] = [];
const server = net.createServer((socket) => {
  socket.setNoDelay();
  const connection = new Http2ServerConnection({
    sink: {
      onRequest: (head, sender) => {
        const request = new RecordedRequest(head, sender, false);
        answer(request);
        return request;
      },
    },
    output: outputOf(socket),
    factsFor: facts,
    scheme: 'http',
    monotonicMs: () => performance.now(),
    onRefused: (error) => refusals.push(error.message),
  });
  pump(socket, connection);
});
let url = '';

before(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

after(() => {
  server.close();
  assert.deepEqual(refusals, [], 'no peer broke a rule');
});

async function collect(stream: http2.ClientHttp2Stream): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

describe("Node's client and our server", () => {
  test('many requests at once, small and large, and a close in order', async () => {
    const session = http2.connect(url);
    const bodies = await Promise.all(
      Array.from({ length: 100 }, (_, i) =>
        collect(session.request({ ':path': i % 10 === 0 ? '/large' : `/${i}` })),
      ),
    );
    bodies.forEach((body, i) => {
      assert.equal(body.length, i % 10 === 0 ? 3_000_000 : 5);
    });
    session.close();
    await once(session, 'close');
  });

  test('content both ways, interim responses and trailers', async () => {
    const session = http2.connect(url);
    const stream = session.request({ ':method': 'POST', ':path': '/' });
    const seen: string[] = [];
    stream.on('headers', (headers) => seen.push(`interim ${headers[':status']}`));
    stream.on('response', (headers) => seen.push(`final ${headers[':status']}`));
    stream.on('trailers', (headers) => seen.push(`trailers ${headers['x-trailer']}`));
    const content = Buffer.alloc(2_000_000, 'abcdefg');
    stream.end(content);
    assert.ok((await collect(stream)).equals(content));
    assert.deepEqual(seen, ['interim 103', 'final 200', 'trailers end']);
    session.close();
    await once(session, 'close');
  });
});

class Collected implements ResponseHandler {
  readonly seen: string[] = [];
  readonly parts: Buffer[] = [];
  readonly done: Promise<void>;
  onDrained: () => void = () => {};
  #resolve: () => void = () => {};

  constructor() {
    this.done = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  onInformational(status: number): void {
    this.seen.push(`interim ${status}`);
  }

  onHead(head: ResponseHead): void {
    this.seen.push(`final ${head.status}`);
  }

  onContent(bytes: Uint8Array): void {
    this.parts.push(Buffer.from(bytes));
  }

  onEnd(trailers: FieldSection | null): void {
    if (trailers !== null) this.seen.push(`trailers ${trailers.first('x-trailer')}`);
    this.#resolve();
  }

  onUpgrade(head: ResponseHead): void {
    this.seen.push(`upgrade ${head.status}`);
  }

  onWritable(): void {
    this.onDrained();
  }

  onError(error: SluiceError): void {
    this.seen.push(`error ${error.code}: ${error.message}`);
    this.#resolve();
  }
}

function requestHead(method: string, path: string, more: Partial<RequestHead> = {}): RequestHead {
  return {
    method,
    version: '2',
    scheme: 'http',
    authority: configuredAuthority('localhost'),
    path,
    fields: FieldSection.of(['user-agent', 'test'], ['cookie', 'a=b']),
    contentLength: 0,
    expectContinue: false,
    upgrade: '',
    ...more,
  };
}

describe("our client and Node's server", () => {
  const origin = http2.createServer({ settings: { enableConnectProtocol: true } });
  let socket: net.Socket;
  let connection: Http2ClientConnection;

  before(async () => {
    origin.on('stream', (stream: http2.ServerHttp2Stream, headers) => {
      if (headers[':method'] === 'CONNECT') {
        stream.respond({ ':status': 200 });
        stream.pipe(stream);
      } else if (headers[':method'] === 'POST') {
        stream.additionalHeaders({ ':status': 103 });
        stream.respond({ ':status': 200 }, { waitForTrailers: true });
        stream.on('wantTrailers', () => stream.sendTrailers({ 'x-trailer': 'end' }));
        stream.pipe(stream);
      } else {
        stream.respond({ ':status': 200, 'x-path': headers[':path'] });
        // Node resets streams when one session holds more than 10 MB.
        stream.end(headers[':path'] === '/large' ? Buffer.alloc(1_000_000) : 'hello');
      }
    });
    origin.listen(0, '127.0.0.1');
    await once(origin, 'listening');
    socket = net.connect((origin.address() as AddressInfo).port, '127.0.0.1');
    connection = new Http2ClientConnection({
      output: outputOf(socket),
      monotonicMs: () => performance.now(),
      onRefused: (error) => refusals.push(error.message),
    });
    pump(socket, connection);
    await once(socket, 'connect');
  });

  after(() => {
    connection.shutdown();
    origin.close();
  });

  test('many requests at once, small and large', async () => {
    const responses = Array.from({ length: 60 }, (_, i) => {
      const response = new Collected();
      connection.start(requestHead('GET', i % 10 === 0 ? '/large' : `/${i}`), 0, response);
      return response;
    });
    await Promise.all(responses.map(({ done }) => done));
    responses.forEach(({ seen, parts }, i) => {
      assert.deepEqual(seen, ['final 200']);
      assert.equal(Buffer.concat(parts).length, i % 10 === 0 ? 1_000_000 : 5);
    });
  });

  test('content both ways, interim responses and trailers', async () => {
    const response = new Collected();
    const content = Buffer.alloc(2_000_000, 'abcdefg');
    const sender = connection.start(requestHead('POST', '/'), content.length, response);
    let offset = 0;
    const pour = (): void => {
      while (offset < content.length) {
        const piece = content.subarray(offset, offset + 50_000);
        offset += piece.length;
        if (!sender.sendContent(piece)) return;
      }
      sender.sendEnd(null);
    };
    response.onDrained = pour;
    pour();
    await response.done;
    assert.deepEqual(response.seen, ['interim 103', 'final 200', 'trailers end']);
    assert.ok(Buffer.concat(response.parts).equals(content));
  });

  test('extended CONNECT', async () => {
    assert.ok(connection.allowsExtendedConnect);
    const response = new Collected();
    const head = requestHead('CONNECT', '/chat', { upgrade: 'websocket' });
    const sender = connection.start(head, -1, response);
    sender.sendContent(Buffer.from('through the tunnel'));
    sender.sendEnd(null);
    await response.done;
    assert.deepEqual(response.seen, ['upgrade 200']);
    assert.equal(Buffer.concat(response.parts).toString(), 'through the tunnel');
  });
});

test('nghttp2 decodes our Huffman code of every byte that a field value may hold', async () => {
  const bytes = Array.from({ length: 0xe0 }, (_, i) => String.fromCharCode(0x20 + i))
    .filter((character) => character !== '\x7f')
    .join('');
  const value = `a${bytes}a`;
  const code = Buffer.alloc(huffmanLength(value));
  encodeHuffman(value, code, 0);
  const length = code.length - 127;
  const line = [0x00, 1, 0x78, 0xff, (length & 0x7f) | 0x80, length >> 7];
  const block = Buffer.concat([wire.block(...wire.GET_FIELDS), Buffer.from(line), code]);
  const origin = http2.createServer();
  origin.listen(0, '127.0.0.1');
  await once(origin, 'listening');
  const socket = net.connect((origin.address() as AddressInfo).port, '127.0.0.1');
  socket.write(
    Buffer.concat([wire.PREFACE, wire.settings(), wire.frame(wire.TYPE.HEADERS, 5, 1, block)]),
  );
  const [stream, headers] = (await once(origin, 'stream')) as [
    http2.ServerHttp2Stream,
    http2.IncomingHttpHeaders,
  ];
  assert.equal(headers.x, value);
  stream.close();
  socket.destroy();
  origin.close();
});

/** The tool's output, or null when it is not installed. */
async function run(tool: string, ...words: string[]): Promise<string | null> {
  if (missing(tool) !== false) return null;
  const child = spawn(tool, words, { timeout: patience(60_000) });
  let text = '';
  child.stdout.on('data', (part) => (text += part));
  child.stderr.on('data', (part) => (text += part));
  const [code] = await once(child, 'close');
  assert.equal(code, 0, text);
  return text;
}

function missing(tool: string): string | false {
  const { error }: SpawnSyncReturns<Buffer> = spawnSync(tool, ['--version']);
  return error === undefined ? false : `${tool} is not installed`;
}

describe('other clients and our server', () => {
  test('curl', { skip: missing('curl') }, async () => {
    const words = ['-sS', '--http2-prior-knowledge', '-w', ' %{http_version} %{response_code}'];
    assert.equal(await run('curl', ...words, `${url}/a`), 'hello 2 200');
    assert.equal(await run('curl', ...words, '-d', 'content', `${url}/a`), 'content 2 200');
    assert.equal(await run('curl', ...words, '-o', '/dev/null', `${url}/large`), ' 2 200');
  });

  test('nghttp', { skip: missing('nghttp') }, async () => {
    const text = await run('nghttp', '-v', '-m', '20', `${url}/a`);
    assert.equal(text!.match(/:status: 200/g)?.length, 20);
  });

  test('h2load', { skip: missing('h2load') }, async () => {
    const text = await run('h2load', '-n', '5000', '-c', '4', '-m', '32', `${url}/a`);
    assert.match(text!, /5000 succeeded, 0 failed, 0 errored/);
  });
});
