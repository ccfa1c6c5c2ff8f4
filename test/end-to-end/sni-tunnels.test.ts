import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import test, { after } from 'node:test';
import { curl } from '../support/curl.ts';
import { startOrigin } from '../support/origins.ts';
import { RawConnection } from '../support/raw-connection.ts';
import { startSluice } from '../support/sluice.ts';
import { startSluiceWith } from '../support/sluice-file.ts';
import { until } from '../support/waiting.ts';

const origin = await startOrigin((_request, response) => response.end('ended here'));
// Another sluice is the server that ends TLS by itself, and learns the client from a PROXY header.
const inner = await startOrigin((request, response) => {
  response.end(`inside, for ${request.headers['x-forwarded-for']}`);
});
const far = await startSluice({
  origin: inner.url,
  flags: ['--proxy-protocol-from', '127.0.0.0/8'],
});
const sluice = await startSluiceWith({
  origins: { app: { servers: [origin.url] } },
  routes: [{ origin: 'app' }],
  listeners: [
    {
      address: '127.0.0.1:0',
      protocol: 'https',
      tunnels: [
        {
          names: ['tunnel.example', '*.wild.example'],
          to: `127.0.0.1:${far.httpsPort}`,
          'proxy-protocol': 'v2',
        },
        { names: ['gone.example'], to: '127.0.0.1:1' },
      ],
    },
    { address: '127.0.0.1:0', protocol: 'http' },
  ],
});
after(async () => {
  await sluice[Symbol.asyncDispose]();
  await far[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
  await inner[Symbol.asyncDispose]();
});

const ask = (name: string) => {
  const at = `${name}:${sluice.httpsPort}:127.0.0.1`;
  return curl(`https://${name}:${sluice.httpsPort}/`, '--resolve', at, '--http1.1');
};

test('some names go elsewhere with their TLS, and the client is told of', async () => {
  for (const name of ['tunnel.example', 'a.wild.example', 'TUNNEL.example']) {
    assert.match((await ask(name)).content, /^inside, for 127\.0\.0\.1/, name);
  }
});

test('other names, and clients without one, are served here', async () => {
  for (const name of ['a.b.wild.example', 'wild.example', 'other.example', 'localhost']) {
    assert.equal((await ask(name)).content, 'ended here', name);
  }
  const direct = await curl(`https://127.0.0.1:${sluice.httpsPort}/`, '--http1.1');
  assert.equal(direct.content, 'ended here');
});

/** Sends what is written byte by byte. */
class ByteWise extends Duplex {
  readonly #socket: Socket;

  constructor(socket: Socket) {
    super();
    this.#socket = socket;
    socket.removeAllListeners('data');
    socket.on('data', (bytes: Buffer) => this.push(bytes)).on('end', () => this.push(null));
  }

  override _read(): void {}

  override async _write(bytes: Buffer, _encoding: string, done: () => void): Promise<void> {
    for (const byte of bytes) {
      this.#socket.write(Buffer.of(byte));
      await new Promise(setImmediate);
    }
    done();
  }
}

test('a ClientHello that comes byte by byte is understood', async () => {
  const { socket } = await RawConnection.open(sluice.httpsPort);
  const slow = new ByteWise(socket as Socket);
  using connection = await RawConnection.openTls(sluice.httpsPort, {
    socket: slow,
    servername: 'tunnel.example',
  });
  connection.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  assert.match((await connection.response()).content.toString(), /^inside/);
});

/** Cuts the first record that is written into records of one byte (RFC 8446 §5.1). */
class RecordPerByte extends ByteWise {
  #isFirst = true;

  override async _write(bytes: Buffer, encoding: string, done: () => void): Promise<void> {
    const [isFirst, length] = [this.#isFirst, bytes.readUInt16BE(3)];
    this.#isFirst = false;
    if (!isFirst) return super._write(bytes, encoding, done);
    const cut = [...bytes.subarray(5, 5 + length)].map((byte) => Buffer.of(22, 3, 1, 0, 1, byte));
    return super._write(Buffer.concat([...cut, bytes.subarray(5 + length)]), encoding, done);
  }
}

test('a ClientHello of one byte in each record goes where its name leads', async () => {
  const { socket } = await RawConnection.open(sluice.httpsPort);
  const cut = new RecordPerByte(socket as Socket);
  using connection = await RawConnection.openTls(sluice.httpsPort, {
    socket: cut,
    servername: 'tunnel.example',
    // Long: with a post-quantum share.
    ecdhCurve: 'X25519MLKEM768:X25519',
  });
  connection.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  assert.match((await connection.response()).content.toString(), /^inside/);
});

test('a server that is not there, and bytes that are no TLS, end as one expects', async () => {
  await assert.rejects(ask('gone.example'), /failed \(35\)|failed \(56\)/);
  using garbage = await RawConnection.open(sluice.httpsPort);
  garbage.send('GET / HTTP/1.1\r\n\r\n');
  await until(() => garbage.isEnded, 'the close');
});
