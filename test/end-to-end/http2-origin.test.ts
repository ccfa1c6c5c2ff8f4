import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { constants } from 'node:http2';
import type { Duplex } from 'node:stream';
import test, { after } from 'node:test';
import { makeSelfSignedCertificate } from '../../src/tls/self-signed.ts';
import { curl } from '../support/curl.ts';
import { Http2Client } from '../support/http2-client.ts';
import { type StreamHandler, startH2cOrigin, startHttp2Origin } from '../support/http2-origin.ts';
import { startOrigin } from '../support/origins.ts';
import { RawConnection } from '../support/raw-connection.ts';
import { type RunningSluice, startSluice } from '../support/sluice.ts';
import { inParallel, sleep, until } from '../support/waiting.ts';

const MIB = 1 << 20;
const certificate = makeSelfSignedCertificate({ names: ['localhost'], nowMs: Date.now() });
const trusting = ['--danger-skip-origin-verification', 'on'];

const held: Parameters<StreamHandler>[0][] = [];
/** Requests that are refused once before they are answered. */
const refused = new Set<string>();

const serve: StreamHandler = (stream, fields) => {
  const path = fields[':path']!;
  const base = { ':status': 200, 'cache-control': 'no-store', 'x-scheme': fields[':scheme'] };
  if (path === '/held') {
    held.push(stream);
    stream.respond(base);
    stream.write('begun');
  } else if (path === '/trailers') {
    stream.respond(base, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'x-checksum': 'abc' }));
    stream.end('content');
  } else if (path === '/hints') {
    stream.additionalHeaders({ ':status': 103, link: '</a.css>; rel=preload' });
    stream.respond(base);
    stream.end('after');
  } else if (path === '/echo') {
    stream.respond(base);
    stream.pipe(stream);
  } else if (path.startsWith('/big')) {
    stream.respond(base);
    stream.end(Buffer.alloc(8 * MIB, 'x'));
  } else if (path.startsWith('/early')) {
    stream.respond({ ...base, ':status': 413 });
    stream.end('too much');
  } else if (path.startsWith('/refused') && !refused.has(path)) {
    refused.add(path);
    stream.close(constants.NGHTTP2_REFUSED_STREAM);
  } else if (path === '/only-http1') {
    stream.close(constants.NGHTTP2_HTTP_1_1_REQUIRED);
  } else if (path.startsWith('/broken')) {
    stream.close(constants.NGHTTP2_INTERNAL_ERROR);
  } else if (path.startsWith('/half')) {
    stream.respond(base);
    stream.write('half');
    setTimeout(() => stream.destroy(new Error('broken')), 20);
  } else if (path.startsWith('/slow')) {
    setTimeout(() => {
      stream.respond(base);
      stream.end('late');
    }, 100);
  } else {
    let bytes = 0;
    stream.on('data', (part: Buffer) => {
      bytes += part.length;
    });
    stream.on('end', () => {
      stream.respond({ ...base, 'x-trailers': fields.te ?? 'none' });
      stream.end(`${fields[':method']} ${path} ${bytes}`);
    });
  }
};

// Megabytes that Node lets one connection hold; its default is less than these tests ask for.
const roomy = { maxSessionMemory: 1_000 };
const secure = await startHttp2Origin(certificate, serve, { allowHTTP1: true, ...roomy });
const h2c = await startH2cOrigin(serve, roomy);
const overTls = await startSluice({ origin: secure.url, flags: trusting });
const plain = await startSluice({ origin: h2c.url });
after(async () => {
  await overTls[Symbol.asyncDispose]();
  await plain[Symbol.asyncDispose]();
  await secure[Symbol.asyncDispose]();
  await h2c[Symbol.asyncDispose]();
});

const open = (sluice: RunningSluice) => Http2Client.open(sluice.httpsUrl);

for (const [name, sluice, origin, scheme] of [
  ['https', overTls, secure, 'https'],
  ['h2c', plain, h2c, 'http'],
] as const) {
  test(`${name}: a hundred requests at once share one connection`, async () => {
    using client = await open(sluice);
    await inParallel(100, 100, async (index) => {
      const { content, fields } = await client.post(`/many/${index}`, 'x'.repeat(index * 50));
      assert.equal(content, `POST /many/${index} ${index * 50}`);
      assert.equal(fields['x-scheme'], scheme);
    });
    assert.equal(origin.sessions.length, 1);
    assert.equal(origin.asked('/many/7')[0]![':authority'], `localhost:${sluice.httpsPort}`);
  });

  test(`${name}: an HTTP/1.1 client is answered from an HTTP/2 origin`, async () => {
    using connection = await RawConnection.open(sluice.httpPort);
    const head = 'POST /from-http1 HTTP/1.1\r\nHost: a.example\r\n';
    const response = await connection.request(
      `${head}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n`,
    );
    assert.equal(response.status, 200);
    assert.equal(response.content, 'POST /from-http1 3');
    const [seen] = origin.asked('/from-http1');
    assert.equal(seen![':authority'], 'a.example');
    assert.equal(seen!['transfer-encoding'], undefined);
    assert.equal(seen!.via, '1.1 sluice');
  });

  test(`${name}: trailers, interim responses, TE: trailers`, async () => {
    using client = await open(sluice);
    assert.equal((await client.get('/trailers')).trailers['x-checksum'], 'abc');
    const hinted = client.begin({ ':path': '/hints' }, true);
    assert.equal((await hinted.answer()).content, 'after');
    assert.deepEqual(hinted.interim, [103]);
    const asking = await client.get('/te', { te: 'trailers' });
    assert.equal(asking.fields['x-trailers'], 'trailers');
    assert.equal((await client.get('/te')).fields['x-trailers'], 'none');
  });

  test(`${name}: content flows both ways at once`, async () => {
    using client = await open(sluice);
    const echo = client.begin({ ':method': 'POST', ':path': '/echo' }, false);
    await echo.head();
    echo.stream.write('one');
    await echo.until('one');
    echo.stream.write('two');
    await echo.until('onetwo');
    echo.stream.end();
    await echo.answer();
  });

  test(`${name}: 4 MiB up and down at once arrive whole`, async () => {
    using client = await open(sluice);
    const sent = Buffer.alloc(4 * MIB, 'up and down ');
    const { content } = await client.post('/echo', sent);
    const hash = (text: Buffer | string) => createHash('sha1').update(text).digest('hex');
    assert.equal(hash(Buffer.from(content, 'latin1')), hash(sent));
  });

  test(`${name}: a request that the origin refuses unprocessed is sent again`, async () => {
    using client = await open(sluice);
    const path = `/refused/${name}`;
    assert.equal((await client.get(path)).status, 200);
    assert.equal(origin.asked(path).length, 2);
    assert.equal((await client.post(`${path}/post`, '')).status, 200);
    // Whatever its method: nothing was done with it (RFC 9113 §8.7).
    const { content } = await client.post(`${path}/content`, 'x'.repeat(60_000));
    assert.equal(content, `POST ${path}/content 60000`);
  });

  test(`${name}: a request that breaks at the origin is not sent again`, async () => {
    using client = await open(sluice);
    const { status, fields } = await client.get(`/broken/${name}`);
    assert.equal(status, 502);
    assert.match(fields['proxy-status'] as string, /error=http_protocol_error/);
    assert.equal(origin.asked(`/broken/${name}`).length, 1);
    const half = client.begin({ ':path': `/half/${name}` }, true);
    await half.until('half');
    assert.equal(await half.closed(), 'INTERNAL_ERROR');
  });

  test(`${name}: a client that leaves ends its stream at the origin and no other`, async () => {
    using client = await open(sluice);
    const stream = client.begin({ ':path': '/held' }, true);
    await stream.until('begun');
    const atOrigin = held.at(-1)!;
    const other = client.begin({ ':path': '/slow' }, true);
    stream.stream.close(8);
    await until(() => atOrigin.closed, 'the origin’s stream to close');
    assert.equal(atOrigin.rstCode, constants.NGHTTP2_CANCEL);
    assert.equal((await other.answer()).content, 'late');
  });

  test(`${name}: an early answer ends the rest of the request`, async () => {
    using client = await open(sluice);
    const stream = client.begin({ ':method': 'POST', ':path': `/early/${name}` }, false);
    stream.stream.write('part');
    assert.equal((await stream.answer()).status, 413);
    assert.equal((await client.get('/still-there')).status, 200);
  });

  test(`${name}: clients that do not read hold up nobody else’s answers`, async () => {
    // Twenty times the protocol’s first connection window waits at the origin.
    const idle: Http2Client[] = [];
    for (let i = 0; i < 20; i++) {
      const client = await open(sluice);
      idle.push(client);
      client.begin({ ':path': `/big/unread/${i}` }, true).stream.pause();
    }
    await sleep(200);
    using reader = await open(sluice);
    const { content } = await reader.get('/big/read');
    assert.equal(content.length, 8 * MIB);
    for (const client of idle) client[Symbol.dispose]();
  });

  test(`${name}: an origin’s GOAWAY moves new requests to another connection`, async () => {
    using client = await open(sluice);
    const slow = client.begin({ ':path': '/slow' }, true);
    await until(() => origin.asked('/slow').length > 0, 'the request');
    const before = origin.sessions.length;
    for (const session of origin.sessions) if (!session.destroyed) session.close();
    assert.equal((await slow.answer()).content, 'late');
    assert.equal((await client.get('/after-goaway')).status, 200);
    assert.equal(origin.sessions.length, before + 1);
  });

  test(`${name}: a connection that breaks while idle costs no request`, async () => {
    using client = await open(sluice);
    await client.get('/before-break');
    for (const session of origin.sessions) session.destroy();
    for (let i = 0; i < 5; i++) assert.equal((await client.get(`/after-break/${i}`)).status, 200);
  });
}

test('when the origin allows few exchanges at once, more connections are opened', async () => {
  const handler: StreamHandler = (stream) => {
    setTimeout(() => {
      stream.respond({ ':status': 200, 'cache-control': 'no-store' });
      stream.end('ok');
    }, 50);
  };
  await using origin = await startH2cOrigin(handler, { settings: { maxConcurrentStreams: 4 } });
  await using sluice = await startSluice({ origin: origin.url });
  using client = await open(sluice);
  await client.get('/first');
  await inParallel(40, 40, async (index) => {
    assert.equal((await client.get(`/x/${index}`)).status, 200);
  });
  assert.ok(origin.sessions.length > 1 && origin.sessions.length <= 11);
});

test('an origin that is not there answers 502, to every request that waited for it', async () => {
  const origin = await startH2cOrigin(() => {});
  const { url } = origin;
  await origin[Symbol.asyncDispose]();
  await using sluice = await startSluice({ origin: url });
  using client = await open(sluice);
  await inParallel(20, 20, async (index) => {
    const { status, fields } = await client.get(`/${index}`);
    assert.equal(status, 502);
    assert.match(fields['proxy-status'] as string, /connection_refused/);
  });
});

test('an origin that does not speak HTTP/2 after all is a clear error', async () => {
  await using origin = await startOrigin((_request, response) => response.end('ok'));
  await using sluice = await startSluice({ origin: origin.url.replace('http:', 'h2c:') });
  const { status, fields } = await curl(`${sluice.httpUrl}/x`);
  assert.equal(status, 502);
  assert.match(fields.get('proxy-status')!, /the peer may not speak HTTP\/2/);
});

test('a WebSocket goes to an HTTP/2 origin over HTTP/1.1', async () => {
  const upgraded = (request: IncomingMessage, socket: Duplex) => {
    const key = `${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
    const accept = createHash('sha1').update(key).digest('base64');
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
        `Sec-WebSocket-Accept: ${accept}\r\n\r\n`,
    );
    socket.on('error', () => {}).pipe(socket);
  };
  secure.server.on('upgrade', upgraded);
  using client = await open(overTls);
  const socket = client.begin(
    { ':method': 'CONNECT', ':protocol': 'websocket', ':scheme': 'https', ':path': '/chat' },
    false,
  );
  assert.equal((await socket.head())[':status'], 200);
  socket.stream.write('hello');
  await socket.until('hello');
  socket.stream.close();
});

test('an origin that wants HTTP/1.1 for a request gets it so', async () => {
  const answered = (request: IncomingMessage, response: ServerResponse) => {
    if (request.httpVersionMajor === 1) response.end(`HTTP/${request.httpVersion}`);
  };
  secure.server.on('request', answered);
  using client = await open(overTls);
  const before = secure.asked('/only-http1').length;
  const { status, content } = await client.get('/only-http1');
  assert.deepEqual([status, content], [200, 'HTTP/1.1']);
  assert.equal(secure.asked('/only-http1').length, before + 1);
  secure.server.off('request', answered);
});

test('SIGTERM closes connections to the origin in order, after what is under way', async () => {
  const sluice = await startSluice({ origin: h2c.url });
  using client = await Http2Client.open(sluice.httpsUrl);
  const before = h2c.asked('/slow').length;
  const slow = client.begin({ ':path': '/slow' }, true);
  await until(() => h2c.asked('/slow').length > before, 'the request at the origin');
  const code = sluice.stop();
  assert.equal((await slow.answer()).content, 'late');
  assert.equal(await code, 0);
});
