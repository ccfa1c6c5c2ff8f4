// Whose slowness it is: of a client or of an origin, over HTTP/1.1 and HTTP/2 on either side.
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import test from 'node:test';
import { Http2Client } from '../support/http2-client.ts';
import { type StreamHandler, startH2cOrigin } from '../support/http2-origin.ts';
import { type OriginHandler, startOrigin } from '../support/origins.ts';
import { RawConnection } from '../support/raw-connection.ts';
import { startConfigured } from '../support/routes.ts';
import type { RunningSluice } from '../support/sluice.ts';
import { sleep, until } from '../support/waiting.ts';

/** Both time-outs toward origins; clients have 60 s. */
const LIMIT_MS = 400;
const DOWNLOAD = 40_000_000;

const onHttp1: OriginHandler = (request, response) => {
  if (request.url === '/download') {
    response.writeHead(200, { 'cache-control': 'no-store', 'content-length': DOWNLOAD });
    response.end(Buffer.alloc(DOWNLOAD));
  } else if (request.url === '/early-head') {
    response.writeHead(200, { 'cache-control': 'no-store' });
    response.flushHeaders();
    request.resume().on('end', () => response.end('done'));
  } else if (request.url === '/silent') {
    request.resume();
  } else request.resume().on('end', () => response.end('done'));
};

const onHttp2: StreamHandler = (stream, fields) => {
  const path = fields[':path'];
  const done = () => stream.end('done');
  if (path === '/download') {
    stream.respond({ ':status': 200, 'cache-control': 'no-store' });
    stream.end(Buffer.alloc(DOWNLOAD));
  } else if (path === '/early-head') {
    stream.respond({ ':status': 200, 'cache-control': 'no-store' });
    stream.resume().on('end', done);
  } else if (path === '/silent') {
    stream.resume();
  } else {
    stream.resume().on('end', () => {
      stream.respond({ ':status': 200, 'cache-control': 'no-store' });
      done();
    });
  }
};

const http1 = await startOrigin(onHttp1);
const http2 = await startH2cOrigin(onHttp2, { maxSessionMemory: 1_000 });
const sluice = await startConfigured({
  file: {
    listeners: [
      { address: '127.0.0.1:0', protocol: 'http', 'http2-cleartext': 'on' },
      { address: '127.0.0.1:0', protocol: 'https' },
    ],
    origins: Object.fromEntries(
      Object.entries({ http1, http2 }).map(([name, { url }]) => {
        const timeouts = { response: `${LIMIT_MS}ms`, idle: `${LIMIT_MS}ms` };
        const health = { failures: 1, 'ejected-share-max': '100%' };
        return [name, { servers: [url], timeouts, 'passive-health': health }];
      }),
    ),
    routes: ['http1', 'http2'].map((origin) => ({
      match: { hosts: [`${origin}.example`] },
      origin,
    })),
  },
  listensByFile: true,
});
test.after(async () => {
  await sluice[Symbol.asyncDispose]();
  await http1[Symbol.asyncDispose]();
  await http2[Symbol.asyncDispose]();
});

interface Result {
  readonly status: number;
  readonly content: string;
}

/** Sends a POST of which the second half comes after a pause. */
type Pausing = (path: string, host: string, pauseMs: number) => Promise<Result>;

const pausingClients: Record<string, Pausing> = {
  async http1(path, host, pauseMs) {
    using connection = await RawConnection.open(sluice.httpPort);
    connection.send(`POST ${path} HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 8\r\n\r\nhalf`);
    await sleep(pauseMs);
    return await connection.send('half').response();
  },
  async http2(path, host, pauseMs) {
    using client = await Http2Client.open(sluice.httpUrl);
    const fields = { ':method': 'POST', ':path': path, ':authority': host };
    const stream = client.begin(fields, false);
    stream.stream.write('half');
    await sleep(pauseMs);
    stream.stream.end('half');
    return await stream.answer();
  },
};

async function failuresOf(running: RunningSluice): Promise<number> {
  return running.sum('sluice_origin_server_failures_total');
}

for (const client of ['http1', 'http2'] as const) {
  for (const origin of ['http1', 'http2']) {
    const pair = `${client} client, ${origin} origin`;
    const host = `${origin}.example`;
    const pausing = pausingClients[client]!;

    test(`${pair}: a client that pauses in its upload is waited for`, async () => {
      for (const path of ['/upload', '/early-head']) {
        const { status, content } = await pausing(path, host, 3 * LIMIT_MS);
        assert.deepEqual([status, content], [200, 'done'], path);
      }
      assert.equal(await failuresOf(sluice), 0);
    });
  }
}

for (const origin of ['http1', 'http2']) {
  test(`${origin} origin: a client that does not read for a while gets all of it`, async () => {
    const socket = connect(sluice.httpPort, '127.0.0.1');
    let got = 0;
    socket.on('error', () => {});
    socket.on('data', (bytes) => {
      got += bytes.length;
      if (got > 1_000_000 || hasPaused) return;
      hasPaused = true;
      socket.pause();
      setTimeout(() => socket.resume(), 4 * LIMIT_MS);
    });
    let hasPaused = false;
    const over = new Promise((resolve) => socket.on('close', resolve));
    socket.write(`GET /download HTTP/1.1\r\nHost: ${origin}.example\r\nConnection: close\r\n\r\n`);
    await until(() => got >= DOWNLOAD, 'all of it');
    socket.destroy();
    await over;
    assert.equal(await failuresOf(sluice), 0);
  });
}

// Last: it takes the origins out.
for (const origin of ['http1', 'http2']) {
  test(`${origin} origin: its own silence after a slow upload is its own failure`, async () => {
    const before = await failuresOf(sluice);
    const { status } = await pausingClients.http1!('/silent', `${origin}.example`, 2 * LIMIT_MS);
    assert.equal(status, 504);
    assert.equal(await failuresOf(sluice), before + 1);
  });
}
