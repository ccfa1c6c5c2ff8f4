// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of the configuration.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { after, before } from 'node:test';
import { curl } from '../support/curl.ts';
import { Http2Client } from '../support/http2-client.ts';
import { type Origin, startOrigin, unusedPort } from '../support/origins.ts';
import { RawConnection } from '../support/raw-connection.ts';
import { startConfigured } from '../support/routes.ts';
import type { RunningSluice } from '../support/sluice.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { until } from '../support/waiting.ts';

let app: Origin;
let other: Origin;
let sluice: RunningSluice;
const log = join(temporaryDirectory(), 'access.log');

const routes = [
  {
    match: { scheme: 'http', hosts: ['secure.example'] },
    redirect: { to: 'https://${host}${target}' },
  },
  {
    match: { 'path-pattern': '^/old/(\\d+)/(.*)$' },
    redirect: { to: '/new/$2?id=$1', status: 301 },
  },
  { match: { hosts: ['*.slash.example'] }, redirect: { to: '${path}/', status: 302 } },
  {
    match: { 'path-prefix': '/.well-known/about' },
    respond: { status: 200, headers: { 'X-Answer': 'sluice' }, body: 'about us' },
  },
  { match: { hosts: ['other.example'] }, origin: 'other' },
  { match: { 'path-prefix': '/upload' }, origin: 'app', 'request-body-max': '1KiB' },
  { match: { 'path-prefix': '/closed/all' }, origin: 'app', maintenance: 'on' },
  {
    match: { 'path-prefix': '/closed/most' },
    origin: 'app',
    maintenance: { 'retry-after': '10m', except: ['127.0.0.2'], 'body-file': 'missing.html' },
  },
  {
    match: { 'path-prefix': '/closed/not' },
    origin: 'app',
    maintenance: { enabled: false, except: ['127.0.0.2'] },
  },
  {
    match: { 'path-prefix': '/turns' },
    respond: { status: 204 },
    'rate-limit': { 'requests-per-second': 5, burst: 0, delay: '1s' },
  },
  {
    match: { 'path-prefix': '/each/cached' },
    origin: 'app',
    'response-headers': [
      { set: { 'X-Client-Agent': '${header:user-agent}' } },
      {
        when: { match: { cookies: { lang: 'de' } }, status: ['2xx'] },
        set: { 'X-Language': 'de' },
        else: { cookies: { set: { lang: 'en; Path=/' } } },
      },
    ],
  },
  { match: { 'path-prefix': '/page.html' }, respond: { status: 503, 'body-file': 'missing.html' } },
  { match: { 'host-pattern': '^(\\w+)\\.by-name\\.example$' }, origin: '${host:1}' },
  {
    match: { 'path-prefix': '/page/members', cookies: { session: '*' } },
    origin: 'app',
    cache: { enabled: false },
  },
  {
    match: { 'path-prefix': '/from', from: ['192.0.2.0/24', '2001:db8::/32'] },
    respond: { status: 200, body: 'far' },
  },
  {
    match: { 'path-prefix': '/from', from: ['127.0.0.0/8'] },
    respond: { status: 200, body: 'near' },
  },
  {
    match: { 'path-prefix': '/private' },
    origin: 'app',
    access: [{ allow: ['127.0.0.1'], methods: ['GET'] }, { deny: 'all' }],
  },
  { match: { 'path-prefix': '/other' }, origin: 'other', rewrite: { 'strip-prefix': '/other' } },
  {
    match: { 'path-prefix': '/users' },
    origin: 'app',
    rewrite: {
      replace: { pattern: '^/users/(\\d+)/(\\w+)$', with: '/u/$2/$1' },
      'add-prefix': '/v2',
      'query-remove': ['utm_*', 'debug'],
      'query-set': { source: 'edge & co' },
      host: 'backend.internal',
    },
  },
  {
    match: { 'path-prefix': '/edited' },
    origin: 'app',
    'request-headers': {
      set: {
        'X-Client': '${client-address}',
        'X-Group': '${tls-group}',
        'X-Target': '${method} ${scheme}://${authority}${target}',
        'X-Copy': '${header:x-mine}',
      },
      add: { 'X-Tag': 'b' },
      remove: ['Cookie'],
    },
    'response-headers': {
      set: { 'Cache-Control': 'private', 'X-Frame-Options': 'DENY' },
      add: { Link: '<https://${host}${path}>; rel=canonical' },
      remove: ['Server'],
    },
  },
  {
    match: { 'path-prefix': '/inside' },
    origin: 'app',
    access: [
      { allow: ['10.0.0.0/8'] },
      { deny: 'all', paths: ['/inside/secret'] },
      { deny: ['127.0.0.0/8'], methods: ['DELETE'] },
    ],
  },
  {
    name: 'beta',
    match: { 'path-prefix': '/page', headers: { 'x-beta': 'yes' } },
    origin: 'other',
  },
  { match: { 'path-prefix': '/page' }, origin: 'app' },
  { match: { 'path-prefix': '/write', methods: ['POST'] }, origin: 'other' },
  { match: { 'path-prefix': '/uncached' }, origin: 'app', cache: { enabled: false } },
  {
    match: { 'path-prefix': '/errors' },
    origin: 'app',
    'error-pages': { '404': 'missing.html', '5xx': 'broken.json', intercept: true },
  },
  {
    match: { 'path-prefix': '/down' },
    origin: 'down',
    'error-pages': { '502': 'broken.json' },
    'response-headers': { set: { 'X-Frame-Options': 'DENY' } },
  },
  { match: { 'path-prefix': '/strict' }, origin: 'app', 'underscores-in-headers': 'refuse' },
  { match: { 'path-prefix': '/dropping' }, origin: 'app', 'underscores-in-headers': 'drop' },
  { match: { 'path-prefix': '/admin' }, origin: 'app', access: [{ deny: 'all' }] },
  { match: { hosts: ['app.example', '127.0.0.1', 'localhost'] }, origin: 'app' },
];

const groupOf = (url: string) => ({ servers: [{ url }] });

before(async () => {
  app = await startOrigin((request, response, seen) => {
    const url = request.url!;
    const status = Number(/\/status\/(\d+)/.exec(url)?.[1] ?? 200);
    const headers: Record<string, string> = {
      'content-type': 'text/plain',
      server: 'app',
      etag: '"a"',
    };
    if (url.includes('cached') || url.startsWith('/page')) headers['cache-control'] = 'max-age=600';
    response.writeHead(status, headers);
    response.end(`app ${app.asked(seen.url).length}`);
  });
  other = await startOrigin((request, response) => {
    if (request.url!.startsWith('/page')) response.setHeader('cache-control', 'max-age=600');
    response.end('other');
  });
  const down = groupOf(`http://127.0.0.1:${await unusedPort()}`);
  sluice = await startConfigured({
    file: { origins: { app: groupOf(app.url), other: groupOf(other.url), down }, routes },
    files: { 'missing.html': '<h1>nothing here</h1>', 'broken.json': '{"error":true}' },
    flags: ['--access-log', log, '--log-format', 'json'],
  });
});

after(async () => {
  await sluice[Symbol.asyncDispose]();
  await app[Symbol.asyncDispose]();
  await other[Symbol.asyncDispose]();
});

const get = (path: string, ...words: string[]) => curl(`${sluice.httpUrl}${path}`, ...words);

test('the host decides who answers, whatever its case and final dot', async () => {
  for (const host of ['other.example', 'OTHER.example.', 'other.example:8080']) {
    assert.equal((await get('/', '-H', `Host: ${host}`)).content, 'other', host);
  }
  assert.match((await get('/', '-H', 'Host: app.example')).content, /^app/);
});

test('a request without a route gets 404, and the log says why', async () => {
  const response = await get('/', '-H', 'Host: nobody.example');
  assert.equal(response.status, 404);
  assert.match(response.fields.get('proxy-status')!, /error=destination_not_found/);
  await until(() => readFileSync(log, 'utf8').includes('"error":"no-route"'), 'the log line');
});

test('what is asked of the server itself needs no route (RFC 9110 §9.3.6, §9.3.7)', async () => {
  using connection = await RawConnection.open(sluice.httpPort);
  const options = await connection.request('OPTIONS * HTTP/1.1\r\nHost: nobody.example\r\n\r\n');
  assert.equal(options.status, 204);
  assert.match(options.fields.get('allow')!, /\bGET\b/);
  const tunnel = await connection.request(
    'CONNECT nobody.example:443 HTTP/1.1\r\nHost: nobody.example:443\r\n\r\n',
  );
  assert.equal(tunnel.status, 405);
});

test('redirects keep host, path and query, and take groups of the pattern', async () => {
  const secure = await get('/a/b?c=d', '-H', 'Host: secure.example');
  assert.equal(secure.status, 308);
  assert.equal(secure.fields.get('location'), 'https://secure.example/a/b?c=d');
  // There it is no longer this route's.
  const there = await curl(`${sluice.httpsUrl}/a/b?c=d`, '-H', 'Host: secure.example');
  assert.equal(there.status, 404);
  const old = await get('/old/42/leaf');
  assert.equal(old.status, 301);
  assert.equal(old.fields.get('location'), '/new/leaf?id=42');
  assert.equal(old.content, '');
});

test('a redirect to the path does not lead to another host', async () => {
  const response = await get('//evil.example/x', '-H', 'Host: a.slash.example', '--path-as-is');
  assert.equal(response.fields.get('location'), '/evil.example/x/');
});

test('a route can answer by itself, over HTTP/2 and to HEAD, too', async () => {
  const response = await get('/.well-known/about');
  assert.equal(response.content, 'about us');
  assert.equal(response.fields.get('x-answer'), 'sluice');
  const head = await get('/.well-known/about', '--head');
  assert.equal(head.fields.get('content-length'), '8');
  using client = await Http2Client.open(sluice.httpsUrl);
  assert.equal((await client.get('/.well-known/about')).content, 'about us');
});

test('the origin is asked for the rewritten path, query and host', async () => {
  await get('/other/leaf?x=1');
  assert.equal(other.asked('/leaf?x=1').length, 1);
  await get('/other');
  assert.equal(other.asked('/').length > 0, true);
  await get('/users/7/photos?utm_a=1&keep=2&%64ebug=1');
  const [seen] = app.asked('/v2/*');
  assert.equal(seen?.url, '/v2/u/photos/7?keep=2&source=edge%20%26%20co');
  assert.equal(seen?.headers.host, 'backend.internal');
  assert.match(seen?.headers['x-forwarded-host'] as string, /^127\.0\.0\.1:/);
});

test('request fields are set, added and removed before the origin sees them', async () => {
  await curl(
    `${sluice.httpsUrl}/edited?q`,
    '-H',
    'Cookie: a=b',
    '-H',
    'X-Tag: a',
    '-H',
    'X-Mine: me',
    '-H',
    'X-Client: forged',
  );
  const [seen] = app.asked('/edited?q');
  assert.equal(seen?.headers['x-client'], '127.0.0.1');
  assert.match(seen?.headers['x-group'] as string, /^x25519/i);
  assert.equal(seen?.headers['x-target'], `GET https://localhost:${sluice.httpsPort}/edited?q`);
  assert.equal(seen?.headers['x-copy'], 'me');
  assert.equal(seen?.headers['x-tag'], 'a, b');
  assert.equal(seen?.headers.cookie, undefined);
});

test('response fields are edited on misses, on hits of both kinds and on validations', async () => {
  const shapes = [[], [], ['-r', '0-1'], ['-H', 'If-None-Match: "a"'], ['--http2']];
  for (const [i, words] of shapes.entries()) {
    const response = await curl(`${sluice.httpsUrl}/edited/cached`, ...words);
    const status = response.fields.get('cache-status');
    assert.match(status!, i === 0 ? /fwd=uri-miss/ : /hit/, String(i));
    assert.equal(response.fields.get('cache-control'), 'private');
    assert.equal(response.fields.get('x-frame-options'), 'DENY');
    assert.equal(response.fields.get('link'), '<https://localhost/edited/cached>; rel=canonical');
    assert.equal(response.fields.get('server'), undefined);
  }
  assert.equal(app.asked('/edited/cached').length, 1);
});

test('edits for some clients are made for these alone, on hits, too', async () => {
  const as = async (agent: string, cookie: string) => {
    const { fields } = await get('/each/cached', '-A', agent, '-H', `Cookie: ${cookie}`);
    const [language = '', cookies = ''] = ['x-language', 'set-cookie'].map((one) =>
      fields.get(one),
    );
    const isHit = /hit/.test(fields.get('cache-status')!);
    return [fields.get('x-client-agent'), language, cookies, isHit];
  };
  assert.deepEqual(await as('a', 'lang=de'), ['a', 'de', '', false]);
  assert.deepEqual(await as('b', 'lang=fr'), ['b', '', 'lang=en; Path=/', true]);
  assert.deepEqual(await as('c', 'x=y; lang=de'), ['c', 'de', '', true]);
});

test('an answer of a route may come from a file', async () => {
  const { status, content, fields } = await get('/page.html');
  assert.equal(`${status} ${content}`, '503 <h1>nothing here</h1>');
  assert.equal(fields.get('content-type'), 'text/html; charset=utf-8');
});

test('a body that is too large is refused before it is sent, or when it becomes so', async () => {
  assert.equal((await get('/upload/small', '-d', 'x'.repeat(1_024))).status, 200);
  const asked = app.asked('/upload/known').length;
  using connection = await RawConnection.open(sluice.httpPort);
  const head = 'POST /upload/known HTTP/1.1\r\nHost: 127.0.0.1\r\n';
  const early = await connection.request(
    `${head}Content-Length: 1025\r\nExpect: 100-continue\r\n\r\n`,
  );
  assert.equal(early.status, 413, 'before the client is told to go on');
  assert.equal(app.asked('/upload/known').length, asked, 'the origin is not asked');
  const chunked = ['-H', 'Transfer-Encoding: chunked', '-d', 'x'.repeat(100_000)];
  const late = await get('/upload/chunked', ...chunked);
  assert.equal(late.status, 413, 'the length was not known');
  assert.match(late.fields.get('proxy-status')!, /larger than the route allows/);
});

test('a route that is closed answers nobody but who may pass', async () => {
  const closed = await get('/closed/all');
  assert.equal(closed.status, 503);
  assert.equal(closed.fields.get('cache-control'), 'no-store');
  const most = await get('/closed/most');
  assert.equal(`${most.status} ${most.content}`, '503 <h1>nothing here</h1>');
  assert.equal(most.fields.get('retry-after'), '600');
  assert.equal((await get('/closed/most', '--interface', '127.0.0.2')).status, 200);
  assert.equal((await get('/closed/not')).status, 200);
});

test('a request beyond the rate is answered when its turn has come', async () => {
  const startedMs = performance.now();
  const answers = await Promise.all([get('/turns'), get('/turns'), get('/turns')]);
  assert.deepEqual(
    answers.map(({ status }) => status),
    [204, 204, 204],
  );
  assert.ok(performance.now() - startedMs > 380, 'the last waited for two turns of 200 ms');
});

test('access rules are asked in order, for hits of the cache, too', async () => {
  assert.equal((await get('/inside')).status, 200);
  const denied = await get('/inside/secret/x');
  assert.equal(denied.status, 403);
  assert.match(denied.fields.get('proxy-status')!, /http_request_denied/);
  assert.equal((await get('/inside', '-X', 'DELETE')).status, 403);
  await until(() => readFileSync(log, 'utf8').includes('"error":"access-denied"'), 'the log line');
});

test('a route and an access rule can be for some addresses', async () => {
  assert.equal((await get('/from')).content, 'near');
  assert.equal((await get('/private')).status, 200);
  assert.equal((await get('/private', '-d', 'x')).status, 403);
});

test('no spelling of a path gets around a denial', async () => {
  const paths = [
    ...[
      '/admin',
      '/%61dmin',
      '//admin',
      '/x/../admin',
      '/x/%2e%2e/admin',
      '/./admin',
      '/admin;x=y',
    ],
    ...[
      '/x/..;/admin',
      '/x%2f..%2fadmin',
      '/x/..%5cadmin',
      '/%2561dmin',
      '/admin/../x',
      '/admin%00',
    ],
    ...['/x/..%252fadmin', '/ADMIN/../admin', '/admin%2f..%2fx', '/\\admin', '/x/.%2e/admin'],
  ];
  using connection = await RawConnection.open(sluice.httpPort);
  for (const path of paths) {
    const request = `GET ${path} HTTP/1.1\r\nHost: app.example\r\n\r\n`;
    const { status } = await connection.request(request);
    assert.ok(status === 403 || status === 400, `${path} got ${status}`);
  }
  for (const path of paths.filter((one) => one !== '/admin')) {
    assert.equal(app.asked(path).length, 0, path);
  }
  using client = await Http2Client.open(sluice.httpsUrl);
  for (const path of paths) {
    const { status } = await client.get(path);
    assert.ok(status === 403 || status === 400, `${path} got ${status} over HTTP/2`);
  }
  assert.equal(
    (await connection.request('GET http://app.example/%61dmin HTTP/1.1\r\nHost: x.example\r\n\r\n'))
      .status,
    403,
  );
});

test('what one route stored for some is not served to others', async () => {
  assert.equal((await get('/page', '-H', 'X-Beta: yes')).content, 'other');
  assert.match((await get('/page')).content, /^app/);
  const again = await get('/page', '-H', 'X-Beta: yes');
  assert.equal(again.content, 'other');
  assert.match(again.fields.get('cache-status')!, /hit/);
});

test('what users get with their cookie is not stored, wherever the cookie stands', async () => {
  const path = '/page/members';
  for (const cookie of ['session=secret', 'a=1; session=secret']) {
    const users = await get(path, '-H', `Cookie: ${cookie}`);
    assert.match(users.fields.get('cache-status')!, /fwd=bypass/, cookie);
  }
  assert.match((await get(path)).fields.get('cache-status')!, /fwd=uri-miss/);
  assert.match((await get(path, '-H', 'Cookie: a=1')).fields.get('cache-status')!, /hit/);
});

test('a group of the host names the origin; what is none of ours is no route', async () => {
  const from = (name: string) => get('/', '-H', `Host: ${name}.by-name.example`);
  assert.match((await from('APP')).content, /^app/);
  assert.equal((await from('other')).content, 'other');
  assert.equal((await from('evil')).status, 404);
});

test('a purge takes what routes have stored under keys of their own, too', async () => {
  const beta = () => get('/page/purged', '-H', 'X-Beta: yes');
  await beta();
  await get('/page/purged');
  assert.match((await beta()).fields.get('cache-status')!, /hit/);
  assert.equal((await get('/page/purged', '-X', 'PURGE')).content, '{"purged":2}\n');
  assert.match((await beta()).fields.get('cache-status')!, /fwd=uri-miss/);
});

test('a write that takes another route makes what is stored invalid', async () => {
  await get('/write/cached');
  assert.match((await get('/write/cached')).fields.get('cache-status')!, /hit/);
  assert.equal((await get('/write/cached', '-d', 'x')).content, 'other');
  assert.match((await get('/write/cached')).fields.get('cache-status')!, /fwd=uri-miss/);
});

test('a route can do without the cache', async () => {
  await get('/uncached/cached');
  const response = await get('/uncached/cached');
  assert.match(response.fields.get('cache-status')!, /fwd=bypass/);
  assert.equal(app.asked('/uncached/cached').length, 2);
});

test('error pages stand for our own errors', async () => {
  const response = await get('/down');
  assert.equal(response.status, 502);
  assert.equal(response.fields.get('content-type'), 'application/json');
  assert.equal(response.content, '{"error":true}');
  assert.match(response.fields.get('proxy-status')!, /connection_refused/);
  assert.equal(response.fields.get('x-frame-options'), 'DENY');
});

test('error pages stand for the origin’s errors where that is asked for, stored ones included', async () => {
  const missing = await get('/errors/status/404');
  assert.equal(missing.status, 404);
  assert.equal(missing.content, '<h1>nothing here</h1>');
  assert.equal(missing.fields.get('content-type'), 'text/html; charset=utf-8');
  assert.equal(missing.fields.get('content-length'), '21');
  assert.equal(missing.fields.get('etag'), undefined);
  assert.equal((await get('/errors/status/503')).content, '{"error":true}');
  assert.match((await get('/errors/status/410')).content, /^app/);
  for (const seen of [1, 2, 3]) {
    const stored = await get('/errors/status/404/cached');
    assert.equal(stored.content, '<h1>nothing here</h1>', String(seen));
  }
  assert.equal(app.asked('/errors/status/404/cached').length, 1);
  assert.equal((await get('/errors/status/404', '--head')).content, '');
  using client = await Http2Client.open(sluice.httpsUrl);
  assert.equal((await client.get('/errors/status/404')).content, '<h1>nothing here</h1>');
});

test('fields that read like ours do not reach the origin by an underscore', async () => {
  const words = ['-H', 'X_Forwarded_For: 1.2.3.4', '-H', 'api_key: k'];
  await get('/underscored', ...words);
  const [seen] = app.asked('/underscored');
  assert.equal(seen?.headers.x_forwarded_for, undefined);
  assert.equal(seen?.headers.api_key, 'k');
  await get('/dropping', ...words);
  assert.equal(app.asked('/dropping')[0]?.headers.api_key, undefined);
  assert.equal((await get('/strict', ...words)).status, 400);
  assert.equal((await get('/strict')).status, 200);
});
