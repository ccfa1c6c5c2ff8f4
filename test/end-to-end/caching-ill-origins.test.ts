import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import test from 'node:test';
import { startOrigin } from '../support/origins.ts';
import { RawConnection } from '../support/raw-connection.ts';
import { startConfigured } from '../support/routes.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { until, within } from '../support/waiting.ts';

const SLICE = 65_536;
const SIZE = 4 * SLICE + 1;
const TEXT = Array.from({ length: Math.ceil(SIZE / 10) }, (_, i) => String(i * 10).padStart(9, '.'))
  .join('_')
  .padEnd(SIZE, '_')
  .slice(0, SIZE);

type Handler = (request: IncomingMessage, response: ServerResponse, count: number) => void;
/** What the origin does for each path, by how often it has been asked for it. */
const handlers = new Map<string, Handler>();
const counts = new Map<string, number>();
/** Older than its lifetime on arrival, and usable for an hour all the same. */
const STALE = { 'Cache-Control': 'max-age=60, stale-if-error=3600', Age: '100' };

const origin = await startOrigin((request, response) => {
  const path = request.url!;
  const count = (counts.get(path) ?? 0) + 1;
  counts.set(path, count);
  handlers.get(path)!(request, response, count);
});
const log = join(temporaryDirectory(), 'access.log');
const sluice = await startConfigured({
  file: {
    origins: { app: { servers: [origin.url], 'passive-health': { failures: 0 } } },
    routes: [
      { match: { 'path-prefix': '/slices' }, origin: 'app', cache: { slices: '64KiB' } },
      {
        match: { 'path-prefix': '/rule' },
        origin: 'app',
        cache: {
          'stale-if-error': '1h',
          'stale-while-revalidate': '1h',
          lifetime: { negative: '1h' },
        },
      },
      { match: { 'path-prefix': '/local' }, respond: { status: 200, body: 'ours' } },
      { origin: 'app' },
    ],
  },
  flags: ['--access-log', log, '--log-format', 'json'],
});
test.after(async () => {
  await sluice[Symbol.asyncDispose]();
  origin.server.closeAllConnections();
  await origin[Symbol.asyncDispose]();
});

async function ask(path: string, fields = '') {
  using connection = await RawConnection.open(sluice.httpPort);
  connection.send(`GET ${path} HTTP/1.1\r\nHost: a.example\r\n${fields}\r\n`);
  const response = await connection.response();
  return { ...response, cacheStatus: response.fields.get('cache-status') ?? '' };
}

const rangeOf = (first: number, last: number | '' = '') => `Range: bytes=${first}-${last}\r\n`;

/** Serves a range of the text as origins do; `limit` bytes of it at most, from `first` on. */
function serve(
  request: IncomingMessage,
  response: ServerResponse,
  more: object,
  limit = SIZE,
): void {
  const fields = { ETag: '"1"', 'Cache-Control': 'max-age=60', ...more };
  const match = /^bytes=(\d*)-(\d*)$/.exec(request.headers.range ?? '');
  if (match === null) {
    response.writeHead(200, { ...fields, 'Content-Length': SIZE }).end(TEXT);
    return;
  }
  const first = match[1] === '' ? SIZE - Number(match[2]) : Number(match[1]);
  const asked = match[1] === '' ? SIZE - 1 : Number(match[2] || SIZE - 1);
  const last = Math.min(asked, SIZE - 1, first + limit - 1);
  response.writeHead(206, { ...fields, 'Content-Range': `bytes ${first}-${last}/${SIZE}` });
  response.end(TEXT.slice(first, last + 1));
}

for (const [first, then] of [
  [502, 502],
  [503, 500],
  [500, 504],
] as const) {
  test(`a ${first} that is stored does not hide a later ${then}`, async () => {
    const path = `/error/${first}/${then}`;
    handlers.set(path, (_, response, count) => {
      response.writeHead(count === 1 ? first : then, STALE).end(`number ${count}`);
    });
    await ask(path);
    const answer = await ask(path);
    assert.deepEqual([answer.status, answer.content], [then, 'number 2'], answer.cacheStatus);
  });
}

const stalls: readonly [name: string, fields: object, content: string][] = [
  ['in the middle of its content', { 'Content-Length': '100' }, 'part of it'],
  ['before its content', { 'Content-Length': '100' }, ''],
  ['in the middle of its chunks', {}, 'part of it'],
];
for (const [name, fields, content] of stalls) {
  test(`what may stand in for an error does so though the error stalls ${name}`, async () => {
    const path = `/stall/${name.replaceAll(' ', '-')}`;
    handlers.set(path, (_, response, count) => {
      if (count === 1) response.writeHead(200, { ...STALE, ETag: '"1"' }).end('stale');
      else
        response.writeHead(503, { ...fields }).write(content || Buffer.alloc(0)) ||
          response.flushHeaders();
      if (count > 1) response.flushHeaders();
    });
    await ask(path);
    const answer = await within(ask(path), 'the stale response');
    assert.deepEqual([answer.status, answer.content], [200, 'stale']);
    assert.match(answer.cacheStatus, /fwd=stale; fwd-status=503/);
  });
}

test('an error without end is not read without end when something stands in for it', async () => {
  const path = '/stall/endless';
  let closed = false;
  handlers.set(path, (_, response, count) => {
    if (count === 1) {
      response.writeHead(200, { ...STALE, ETag: '"1"' }).end('stale');
      return;
    }
    response.writeHead(503);
    const timer = setInterval(() => response.write('x'.repeat(65_536)), 10);
    response.on('close', () => {
      clearInterval(timer);
      closed = true;
    });
  });
  await ask(path);
  assert.equal((await within(ask(path), 'the stale response')).content, 'stale');
  await until(() => closed, 'the connection to be given up');
});

test('an error in the background takes the place of nothing that is served on errors', async () => {
  const path = '/rule/background';
  handlers.set(path, (_, response, count) => {
    if (count === 1)
      response.writeHead(200, { ETag: '"1"', 'Cache-Control': 'max-age=1', Age: '9' }).end('well');
    else response.writeHead(503).end('ill');
  });
  await ask(path);
  assert.equal((await ask(path)).content, 'well');
  await until(() => (counts.get(path) ?? 0) > 1, 'the origin to be asked in the background');
  for (let i = 0; i < 3; i++) assert.equal((await ask(path)).content, 'well');
});

// ------------------------------------------------------------------ parts

test('an origin that gives less of a range than was asked for is asked on', async () => {
  const path = '/short';
  handlers.set(path, (request, response) => serve(request, response, {}, 50_000));
  for (let view = 0; view < 2; view++) {
    for (let at = 0; at < SIZE; ) {
      const answer = await ask(path, rangeOf(at));
      const place = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(answer.fields.get('content-range') ?? '');
      assert.ok(place !== null && Number(place[1]) === at, `${answer.status} for ${at}`);
      assert.equal(answer.content, TEXT.slice(at, Number(place[2]) + 1));
      at = Number(place[2]) + 1;
    }
  }
});

test('what was seen in part of such an origin can be had as a whole, and in two ranges', async () => {
  const path = '/short-whole';
  handlers.set(path, (request, response) => {
    if (request.headers.range?.includes(',') === true) response.writeHead(200).end(TEXT);
    else serve(request, response, {}, 50_000);
  });
  await ask(path, rangeOf(0));
  assert.match((await ask(path, 'Range: bytes=0-9,60000-70000\r\n')).content, /\.{8}0_/);
  assert.equal((await ask(path, rangeOf(10, 60_000))).content.slice(0, 10), TEXT.slice(10, 20));
  const whole = await ask(path);
  assert.deepEqual([whole.status, whole.content === TEXT], [200, true]);
});

test('a slice that the origin gives less of in the middle is completed', async () => {
  const path = '/slices/short';
  handlers.set(path, (request, response) => {
    const isSecond = request.headers.range?.startsWith(`bytes=${SLICE}-`) === true;
    serve(request, response, {}, isSecond ? 1000 : SIZE);
  });
  for (let i = 0; i < 2; i++) {
    const whole = await ask(path);
    assert.deepEqual([whole.status, whole.content === TEXT], [200, true]);
  }
});

test('the last slice is asked for to the end that is known', async () => {
  const path = '/slices/last';
  handlers.set(path, (request, response) => {
    const last = Number(/-(\d+)$/.exec(request.headers.range ?? '')?.[1] ?? 0);
    if (last < SIZE) serve(request, response, {});
    else response.writeHead(416, { 'Content-Range': `bytes */${SIZE}` }).end();
  });
  const whole = await ask(path);
  assert.deepEqual([whole.status, whole.content === TEXT], [200, true]);
});

for (const status of [302, 403, 404, 410, 416]) {
  test(`what answers ${status} in the middle of its slices is asked for as a whole afterwards`, async () => {
    const path = `/slices/gone-${status}`;
    handlers.set(path, (request, response, count) => {
      if (count === 1) serve(request, response, {});
      else response.writeHead(status, { Location: '/elsewhere', 'Content-Length': 4 }).end('gone');
    });
    await ask(path, rangeOf(0, 99));
    await ask(path).catch(() => {});
    const answer = await ask(path);
    assert.deepEqual([answer.status, answer.content], [status, 'gone']);
  });
}

test('an origin whose slices fail in the middle every time is asked for the whole instead', async () => {
  const path = '/slices/only-first';
  handlers.set(path, (request, response) => {
    const { range } = request.headers;
    if (range === undefined || range.startsWith('bytes=0-')) serve(request, response, {});
    else response.writeHead(403).end('no');
  });
  await ask(path).catch(() => {});
  const whole = await ask(path);
  assert.deepEqual([whole.status, whole.content === TEXT], [200, true]);
});

for (const path of ['/chunked-part', '/slices/chunked']) {
  test(`parts in chunks are stored as others are: ${path}`, async () => {
    handlers.set(path, (request, response) =>
      serve(request, response, { 'Transfer-Encoding': 'chunked' }),
    );
    await ask(path, rangeOf(0, 9));
    assert.equal((await ask(path)).content, TEXT);
    // The last of them ends after the answer does.
    await until(
      async () => (await ask(path)).cacheStatus.startsWith('sluice; hit'),
      'all to be stored',
    );
    const asked = counts.get(path);
    assert.equal((await ask(path, 'Cache-Control: only-if-cached\r\n')).content, TEXT);
    assert.equal(counts.get(path), asked);
  });
}

test('a part longer than its place is not stored', async () => {
  const path = '/overlong';
  handlers.set(path, (_, response) => {
    const fields = {
      ETag: '"1"',
      'Cache-Control': 'max-age=60',
      'Content-Range': `bytes 0-9/${SIZE}`,
    };
    response.writeHead(206, fields);
    response.write('0123456789');
    response.end('and more');
  });
  await ask(path, rangeOf(0, 9));
  assert.equal((await ask(path, `${rangeOf(0, 9)}Cache-Control: only-if-cached\r\n`)).status, 504);
});

for (const range of ['bytes=-5', 'bytes=0-', 'bytes=0-99']) {
  test(`${range} of something empty is the whole of it, stored or not`, async () => {
    const path = `/empty/${range}`;
    handlers.set(path, (_, response) => {
      response
        .writeHead(200, { ETag: '"0"', 'Cache-Control': 'max-age=60', 'Content-Length': 0 })
        .end();
    });
    for (let i = 0; i < 2; i++) assert.equal((await ask(path, `Range: ${range}\r\n`)).status, 200);
    assert.equal(counts.get(path), 1);
  });
}

// ------------------------------------------------------------------ what is said

test('hit is said when the origin was not asked, and only then: in the field and in the log', async () => {
  const claims: { path: string; range: string; isHit: boolean; asked: number }[] = [];
  for (const path of ['/claims', '/slices/claims']) {
    handlers.set(path, (request, response) => serve(request, response, {}));
    for (const range of [
      '0-9',
      '0-9',
      '100000-100099',
      '100000-100099',
      '5-20',
      '5-20',
      '-10',
      '-10',
      '',
      '',
    ]) {
      const before = counts.get(path) ?? 0;
      const { cacheStatus } = await ask(path, range === '' ? '' : `Range: bytes=${range}\r\n`);
      // A slice that is read ahead belongs to this request.
      await until(() => origin.asked(path).every(({ complete }) => complete), 'the origin to rest');
      const asked = (counts.get(path) ?? 0) - before;
      const isHit = cacheStatus.startsWith('sluice; hit');
      assert.equal(isHit, asked === 0, `${path} ${range}: ${cacheStatus}, and ${asked} asked`);
      claims.push({ path, range, isHit, asked });
    }
  }
  const lines = await until(() => {
    const text = existsSync(log) ? readFileSync(log, 'utf8').trim() : '';
    const all = text.split('\n').map((line) => JSON.parse(line || '{}'));
    const found = all.filter(({ path }) => claims.some((claim) => claim.path === path));
    return found.length === claims.length ? found : undefined;
  }, 'the log');
  for (const [i, { path, range, isHit }] of claims.entries()) {
    assert.equal(lines[i].cache === 'hit', isHit, `${path} ${range}: ${lines[i].cache} in the log`);
  }
});

test('what is answered without the origin does not say that it was forwarded', async () => {
  const path = '/only';
  handlers.set(path, (request, response) => serve(request, response, {}));
  await ask(path, rangeOf(0, 9));
  const lacking = await ask(path, 'Cache-Control: only-if-cached\r\n');
  assert.deepEqual([lacking.status, lacking.cacheStatus], [504, 'sluice']);
  assert.doesNotMatch((await ask('/local')).cacheStatus, /fwd/);
});

// ------------------------------------------------------------------ what a 304 forbids

for (const control of ['private', 'no-store', 'private; max-age=60']) {
  test(`a 304 with ${control} takes what is stored away from others`, async () => {
    const path = `/confirmed/${encodeURIComponent(control)}`;
    handlers.set(path, (request, response, count) => {
      if (count === 1) response.writeHead(200, { ...STALE, ETag: '"1"' }).end('one');
      else if (request.headers['if-none-match'] === undefined)
        response.writeHead(200).end(`${count}`);
      else response.writeHead(304, { ETag: '"1"', 'Cache-Control': control }).end();
    });
    await ask(path);
    const confirmed = await ask(path);
    assert.deepEqual([confirmed.status, confirmed.content], [200, 'one']);
    assert.doesNotMatch(confirmed.cacheStatus, /stored/);
    assert.equal((await ask(path)).content, '3');
  });
}

test('a cookie that comes with a 304 is for one client', async () => {
  const path = '/confirmed/cookie';
  handlers.set(path, (request, response, count) => {
    if (request.headers['if-none-match'] === undefined) {
      response.writeHead(200, { ETag: '"1"', 'Cache-Control': 'no-cache' }).end('one');
    } else {
      const cookie = count === 2 ? { 'Set-Cookie': 'id=2' } : {};
      response
        .writeHead(304, {
          ETag: '"1"',
          'Last-Modified': 'Mon, 01 Jan 2018 00:00:00 GMT',
          ...cookie,
        })
        .end();
    }
  });
  await ask(path);
  assert.equal((await ask(path)).fields.get('set-cookie'), 'id=2');
  assert.equal((await ask(path)).fields.get('set-cookie'), undefined);
});

test('a field that a 304 makes private is not served any more', async () => {
  const path = '/confirmed/field';
  handlers.set(path, (request, response) => {
    if (request.headers['if-none-match'] === undefined) {
      response.writeHead(200, { ...STALE, ETag: '"1"', 'X-User': 'one' }).end('one');
    } else {
      response
        .writeHead(304, { ETag: '"1"', 'Cache-Control': 'max-age=60, private="x-user"' })
        .end();
    }
  });
  assert.equal((await ask(path)).fields.get('x-user'), 'one');
  await ask(path);
  const answer = await ask(path);
  assert.match(answer.cacheStatus, /hit/);
  assert.equal(answer.fields.get('x-user'), undefined);
});

test('a 304 with Vary: * is for this request alone', async () => {
  const path = '/confirmed/vary';
  handlers.set(path, (request, response, count) => {
    if (request.headers['if-none-match'] === undefined) {
      response.writeHead(200, { ...STALE, ETag: '"1"' }).end(`${count}`);
    } else {
      response.writeHead(304, { ETag: '"1"', 'Cache-Control': 'max-age=60', Vary: '*' }).end();
    }
  });
  await ask(path);
  assert.equal((await ask(path)).content, '1');
  assert.equal((await ask(path)).content, '3');
});
