import assert from 'node:assert/strict';
import test, { after } from 'node:test';
import { curl } from '../support/curl.ts';
import { startOrigin } from '../support/origins.ts';
import { unlessInstalled } from '../support/programs.ts';
import { RawConnection } from '../support/raw-connection.ts';
import { certificateFile, startSluice } from '../support/sluice.ts';

const origin = await startOrigin((request, response, seen) => {
  response.setHeader('Cache-Control', 'no-store');
  switch (request.url) {
    case '/hop-by-hop':
      response.setHeader('Connection', 'close, X-Internal');
      response.setHeader('X-Internal', '1');
      response.setHeader('Keep-Alive', 'timeout=3');
      response.setHeader('Proxy-Connection', 'keep-alive');
      response.setHeader('X-Public', '1');
      return response.end('ok');
    case '/no-date':
      response.sendDate = false;
      return response.end('ok');
    case '/own-date':
      response.setHeader('Date', 'Thu, 01 Jan 2026 00:00:00 GMT');
      return response.end('ok');
    case '/cookies':
      response.setHeader('Set-Cookie', ['a=1', 'b=2']);
      response.setHeader('Via', '1.1 inner');
      return response.end('ok');
    case '/teapot':
      return response.writeHead(418).end('short and stout');
    case '/empty':
      return response.writeHead(204).end();
    default:
      request.on('end', () => {
        response.setHeader('Content-Type', 'text/plain');
        response.end(`${seen.method} ${seen.url} ${seen.contentBytes}`);
      });
  }
});
const sluice = await startSluice({ origin: origin.url });
after(async () => {
  await sluice[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
});

/** Sends one raw request and returns what the origin saw of it. */
async function originSaw(path: string, head: string) {
  using connection = await RawConnection.open(sluice.httpPort);
  const response = await connection.request(head);
  assert.equal(response.status, 200, response.content);
  const seen = origin.asked(path).at(-1);
  assert.ok(seen, `the origin was asked for ${path}`);
  return seen;
}

const noCurl = unlessInstalled('curl');

for (const base of [sluice.httpUrl, sluice.httpsUrl]) {
  const scheme = base.slice(0, base.indexOf(':'));
  test(`curl reaches the origin with every method over ${scheme}`, { skip: noCurl }, async () => {
    for (const method of ['GET', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'PROPFIND']) {
      const data = method === 'GET' ? [] : ['--data', 'four'];
      const { status, content } = await curl(`${base}/any`, '--request', method, ...data);
      assert.equal(status, 200);
      assert.equal(content, `${method} /any ${method === 'GET' ? 0 : 4}`);
    }
  });

  test(`HEAD has GET's fields and no content over ${scheme}`, { skip: noCurl }, async () => {
    const { status, fields, content } = await curl(`${base}/head`, '--head');
    assert.equal(status, 200);
    assert.equal(fields.get('content-type'), 'text/plain');
    assert.equal(content, '');
  });
}

test('curl verifies the certificate against its own file', { skip: noCurl }, async () => {
  const words = ['--no-insecure', '--cacert', certificateFile()];
  assert.equal((await curl(`${sluice.httpsUrl}/verified`, ...words)).status, 200);
});

test('connection-specific fields of a request go no further (RFC 9110 §7.6.1)', async () => {
  const seen = await originSaw(
    '/hops',
    'GET /hops HTTP/1.1\r\nHost: a.example\r\nConnection: X-Secret, keep-alive\r\nX-Secret: 1\r\n' +
      'Keep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nTE: gzip\r\nX-Public: 1\r\n\r\n',
  );
  for (const name of ['x-secret', 'keep-alive', 'proxy-connection']) {
    assert.equal(seen.headers[name], undefined, name);
  }
  assert.doesNotMatch(String(seen.headers.te), /gzip/);
  assert.equal(seen.headers['x-public'], '1');
});

test('connection-specific fields of a response go no further (RFC 9110 §7.6.1)', async () => {
  using connection = await RawConnection.open(sluice.httpPort);
  const { fields } = await connection.request(
    'GET /hop-by-hop HTTP/1.1\r\nHost: a.example\r\n\r\n',
  );
  for (const name of ['x-internal', 'keep-alive', 'proxy-connection']) {
    assert.equal(fields.get(name), undefined, name);
  }
  assert.equal(fields.get('x-public'), '1');
  // The origin closed its connection; ours stays.
  const next = await connection.request('GET /next HTTP/1.1\r\nHost: a.example\r\n\r\n');
  assert.equal(next.status, 200);
});

test('a list in Connection cannot remove what the message is delimited or routed by', async () => {
  const seen = await originSaw(
    '/tricky',
    'POST /tricky HTTP/1.1\r\nHost: a.example\r\nConnection: Host, Content-Length\r\n' +
      'Content-Length: 4\r\n\r\nfour',
  );
  assert.equal(seen.headers.host, 'a.example');
  assert.equal(seen.contentBytes, 4);
});

test('Via names us in both directions, after those before us (RFC 9110 §7.6.3)', async () => {
  const first = await originSaw('/via', 'GET /via HTTP/1.1\r\nHost: a.example\r\n\r\n');
  assert.match(first.headers.via!, /^1\.1 sluice\b/);
  const second = await originSaw(
    '/via2',
    'GET /via2 HTTP/1.1\r\nHost: a.example\r\nVia: 1.0 outer\r\n\r\n',
  );
  assert.match(second.headers.via!, /^1\.0 outer, 1\.1 sluice\b/);
  using connection = await RawConnection.open(sluice.httpPort);
  const response = await connection.request('GET /cookies HTTP/1.1\r\nHost: a.example\r\n\r\n');
  assert.match(response.fields.get('via')!, /^1\.1 inner, 1\.1 sluice\b/);
});

test('the origin learns the client by X-Forwarded-* and Forwarded (RFC 7239)', async () => {
  const seen = await originSaw(
    '/forwarded',
    'GET /forwarded HTTP/1.1\r\nHost: a.example:8080\r\nX-Forwarded-For: 192.0.2.1\r\n' +
      'Forwarded: for=192.0.2.1\r\n\r\n',
  );
  // What the client says of itself is anybody's word (trusted-proxies.test.ts).
  assert.equal(seen.headers['x-forwarded-for'], '127.0.0.1');
  assert.equal(seen.headers['x-forwarded-proto'], 'http');
  assert.equal(seen.headers['x-forwarded-host'], 'a.example:8080');
  const forwarded = String(seen.headers.forwarded);
  assert.doesNotMatch(forwarded, /192/);
  assert.match(forwarded, /\bfor="?127\.0\.0\.1"?(?:;|$)/);
  assert.match(forwarded, /\bproto=http\b/);
  assert.match(forwarded, /\bhost="a\.example:8080"/);
});

test('over TLS the origin learns that it was TLS', async () => {
  using connection = await RawConnection.openTls(sluice.httpsPort);
  await connection.request('GET /secure HTTP/1.1\r\nHost: a.example\r\n\r\n');
  const seen = origin.asked('/secure').at(-1)!;
  assert.equal(seen.headers['x-forwarded-proto'], 'https');
  assert.match(String(seen.headers.forwarded), /\bproto=https\b/);
});

test('a response always bears a Date, and the origin’s own is kept (RFC 9110 §6.6.1)', async () => {
  using connection = await RawConnection.open(sluice.httpPort);
  const added = await connection.request('GET /no-date HTTP/1.1\r\nHost: a.example\r\n\r\n');
  const skewMs = Math.abs(Date.parse(added.fields.get('date')!) - Date.now());
  assert.ok(skewMs < 5_000, `Date is off by ${skewMs} ms`);
  const kept = await connection.request('GET /own-date HTTP/1.1\r\nHost: a.example\r\n\r\n');
  assert.equal(kept.fields.get('date'), 'Thu, 01 Jan 2026 00:00:00 GMT');
});

test('every response says what the cache did (RFC 9211)', async () => {
  using connection = await RawConnection.open(sluice.httpPort);
  const response = await connection.request(
    'POST /status HTTP/1.1\r\nHost: a.example\r\nContent-Length: 0\r\n\r\n',
  );
  assert.match(response.fields.get('cache-status')!, /^sluice; fwd=(?:method|bypass)\b/);
});

test('path and query reach the origin unchanged (RFC 9112 §3.2)', async () => {
  const target = '/%7Ea/../b//c;d=1?x=%2f&&y=[1]&z=a%00b';
  const seen = await originSaw(target, `GET ${target} HTTP/1.1\r\nHost: a.example\r\n\r\n`);
  assert.equal(seen.url, target);
});

test('absolute-form outranks Host (RFC 9112 §3.2.2)', async () => {
  const seen = await originSaw(
    '/absolute?q',
    'GET http://one.example/absolute?q HTTP/1.1\r\nHost: two.example\r\n\r\n',
  );
  assert.equal(seen.headers.host, 'one.example');
});

test('field lines of one name keep their order and their number', async () => {
  using connection = await RawConnection.open(sluice.httpPort);
  const { fields } = await connection.request('GET /cookies HTTP/1.1\r\nHost: a.example\r\n\r\n');
  const cookies = fields.lines.filter(([name]) => name === 'set-cookie');
  assert.deepEqual(
    cookies.map(([, value]) => value),
    ['a=1', 'b=2'],
  );
  const seen = await originSaw(
    '/lines',
    'GET /lines HTTP/1.1\r\nHost: a.example\r\nX-A: 1\r\nX-B: 2\r\nX-A: 3\r\n\r\n',
  );
  const names = seen.rawHeaders.filter((_, i) => i % 2 === 0).map((name) => name.toLowerCase());
  const values = seen.rawHeaders.filter((_, i) => i % 2 === 1);
  assert.deepEqual(
    values.filter((_, i) => names[i] === 'x-a'),
    ['1', '3'],
  );
});

test('any status passes, and the connection goes on after responses without content', async () => {
  using connection = await RawConnection.open(sluice.httpPort);
  const teapot = await connection.request('GET /teapot HTTP/1.1\r\nHost: a.example\r\n\r\n');
  assert.equal(teapot.status, 418);
  assert.equal(teapot.content, 'short and stout');
  const empty = await connection.request('GET /empty HTTP/1.1\r\nHost: a.example\r\n\r\n');
  assert.equal(empty.status, 204);
  assert.equal(empty.fields.get('content-length'), undefined, 'RFC 9110 §8.6: none with 204');
  const next = await connection.request('GET /next HTTP/1.1\r\nHost: a.example\r\n\r\n');
  assert.equal(next.status, 200);
});

test('Max-Forwards is counted down, and at 0 we answer ourselves (RFC 9110 §7.6.2)', async () => {
  const seen = await originSaw(
    '/far',
    'OPTIONS /far HTTP/1.1\r\nHost: a.example\r\nMax-Forwards: 3\r\n\r\n',
  );
  assert.equal(seen.headers['max-forwards'], '2');
  using connection = await RawConnection.open(sluice.httpPort);
  await connection.request('OPTIONS /near HTTP/1.1\r\nHost: a.example\r\nMax-Forwards: 0\r\n\r\n');
  assert.equal(origin.asked('/near').length, 0);
});

test('a field section over the limit is refused with 431 and the origin is not asked', async () => {
  using connection = await RawConnection.open(sluice.httpPort);
  const big = `X-Big: ${'x'.repeat(1 << 20)}\r\n`;
  const response = await connection.request(`GET /big HTTP/1.1\r\nHost: a.example\r\n${big}\r\n`);
  assert.equal(response.status, 431);
  assert.equal(origin.asked('/big').length, 0);
});

test('fields of 8 KiB pass, as browsers’ cookies need', async () => {
  const cookie = `a=${'x'.repeat(8_000)}`;
  const seen = await originSaw(
    '/cookie',
    `GET /cookie HTTP/1.1\r\nHost: a.example\r\nCookie: ${cookie}\r\n\r\n`,
  );
  assert.equal(seen.headers.cookie, cookie);
});

test('the path of the origin URL comes before that of every request', async () => {
  await using other = await startSluice({ origin: `${origin.url}/base/` });
  using connection = await RawConnection.open(other.httpPort);
  await connection.request('GET /leaf?x=1 HTTP/1.1\r\nHost: a.example\r\n\r\n');
  assert.equal(origin.asked('/base/leaf?x=1').length, 1);
});
