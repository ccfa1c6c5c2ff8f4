import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type Server } from 'node:http';
import { join } from 'node:path';
import test from 'node:test';
import express from 'express';
import Fastify from 'fastify';
import { Hono } from 'hono';
import Koa from 'koa';
import { listenFor } from '../../src/library/app-server.ts';
import { type App, edge } from '../../src/library/index.ts';
import { curl } from '../support/curl.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { until } from '../support/waiting.ts';

process.env.XDG_STATE_HOME = temporaryDirectory();

const QUIET = { http: 0, https: 0, flags: { workers: 1 }, log: 'ignore' } as const;

/** Of a client's request, as the app sees it. */
interface Seen {
  readonly ip?: string | undefined;
  readonly protocol?: string | undefined;
  readonly runs: number;
}

let runs = 0;

/** The same app in each framework: cached for a minute, with a tag. */
const apps: Record<string, () => App | Promise<App>> = {
  'a server of node:http': () =>
    createServer((request, response) => {
      const protocol = String(request.headers['x-forwarded-proto']);
      response.setHeader('Cache-Control', 's-maxage=60').setHeader('Cache-Tag', 'page');
      response.end(JSON.stringify({ protocol, runs: ++runs }));
    }),
  Express: () => {
    const app = express();
    app.set('trust proxy', 'loopback');
    app.get('/page', (request, response) => {
      response.set('Cache-Control', 's-maxage=60').set('Cache-Tag', 'page');
      response.json({ ip: request.ip, protocol: request.protocol, runs: ++runs });
    });
    return app;
  },
  Fastify: () => {
    const app = Fastify({ trustProxy: 'loopback' });
    app.get('/page', async (request, reply) => {
      reply.header('Cache-Control', 's-maxage=60').header('Cache-Tag', 'page');
      return { ip: request.ip, protocol: request.protocol, runs: ++runs };
    });
    return app;
  },
  Koa: () => {
    const app = new Koa({ proxy: true });
    app.use((context) => {
      context.set('Cache-Control', 's-maxage=60');
      context.set('Cache-Tag', 'page');
      context.body = { ip: context.ip, protocol: context.protocol, runs: ++runs };
    });
    return app;
  },
  Hono: () =>
    new Hono().get('/page', (context) => {
      const protocol = new URL(context.req.url).protocol.slice(0, -1);
      const headers = { 'Cache-Control': 's-maxage=60', 'Cache-Tag': 'page' };
      return context.json({ protocol, runs: ++runs }, 200, headers);
    }),
  'a function from Request to Response': () => async (request: Request) => {
    const headers = { 'Cache-Control': 's-maxage=60', 'Cache-Tag': 'page' };
    const protocol = new URL(request.url).protocol.slice(0, -1);
    return Response.json({ protocol, runs: ++runs }, { headers });
  },
};

/** As sluice asks it over the socket for a client of TLS. */
async function ask(path: string): Promise<Seen> {
  const headers = {
    host: 'a.example',
    'x-forwarded-proto': 'https',
    'x-forwarded-for': '192.0.2.7',
  };
  const outgoing = request({ socketPath: path, path: '/page', headers, agent: false }).end();
  const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage];
  assert.equal(incoming.headers['cache-tag'], 'page');
  return JSON.parse((await incoming.setEncoding('utf8').toArray()).join(''));
}

for (const [name, make] of Object.entries(apps)) {
  test(`${name} is served, and knows its clients by the word of sluice`, async () => {
    const path = join(temporaryDirectory(), 'app.sock');
    const { origin, close } = await listenFor(await make(), path, undefined);
    try {
      assert.equal(origin, `unix:${path}`);
      const { ip, protocol } = await ask(path);
      assert.equal(protocol, 'https');
      if (ip !== undefined) assert.equal(ip, '192.0.2.7');
    } finally {
      await close();
    }
  });
}

test('what can be no app is refused by name', async () => {
  for (const nonsense of [{}, null, 'app']) {
    await assert.rejects(listenFor(nonsense as never, '/nowhere', undefined), TypeError);
  }
});

test('a function from Request to Response gets bodies, sends streams, and may fail', async () => {
  const path = join(temporaryDirectory(), 'app.sock');
  const warned = once(process, 'warning');
  const app = async (request: Request) => {
    if (new URL(request.url).pathname === '/fails') throw new Error('as planned');
    const headers = new Headers({ 'x-method': request.method });
    headers.append('set-cookie', 'a=1');
    headers.append('set-cookie', 'b=2');
    return new Response(request.body, { status: 201, headers });
  };
  const { close } = await listenFor(app, path, 'fetch');
  try {
    const outgoing = request({ socketPath: path, method: 'POST', agent: false });
    outgoing.end('x'.repeat(200_000));
    const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage];
    assert.equal(incoming.statusCode, 201);
    assert.deepEqual(incoming.headers['set-cookie'], ['a=1', 'b=2']);
    assert.equal((await incoming.setEncoding('utf8').toArray()).join('').length, 200_000);
    const failing = request({ socketPath: path, path: '/fails', agent: false }).end();
    const [failed] = (await once(failing, 'response')) as [IncomingMessage];
    failed.resume();
    assert.equal(failed.statusCode, 500);
    assert.match(String((await warned)[0]), /as planned/);
  } finally {
    await close();
  }
});

test('what an edge is: addresses, metrics, reload, and an end in order', async () => {
  runs = 0;
  const app = (await apps['a server of node:http']!()) as Server;
  const limit = { routes: [{ match: { 'path-prefix': '/gone' }, respond: { status: 410 } }] };
  await using server = await edge(app, { ...QUIET, config: {} });
  assert.match(server.addresses.http[0]!, /^http:\/\/127\.0\.0\.1:\d+$/);
  assert.match(server.addresses.https[0]!, /^https:\/\/127\.0\.0\.1:\d+$/);
  assert.match(server.addresses.admin!, /^unix:\/.*admin\.sock$/);
  assert.equal(server.url, server.addresses.https[0]);
  assert.match(server.certificates[0]!, /^[\dA-F:]{95}$/);
  const get = async () => {
    const { status, content } = await curl(`${server.url}/page`, '--http2');
    return [status, (JSON.parse(content) as Seen).protocol, (JSON.parse(content) as Seen).runs];
  };
  assert.deepEqual(await get(), [200, 'https', 1]);
  assert.deepEqual(await get(), [200, 'https', 1], 'the second request is a hit');
  assert.deepEqual(await server.purge({ tag: 'page' }), { purged: 1, soft: false });
  assert.deepEqual(await get(), [200, 'https', 2]);
  const status = async () => (await fetch(`${server.addresses.http[0]}/gone`)).status;
  assert.equal(await status(), 200);
  await server.reload(limit);
  assert.equal(await status(), 410);
  await assert.rejects(server.reload({ routez: [] }), /routez.*did you mean routes/s);
  assert.match(await server.metrics(), /^sluice_requests_total\{/m);
  await assert.rejects(server.purge({ url: 'nonsense' }), /sluice refused \/cache\/purge: /);
  await Promise.all([server.close(), server.close()]);
  await server.closed;
  assert.equal(app.listening, false);
  assert.throws(() => process.kill(server.pid!, 0), 'sluice has ended');
});

test('an app that listens already is left listening', async () => {
  const app = createServer((_request, response) => response.end('hello')).listen(0, '127.0.0.1');
  await once(app, 'listening');
  await using server = await edge(app, QUIET);
  assert.equal(await (await fetch(server.addresses.http[0]!)).text(), 'hello');
  process.kill(server.pid!, 'SIGKILL');
  await assert.rejects(server.closed, /ended by itself \(SIGKILL\)/);
  await server.close();
  assert.equal(app.listening, true);
  app.close();
  await until(
    () => !app.listening,
    () => 'the app to close',
  );
});

test('a mistake in an option is an error with sluice’s words, and nothing is left open', async () => {
  const app = createServer();
  const mistaken = edge(app, { ...QUIET, flags: { 'cache-sise': '1GiB' } });
  await assert.rejects(mistaken, /unknown flag --cache-sise; did you mean --cache-size/);
  assert.equal(app.listening, false);
});
