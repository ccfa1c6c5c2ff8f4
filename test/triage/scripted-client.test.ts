import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { connect as connectTcp, createServer } from 'node:net';
import { join } from 'node:path';
import test, { after, before } from 'node:test';
import { connect } from 'node:tls';
import { makeSelfSignedCertificate } from '../../src/tls/self-signed.ts';
import { readHello, writeHello } from '../../src/triage/reduce/hello-model.ts';
import { recordsOf } from '../../src/triage/replay/client/own-hello.ts';
import { playScript } from '../../src/triage/replay/player.ts';
import type { ReplayScript } from '../../src/triage/replay/script.ts';
import { startOrigin } from '../support/origins.ts';
import { start, unlessInstalled } from '../support/programs.ts';
import { type RunningSluice, startSluice } from '../support/sluice.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { until, within } from '../support/waiting.ts';

const { signal } = new AbortController();
const origin = await startOrigin((_request, response) => response.end('ok'));
let sluice: RunningSluice;
before(async () => {
  sluice = await startSluice({ origin: origin.url });
});
after(async () => {
  await sluice[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
});

interface HelloSettings {
  readonly groups: string;
  readonly ciphers?: string;
  readonly protocols?: readonly string[];
}

/** The ClientHello of a client that is not ours, as it comes over the wire. */
async function helloOf({
  groups,
  ciphers,
  protocols = ['http/1.1'],
}: HelloSettings): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<Buffer>();
  const server = createServer((socket) =>
    socket.once('data', (bytes: Buffer) => {
      resolve(bytes);
      socket.destroy();
    }),
  );
  const listening = Promise.withResolvers<void>();
  server.listen(0, '127.0.0.1', listening.resolve);
  await listening.promise;
  const client = connect({
    port: (server.address() as AddressInfo).port,
    host: '127.0.0.1',
    servername: 'localhost',
    minVersion: 'TLSv1.3',
    ecdhCurve: groups,
    ALPNProtocols: [...protocols],
    ...(ciphers === undefined ? {} : { ciphers }),
  });
  client.on('error', () => {});
  const bytes = await within(promise, 'a ClientHello');
  server.close();
  return bytes.toString('base64');
}

interface PlaySettings {
  readonly resumes?: boolean;
  readonly earlyData?: readonly number[];
  readonly applicationData?: readonly number[];
  readonly writes?: readonly { readonly delayMs: number; readonly length: number }[];
}

function scriptOf(template: string, settings: PlaySettings = {}): ReplayScript {
  const { resumes = false, earlyData = [], applicationData = [], writes = [] } = settings;
  return {
    mode: 're-enacted',
    flights: [
      { kind: 'client-hello', template, writes, earlyData, resumes },
      { kind: 'finish', applicationData },
    ],
    end: 'wait',
  };
}

async function play(template: string, settings?: PlaySettings, port = sluice.httpsPort) {
  return playScript(scriptOf(template, settings), { host: '127.0.0.1', port }, signal);
}

const GROUPS = [
  'X25519',
  'P-256',
  'P-384',
  'P-521',
  'X448',
  'X25519MLKEM768',
  'ffdhe2048',
  'ffdhe3072',
];

for (const groups of GROUPS) {
  test(`${groups}: a handshake to its end, and an answer to a request`, async () => {
    const { result, flightsSent, received } = await play(await helloOf({ groups }), {
      applicationData: [200],
    });
    assert.deepEqual([result, flightsSent], ['answered', 2], received.join(' '));
    assert.ok(received.includes('sealed:finished'));
    assert.equal(received.at(-1), 'sealed:application_data');
  });
}

for (const ciphers of [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
]) {
  test(`${ciphers}: early data under a ticket is answered`, async () => {
    const template = await helloOf({ groups: 'X25519', ciphers });
    const before = await sluice.sum('sluice_early_data_accepted_total');
    const { result, received } = await play(template, { resumes: true, earlyData: [100, 50] });
    assert.equal(result, 'answered', received.join(' '));
    assert.ok(!received.includes('sealed:certificate'), 'it has resumed');
    assert.ok(received.includes('sealed:application_data'), received.join(' '));
    assert.equal(await sluice.sum('sluice_early_data_accepted_total'), before + 1);
  });
}

test('HTTP/2: early data is a request of its own kind', async () => {
  const template = await helloOf({ groups: 'X25519', protocols: ['h2'] });
  const { received } = await play(template, { resumes: true, earlyData: [150] });
  assert.ok(received.includes('sealed:application_data'), received.join(' '));
});

test('a HelloRetryRequest is followed, with a ticket and early data that is refused', async () => {
  const template = await helloOf({ groups: 'ffdhe4096:X25519' });
  const plain = await play(template, { applicationData: [100] });
  assert.equal(plain.received[0], 'handshake:hello_retry_request');
  assert.equal(plain.received.at(-1), 'sealed:application_data');
  const early = await play(template, { resumes: true, earlyData: [80] });
  assert.equal(early.received[0], 'handshake:hello_retry_request');
  assert.equal(early.result, 'answered', early.received.join(' '));
  assert.ok(!early.received.includes('sealed:certificate'), 'it has resumed');
});

test('what arrives has the writes and the records that were asked for', async () => {
  const template = await helloOf({ groups: 'X25519' });
  const reads: number[] = [];
  const server = createServer((socket) => {
    socket.on('data', (bytes) => reads.push(bytes.length));
    socket.on('error', () => {});
  });
  const listening = Promise.withResolvers<void>();
  server.listen(0, '127.0.0.1', listening.resolve);
  await listening.promise;
  const { port } = server.address() as AddressInfo;
  const writes = [40, 60, 1].map((length) => ({ delayMs: 50, length }));
  const { result } = await play(template, { writes }, port);
  server.close();
  assert.equal(result, 'silent');
  const length = Buffer.from(template, 'base64').length;
  assert.deepEqual(reads, [40, 60, length - 100]);
});

/** Type and length of each record that the last connection has sent. */
function recordsIn(bytes: Buffer): string[] {
  return recordsOf(bytes).map((record) => `${record[0]}/${record.readUInt16BE(3)}`);
}

test('records arrive with the sizes that were asked for', async () => {
  let last: Buffer[] = [];
  const relay = createServer((client) => {
    const bytes: Buffer[] = [];
    last = bytes;
    const server = connectTcp(sluice.httpsPort, '127.0.0.1');
    client.on('data', (part: Buffer) => bytes.push(part));
    client.pipe(server).pipe(client);
    for (const socket of [client, server]) socket.on('error', () => {});
  });
  const listening = Promise.withResolvers<void>();
  relay.listen(0, '127.0.0.1', listening.resolve);
  await listening.promise;
  const { port } = relay.address() as AddressInfo;
  const template = await helloOf({ groups: 'X25519', ciphers: 'TLS_AES_128_GCM_SHA256' });
  const settings = { resumes: true, earlyData: [100, 50], applicationData: [200] };
  await play(template, settings, port);
  relay.close();
  const [first, ...others] = recordsIn(Buffer.concat(last));
  assert.match(first!, /^22\//);
  // 17 bytes of each are the seal: early data, its end, the Finished, and a request.
  const sealed = others.filter((record) => record.startsWith('23/'));
  assert.deepEqual(sealed, ['23/117', '23/67', '23/21', '23/53', '23/217']);
});

test('early data that is announced and never sent is ended in order', async () => {
  const model = readHello(Buffer.from(await helloOf({ groups: 'X25519' }), 'base64'))!;
  const announcement = { type: 42, content: { kind: 'opaque', data: Buffer.alloc(0) } } as const;
  const extensions = [...model.extensions!, announcement];
  const template = writeHello({ ...model, extensions }).toString('base64');
  const { received } = await play(template, { resumes: true, applicationData: [100] });
  assert.equal(received.at(-1), 'sealed:application_data', received.join(' '));
});

test('whatever a broken server sends is an outcome', async () => {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => socket.end(Buffer.from('160303000802000004030300aa', 'hex')));
  });
  const listening = Promise.withResolvers<void>();
  server.listen(0, '127.0.0.1', listening.resolve);
  await listening.promise;
  const { port } = server.address() as AddressInfo;
  const { received } = await play(await helloOf({ groups: 'X25519' }), {}, port);
  server.close();
  assert.ok(received.includes('what the server has sent cannot be read'), received.join());
});

const skip = unlessInstalled('openssl');

test('openssl s_server: a handshake, a ticket and early data', { skip }, async (t) => {
  const directory = temporaryDirectory();
  const { certificatePem, keyPem } = makeSelfSignedCertificate({
    names: ['localhost'],
    nowMs: Date.now(),
  });
  const [cert, key] = [join(directory, 'cert.pem'), join(directory, 'key.pem')];
  writeFileSync(cert, certificatePem);
  writeFileSync(key, keyPem, { mode: 0o600 });
  const words = ['-cert', cert, '-key', key, '-tls1_3', '-early_data', '-accept', '0'];
  const server = start('openssl', ['s_server', ...words], { stdio: 'pipe' });
  t.after(() => server.kill('SIGKILL'));
  let said = '';
  for (const stream of [server.stdout!, server.stderr!]) {
    stream.on('data', (bytes: Buffer) => {
      said += bytes.toString();
    });
  }
  const port = await until(
    () => Number(/ACCEPT \S+:(\d+)/.exec(said)?.[1] ?? 0) || false,
    'a port',
  );
  const template = await helloOf({ groups: 'P-256' });
  const { received } = await play(template, { applicationData: [100] }, port);
  assert.ok(received.includes('sealed:finished'), received.join(' '));
  await until(() => said.includes('Host: localhost'), 'the request');
  const early = await play(template, { resumes: true, earlyData: [60, 30] }, port);
  assert.ok(!early.received.includes('sealed:certificate'), early.received.join(' '));
  await until(() => said.includes('Early data received:'), 'early data');
});
