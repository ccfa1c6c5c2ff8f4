import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import { curl } from '../support/curl.ts';
import { type Origin, startOrigin } from '../support/origins.ts';
import { startConfigured } from '../support/routes.ts';
import type { RunningSluice } from '../support/sluice.ts';
import { until } from '../support/waiting.ts';

let origin: Origin;
let sluice: RunningSluice;

/** What each path's route says of caching. */
const rules: Record<string, object> = {
  '/default': { lifetime: { default: '1h' } },
  '/min': { lifetime: { min: '1h' } },
  '/max': { lifetime: { max: '10s' } },
  '/override': { lifetime: { override: '1h' } },
  '/negative': { lifetime: { negative: '1h' } },
  '/by-status': { lifetime: { negative: { '404': '1h' } } },
  '/ignoring': { key: { query: 'ignore' } },
  '/only': { key: { query: { only: ['page'] } } },
  '/without': { key: { query: { without: ['utm_*'] } } },
  '/sorted': { key: { 'sort-query': 'on' } },
  '/encoded': { key: { 'normalise-percent-encoding': 'on' } },
  '/fields': { key: { headers: ['X-Country'] } },
  '/cookies': { key: { cookies: ['currency'] } },
  '/slices': { slices: '64KiB' },
  '/never': { 'set-cookie': 'never' },
  '/always': { 'set-cookie': 'always' },
  '/stale-if-error': { 'stale-if-error': '1h' },
  '/stale-while': { 'stale-while-revalidate': '1h' },
  '/deaf': { 'request-directives': 'off' },
  '/targeted': { 'targeted-headers': ['X-Edge-Control'] },
  '/heuristic': { heuristic: '50%' },
  '/whole': { partial: 'off' },
  '/languages': { 'select-by-language': 'off' },
  '/pinned': { pin: '1h' },
  '/plain': {},
};

const content = 'x'.repeat(200_000);

/** Fields of the response, by a word in the path after the route's. */
function fieldsFor(url: string): Record<string, string> {
  const fields: Record<string, string> = { 'content-type': 'text/plain' };
  if (url.includes('fresh')) fields['cache-control'] = 'max-age=600';
  if (url.includes('short')) fields['cache-control'] = 'max-age=1';
  if (url.includes('stale')) fields['cache-control'] = 'max-age=0';
  if (url.includes('cookie')) fields['set-cookie'] = 'a=b';
  if (url.includes('edge')) fields['x-edge-control'] = 'max-age=600';
  if (url.includes('old')) {
    fields['last-modified'] = new Date(Date.now() - 1_000_000_000).toUTCString();
  }
  if (url.includes('young')) {
    fields['last-modified'] = new Date(Date.now() - 1_000_000).toUTCString();
  }
  if (url.includes('tongue')) {
    fields.vary = 'Accept-Language';
    fields['content-language'] = 'de';
  }
  return fields;
}

before(async () => {
  origin = await startOrigin((request, response) => {
    const url = request.url!;
    const failing = url.includes('fails') && origin.asked(url).length > 1;
    const status = failing ? 500 : Number(/status-(\d+)/.exec(url)?.[1] ?? 200);
    const fields: Record<string, string> = failing ? {} : fieldsFor(url);
    const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
    if (range === null || !url.includes('part')) {
      response.writeHead(status, fields).end(url.includes('part') ? content : 'content');
      return;
    }
    const [first, last] = [Number(range[1]), Math.min(Number(range[2]), content.length - 1)];
    fields['content-range'] = `bytes ${first}-${last}/${content.length}`;
    fields['content-length'] = String(last - first + 1);
    fields.etag = '"a"';
    response.writeHead(206, fields).end(content.slice(first, last + 1));
  });
  const routes = Object.entries(rules).map(([path, cache]) => {
    return { match: { 'path-prefix': path }, origin: 'default', cache };
  });
  sluice = await startConfigured({ file: { origin: origin.url, routes } });
});

after(async () => {
  await sluice[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
});

/** What became of the second of two requests: our member of Cache-Status, without the name. */
async function second(first: string, again: string, ...words: string[]): Promise<string> {
  await curl(`${sluice.httpUrl}${first}`, ...words);
  return statusOf(again, ...words);
}

async function statusOf(path: string, ...words: string[]): Promise<string> {
  const response = await curl(`${sluice.httpUrl}${path}`, ...words);
  return response.fields.get('cache-status')!.replace('sluice; ', '');
}

const twice = (path: string, ...words: string[]) => second(path, path, ...words);

/** Whole seconds that a hit has left. */
const ttlOf = (status: string) => Number(/^hit; ttl=(-?\d+)/.exec(status)?.[1] ?? Number.NaN);

const near = (actual: number, expected: number) => {
  assert.ok(actual > expected - 30 && actual <= expected, `${actual} is not about ${expected}`);
};

test('lifetimes: by default, within bounds, in place of the origin’s', async () => {
  assert.match(await twice('/plain/unsaid'), /fwd=uri-miss/);
  near(ttlOf(await twice('/default/unsaid')), 3_600);
  near(ttlOf(await twice('/default/fresh')), 600);
  near(ttlOf(await twice('/min/short')), 3_600);
  assert.ok(ttlOf(await twice('/max/fresh')) <= 10);
  near(ttlOf(await twice('/override/fresh')), 3_600);
  near(ttlOf(await twice('/plain/young')), 100);
  near(ttlOf(await twice('/heuristic/young')), 500);
  assert.ok(ttlOf(await twice('/heuristic/old')) > 80_000, 'a day at most');
});

test('errors are stored for as long as is said, of one status or of all', async () => {
  assert.match(await twice('/plain/status-404'), /fwd=uri-miss/);
  near(ttlOf(await twice('/negative/status-404')), 3_600);
  near(ttlOf(await twice('/negative/status-503')), 3_600);
  near(ttlOf(await twice('/by-status/status-404')), 3_600);
  assert.match(await twice('/by-status/status-503'), /fwd=uri-miss/);
});

test('the query counts as far as is said', async () => {
  assert.match(await second('/plain/fresh?a=1', '/plain/fresh?a=2'), /fwd=uri-miss/);
  assert.match(await second('/ignoring/fresh?a=1', '/ignoring/fresh?b'), /^hit/);
  assert.match(await second('/only/fresh?page=1&x=1', '/only/fresh?x=2&page=1'), /^hit/);
  assert.match(await statusOf('/only/fresh?page=2'), /fwd=uri-miss/);
  assert.match(await second('/without/fresh?a=1&utm_b=1', '/without/fresh?a=1'), /^hit/);
  assert.match(await statusOf('/without/fresh?a=2'), /fwd=uri-miss/);
  assert.match(await second('/plain/fresh?c=1&d=2', '/plain/fresh?d=2&c=1'), /fwd=uri-miss/);
  assert.match(await second('/plain/fresh/~', '/plain/fresh/%7e'), /fwd=uri-miss/);
  assert.match(await second('/sorted/fresh?a=1&b=2', '/sorted/fresh?b=2&a=1'), /^hit/);
  assert.match(await second('/encoded/fresh/~', '/encoded/fresh/%7e'), /^hit/);
});

test('fields and cookies can be part of the key', async () => {
  const inCountry = (country: string) => statusOf('/fields/fresh', '-H', `X-Country: ${country}`);
  assert.match(await inCountry('de'), /fwd=uri-miss/);
  assert.match(await inCountry('fr'), /fwd=uri-miss/);
  assert.match(await inCountry('de'), /^hit/);
  const withCookie = (cookie: string) => statusOf('/cookies/fresh', '-H', `Cookie: ${cookie}`);
  assert.match(await withCookie('currency=eur; id=1'), /fwd=uri-miss/);
  assert.match(await withCookie('id=2; currency=eur'), /^hit/);
  assert.match(await withCookie('currency=usd'), /fwd=uri-miss/);
});

test('responses that set a cookie are stored as is said', async () => {
  assert.match(await twice('/plain/fresh/cookie'), /^hit/);
  assert.match(await twice('/never/fresh/cookie'), /detail=set-cookie/);
  assert.match(await twice('/plain/old/cookie'), /detail=set-cookie/);
  assert.match(await twice('/always/old/cookie'), /^hit/);
});

test('stale responses stand in for errors, and are served while the origin is asked', async () => {
  const last = async (path: string) => {
    await curl(`${sluice.httpUrl}${path}`);
    return (await curl(`${sluice.httpUrl}${path}`)).status;
  };
  assert.equal(await last('/plain/stale/old/fails'), 500);
  assert.equal(await last('/stale-if-error/stale/old/fails'), 200);
  assert.doesNotMatch(await twice('/plain/stale/old'), /^hit; ttl=-/);
  assert.match(await twice('/stale-while/stale/old'), /^hit; ttl=-/);
  await until(() => origin.asked('/stale-while/stale/old').length === 2, 'the revalidation');
});

test('what clients and targeted fields say counts as far as is said', async () => {
  const noCache = ['-H', 'Cache-Control: no-cache'];
  assert.match(await twice('/plain/fresh/asked', ...noCache), /fwd=request/);
  assert.match(await twice('/deaf/fresh/asked', ...noCache), /^hit/);
  assert.match(await twice('/plain/stale/edge'), /fwd=/);
  near(ttlOf(await twice('/targeted/stale/edge')), 600);
});

test('parts are stored, or not, or in slices', async () => {
  const range = ['-r', '10-19'];
  assert.match(await twice('/plain/fresh/part', ...range), /^hit/);
  assert.match(await twice('/whole/fresh/part', ...range), /detail=partial-not-combinable/);
  const slice = await curl(`${sluice.httpUrl}/slices/fresh/part`, ...range);
  assert.equal(slice.content, content.slice(10, 20));
  // The client had enough before the slice had all of its bytes.
  const isHit = async () => /^hit/.test(await statusOf('/slices/fresh/part', '-r', '30000-30009'));
  await until(isHit, 'another part of the slice to be a hit');
  const [seen] = origin.asked('/slices/fresh/part');
  assert.equal(seen?.headers.range, 'bytes=0-65535');
});

test('a stored language stands for a requested one, or does not', async () => {
  const inGerman = (path: string, languages: string) =>
    statusOf(path, '-H', `Accept-Language: ${languages}`);
  for (const [path, expected] of [
    ['/plain/fresh/tongue', /^hit/],
    ['/languages/fresh/tongue', /fwd=vary-miss/],
  ] as const) {
    await inGerman(path, 'de');
    assert.match(await inGerman(path, 'de, en;q=0.5'), expected, path);
  }
});

test('what is pinned is served like anything else', async () => {
  assert.match(await twice('/pinned/fresh'), /^hit/);
});
