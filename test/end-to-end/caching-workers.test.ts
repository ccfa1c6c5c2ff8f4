import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdirSync, readlinkSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import http from 'node:http';
import test from 'node:test';
import { startOrigin } from '../support/origins.ts';
import { RawConnection } from '../support/raw-connection.ts';
import { startConfigured } from '../support/routes.ts';
import { type RunningSluice, startSluice } from '../support/sluice.ts';
import { tcpSockets } from '../support/tcp-sockets.ts';
import { until, within } from '../support/waiting.ts';

const MIB = 2 ** 20;
const WORKERS = 3;

/** Responses that have not been answered yet, by target, in the order in which they were asked for. */
const open = new Map<string, ServerResponse[]>();
const origin = await startOrigin((request, response) => {
  const target = request.url!;
  response.setHeader('Cache-Control', target.includes('no-store') ? 'no-store' : 'max-age=60');
  open.set(target, [...(open.get(target) ?? []), response]);
});
const sluice = await startSluice({ origin: origin.url, workers: WORKERS });
test.after(async () => {
  await sluice[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
});

function contentOf(target: string, length: number): Buffer {
  return Buffer.alloc(length, createHash('sha256').update(target).digest());
}

interface Got {
  readonly status: number;
  readonly content: Buffer;
}

/** On a connection of its own, so that any worker may get it. `onBytes` is told how many came. */
function get(target: string, onBytes: (bytes: number) => void = () => {}): Promise<Got> {
  const { promise, resolve, reject } = Promise.withResolvers<Got>();
  const options = { port: sluice.httpPort, path: target, agent: false } as const;
  const request = http.get(options, (response: IncomingMessage) => {
    const parts: Buffer[] = [];
    response.on('data', (bytes: Buffer) => {
      parts.push(bytes);
      onBytes(bytes.length);
    });
    response.on('error', reject);
    response.on('end', () =>
      resolve({ status: response.statusCode!, content: Buffer.concat(parts) }),
    );
  });
  request.on('error', reject);
  return within(promise, target, 30_000);
}

/** The response to the n-th request for a target, once the origin has been asked so often. */
async function asked(target: string, count = 1): Promise<ServerResponse> {
  const list = await until(() => {
    const responses = open.get(target) ?? [];
    return responses.length >= count && responses;
  }, `request ${count} for ${target}`);
  return list[count - 1]!;
}

/** The worker that has the socket between two ports: its own one first. */
async function workerBetween(own: RunningSluice, ...ports: [number, number]): Promise<number> {
  const [near, far] = ports;
  const inode = tcpSockets().find((one) => one.localPort === near && one.peerPort === far)?.inode;
  const pids = await own.workerPids();
  for (const pid of pids.filter((each) => each > 0)) {
    for (const fd of readdirSync(`/proc/${pid}/fd`)) {
      try {
        if (readlinkSync(`/proc/${pid}/fd/${fd}`) === `socket:[${inode}]`) return pid;
      } catch {
        // Closed meanwhile.
      }
    }
  }
  throw new Error(`no worker of ${pids} has the connection with inode ${inode}`);
}

/** The worker at the other end of the origin's connection. */
function workerOf(response: ServerResponse): Promise<number> {
  return workerBetween(sluice, response.socket!.remotePort!, origin.port);
}

interface Connected {
  readonly connection: RawConnection;
  readonly pid: number;
}

/** Connections to each of the workers, so many. */
async function connectionsToAll(each: number): Promise<Map<number, RawConnection[]>> {
  const byWorker = new Map<number, RawConnection[]>();
  await until(async () => {
    const { connection, pid } = await connected();
    const own = byWorker.get(pid) ?? [];
    byWorker.set(pid, own);
    if (own.length < each) own.push(connection);
    else connection[Symbol.dispose]();
    return byWorker.size === WORKERS && [...byWorker.values()].every((one) => one.length === each);
  }, 'connections to every worker');
  return byWorker;
}

async function connected(): Promise<Connected> {
  const connection = await RawConnection.open(sluice.httpPort);
  const port = connection.socket.localPort!;
  // The worker may not have accepted it yet.
  const pid = await until(
    () => workerBetween(sluice, sluice.httpPort, port).catch(() => undefined),
    'a worker to accept',
  );
  return { connection, pid };
}

test('300 requests at once, over all workers: the origin is asked once', async () => {
  const target = '/once-large';
  const content = contentOf(target, 2 * MIB);
  let received = 0;
  const all = Array.from({ length: 300 }, () =>
    get(target, (bytes) => {
      received += bytes;
    }),
  );
  const response = await asked(target);
  response.setHeader('Content-Length', content.length);
  // Others read it while it arrives: half of it is received by all before the rest is sent.
  response.write(content.subarray(0, 1.5 * MIB));
  await until(() => received > 300 * MIB, 'readers in every worker', 30_000);
  response.end(content.subarray(1.5 * MIB));
  for (const got of await Promise.all(all)) assert.ok(got.content.equals(content));
  assert.equal(origin.asked(target).length, 1);
  assert.ok((await get(target)).content.equals(content));
  assert.equal(origin.asked(target).length, 1);
});

test('short responses too are asked for once', async () => {
  for (const length of [0, 10, 200_000]) {
    const target = `/once/${length}`;
    const all = Array.from({ length: 60 }, () => get(target));
    const response = await asked(target);
    response.end(contentOf(target, length));
    for (const got of await Promise.all(all)) {
      assert.ok(got.content.equals(contentOf(target, length)));
    }
    assert.equal(origin.asked(target).length, 1);
  }
});

test('what is of no use to others is asked for by all at once', async () => {
  const target = '/no-store';
  const count = 60;
  const all = Array.from({ length: count }, () => get(target));
  (await asked(target)).end('private');
  // None is answered before all have been asked for: else they would go one after the other.
  await asked(target, count);
  for (const response of open.get(target)!) if (!response.writableEnded) response.end('private');
  for (const got of await Promise.all(all)) assert.equal(got.content.toString(), 'private');
});

test('who asks after an unsafe request, in whichever worker, gets what came after it', async () => {
  const target = '/unsafe';
  const byWorker = await connectionsToAll(2);
  const [[one, other], [elsewhere], [waiting, late]] = [...byWorker.values()] as [
    [RawConnection, RawConnection],
    [RawConnection, RawConnection],
    [RawConnection, RawConnection],
  ];
  const get = (connection: RawConnection) =>
    connection.send(`GET ${target} HTTP/1.1\r\nHost: a.example\r\n\r\n`);
  get(one);
  const first = await asked(target);
  get(waiting);
  elsewhere.send(`POST ${target} HTTP/1.1\r\nHost: a.example\r\nContent-Length: 0\r\n\r\n`);
  (await asked(target, 2)).end('done');
  await elsewhere.response();
  // In the worker that asks already, and in one that waits for it.
  get(other);
  get(late);
  const second = await asked(target, 3);
  first.end('before');
  second.end('after');
  const rest = open.get(target)!.slice(3);
  for (const response of rest) response.end('after');
  assert.equal((await one.response()).content, 'before');
  for (const connection of [other, late]) {
    const more = open.get(target)!.filter((each) => !each.writableEnded);
    for (const response of more) response.end('after');
    assert.equal((await connection.response()).content, 'after');
  }
  for (const each of [...byWorker.values()].flat()) each[Symbol.dispose]();
});

for (const [name, flags] of [
  ['that share a cache', []],
  // Too small to be divided.
  ['each with its memory', ['--cache-size', '8MiB']],
] as const) {
  test(`who has changed something sees the change in all workers ${name}`, async () => {
    // Answered at once, each time anew.
    const answer = (request: IncomingMessage, response: ServerResponse) => {
      response.setHeader('Cache-Control', 'max-age=60');
      response.end(String(serial.asked(request.url!).length));
    };
    await using serial = await startOrigin(answer);
    await using own = await startSluice({ origin: serial.url, workers: WORKERS, flags });
    const ask = async (method: string, target: string): Promise<string> => {
      using connection = await RawConnection.open(own.httpPort);
      const rest = 'HTTP/1.1\r\nHost: a.example\r\nContent-Length: 0\r\n\r\n';
      connection.send(`${method} ${target} ${rest}`);
      return (await connection.response()).content;
    };
    for (let i = 0; i < 30; i++) {
      const target = `/changed/${i}`;
      await ask('GET', target);
      // Every other time more workers may have it in memory.
      if (i % 2 === 0) for (let more = 0; more < 3; more++) await ask('GET', target);
      const changed = await ask('POST', target);
      assert.ok(Number(await ask('GET', target)) > Number(changed), `round ${i}: an old response`);
    }
  });
}

test('who leaves a response that others read, in whichever worker, does not end it', async () => {
  const target = '/left';
  const chunk = contentOf(target, 128 * 1024);
  const byWorker = await connectionsToAll(2);
  const all = [...byWorker.values()].flat();
  for (const connection of all) {
    connection.send(`GET ${target} HTTP/1.1\r\nHost: a.example\r\n\r\n`);
  }
  const response = await asked(target);
  // Without a length, it is fetched for those who read it alone.
  for (let i = 0; i < 16; i++) response.write(chunk);
  await until(() => all.every((each) => each.unread.length > MIB), 'all to read');
  const leaving = byWorker.get(await workerOf(response))!;
  for (const connection of leaving) connection[Symbol.dispose]();
  for (let i = 0; i < 16; i++) response.write(chunk);
  response.end();
  for (const connection of all.filter((each) => !leaving.includes(each))) {
    const { content } = await connection.response();
    assert.equal(content.length, 32 * chunk.length);
    connection[Symbol.dispose]();
  }
  assert.equal(origin.asked(target).length, 1);
});

test('a worker that is killed while it asks: another one asks in its place, at once', async () => {
  const target = '/killed-asking';
  const all = Array.from({ length: 60 }, () => get(target));
  const results = Promise.allSettled(all);
  const pid = await workerOf(await asked(target));
  process.kill(pid, 'SIGKILL');
  (await asked(target, 2)).end('again');
  const got = await results;
  const answered = got.filter((one) => one.status === 'fulfilled');
  // Connections of the dead worker are lost; the others' are not.
  assert.ok(answered.length > 10, `${answered.length} answered`);
  for (const { value } of answered) assert.equal(value.content.toString(), 'again');
  assert.equal(origin.asked(target).length, 2);
  await until(async () => (await sluice.workerPids()).every((each) => each > 0), 'a new worker');
});

test('a worker that is killed in the middle of content: never a wrong byte, and no waiting', async () => {
  const target = '/killed-filling';
  const content = contentOf(target, 3 * MIB);
  const partial: number[] = [];
  const all = Array.from({ length: 30 }, (_, i) =>
    get(target, (bytes) => {
      partial[i] = (partial[i] ?? 0) + bytes;
    }),
  );
  const results = Promise.allSettled(all);
  const response = await asked(target);
  response.setHeader('Content-Length', content.length);
  response.write(content.subarray(0, 2 * MIB));
  await until(() => partial.filter((bytes) => bytes > MIB).length === 30, 'readers');
  process.kill(await workerOf(response), 'SIGKILL');
  for (const one of await results) assert.equal(one.status, 'rejected');
  const next = get(target);
  const second = await asked(target, 2);
  second.setHeader('Content-Length', content.length);
  second.end(content);
  assert.ok((await next).content.equals(content));
});

for (const slices of ['off', '4MiB'] as const) {
  test(`others get the rest when a worker is killed in the middle of it: slices ${slices}`, async () => {
    const target = '/killed-continued';
    const content = contentOf(target, 4 * MIB);
    const ranges = new Map<string, number>();
    let isAskedFor = false;
    const filling = Promise.withResolvers<ServerResponse>();
    await using ranged = await startOrigin((request, response) => {
      response.setHeader('Cache-Control', 'max-age=60');
      response.setHeader('ETag', '"a"');
      const { range = '' } = request.headers;
      ranges.set(range, (ranges.get(range) ?? 0) + 1);
      const match = /^bytes=(\d+)-(\d+)$/.exec(range) ?? [];
      const [first, last] = [
        Number(match[1] ?? 0),
        Math.min(Number(match[2] ?? 1e9), content.length - 1),
      ];
      const place = `bytes ${first}-${last}/${content.length}`;
      response.setHeader('Content-Length', last + 1 - first);
      if (range !== '') response.writeHead(206, { 'Content-Range': place });
      if (first > 0 || isAskedFor) {
        response.end(content.subarray(first, last + 1));
        return;
      }
      isAskedFor = true;
      response.write(content.subarray(0, 2.5 * MIB));
      filling.resolve(response);
    });
    const routes = [{ origin: 'default', cache: slices === 'off' ? {} : { slices } }];
    const file = { origin: ranged.url, routes };
    await using own = await startConfigured({ file, workers: WORKERS });
    const connections = await Promise.all(
      Array.from({ length: 12 }, () => RawConnection.open(own.httpPort)),
    );
    for (const each of connections) each.send(`GET ${target} HTTP/1.1\r\nHost: a.example\r\n\r\n`);
    const response = await within(filling.promise, 'the fetch');
    await until(() => connections.every((each) => each.unread.length > 1.5 * MIB), 'all to read');
    const killed = await workerBetween(own, response.socket!.remotePort!, ranged.port);
    process.kill(killed, 'SIGKILL');
    const got = await Promise.allSettled(connections.map((each) => each.response()));
    const whole = got.filter((one) => one.status === 'fulfilled');
    // Those of the dead worker are lost.
    assert.ok(whole.length > 0 && whole.length < 12, `${whole.length} answered`);
    for (const { value } of whole) {
      assert.equal(value.status, 200);
      assert.ok(Buffer.from(value.content, 'latin1').equals(content));
    }
    // Once, or by each worker where waiting has taken too long: not by each reader.
    for (const [range, count] of ranges) assert.ok(count <= WORKERS, `${range}: ${count} times`);
    assert.ok(
      ranges.size > 1 || ranges.get('bytes=0-4194303') !== undefined,
      'the rest is asked for',
    );
    for (const each of connections) each[Symbol.dispose]();
  });
}
