/** HTTP/3 from a whole sluice with two workers, asked by ngtcp2's client. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { runSluice } from '../cli/sluice-process.ts';
import { startOrigin } from '../support/origins.ts';
import { run, unlessInstalled } from '../support/programs.ts';
import { type RunningSluice, startSluice } from '../support/sluice.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { until } from '../support/waiting.ts';

const CLIENT = 'gtlsclient';
const skip = unlessInstalled(CLIENT);
const directory = temporaryDirectory();
const accessLog = join(directory, 'access.log');

/** Answered when the test says so. */
const held: (() => void)[] = [];
const origin = await startOrigin((request, response) => {
  response.setHeader('cache-control', request.url === '/kept' ? 'max-age=600' : 'no-store');
  if (request.url === '/held') {
    response.write('first half, ');
    held.push(() => response.end('second half'));
  } else response.end(`early: ${request.headers['early-data'] ?? 'no'}`);
});

const flags = ['--http3', 'on', '--access-log', accessLog];
const sluice: RunningSluice | null = skip
  ? null
  : await startSluice({ origin: origin.url, workers: 2, flags });

after(async () => {
  await sluice?.[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
});

const words = ['--exit-on-all-streams-close', '--no-quic-dump', '--no-http-dump'];
const target = (path: string, port: number) => [
  ...['127.0.0.1', String(port)],
  `https://localhost${path}`,
];

/** Asks with the client; returns what it has said. */
async function ask(path: string, more: readonly string[] = [], port = sluice!.httpsPort) {
  const all = [...words, '--download=.', ...more, ...target(path, port)];
  const { code, stderr, text } = await run(CLIENT, all, { cwd: directory });
  assert.equal(code, 0, `${text}\n${stderr}`);
  return `${text}${stderr}`;
}

const downloaded = (path: string) => readFileSync(join(directory, path), 'latin1');
const workerPids = () => sluice!.workerPids();
const kept = ['--session-file=session', '--tp-file=parameters'];

describe('HTTP/3 of a whole sluice', { skip }, () => {
  test('is announced over HTTP/1.1 and HTTP/2, and serves what they have cached', async () => {
    const announced = `h3=":${sluice!.httpsPort}"; ma=86400`;
    for (const version of ['--http1.1', '--http2', '--http2']) {
      const url = `https://localhost:${sluice!.httpsPort}/kept`;
      const curl = ['-sk', version, '-D-', '-H', 'host: localhost', url];
      const { text } = await run('curl', curl);
      assert.ok(text.toLowerCase().includes(`alt-svc: ${announced}\r\n`), text);
    }
    const said = await ask('/kept');
    assert.match(said, /cache-status: sluice; hit/);
    assert.equal(downloaded('/kept'), 'early: no');
    assert.equal(origin.asked('/kept').length, 1);
    await until(() => /"GET \/kept HTTP\/3" 200/.test(readFileSync(accessLog, 'utf8')), 'the log');
  });

  test('answers early data, and runs it once: also when it comes again, and after a death', async () => {
    await ask('/before', kept);
    const flight: Buffer[] = [];
    const relay = createSocket('udp4');
    const inner = createSocket('udp4');
    let client = 0;
    relay.on('message', (message, from) => {
      client = from.port;
      if (flight.length < 4) flight.push(message);
      inner.send(message, sluice!.httpsPort, '127.0.0.1');
    });
    inner.on('message', (message) => relay.send(message, client, '127.0.0.1'));
    await new Promise<void>((resolve) => relay.bind(0, '127.0.0.1', resolve));
    await ask('/once', kept, relay.address().port);
    assert.equal(downloaded('/once'), 'early: 1');
    const sockets = [relay, inner];
    const replay = async () => {
      const received = () => sluice!.sum('sluice_quic_datagrams_received_total');
      const before = await received();
      for (let i = 0; i < 20; i++) {
        const socket = createSocket('udp4');
        sockets.push(socket);
        for (const one of flight) socket.send(one, sluice!.httpsPort, '127.0.0.1');
      }
      const all = 20 * flight.length;
      await until(async () => (await received()) - before >= all, 'the replays to be read');
    };
    await replay();
    const before = await workerPids();
    for (const pid of before) process.kill(pid, 'SIGKILL');
    await until(async () => {
      const now = await workerPids();
      return now.every((pid) => pid > 0 && !before.includes(pid));
    }, 'others in their places');
    await replay();
    assert.equal(origin.asked('/once').length, 1);
    for (const socket of sockets) socket.close();
    await ask('/after');
  });

  test('goes on through a reload, with requests under way', async () => {
    const asked = ask('/held');
    await until(() => held.length > 0, 'the request');
    const { code } = await runSluice(['reload', '--admin', `127.0.0.1:${sluice!.adminPort}`]);
    assert.equal(code, 0);
    await ask('/reloaded');
    held.pop()!();
    await asked;
    assert.equal(downloaded('/held'), 'first half, second half');
  });

  test('who has a connection to a worker that was killed hears so from its successor', async () => {
    const said = await ask('/reset');
    const told = /remote transport_parameters stateless_reset_token=0x(\w+)/.exec(said)?.[1];
    const id = /pkt tx pkn=\d+ dcid=0x(\w{16}) type=1RTT/.exec(said)?.[1];
    const before = await workerPids();
    for (const pid of before) process.kill(pid, 'SIGKILL');
    const socket = createSocket('udp4');
    let token = '';
    socket.on('message', (answer) => {
      token = answer.toString('hex', answer.length - 16);
    });
    // What the client would send again and again.
    const packet = Buffer.concat([Buffer.of(0x40), Buffer.from(id!, 'hex'), randomBytes(60)]);
    await until(() => {
      socket.send(packet, sluice!.httpsPort, '127.0.0.1');
      return token !== '';
    }, 'the stateless reset');
    socket.close();
    assert.equal(token, told);
    await ask('/again');
  });
});
