import assert from 'node:assert/strict';
import test from 'node:test';
import { type Origin, startOrigin } from '../support/origins.ts';
import { RawConnection } from '../support/raw-connection.ts';
import { startSluice } from '../support/sluice.ts';
import { sleep, until } from '../support/waiting.ts';

/**
 * The query says what the response bears: `?cc=max-age=60` is Cache-Control, `etag`, `vary`, `type`,
 * `expires`, `age`, `cookie`, `status` likewise; `ms` delays it and `size` is its length.
 * `etag=%22x%22` is also compared with If-None-Match, and `cc304` is the Cache-Control of that answer.
 * With `first=1` all but the first response to this target wait until `release` is called.
 */
const held = new Map<string, (() => void)[]>();

/** Lets go what `first=1` holds back. */
function release(path: string): void {
  for (const answer of held.get(path) ?? []) answer();
}

const origin: Origin = await startOrigin((request, response) => {
  const { searchParams: query } = new URL(request.url!, 'http://origin');
  const fields = {
    cc: 'Cache-Control',
    etag: 'ETag',
    vary: 'Vary',
    expires: 'Expires',
    age: 'Age',
    cookie: 'Set-Cookie',
    modified: 'Last-Modified',
  };
  for (const [key, name] of Object.entries(fields)) {
    const value = query.get(key);
    if (value !== null) response.setHeader(name, value);
  }
  response.setHeader('X-Serial', origin.seen.length);
  request.resume();
  const answer = () => {
    const etag = query.get('etag');
    if (etag !== null && request.headers['if-none-match'] === etag) {
      const control = query.get('cc304');
      response.writeHead(304, control === null ? {} : { 'Cache-Control': control }).end();
      return;
    }
    response.statusCode = Number(query.get('status') ?? 200);
    const size = query.get('size');
    const language = request.headers['accept-language'] ?? '';
    response.end(size === null ? `content ${language}` : Buffer.alloc(Number(size), '0123456789'));
  };
  const waiting = held.get(request.url!);
  if (query.get('first') === '1' && waiting !== undefined) {
    waiting.push(answer);
    return;
  }
  held.set(request.url!, []);
  setTimeout(answer, Number(query.get('ms') ?? 0));
});
const sluice = await startSluice({ origin: origin.url, flags: ['--cache-size', '64MiB'] });
test.after(async () => {
  await sluice[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
});

let paths = 0;

/** A target of its own for each test. */
function target(query: Record<string, string>): string {
  return `/${++paths}?${new URLSearchParams(query)}`;
}

async function ask(path: string, options: { method?: string; fields?: string } = {}) {
  const { method = 'GET', fields = '' } = options;
  using connection = await RawConnection.open(sluice.httpPort);
  connection.send(`${method} ${path} HTTP/1.1\r\nHost: a.example\r\n${fields}\r\n`);
  const response = await connection.response({ toHead: method === 'HEAD' });
  return { ...response, cacheStatus: response.fields.get('cache-status') ?? '' };
}

const isHit = /^sluice; hit\b/;

/** Asserts that the second of two requests was answered from the cache, or was not. */
async function assertStored(query: Record<string, string>, stored: boolean, fields = '') {
  const path = target(query);
  const first = await ask(path, { fields });
  assert.doesNotMatch(first.cacheStatus, isHit);
  const second = await ask(path, { fields });
  assert.equal(isHit.test(second.cacheStatus), stored, second.cacheStatus);
  assert.equal(origin.asked(path).length, stored ? 1 : 2);
}

test('a fresh response is served again without the origin, and says its age', async () => {
  const path = target({ cc: 'max-age=60' });
  const first = await ask(path);
  assert.match(first.cacheStatus, /^sluice; fwd=(?:uri-miss|miss)\b.*; stored\b/);
  assert.equal(first.fields.get('age'), undefined);
  await sleep(1_100);
  const second = await ask(path);
  assert.match(second.cacheStatus, /^sluice; hit; ttl=5\d\b/);
  assert.match(second.fields.get('age')!, /^[1-9]$/);
  assert.equal(second.content, first.content);
  assert.equal(second.fields.get('date'), first.fields.get('date'));
  assert.equal(origin.asked(path).length, 1);
});

test('an Age from before us counts (RFC 9111 §4.2.3)', async () => {
  const path = target({ cc: 'max-age=60', age: '30' });
  await ask(path);
  assert.match((await ask(path)).fields.get('age')!, /^3\d$/);
  await assertStored({ cc: 'max-age=60', age: '60' }, false);
});

test('HTTPS and HTTP do not share stored responses, and both have them', async () => {
  const path = target({ cc: 'max-age=60' });
  await ask(path);
  using connection = await RawConnection.openTls(sluice.httpsPort);
  const head = `GET ${path} HTTP/1.1\r\nHost: a.example\r\n\r\n`;
  const first = await connection.request(head);
  assert.doesNotMatch(first.fields.get('cache-status')!, isHit);
  assert.match((await connection.request(head)).fields.get('cache-status')!, isHit);
});

const decisions: readonly (readonly [string, Record<string, string>, boolean])[] = [
  ['no-store (RFC 9111 §5.2.2.5)', { cc: 'no-store, max-age=60' }, false],
  ['private (§5.2.2.7)', { cc: 'private, max-age=60' }, false],
  ['max-age=0', { cc: 'max-age=0' }, false],
  ['no-cache (§5.2.2.4)', { cc: 'no-cache' }, false],
  ['s-maxage over max-age (§5.2.2.10)', { cc: 'max-age=0, s-maxage=60' }, true],
  ['s-maxage=0 over max-age', { cc: 'max-age=60, s-maxage=0' }, false],
  ['Expires in the future (§5.3)', { expires: new Date(Date.now() + 60_000).toUTCString() }, true],
  ['Expires in the past', { expires: new Date(Date.now() - 60_000).toUTCString() }, false],
  ['Expires that is no date', { expires: '0' }, false],
  [
    'max-age over Expires',
    { cc: 'max-age=60', expires: new Date(Date.now() - 60_000).toUTCString() },
    true,
  ],
  ['nothing that says how long', {}, false],
  ['Vary: * (§4.1)', { cc: 'max-age=60', vary: '*' }, false],
  ['404 with max-age', { cc: 'max-age=60', status: '404' }, true],
  ['500 without max-age', { status: '500' }, false],
];

for (const [name, query, stored] of decisions) {
  test(`${name}: ${stored ? 'served from the cache' : 'the origin is asked each time'}`, () =>
    assertStored(query, stored));
}

test('Authorization keeps a response out of a shared cache unless it is public (§3.5)', async () => {
  const fields = 'Authorization: Basic eDp5\r\n';
  await assertStored({ cc: 'max-age=60' }, false, fields);
  await assertStored({ cc: 'max-age=60, public' }, true, fields);
  await assertStored({ cc: 's-maxage=60' }, true, fields);
});

test('no-store, no-cache and only-if-cached of a request are obeyed (§5.2.1)', async () => {
  const path = target({ cc: 'max-age=60' });
  assert.equal((await ask(path, { fields: 'Cache-Control: only-if-cached\r\n' })).status, 504);
  assert.equal(origin.asked(path).length, 0);
  await ask(path, { fields: 'Cache-Control: no-store\r\n' });
  assert.doesNotMatch((await ask(path)).cacheStatus, isHit);
  assert.doesNotMatch(
    (await ask(path, { fields: 'Cache-Control: no-cache\r\n' })).cacheStatus,
    isHit,
  );
  assert.equal(origin.asked(path).length, 3);
  assert.equal((await ask(path, { fields: 'Cache-Control: only-if-cached\r\n' })).status, 200);
});

test('a conditional request is answered 304 from the cache (§4.3.2)', async () => {
  const path = target({
    cc: 'max-age=60',
    etag: '"v1"',
    modified: 'Thu, 01 Jan 2026 00:00:00 GMT',
  });
  await ask(path);
  for (const fields of [
    'If-None-Match: "v1"\r\n',
    'If-None-Match: "v0", W/"v1"\r\n',
    'If-None-Match: *\r\n',
    'If-Modified-Since: Thu, 01 Jan 2026 00:00:00 GMT\r\n',
  ]) {
    const { status, content, fields: received, cacheStatus } = await ask(path, { fields });
    assert.equal(status, 304, fields);
    assert.equal(content, '');
    assert.equal(received.get('etag'), '"v1"');
    assert.match(cacheStatus, isHit);
  }
  for (const fields of [
    'If-None-Match: "v2"\r\n',
    'If-Modified-Since: Mon, 01 Dec 2025 00:00:00 GMT\r\n',
  ]) {
    assert.equal((await ask(path, { fields })).status, 200, fields);
  }
  assert.equal(origin.asked(path).length, 1);
});

test('a stale response is confirmed by 304 and fresh again (§4.3.3, §4.3.4)', async () => {
  const path = target({ cc: 'max-age=1', etag: '"v1"', cc304: 'max-age=60' });
  const first = await ask(path);
  await sleep(2_100);
  const second = await ask(path);
  assert.equal(second.status, 200);
  assert.equal(second.content, first.content);
  assert.match(second.cacheStatus, /^sluice; fwd=stale; fwd-status=304\b/);
  assert.equal(origin.asked(path)[1]!.headers['if-none-match'], '"v1"');
  assert.match((await ask(path)).cacheStatus, isHit);
  assert.equal(origin.asked(path).length, 2);
});

test('HEAD is answered from a stored GET (RFC 9110 §9.3.2)', async () => {
  const path = target({ cc: 'max-age=60', size: '1000' });
  await ask(path);
  const { status, fields, content, cacheStatus } = await ask(path, { method: 'HEAD' });
  assert.equal(status, 200);
  assert.equal(content, '');
  assert.equal(fields.get('content-length'), '1000');
  assert.match(cacheStatus, isHit);
});

test('HEAD for another variant leaves the stored one alone (§4.3.5)', async () => {
  const path = target({ cc: 'max-age=60', vary: 'Accept-Language' });
  const english = { fields: 'Accept-Language: en\r\n' };
  await ask(path, english);
  await ask(path, { method: 'HEAD', fields: 'Accept-Language: french\r\n' });
  assert.match((await ask(path, english)).cacheStatus, isHit);
});

test('HEAD alone stores nothing that a GET is answered with', async () => {
  const path = target({ cc: 'max-age=60' });
  await ask(path, { method: 'HEAD' });
  assert.equal((await ask(path)).content, 'content ');
});

test('variants are kept apart by the fields that Vary names (§4.1)', async () => {
  const path = target({ cc: 'max-age=60', vary: 'Accept-Language' });
  for (const round of [1, 2]) {
    for (const language of ['de', 'fr']) {
      const { content, cacheStatus } = await ask(path, {
        fields: `Accept-Language: ${language}\r\n`,
      });
      assert.equal(content, `content ${language}`);
      assert.equal(isHit.test(cacheStatus), round === 2, cacheStatus);
    }
  }
  assert.equal(origin.asked(path).length, 2);
});

for (const method of ['POST', 'PUT', 'DELETE', 'PROPPATCH']) {
  test(`${method} that succeeds makes the stored response invalid (§4.4)`, async () => {
    const path = target({ cc: 'max-age=60' });
    await ask(path);
    await ask(path, { method, fields: 'Content-Length: 0\r\n' });
    assert.doesNotMatch((await ask(path)).cacheStatus, isHit);
  });
}

test('POST that fails leaves the stored response alone', async () => {
  const path = target({ cc: 'max-age=60', status: '200' });
  await ask(path);
  // The same target without the query is another resource.
  await ask(path.replace(/\?.*/, '?status=500'), {
    method: 'POST',
    fields: 'Content-Length: 0\r\n',
  });
  assert.match((await ask(path)).cacheStatus, isHit);
});

test('ranges are cut from the stored response (RFC 9110 §14)', async () => {
  const path = target({ cc: 'max-age=60', size: '1000', etag: '"r"' });
  const whole = (await ask(path)).content;
  for (const [range, first, last] of [
    ['bytes=0-9', 0, 9],
    ['bytes=990-', 990, 999],
    ['bytes=-5', 995, 999],
    ['bytes=500-5000', 500, 999],
    ['bytes=7-7', 7, 7],
  ] as const) {
    const { status, fields, content } = await ask(path, { fields: `Range: ${range}\r\n` });
    assert.equal(status, 206, range);
    assert.equal(fields.get('content-range'), `bytes ${first}-${last}/1000`);
    assert.equal(content, whole.slice(first, last + 1));
  }
  const beyond = await ask(path, { fields: 'Range: bytes=1000-\r\n' });
  assert.equal(beyond.status, 416);
  assert.equal(beyond.fields.get('content-range'), 'bytes */1000');
  assert.equal((await ask(path, { fields: 'Range: bytes=0-9\r\nIf-Range: "r"\r\n' })).status, 206);
  assert.equal((await ask(path, { fields: 'Range: bytes=0-9\r\nIf-Range: "x"\r\n' })).status, 200);
  assert.equal((await ask(path, { fields: 'Range: lines=0-9\r\n' })).status, 200);
  // RFC 9110 §14.2: ranges are for GET.
  const head = await ask(path, { method: 'HEAD', fields: 'Range: bytes=0-9\r\n' });
  assert.equal(head.status, 200);
  assert.equal(head.fields.get('content-length'), '1000');
  assert.equal(origin.asked(path).length, 1);
});

test('hosts and queries have their own stored responses', async () => {
  const path = target({ cc: 'max-age=60' });
  await ask(path);
  assert.doesNotMatch((await ask(`${path}&x=1`)).cacheStatus, isHit);
  using connection = await RawConnection.open(sluice.httpPort);
  const other = await connection.request(`GET ${path} HTTP/1.1\r\nHost: b.example\r\n\r\n`);
  assert.doesNotMatch(other.fields.get('cache-status')!, isHit);
});

test('a stored response of 8 MiB comes back byte for byte', async () => {
  const path = target({ cc: 'max-age=60', size: String(8 << 20) });
  const first = await ask(path);
  const second = await ask(path);
  assert.match(second.cacheStatus, isHit);
  assert.equal(second.content.length, 8 << 20);
  assert.ok(second.content === first.content);
});

test('50 requests at once for one thing ask the origin once', async () => {
  const path = target({ cc: 'max-age=60', ms: '300' });
  const answers = await Promise.all(Array.from({ length: 50 }, () => ask(path)));
  assert.equal(origin.asked(path).length, 1);
  assert.ok(answers.every((answer) => answer.status === 200 && answer.content === 'content '));
  const collapsed = answers.filter((answer) => /; collapsed\b/.test(answer.cacheStatus)).length;
  assert.equal(collapsed, 49);
});

test('requests that waited for something uncacheable are not made to queue', async () => {
  const path = target({ cc: 'no-store', ms: '200', first: '1' });
  const asking = Array.from({ length: 50 }, () => ask(path));
  await until(() => held.get(path)?.length === 49, 'all others at once');
  release(path);
  for (const { status } of await Promise.all(asking)) assert.equal(status, 200);
});

test('the client who began a fetch may leave, and those who joined still get it', async () => {
  const path = target({ cc: 'max-age=60', ms: '300' });
  const leaver = await RawConnection.open(sluice.httpPort);
  leaver.send(`GET ${path} HTTP/1.1\r\nHost: a.example\r\n\r\n`);
  await until(() => origin.asked(path).length > 0, 'the origin to be asked');
  const joiner = ask(path);
  await sleep(50);
  leaver.socket.destroy();
  assert.equal((await joiner).content, 'content ');
});

test('stale-while-revalidate: the stale response at once, a fresh one next (RFC 5861 §3)', async () => {
  const path = target({ cc: 'max-age=1, stale-while-revalidate=60', first: '1' });
  await ask(path);
  await sleep(2_100);
  // The origin does not answer yet: who waited for it would wait for ever.
  assert.equal((await ask(path)).status, 200);
  await until(() => held.get(path)?.length === 1, 'the revalidation');
  release(path);
  await until(async () => isHit.test((await ask(path)).cacheStatus), 'a fresh response');
});

test('stale-if-error: a stale response rather than an error (RFC 5861 §4)', async () => {
  let broken = false;
  await using dying = await startOrigin((_request, response) => {
    response.statusCode = broken ? 503 : 200;
    response.setHeader('Cache-Control', 'max-age=1, stale-if-error=60');
    response.end('last words');
  });
  await using proxy = await startSluice({ origin: dying.url });
  const get = async () => {
    using connection = await RawConnection.open(proxy.httpPort);
    return await connection.request('GET /x HTTP/1.1\r\nHost: a.example\r\n\r\n');
  };
  await get();
  await sleep(2_100);
  broken = true;
  const statusOf = async () => {
    const response = await get();
    assert.equal(response.status, 200);
    assert.equal(response.content, 'last words');
    return response.fields.get('cache-status');
  };
  assert.match(
    (await statusOf())!,
    /^sluice; fwd=stale; fwd-status=503; ttl=-\d+; detail=stale-if-error$/,
  );
  dying.server.closeAllConnections();
  dying.server.close();
  assert.match((await statusOf())!, /^sluice; fwd=stale; ttl=-\d+; detail=stale-if-error$/);
});

test('hits, misses and the cache’s size are counted', async () => {
  const hits = await sluice.sum('sluice_requests_total', { cache: 'hit' });
  const path = target({ cc: 'max-age=60' });
  await ask(path);
  await ask(path);
  await until(
    async () => (await sluice.sum('sluice_requests_total', { cache: 'hit' })) === hits + 1,
    'the hit to be counted',
  );
  await until(async () => (await sluice.sum('sluice_cache_entries')) > 0, 'the gauge');
});
