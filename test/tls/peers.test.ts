import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import tls from 'node:tls';
import { systemClock } from '../../src/base/clock.ts';
import { NativeBuffer } from '../../src/native/memory.ts';
import type { ServerContext, ServerContextOptions } from '../../src/tls/server-context.ts';
import { unlessInstalled } from '../support/programs.ts';
import { hasSession, sClient, sessionFile } from '../support/s-client.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { until } from '../support/waiting.ts';
import { certificate, clientContext, liveHandles, Side, serverContext } from './wire.ts';

/** Other people's TLS over real sockets: the engine behind a small pump. */
const openssl = { skip: unlessInstalled('openssl') };
const gnutls = { skip: unlessInstalled('gnutls-cli') };

const buffer = NativeBuffer.allocate(1 << 16);

after(() => assert.deepEqual(liveHandles(), {}, 'every native handle was freed'));

function pump(side: Side, socket: net.Socket): void {
  const flush = (): void => {
    const flight = side.takeFlight();
    if (flight.length > 0) socket.write(flight);
    if (side.hasEnded || side.errors.length > 0) socket.end();
  };
  socket.on('data', (bytes: Buffer) => {
    for (let at = 0; at < bytes.length; at += buffer.length) {
      const part = bytes.subarray(at, at + buffer.length);
      buffer.bytes.set(part);
      side.connection.receive(buffer, part.length);
    }
    flush();
  });
  socket.on('end', () => {
    side.connection.receiveEnd();
    flush();
    socket.end();
  });
  socket.on('error', () => {});
  socket.on('close', () => side.connection[Symbol.dispose]());
  flush();
}

/** A server that answers every request that ends with an empty line, and keeps what it saw. */
class Listener implements AsyncDisposable {
  readonly sides: Side[] = [];
  readonly #context: ServerContext;
  readonly #server: net.Server;
  readonly #sockets: net.Socket[] = [];

  private constructor(context: ServerContext) {
    this.#context = context;
    this.#server = net.createServer((socket) => this.#accept(socket));
  }

  static async open(options: Partial<ServerContextOptions> = {}): Promise<Listener> {
    const listener = new Listener(serverContext(options));
    listener.#server.listen(0, '127.0.0.1');
    await once(listener.#server, 'listening');
    return listener;
  }

  get port(): number {
    return (this.#server.address() as net.AddressInfo).port;
  }

  get last(): Side {
    return this.sides.at(-1)!;
  }

  #accept(socket: net.Socket): void {
    const side = new Side();
    side.connection = this.#context.accept(side, systemClock);
    side.answer = () => {
      if (!side.received.endsWith('\r\n\r\n')) return;
      side.send('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello\n');
      side.connection.shutdown();
    };
    this.sides.push(side);
    this.#sockets.push(socket);
    pump(side, socket);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    for (const socket of this.#sockets) {
      if (socket.closed) continue;
      socket.destroy();
      await once(socket, 'close');
    }
    this.#context[Symbol.dispose]();
  }
}

const REQUEST = 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n';

describe('openssl s_client', openssl, () => {
  test('full, then resumed five times in a row with the ticket of the run before', async () => {
    await using listener = await Listener.open();
    let session = sessionFile();
    const full = await sClient(listener.port, { request: REQUEST, keep: session });
    assert.match(full.http, /hello/);
    assert.equal(full.resumed, false);
    for (let round = 0; round < 5; round++) {
      const next = sessionFile();
      const run = await sClient(listener.port, { request: REQUEST, session, keep: next });
      assert.match(run.http, /hello/);
      assert.equal(run.resumed, true, `round ${round}`);
      assert.ok(hasSession(next), `round ${round} brought a fresh ticket`);
      session = next;
    }
  });

  test('early data is accepted and answered, and rejected when switched off', async () => {
    const keep = sessionFile();
    {
      await using listener = await Listener.open();
      await sClient(listener.port, { request: REQUEST, keep });
      const run = await sClient(listener.port, { early: REQUEST, session: keep });
      assert.equal(run.earlyData, 'accepted');
      assert.match(run.http, /hello/);
      assert.equal(listener.last.events[0], `early:${REQUEST}`);
    }
    await using off = await Listener.open({ earlyData: { enabled: false } });
    const run = await sClient(off.port, { early: REQUEST, request: REQUEST, session: keep });
    assert.equal(run.earlyData, 'rejected');
    assert.equal(run.resumed, true);
    assert.match(run.http, /hello/);
    assert.equal(off.last.record.earlyDataReason, 'policy off');
  });

  test('the ClientHello that crashed others: an acceptable group without its key share', async () => {
    await using listener = await Listener.open();
    const words = ['-tls1_3', '-groups', 'ffdhe4096:X448:X25519'];
    const run = await sClient(listener.port, { words, request: REQUEST });
    assert.match(run.http, /hello/);
    assert.equal(run.group, 'X25519');
    assert.equal(listener.last.record.helloRetryRequest, true);
    assert.equal(listener.last.record.group, 'x25519');
  });

  test('TLS 1.2, and nothing older', async () => {
    await using listener = await Listener.open();
    const run = await sClient(listener.port, { words: ['-tls1_2'], request: REQUEST });
    assert.equal(run.version, 'TLSv1.2');
    assert.match(run.http, /hello/);
    const words = ['-tls1_1', '-cipher', 'ALL:@SECLEVEL=0'];
    await sClient(listener.port, { words, request: REQUEST });
    assert.equal(listener.last.record.errorCode, 'tls-version-unsupported');
    assert.equal(listener.last.record.alert, 'protocol_version');
  });

  test('KeyUpdate, asked for and not', async () => {
    await using listener = await Listener.open();
    const child = spawn('openssl', ['s_client', '-connect', `127.0.0.1:${listener.port}`]);
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (bytes: Buffer) => {
        output += bytes.toString('latin1');
      });
    }
    const updates = () => output.split('KEYUPDATE').length - 1;
    for (const line of ['one', 'K', 'two', 'k', 'three']) {
      const before = updates();
      child.stdin.write(`${line}\n`);
      // s_client takes a command only at the start of what it reads at once.
      await until(
        () => (line.length > 1 ? hasReceived(listener, line) : updates() > before),
        `${line} to be taken`,
      );
    }
    child.stdin.write('\r\n\r\n');
    await once(child, 'close');
    assert.equal(listener.last.received, 'one\ntwo\nthree\n\r\n\r\n');
    assert.match(output, /KEYUPDATE/);
    assert.match(output, /hello/);
  });
});

function hasReceived(listener: Listener, line: string): boolean {
  return listener.sides.length > 0 && listener.last.received.endsWith(`${line}\n`);
}

describe('gnutls-cli', gnutls, () => {
  test('resumes and sends early data', async () => {
    await using listener = await Listener.open();
    const file = join(temporaryDirectory(), 'early.txt');
    writeFileSync(file, REQUEST);
    const words = ['--insecure', '--alpn', 'http/1.1', '--resume', '--waitresumption'];
    const all = [...words, '--earlydata', file, '-p', String(listener.port), '127.0.0.1'];
    const child = spawn('gnutls-cli', all);
    child.stdout.resume();
    await once(child, 'close');
    const { record } = listener.last;
    assert.equal(record.resumed, true);
    assert.equal(record.earlyData, 'accepted');
    assert.equal(listener.last.events[0], `early:${REQUEST}`);
  });
});

describe('node:tls', () => {
  test('as client: the post-quantum group, ALPN, and the certificate verified', async () => {
    await using listener = await Listener.open({ alpn: ['h2', 'http/1.1'] });
    const socket = tls.connect({
      port: listener.port,
      host: '127.0.0.1',
      servername: 'localhost',
      ca: certificate.certificatePem,
      ALPNProtocols: ['http/1.1'],
    });
    socket.end(REQUEST);
    let text = '';
    socket.setEncoding('latin1').on('data', (piece: string) => {
      text += piece;
    });
    await once(socket, 'close');
    assert.match(text, /hello/);
    assert.equal(listener.last.record.group, 'X25519MLKEM768');
    assert.equal(listener.last.record.alpn, 'http/1.1');
    assert.equal(listener.last.record.serverName, 'localhost');
  });

  test('as origin: our client verifies it, writes, reads and ends', async () => {
    const { certificatePem: cert, keyPem: key } = certificate;
    const server = tls.createServer({ cert, key, ALPNProtocols: ['http/1.1'] }, (socket) => {
      socket.on('error', () => {});
      socket.once('data', () => socket.end('from node'));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const file = join(temporaryDirectory(), 'ca.pem');
    writeFileSync(file, cert);
    using context = clientContext({ verify: true, caFile: file });
    const side = new Side();
    side.connection = context.connect({ serverName: 'localhost' }, side, systemClock);
    const { port } = server.address() as net.AddressInfo;
    const socket = net.connect(port, '127.0.0.1');
    pump(side, socket);
    await new Promise<void>((resolve) => {
      side.onHandshakeEnd = (record) => {
        side.records.push(record);
        side.send('hello');
        side.answer = () => resolve();
      };
    });
    if (!socket.closed) await once(socket, 'close');
    server.close();
    assert.equal(side.received, 'from node');
    assert.equal(side.hasEnded, true);
    assert.equal(side.record.alpn, 'http/1.1');
    assert.deepEqual(side.errors, []);
  });
});
