/** The tools of dev/ do what their pages say. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { listen, misbehaviours } from '../../dev/bad-origin.ts';
import { bytesOf } from '../../dev/raw-client.ts';
import { run } from '../support/programs.ts';
import { RawConnection } from '../support/raw-connection.ts';
import { startSluice } from '../support/sluice.ts';

const dev = fileURLToPath(new URL('../../dev/', import.meta.url));

function tool(name: string, words: readonly string[], input: string | Buffer = '') {
  return run(process.execPath, [`${dev}${name}.ts`, ...words], { input });
}

const tools = readdirSync(dev)
  .filter((name) => name.endsWith('.ts'))
  .map((name) => name.slice(0, -3));

test('each tool of dev/ stands in its README and prints its usage', async () => {
  const page = readFileSync(`${dev}README.md`, 'utf8');
  for (const name of tools) {
    assert.ok(page.includes(`(${name}.ts)`), `dev/README.md does not name ${name}.ts`);
    const { code, text } = await tool(name, ['--help']);
    assert.equal(code, 0);
    assert.match(text, new RegExp(`^usage: .*dev/${name}\\.ts`));
  }
});

test('HTTP/2 on standard input becomes a line a frame, with header lines', async () => {
  const headers = Buffer.from('82868441', 'hex');
  const authority = Buffer.concat([headers, Buffer.from([9]), Buffer.from('a.example')]);
  const frame = (type: number, flags: number, stream: number, payload: Buffer) => {
    const head = Buffer.alloc(9);
    head.writeUIntBE(payload.length, 0, 3);
    head[3] = type;
    head[4] = flags;
    head.writeUInt32BE(stream, 5);
    return Buffer.concat([head, payload]);
  };
  const stream = Buffer.concat([
    Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
    frame(4, 0, 0, Buffer.from('000300000064', 'hex')),
    frame(1, 5, 1, authority),
    frame(7, 0, 0, Buffer.from('0000000100000002', 'hex')),
  ]);
  const { text } = await tool('decode-http2', [], stream);
  assert.match(text, /^preface\nSETTINGS .*MAX_CONCURRENT_STREAMS=100\nHEADERS +stream 1, /);
  assert.match(text, /^ {2}:authority: "a\.example"$/m);
  assert.match(text, /^GOAWAY .*last stream 1, INTERNAL_ERROR/m);
});

test('a ClientHello on standard input is taken apart', async () => {
  const corpus = new URL('../fuzz/client-hello-corpus/', import.meta.url);
  const [file] = readdirSync(corpus);
  const { text } = await tool('decode-tls', [], readFileSync(new URL(file!, corpus)));
  assert.match(text, /^handshake \d+ bytes: ClientHello$/m);
  assert.match(text, /^ {2}key shares +0x/m);
  const { text: nonsense } = await tool('decode-tls', [], 'GET / HTTP/1.1\r\n\r\n');
  assert.match(nonsense, /^no record at byte 0: /);
});

test('the raw client sends bytes as they are written', async () => {
  assert.deepEqual(bytesOf('a\\r\\n\\x00\\\\'), Buffer.from('a\r\n\0\\'));
  assert.throws(() => bytesOf('\\q'), /means nothing/);
  using origin = await listen(0);
  const address = `127.0.0.1:${origin.port}`;
  const { text } = await tool('raw-client', [
    '--wait',
    '200',
    address,
    'GET / HT',
    '@20',
    'TP/1.1\\r\\nHost: a\\r\\n\\r\\n',
  ]);
  assert.match(text, /^HTTP\/1\.1 200 OK\r\n/);
});

test('the bad origin misbehaves as its usage says, and sluice answers each', async () => {
  using origin = await listen(0);
  await using sluice = await startSluice({ origin: `http://127.0.0.1:${origin.port}` });
  const statuses = new Map<string, number>();
  for (const name of ['', 'close', 'garbage', 'status', 'both-lengths']) {
    assert.ok(name === '' || misbehaviours[name] !== undefined);
    using connection = await RawConnection.open(sluice.httpPort);
    const { status } = await connection.request(`GET /${name} HTTP/1.1\r\nHost: a.example\r\n\r\n`);
    statuses.set(name, status);
  }
  assert.deepEqual(Object.fromEntries(statuses), {
    '': 200,
    close: 502,
    garbage: 502,
    status: 503,
    'both-lengths': 502,
  });
});
