/** Three origins of which one fails in nine ways: clients get what a good one has, byte for byte. */
import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import test from 'node:test';
import { startSluiceWith } from '../support/sluice-file.ts';
import { inParallel, sleep } from '../support/waiting.ts';
import { type Asked, answerWithBody, ask, bodyOf, countOf, faultsIn } from './identity.ts';

const isLong = process.env.SLUICE_LONG === '1';
const REQUESTS = isLong ? 3_000 : 240;
const CLIENTS = 6;
/** Failures of a server in a row before it is out. */
const FAILURES = 5;
/** Requests that may be under way to it at that moment. */
const UNDER_WAY = CLIENTS;

type Way = (request: IncomingMessage, response: ServerResponse) => void;

/** Whether a client can lose a response in this way before the server is out: its head had come. */
const ways: Record<string, { readonly way: Way; readonly losesBodies: boolean }> = {
  resets: { losesBodies: false, way: (_, response) => response.socket!.resetAndDestroy() },
  'closes without a word': {
    losesBodies: false,
    way: (_, response) => void response.socket!.end(),
  },
  'answers 500': {
    losesBodies: false,
    way: (_, response) => void response.writeHead(500).end('no'),
  },
  'answers 503 without end': {
    losesBodies: false,
    way: (_, response) => void response.writeHead(503, { 'Content-Length': 9 }).write('no'),
  },
  'never answers': { losesBodies: false, way: () => {} },
  'answers garbage': {
    losesBodies: false,
    way: (_, response) => void response.socket!.end('\x15\x03 no HTTP\r\n\r\n'),
  },
  'sends half a head': {
    losesBodies: false,
    way: (_, response) => void response.socket!.end('HTTP/1.1 200 OK\r\nContent-Le'),
  },
  'cuts every body': {
    losesBodies: true,
    way: (request, response) => {
      const body = bodyOf(request.url!);
      response.writeHead(200, { 'Content-Length': body.length + 1 });
      response.write(body.subarray(0, 100), () => response.socket?.destroy());
    },
  },
  'stalls in every body': {
    losesBodies: true,
    way: (request, response) => {
      const body = bodyOf(request.url!);
      response.writeHead(200, { 'Content-Length': body.length + 1 });
      response.write(body.subarray(0, 100));
    },
  },
};

async function startServer(way: { current: Way }) {
  const server = createServer((request, response) => {
    if (request.url === '/healthz') response.end('ok');
    else way.current(request, response);
  });
  server.keepAliveTimeout = 60_000;
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, '127.0.0.1', resolve);
  await promise;
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.dispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}

for (const [name, { way, losesBodies }] of Object.entries(ways)) {
  test(`one of three servers ${name}: nothing wrong is served, and it is soon out`, async () => {
    const bad = { current: answerWithBody as Way };
    using first = await startServer({ current: answerWithBody });
    using second = await startServer({ current: answerWithBody });
    using third = await startServer(bad);
    await using sluice = await startSluiceWith({
      origins: {
        app: {
          servers: [first.url, second.url, third.url],
          'passive-health': { failures: FAILURES, 'on-5xx': 'on', ejection: '60s' },
          retries: { max: 2, statuses: [500, 502, 503, 504], 'budget-min': 50 },
          timeouts: { response: '1s', idle: '1s' },
        },
      },
      routes: [{ origin: 'app' }],
    });
    const well = await askMany(sluice.httpPort, 'before', 30);
    assert.equal(countOf(well, 'right'), 30, faultsIn(well));
    bad.current = way;
    const answers = await askMany(sluice.httpPort, name.replaceAll(' ', '-'), REQUESTS);
    assert.equal(countOf(answers, 'wrong'), 0, faultsIn(answers));
    const lost = answers.length - countOf(answers, 'right');
    assert.ok(lost <= (losesBodies ? FAILURES + UNDER_WAY : 0), faultsIn(answers));
    const late = answers.slice(-REQUESTS / 4);
    assert.equal(countOf(late, 'right'), late.length, `it is still asked:\n${faultsIn(late)}`);
    assert.deepEqual(await sluice.sum('sluice_worker_restarts_total'), 0);
  });
}

/** Answers in the order in which they were asked for. */
async function askMany(port: number, name: string, count: number): Promise<Asked[]> {
  const answers: Asked[] = [];
  await inParallel(count, CLIENTS, async (index) => {
    answers[index] = await ask(port, `/${name}/${index}`);
    await sleep(1);
  });
  return answers;
}
