import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import { curl } from '../support/curl.ts';
import { Http2Client } from '../support/http2-client.ts';
import { type Origin, startOrigin } from '../support/origins.ts';
import { RawConnection } from '../support/raw-connection.ts';
import { startConfigured } from '../support/routes.ts';
import type { RunningSluice } from '../support/sluice.ts';
import { until } from '../support/waiting.ts';

let origin: Origin;
let sluice: RunningSluice;

// One request in a hundred seconds: however slow the machine, no bucket fills while a test runs.
const slow = { 'requests-per-second': 0.01 };

before(async () => {
  origin = await startOrigin((_request, response) => {
    response.setHeader('cache-control', 'max-age=600');
    response.end('content');
  });
  const routes = [
    { match: { 'path-prefix': '/few' }, 'rate-limit': { ...slow, burst: 3 } },
    {
      match: { 'path-prefix': '/keyed' },
      'rate-limit': { ...slow, burst: 0, key: 'header:X-Key' },
    },
    { match: { 'path-prefix': '/apart' }, 'rate-limit': { ...slow, burst: 0 } },
    {},
  ];
  const file = { origin: origin.url, routes: routes.map((one) => ({ origin: 'default', ...one })) };
  sluice = await startConfigured({ file, workers: 2 });
});

after(async () => {
  await sluice[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
});

const get = (path: string, ...words: string[]) => curl(`${sluice.httpUrl}${path}`, ...words);

test('a client gets its burst, over all workers and protocols and from the cache, then 429', async () => {
  const statuses: number[] = [];
  // Each on a connection of its own, which the kernel gives to either worker.
  for (let i = 0; i < 12; i++) statuses.push((await get('/few')).status);
  assert.deepEqual(
    statuses.filter((status) => status === 200),
    [200, 200, 200, 200],
  );
  assert.ok(statuses.slice(4).every((status) => status === 429));
  using client = await Http2Client.open(sluice.httpsUrl);
  const refused = await client.get('/few');
  assert.equal(refused.status, 429);
  const wait = Number(refused.fields['retry-after']);
  assert.ok(wait > 0 && wait <= 100, `Retry-After: ${wait}`);
  assert.match(String(refused.fields['proxy-status']), /http_request_denied/);
  assert.equal((await get('/other')).status, 200, 'other routes are not limited');
});

test('clients can be told apart by a field', async () => {
  const statusFor = async (key: string) => (await get('/keyed', '-H', `X-Key: ${key}`)).status;
  assert.equal(await statusFor('a'), 200);
  assert.equal(await statusFor('b'), 200);
  assert.equal(await statusFor('a'), 429);
});

test('each route counts for itself', async () => {
  assert.equal((await get('/apart')).status, 200);
  assert.equal((await get('/apart')).status, 429);
});

test('a replaced worker goes on counting where the old one was', async () => {
  assert.equal((await get('/apart')).status, 429);
  const [pid] = await sluice.workerPids();
  process.kill(pid!, 'SIGKILL');
  await until(async () => {
    const { workers } = await sluice.stats();
    return workers.every((worker) => worker.pid !== pid && worker.state === 'running');
  }, 'a replacement');
  for (let i = 0; i < 6; i++) assert.equal((await get('/apart')).status, 429);
});

test('a listener lets each client have so many connections', async () => {
  const listeners = [
    { address: '127.0.0.1:0', protocol: 'http', 'connections-per-client': 2 },
    { address: '127.0.0.1:0', protocol: 'https' },
  ];
  const file = { origin: origin.url, listeners };
  await using limited = await startConfigured({ file, listensByFile: true });
  const first = await RawConnection.open(limited.httpPort);
  const second = await RawConnection.open(limited.httpPort);
  const answered = async (connection: RawConnection) =>
    (await connection.request('GET / HTTP/1.1\r\nHost: a\r\n\r\n')).status;
  assert.deepEqual([await answered(first), await answered(second)], [200, 200]);
  const third = await RawConnection.open(limited.httpPort);
  await until(() => third.isEnded, 'the third to be closed');
  assert.equal(await limited.sum('sluice_connections_refused_total'), 1);
  first.end();
  await until(
    async () => (await limited.sum('sluice_connections_open')) === 1,
    'the first to have gone',
  );
  using fourth = await RawConnection.open(limited.httpPort);
  assert.equal(await answered(fourth), 200);
  second.end();
});
