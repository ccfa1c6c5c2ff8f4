/**
 * Hostile peers against one sluice: several hundred inputs over HTTP/1, HTTP/2, TLS, the PROXY protocol, the
 * admin endpoint and as an origin. After each battery every process is the one that it was, nothing has
 * cost more than its length, and the origin has got only requests that the rules let go on, in one spelling.
 */
import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import test from 'node:test';
import { connect as connectTls } from 'node:tls';
import type { Message } from '../support/messages.ts';
import { startRawOrigin } from '../support/origins.ts';
import { RawConnection } from '../support/raw-connection.ts';
import { startSluice } from '../support/sluice.ts';
import { inParallel, within } from '../support/waiting.ts';
import { adminInputs, originAnswers, proxyInputs, tlsInputs } from './others.ts';
import { type HostileInput, http1Inputs, http2Inputs } from './requests.ts';
import { startHostileSite } from './site.ts';

const LANES = 8;
/** After the last byte came: an input that is answered with silence is not waited for longer. */
const SILENCE_MS = 150;

const site = await startHostileSite();
test.after(() => site[Symbol.asyncDispose]());

type Opener = () => Socket;

const plain =
  (port: number): Opener =>
  () =>
    connect({ port, host: '127.0.0.1', noDelay: true });

const secure =
  (alpn: string): Opener =>
  () =>
    connectTls({
      port: site.sluice.httpsPort,
      host: '127.0.0.1',
      servername: 'open.example',
      rejectUnauthorized: false,
      ALPNProtocols: [alpn],
    });

/** Sends, and takes what comes until the peer closes or falls silent. */
async function play(open: Opener, bytes: Buffer): Promise<string> {
  const socket = open();
  let answer = '';
  const { promise, resolve } = Promise.withResolvers<void>();
  let timer = setTimeout(resolve, 20 * SILENCE_MS);
  socket.on('data', (piece: Buffer) => {
    answer += piece.toString('latin1');
    clearTimeout(timer);
    timer = setTimeout(resolve, SILENCE_MS);
  });
  socket.on('error', () => resolve()).on('close', () => resolve());
  socket.on('secureConnect', () => socket.write(bytes));
  if (!('encrypted' in socket)) socket.write(bytes);
  await within(promise, 'an answer, an end or silence');
  clearTimeout(timer);
  socket.destroy();
  return answer;
}

/** Plays all, and says what the answers must not be. Resolves with how many bytes were sent. */
async function battery(
  open: Opener,
  inputs: readonly HostileInput[],
  judge: (name: string, answer: string) => void,
) {
  let bytes = 0;
  await inParallel(inputs.length, LANES, async (index) => {
    const input = inputs[index]!;
    bytes += input.bytes.length;
    judge(input.name, await play(open, input.bytes));
  });
  await site.assertUnharmed(inputs.length, bytes);
}

function noServerError(name: string, answer: string): void {
  assert.doesNotMatch(answer, /^HTTP\/1\.1 500/m, name);
  assert.ok(!answer.includes('x-injected'), name);
}

test('there are at least 500 hostile inputs, each with a name of its own', () => {
  const tables = [http1Inputs, http2Inputs, tlsInputs, proxyInputs, adminInputs];
  for (const table of tables) {
    const names = table.map(({ name }) => name);
    const twice = names.filter((name, index) => names.indexOf(name) !== index);
    assert.deepEqual(twice, []);
  }
  const count = tables.flat().length + Object.keys(originAnswers).length;
  assert.ok(count >= 500, `${count} inputs`);
});

test('HTTP/1 in plaintext: refused, or passed on as what was judged', async () => {
  await battery(plain(site.sluice.httpPort), http1Inputs, noServerError);
});

test('HTTP/1 over TLS, to a connection without a client certificate', async () => {
  await battery(
    secure('http/1.1'),
    http1Inputs.filter(({ bytes }) => bytes.length < 2_000),
    noServerError,
  );
});

test('HTTP/2 over TLS: frames, header compression, authorities and paths', async () => {
  await battery(secure('h2'), http2Inputs, noServerError);
});

test('HTTP/2 in plaintext is no way around', async () => {
  await battery(plain(site.sluice.httpPort), http2Inputs, noServerError);
});

test('TLS: records, hellos and server names', async () => {
  await battery(plain(site.sluice.httpsPort), tlsInputs, () => {});
});

test('the PROXY protocol: a header that is wrong ends the connection', async () => {
  await battery(plain(site.proxyPort), proxyInputs, noServerError);
});

test('the admin endpoint answers each with a status, and never with 500', async () => {
  await battery(plain(site.sluice.adminPort), adminInputs, (name, answer) => {
    if (answer !== '')
      assert.match(answer, /^HTTP\/1\.1 [1-4]\d\d /, `${name}: ${answer.slice(0, 200)}`);
  });
});

test('honest clients are served as before', async () => {
  using connection = await RawConnection.open(site.sluice.httpPort);
  const { status } = await connection.request('GET /x HTTP/1.1\r\nHost: open.example\r\n\r\n');
  assert.equal(status, 200);
});

test('hostile origins poison nobody: each client gets its own answer, or an error', async () => {
  const answer = (socket: Socket, request: Message) => {
    const name = request.start.split(' ')[1]!.slice(1);
    const text = originAnswers[name];
    if (text === undefined) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nwell');
    else socket.end(text, 'latin1');
  };
  await using origin = await startRawOrigin(answer);
  await using sluice = await startSluice({ origin: origin.url, workers: 2 });
  const pids = await sluice.workerPids();
  const names = Object.keys(originAnswers);
  await inParallel(names.length, LANES, async (index) => {
    const name = names[index]!;
    const request = `GET /${name} HTTP/1.1\r\nHost: open.example\r\n\r\n`;
    for (let round = 0; round < 2; round++) {
      const text = await play(plain(sluice.httpPort), Buffer.from(request));
      assert.match(text, /^HTTP\/1\.1 \d{3} |^$/, name);
      assert.ok(!/poison|x-injected/i.test(text), `${name}: ${text.slice(-200)}`);
    }
    const after = await play(
      plain(sluice.httpPort),
      Buffer.from('GET /well HTTP/1.1\r\nHost: open.example\r\n\r\n'),
    );
    assert.match(after, /well$/, `after ${name}`);
  });
  assert.deepEqual(await sluice.workerPids(), pids, sluice.output);
});
