// Runs alone: it compares memory before and after.
/** Traffic of all kinds for a while; afterwards sluice is as it was, and no byte was wrong. */
import assert from 'node:assert/strict';
import { readdirSync, readlinkSync, statSync } from 'node:fs';
import { get } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { connect } from 'node:net';
import { join } from 'node:path';
import test from 'node:test';
import { connect as connectTls } from 'node:tls';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { OUTPUT_CHUNKS_KEPT_MAX } from '../../src/reactor/limits.ts';
import { alive, atRest } from '../support/leaks.ts';
import { startOrigin } from '../support/origins.ts';
import { type RunningSluice, startSluice } from '../support/sluice.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { PATIENCE_MS, sleep, until, within } from '../support/waiting.ts';
import { answerWithBody, ask, bodyOf, randomOf, seedOf } from './identity.ts';

const DURATION_MS = process.env.SLUICE_LONG === '1' ? 600_000 : 5_000;
/** Traffic before the state that the end is compared with: buffers and caches have their size then. */
const WARM_UP_MS = DURATION_MS / 4;
const MIB = 2 ** 20;
const CACHE_BYTES = 48 * MIB;
/** What resident memory may be more than after the warm-up, of two workers and the supervisor. */
const GROWTH_BYTES_MAX = 96 * MIB;

const textOf = (path: string) => bodyOf(path).toString('base64');

const origin = await startOrigin((request, response) => {
  if (request.method === 'POST') {
    response.setHeader('Content-Type', 'application/octet-stream');
    request.pipe(response);
    return;
  }
  if (request.url!.startsWith('/kept/text')) {
    response.setHeader('Content-Type', 'text/plain');
    response.setHeader('Cache-Control', 'max-age=3600');
    response.end(textOf(request.url!));
    return;
  }
  answerWithBody(request, response);
});
test.after(() => origin[Symbol.asyncDispose]());

interface Traffic {
  readonly sluice: RunningSluice;
  readonly random: (below: number) => number;
  /** What was wrong, each in a line. */
  readonly faults: string[];
}

type Kind = (traffic: Traffic, path: string) => Promise<void>;

const host = { host: 'a.example' };

/** A response whose body is read as `read` says, then compared. */
async function check(traffic: Traffic, path: string, body: Buffer, wanted: Buffer): Promise<void> {
  if (!body.equals(wanted))
    traffic.faults.push(`${path}: ${body.length} of ${wanted.length} bytes`);
}

const kinds: Record<string, Kind> = {
  hit: ({ sluice, random, faults }) => askWhole(sluice, `/kept/${random(60)}`, faults),
  miss: ({ sluice, faults }, path) => askWhole(sluice, `/new${path}`, faults),
  stored: ({ sluice, faults }, path) => askWhole(sluice, `/kept${path}`, faults),
  'aborted download': ({ sluice: { httpPort: port } }, path) =>
    ends((done) => {
      const request = get({ port, path: `/kept/aborted${path}`, headers: host, agent: false });
      request.on('response', (response) => response.once('data', () => request.destroy()));
      // Bodies may be empty.
      request.on('response', (response) => response.once('end', done));
      request.on('error', done).on('close', done);
    }),
  'slow reader': (traffic, path) =>
    ends((done) => {
      const target = `/new/slow${path}`;
      const options = { port: traffic.sluice.httpPort, path: target, headers: host, agent: false };
      get(options, async (response) => {
        const pieces: Buffer[] = [];
        try {
          for await (const piece of response) {
            pieces.push(piece);
            await sleep(20);
          }
          await check(traffic, target, Buffer.concat(pieces), bodyOf(target));
        } catch (error) {
          traffic.faults.push(`${target}: ${(error as Error).message}`);
        }
        done();
      }).on('error', done);
    }),
  POST: async (traffic, path) => {
    const content = bodyOf(path);
    const url = `${traffic.sluice.httpUrl}/echo`;
    const response = await fetch(url, { method: 'POST', body: new Uint8Array(content) });
    await check(traffic, '/echo', Buffer.from(await response.arrayBuffer()), content);
  },
  'HTTP/2, half of the streams cancelled': ({ sluice, faults }, path) =>
    ends((done) => {
      const session = connectHttp2(sluice.httpsUrl, { rejectUnauthorized: false });
      session.on('error', done).on('close', done);
      let open = 10;
      for (let i = 0; i < 10; i++) {
        const target = `/kept/two${path}/${i % 4}`;
        const stream = session.request({ ':path': target });
        const pieces: Buffer[] = [];
        stream.on('data', (piece: Buffer) => {
          pieces.push(piece);
          if (i % 2 === 0) stream.close(8);
        });
        stream.on('error', () => {});
        stream.on('close', () => {
          const isRight = Buffer.concat(pieces).equals(bodyOf(target));
          if (i % 2 === 1 && !isRight) faults.push(`${target} over HTTP/2`);
          if (--open === 0) session.close();
        });
      }
    }),
  'TLS given up': ({ sluice, random }) =>
    ends((done) => {
      const isWhole = random(2) === 0;
      const options = { port: sluice.httpsPort, host: '127.0.0.1', rejectUnauthorized: false };
      const socket = isWhole ? connectTls(options) : connect(options);
      if (isWhole) socket.once('secureConnect', () => socket.destroy());
      else socket.write(Buffer.from([22, 3, 1, 2, 0, 1, 0]), () => socket.destroy());
      socket.on('error', done).on('close', done);
    }),
  compressed: async (traffic, path) => {
    const target = `/kept/text${path.slice(0, 3)}`;
    const coding = traffic.random(2) === 0 ? 'gzip' : 'br';
    const body = await ends<Buffer>((done) => {
      const headers = { ...host, 'accept-encoding': coding };
      const options = { port: traffic.sluice.httpPort, path: target, headers, agent: false };
      get(options, async (response) => {
        const bytes = Buffer.concat(await response.toArray());
        const used = response.headers['content-encoding'];
        done(
          used === 'gzip' ? gunzipSync(bytes) : used === 'br' ? brotliDecompressSync(bytes) : bytes,
        );
      }).on('error', () => done(Buffer.alloc(0)));
    });
    await check(traffic, target, body, Buffer.from(textOf(target)));
  },
};

function ends<T = unknown>(begin: (done: (value: T) => void) => void): Promise<T> {
  const { promise, resolve } = Promise.withResolvers<T>();
  begin(resolve);
  return within(promise, 'an exchange to end');
}

async function askWhole(sluice: RunningSluice, path: string, faults: string[]): Promise<void> {
  const { verdict, status, why } = await ask(sluice.httpPort, path);
  if (verdict !== 'right') faults.push(`${path}: ${verdict} ${status} ${why}`);
}

/** Each kind in a lane of its own, for so long. */
async function play(traffic: Traffic, durationMs: number, counts: Map<string, number>) {
  const end = performance.now() + durationMs;
  const lane = async ([name, kind]: [string, Kind]) => {
    while (performance.now() < end) {
      await kind(traffic, `/${traffic.random(1_000_000)}`);
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
  };
  await Promise.all(Object.entries(kinds).map(lane));
}

/** Open descriptors by kind: sockets, files that are gone, and all others. */
function descriptorsOf(pids: readonly number[]): Record<string, number> {
  const counts = { sockets: 0, deletedSegments: 0, others: 0 };
  for (const pid of pids) {
    for (const fd of readdirSync(`/proc/${pid}/fd`)) {
      const name = linkOf(`/proc/${pid}/fd/${fd}`);
      if (name.startsWith('socket:')) counts.sockets++;
      else if (name.endsWith('.segment (deleted)')) counts.deletedSegments++;
      // Segments that are there may stay open.
      else if (!name.endsWith('.segment')) counts.others++;
    }
  }
  return counts;
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

function bytesIn(directory: string): number {
  let blocks = 0;
  for (const name of readdirSync(directory, { recursive: true, encoding: 'utf8' })) {
    blocks += statSync(join(directory, name), { throwIfNoEntry: false })?.blocks ?? 0;
  }
  return blocks * 512;
}

test(`${DURATION_MS / 1_000} s of traffic of all kinds: then sluice is at rest, and no byte was wrong`, {
  timeout: DURATION_MS * 2 + 10 * PATIENCE_MS,
}, async (t) => {
  const directory = temporaryDirectory();
  const flags = [
    '--cache-dir',
    directory,
    '--cache-size',
    `${CACHE_BYTES}`,
    '--cache-memory',
    '32MiB',
  ];
  await using sluice = await startSluice({ origin: origin.url, workers: 2, flags });
  const traffic: Traffic = { sluice, random: randomOf(seedOf(t)), faults: [] };
  const counts = new Map<string, number>();
  await play(traffic, WARM_UP_MS, counts);
  const pids = await sluice.workerPids();
  const before = await atRest(sluice);
  const descriptors = descriptorsOf(pids);
  const memory = await sluice.residentBytes();
  await play(traffic, DURATION_MS - WARM_UP_MS, counts);
  t.diagnostic(JSON.stringify(Object.fromEntries(counts)));
  await atRest(sluice);
  assert.deepEqual(traffic.faults, []);
  for (const name of Object.keys(kinds)) assert.ok((counts.get(name) ?? 0) > 5, `enough ${name}`);
  assert.deepEqual(await sluice.workerPids(), pids, 'no worker has died');
  let now = alive(await sluice.stats());
  await until(
    async () => {
      now = alive(await sluice.stats());
      return Object.entries(now).every(
        ([kind, count]) => count <= (before[kind] ?? 0) + spare(kind),
      );
    },
    () => `${JSON.stringify(now)} to be ${JSON.stringify(before)} again`,
  );
  await until(
    () => {
      const { sockets, deletedSegments, others } = descriptorsOf(pids);
      return (
        deletedSegments === 0 && sockets! <= descriptors.sockets! && others! <= descriptors.others!
      );
    },
    () => `${JSON.stringify(descriptorsOf(pids))} to be ${JSON.stringify(descriptors)} again`,
  );
  // A segment of each worker's is being written, and the index has room of its own.
  const used = bytesIn(directory);
  assert.ok(used <= CACHE_BYTES + 16 * MIB, `${used} bytes on disk`);
  const growth = (await sluice.residentBytes()) - memory;
  t.diagnostic(`memory: ${Math.round(memory / MIB)} MiB, then ${Math.round(growth / MIB)} more`);
  assert.ok(growth <= GROWTH_BYTES_MAX, `${growth} bytes of memory more`);
});

/** Blocks that are kept for reuse. */
function spare(kind: string): number {
  return kind === 'mapping' ? OUTPUT_CHUNKS_KEPT_MAX : 0;
}
