import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { after } from 'node:test';
import { startOrigin } from '../support/origins.ts';
import { startSluice } from '../support/sluice.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const origin = await startOrigin((request, response) => {
  response.statusCode = 302;
  response.setHeader('Cache-Control', 'max-age=60');
  const isAbsolute = request.url?.startsWith('/absolute') === true;
  response.setHeader('Location', isAbsolute ? `http://${request.headers.host}/login` : '/login');
  response.end();
});
after(() => origin[Symbol.asyncDispose]());

test('redirects of an origin behind a prefix work for its clients, also from the cache', async () => {
  const file = join(temporaryDirectory(), 'sluice.yaml');
  const route = (prefix: string, more: object) => ({
    match: { 'path-prefix': prefix },
    origin: 'app',
    rewrite: { 'strip-prefix': prefix, ...more },
  });
  const configuration = {
    origins: { app: { servers: [origin.url] } },
    routes: [
      route('/own', { host: '${origin}' }),
      route('/as-is', { 'map-location': 'off' }),
      route('/api', {}),
    ],
  };
  writeFileSync(file, JSON.stringify(configuration));
  await using sluice = await startSluice({ flags: ['--config', file] });
  const locationOf = async (path: string) => {
    const response = await fetch(`${sluice.httpUrl}${path}`, { redirect: 'manual' });
    await response.arrayBuffer();
    return response.headers.get('location');
  };
  // Asked for again, they are answered by the cache.
  for (let i = 0; i < 3; i++) {
    assert.equal(await locationOf('/api/x'), '/api/login');
    assert.equal(await locationOf('/api/absolute'), `${sluice.httpUrl}/api/login`);
    assert.equal(await locationOf('/own/absolute'), `${sluice.httpUrl}/own/login`);
    assert.equal(await locationOf('/as-is/x'), '/login');
  }
  assert.equal(await sluice.sum('sluice_requests_total', { cache: 'hit' }), 8);
});

test('redirects of an origin whose URL has a path work, and invalidate what they name', async () => {
  let count = 0;
  await using based = await startOrigin((request, response) => {
    request.resume();
    count++;
    if (request.method === 'POST') response.writeHead(303, { Location: '/base/d/page' }).end();
    else response.writeHead(200, { 'Cache-Control': 'max-age=60' }).end(`${request.url} ${count}`);
  });
  const file = join(temporaryDirectory(), 'sluice.yaml');
  const routes = [
    { match: { 'path-prefix': '/b' }, origin: 'app', rewrite: { 'strip-prefix': '/b' } },
    { origin: 'app' },
  ];
  const origins = { app: { servers: [`${based.url}/base`] } };
  writeFileSync(file, JSON.stringify({ origins, routes }));
  await using sluice = await startSluice({ flags: ['--config', file] });
  const get = async (path: string) => (await fetch(`${sluice.httpUrl}${path}`)).text();
  const post = (path: string) =>
    fetch(`${sluice.httpUrl}${path}`, { method: 'POST', redirect: 'manual' });
  assert.equal((await post('/d/form')).headers.get('location'), '/d/page');
  assert.equal((await post('/b/form')).headers.get('location'), '/b/d/page');
  for (const [page, form] of [
    ['/d/page', '/d/form'],
    ['/b/d/page', '/b/form'],
  ] as const) {
    const before = await get(page);
    assert.match(before, /^\/base\/d\/page /);
    assert.equal(await get(page), before);
    await post(form);
    assert.notEqual(await get(page), before, page);
  }
});
