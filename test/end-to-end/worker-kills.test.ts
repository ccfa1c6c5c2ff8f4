/**
 * Workers are killed under load, a hundred times when there is time. The load is wrk's, where it is
 * installed, and that of connections of our own, of which we know whose each was.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import test from 'node:test';
import { startOrigin } from '../support/origins.ts';
import { ended, findProgram, start } from '../support/programs.ts';
import { standbyOf } from '../support/replacement.ts';
import { type RunningSluice, startSluice } from '../support/sluice.ts';
import { type TcpSocket, tcpSockets } from '../support/tcp-sockets.ts';
import { sleep, until, within } from '../support/waiting.ts';

const isLong = process.env.SLUICE_LONG === '1';
const KILLS = isLong ? 100 : 3;
/** So many that the kills are not long in coming, though each lives for SOUND_LIFE_MS before. */
const WORKERS = isLong ? 12 : 3;
/** The death of one that has lived for so long is answered at once, whatever came before it. */
const SOUND_LIFE_MS = 10_000;
const LANES = 24;
/** Between two requests: the processors are for the replacements, and for the tests beside this one. */
const PAUSE_MS = 5;
/** Requests of one connection, so that new ones are made all the time. */
const REQUESTS = 40;

const origin = await startOrigin((_request, response) => {
  response.setHeader('Cache-Control', 'max-age=60');
  response.end('ok');
});
test.after(() => origin[Symbol.asyncDispose]());

interface Broken {
  /** Of our end of the connection; 0 when there was none. */
  readonly port: number;
  readonly why: string;
}

/** Connections that ask one request after the other until they are stopped. */
class Lanes {
  readonly broken: Broken[] = [];
  answered = 0;
  #isStopped = false;
  readonly #done: Promise<unknown>;

  constructor(port: number) {
    this.#done = Promise.all(Array.from({ length: LANES }, () => this.#lane(port)));
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await within(this.#done, 'all connections to end');
  }

  async #lane(port: number): Promise<void> {
    while (!this.#isStopped) {
      const socket = connect(port, '127.0.0.1');
      const found = { port: 0 };
      // One that fails between two requests is found out by the next.
      socket.on('error', () => {});
      try {
        await event(socket, 'connect');
        found.port = socket.localPort ?? 0;
        for (let i = 0; i < REQUESTS && !this.#isStopped; i++) {
          await this.#request(socket);
          await sleep(PAUSE_MS);
        }
      } catch (error) {
        this.broken.push({ ...found, why: (error as Error).message });
      }
      socket.destroy();
    }
  }

  async #request(socket: Socket): Promise<void> {
    if (socket.destroyed) throw new Error('ended between two requests');
    socket.write('GET /x HTTP/1.1\r\nHost: a.example\r\n\r\n');
    let text = '';
    while (!text.endsWith('\r\n\r\nok')) text += await event(socket, 'data');
    assert.match(text, /^HTTP\/1\.1 200 /);
    this.answered++;
  }
}

function event(socket: Socket, name: 'connect' | 'data'): Promise<unknown> {
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  const onEnd = () => reject(new Error('ended'));
  socket.once(name, resolve).once('error', reject).once('close', onEnd);
  return within(promise, `a connection's ${name}`).finally(() => {
    socket.off(name, resolve).off('error', reject).off('close', onEnd);
  });
}

/** The TCP sockets (IPv4) that a process has open. */
function socketsOf(pid: number): TcpSocket[] {
  const own = new Set<string>();
  for (const fd of readdirSync(`/proc/${pid}/fd`)) {
    const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1];
    if (inode !== undefined) own.add(inode);
  }
  return tcpSockets().filter(({ inode }) => own.has(inode));
}

function listeningSockets(pid: number): string[] {
  return socketsOf(pid).flatMap(({ inode, isListening }) => (isListening ? [inode] : []));
}

/** Kills a worker. Resolves with the peers it had, and how long its place was empty. */
async function kill(sluice: RunningSluice, index: number) {
  const worker = async () => (await sluice.stats()).workers[index]!;
  const pid = await until(async () => {
    const { state, pid, restarts, startedAt } = await worker();
    const isSound = restarts === 0 || Date.now() - Date.parse(startedAt) > SOUND_LIFE_MS;
    return state === 'running' && isSound && pid !== null && pid;
  }, 'a worker that is sound');
  // It stands still, so that it takes no connection after the look at what it has.
  process.kill(pid, 'SIGSTOP');
  const isStopped = () => /\) T /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  await until(isStopped, 'the worker to stand still');
  const peers = socketsOf(pid).map(({ peerPort }) => peerPort);
  const killedAtMs = performance.now();
  process.kill(pid, 'SIGKILL');
  await until(async () => {
    const now = await worker();
    return now.pid !== pid && now.state === 'running';
  }, 'the replacement');
  const tookMs = performance.now() - killedAtMs;
  assert.match(sluice.output, new RegExp(`\\(pid ${pid}\\) died: .*; replaced at once`));
  return { peers, tookMs };
}

/**
 * wrk connects anew when a connection fails, and counts what failed by kind. It takes what others
 * leave of the processors, which is all of them on a machine with nothing else to do.
 */
function startWrk(sluice: RunningSluice) {
  // Its own limit is 2 s, which a busy machine keeps it from the processors for.
  const wrk = ['wrk', '-t1', '-c8', '-d600s', '--timeout', '60s', `${sluice.httpUrl}/x`];
  const words = ['-n', '19', ...wrk];
  const child = start('nice', words, { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout!.setEncoding('utf8').on('data', (part: string) => {
    text += part;
  });
  const stop = async () => {
    child.kill('SIGINT');
    await ended(child);
    return text;
  };
  return {
    stop,
    [Symbol.asyncDispose]: async () => {
      await stop();
    },
  };
}

test(`workers killed ${KILLS} times under load break their own connections only`, async (t) => {
  await using sluice = await startSluice({ origin: origin.url, workers: WORKERS });
  await using wrk = findProgram('wrk') === null ? null : startWrk(sluice);
  if (wrk === null) t.diagnostic('wrk is not installed: only connections of our own make load');
  const lanes = new Lanes(sluice.httpPort);
  const killed = new Set<number>();
  const times: number[] = [];
  for (let i = 0; i < KILLS; i++) {
    await standbyOf(sluice);
    const settled = lanes.answered;
    await until(() => lanes.answered > settled + 100, 'load to go on');
    const { peers, tookMs } = await kill(sluice, i % WORKERS);
    for (const port of peers) killed.add(port);
    times.push(tookMs);
  }
  await lanes.stop();
  for (const { port, why } of lanes.broken) {
    assert.doesNotMatch(why, /ECONNREFUSED|ETIMEDOUT|waited/);
    assert.ok(killed.has(port), `a connection of a worker that lived failed: ${why}`);
  }
  assert.ok(lanes.broken.length > 0, 'workers had connections');
  times.sort((a, b) => a - b);
  const [least, median, most] = [times[0]!, times[times.length >> 1]!, times.at(-1)!];
  t.diagnostic(
    `replaced in ${least.toFixed()} to ${most.toFixed()} ms, median ${median.toFixed()}`,
  );
  assert.equal(await sluice.sum('sluice_worker_restarts_total'), KILLS);
  if (wrk === null) return;
  const text = await wrk.stop();
  assert.match(text, /requests in/);
  assert.doesNotMatch(text, /Non-2xx/);
  const errors = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(text);
  const [refused, read, write, timedOut] = (errors ?? []).slice(1).map(Number);
  assert.deepEqual([refused ?? 0, timedOut ?? 0], [0, 0], text);
  assert.ok((read ?? 0) + (write ?? 0) <= 8 * KILLS, text);
});

test('a worker in waiting takes the place of one that dies', async () => {
  await using sluice = await startSluice({ origin: origin.url, workers: 2 });
  const waiting = await standbyOf(sluice);
  const [victim, other] = await sluice.workerPids();
  process.kill(victim!, 'SIGKILL');
  await until(
    async () => (await sluice.workerPids()).join() === [waiting, other].join(),
    'it to take the place',
  );
  assert.notEqual(await standbyOf(sluice), waiting);
  // All workers hold the sockets of all: those that serve take the connections of one that does not.
  const held = listeningSockets(waiting);
  assert.equal(held.length, 4);
  assert.deepEqual(listeningSockets(other!).sort(), held.sort());
  assert.equal(await sluice.stop(), 0);
});
