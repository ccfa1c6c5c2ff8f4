import assert from 'node:assert/strict';
import test from 'node:test';
import type { SluiceError } from '../base/errors.ts';
import type { RequestFacts, RequestHandler, ResponseSender } from '../http/exchange.ts';
import { FieldSection } from '../http/field-section.ts';
import type { RequestHead } from '../http/message.ts';
import type { NativeBuffer } from '../native/memory.ts';
import type { StreamSocket } from '../reactor/contract.ts';
import type { TlsConnection } from '../tls/contract.ts';
import { ChannelPool } from '../transport/channel.ts';
import { ClientCounts } from './client-counts.ts';
import { Downstream } from './connection.ts';
import type { RefusingSink } from './host-guard.ts';
import { defaultDownstreamLimits } from './limits.ts';

/** What has been sent, and how the connection ended. */
class Socket implements StreamSocket {
  sent = '';
  pendingBytes = 0;
  takenBytes = 0;
  isClosed = false;
  isReset = false;
  isShut = false;
  isReading = true;
  readonly remoteAddress: string = '192.0.2.1';
  readonly remotePort = 40_000;
  readonly localAddress: string = '192.0.2.2';
  readonly tcpFigure = () => -1;
  readonly localPort = 80;
  readonly bytesAtOnce = 65_536;

  writeNative(buffer: NativeBuffer, length: number): boolean {
    return this.write(buffer.bytes.subarray(0, length));
  }
  write(bytes: Uint8Array): boolean {
    this.sent += Buffer.from(bytes).toString('latin1');
    return true;
  }
  pauseReading(): void {
    this.isReading = false;
  }
  resumeReading(): void {
    this.isReading = true;
  }
  shutdownWrite(): void {
    this.isShut = true;
  }
  destroy(): void {
    this.isClosed = true;
  }
  reset(): void {
    this.isReset = true;
  }
}

/** Answers nothing until the test says so. */
class Sink implements RefusingSink {
  readonly requests: { head: RequestHead; sender: ResponseSender; facts: RequestFacts }[] = [];
  aborted: SluiceError | null = null;
  content = '';

  onRequest(head: RequestHead, sender: ResponseSender, facts: RequestFacts): RequestHandler {
    this.requests.push({ head, sender, facts });
    return {
      onContent: (bytes) => {
        this.content += Buffer.from(bytes).toString('latin1');
      },
      onEnd: () => {},
      onAbort: (error) => {
        this.aborted = error;
      },
      onWritable: () => {},
    };
  }
  turnAway(_error: SluiceError, ...asked: Parameters<Sink['onRequest']>): RequestHandler {
    return this.onRequest(...asked);
  }
  turnAwayFromOrigin(_error: SluiceError, ...asked: Parameters<Sink['onRequest']>): RequestHandler {
    return this.onRequest(...asked);
  }
  answer(content: string): void {
    const { sender } = this.requests.at(-1)!;
    sender.sendHead({ status: 200, fields: new FieldSection(), contentLength: content.length });
    sender.sendContent(Buffer.from(content));
    sender.sendEnd(null);
  }
}

/** A client without TLS, a clock that stands still, and what was noted of the connection. */
class Scene implements Disposable {
  readonly socket = new Socket();
  readonly sink = new Sink();
  readonly notes: string[] = [];
  nowMs = 1_000;
  readonly #deferred: (() => void)[] = [];
  readonly #channels = new ChannelPool((body) => this.#deferred.push(body));
  readonly connection: Downstream;

  /** With `tls`, a client whose handshake is yet to end. */
  constructor(tls: TlsConnection | null = null) {
    const { sink, socket, notes } = this;
    this.connection = new Downstream(
      {
        channels: this.#channels,
        sink,
        clients: new ClientCounts(),
        policies: null,
        limits: defaultDownstreamLimits,
        monotonicMs: () => this.nowMs,
        dateNow: () => 'Thu, 01 Jan 2026 00:00:00 GMT',
        observer: {
          onHandshake: () => notes.push('handshake'),
          onAbuse: (kind) => notes.push(`abuse ${kind}`),
          onRefused: ({ code }) => notes.push(`refused ${code}`),
          onBadRequest: ({ status }) => notes.push(`bad request ${status}`),
          onHttp3Abuse: (kind) => notes.push(`abuse ${kind}`),
          onQuicEnd: () => notes.push('the end of QUIC'),
          onClosed: () => notes.push('closed'),
        },
        isCovered: () => true,
      },
      {
        socket,
        accept: tls === null ? null : () => tls,
        peer: socket,
        http2Cleartext: false,
        announced: null,
      },
    );
  }

  receive(text: string): void {
    this.connection.onBytes(Buffer.from(text, 'latin1'), false);
    this.settle();
  }
  /** What waits for the end of the turn. */
  settle(): void {
    while (this.#deferred.length > 0) this.#deferred.shift()!();
  }
  pass(ms: number): void {
    this.connection.sweep(this.nowMs);
    this.nowMs += ms;
    this.connection.sweep(this.nowMs);
    this.settle();
  }
  [Symbol.dispose](): void {
    this.#channels[Symbol.dispose]();
  }
}

/** An engine that passes plaintext through. */
class PlainTls implements TlsConnection {
  isComplete = false;
  isWritable = true;
  readonly selectedProtocol = '';
  readonly serverName = 'site.example';
  readonly clientHello = null;
  readonly host = 0;
  readonly hasOutput = false;
  written = '';

  receive(): void {}
  receiveEnd(): void {}
  write(bytes: Uint8Array): void {
    this.written += Buffer.from(bytes).toString('latin1');
  }
  writeNative(buffer: NativeBuffer, length: number): void {
    this.write(buffer.bytes.subarray(0, length));
  }
  takeOutput(): number {
    return 0;
  }
  peerCertificates(): Buffer[] {
    return [];
  }
  shutdown(): void {}
  abandon(): void {}
  [Symbol.dispose](): void {}
}

const GET = 'GET /a HTTP/1.1\r\nHost: site.example\r\n\r\n';

test('a request is asked with who the client is, and its answer sent', () => {
  using scene = new Scene();
  scene.receive(GET);
  const { head, facts } = scene.sink.requests[0]!;
  assert.deepEqual([head.method, head.path], ['GET', '/a']);
  assert.deepEqual([facts.remoteAddress, facts.localPort, facts.tls], ['192.0.2.1', 80, null]);
  scene.sink.answer('here');
  scene.settle();
  assert.match(scene.socket.sent, /^HTTP\/1\.1 200 OK\r\n.*\r\n\r\nhere$/s);
});

test('what is no request is refused, noted, and nobody is asked', () => {
  using scene = new Scene();
  scene.receive('GET /a b HTTP/1.1\r\n\r\n');
  assert.match(scene.socket.sent, /^HTTP\/1\.1 400 /);
  assert.equal(scene.sink.requests.length, 0);
  assert.ok(scene.notes.includes('bad request 400'));
});

test('a client that sends its head too slowly gets 408', () => {
  using scene = new Scene();
  scene.receive('GET /a HTTP/1.1\r\nHost: si');
  scene.pass(defaultDownstreamLimits.headTimeoutMs + 1);
  assert.match(scene.socket.sent, /^HTTP\/1\.1 408 /);
});

test('a client whose origin takes long is waited with, however long', () => {
  using scene = new Scene();
  scene.receive(GET);
  scene.pass(86_400_000);
  assert.equal(scene.socket.sent, '');
  assert.ok(!scene.socket.isReset && !scene.socket.isClosed);
  scene.sink.answer('late');
  scene.settle();
  assert.match(scene.socket.sent, /late$/);
});

test('a connection that is idle for too long ends in order', () => {
  using scene = new Scene();
  scene.receive(GET);
  scene.sink.answer('');
  scene.settle();
  scene.pass(1);
  scene.pass(defaultDownstreamLimits.idleTimeoutMs - 10);
  assert.ok(!scene.socket.isShut);
  scene.pass(20);
  assert.ok(scene.socket.isShut);
  assert.ok(!scene.socket.isReset);
});

test('a client that takes nothing of its response for too long is cut off', () => {
  using scene = new Scene();
  scene.receive(GET);
  scene.sink.answer('here');
  scene.settle();
  scene.socket.pendingBytes = 4;
  scene.pass(1);
  scene.pass(defaultDownstreamLimits.sendTimeoutMs + 1);
  assert.ok(scene.socket.isReset);
});

test('a drain answers what is asked, says that it is the last, and closes', () => {
  using scene = new Scene();
  scene.receive(GET);
  scene.connection.drain();
  scene.sink.answer('last');
  scene.settle();
  assert.match(scene.socket.sent, /\r\nconnection: close\r\n/i);
  assert.ok(scene.socket.isShut);
});

test('a drain before the end of the handshake ends the connection with its first answer', () => {
  const tls = new PlainTls();
  using scene = new Scene(tls);
  scene.connection.drain();
  assert.ok(!scene.socket.isShut, 'whoever is about to ask is answered');
  tls.isComplete = true;
  scene.connection.onOpen();
  scene.receive(GET);
  scene.sink.answer('last');
  scene.settle();
  assert.match(tls.written, /^HTTP\/1\.1 200 OK\r\n[\s\S]*\r\nconnection: close\r\n/i);
});

test('a client that is gone is told to whoever answers it', () => {
  using scene = new Scene();
  scene.receive(GET);
  scene.connection.onClose(null);
  assert.ok(scene.sink.aborted);
  assert.ok(scene.notes.includes('closed'));
});
