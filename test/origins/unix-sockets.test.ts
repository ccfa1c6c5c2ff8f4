import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { join } from 'node:path';
import test from 'node:test';
import { defaultGroupOptions } from '../../src/upstream/options.ts';
import { authorityOf, serverNames } from '../../src/upstream/server-names.ts';
import { serverAt, startGroup } from '../support/origin-group.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { until } from '../support/waiting.ts';

const statuses = [[200, 399]] as const;
const healthCheck = { intervalMs: 50, timeoutMs: 5_000, path: '/ok', host: '', statuses };

test('an origin on a UNIX socket is asked, checked and counted under its path', async () => {
  const path = join(temporaryDirectory(), 'app.sock');
  const checked: (string | undefined)[] = [];
  const origin = createServer((request, response) => {
    if (request.url === '/ok') checked.push(request.headers.host);
    response.end(`${request.method} ${request.url} for ${request.headers.host}`);
  });
  origin.listen(path);
  await once(origin, 'listening');
  const server = serverAt(0, { host: `unix:${path}` });
  assert.deepEqual(serverNames([server, server]), [`unix:${path}`, `unix:${path}#2`]);
  assert.equal(authorityOf(server), 'localhost');
  await using asked = startGroup([server], { healthCheck: { ...healthCheck, rise: 1, fall: 1 } });
  try {
    for (let i = 0; i < 3; i++) {
      const { status, content } = await asked.ask({ path: '/page' });
      assert.deepEqual([status, content], [200, 'GET /page for a.example']);
    }
    assert.equal(asked.sum('sluice_origin_server_requests_total', `unix:${path}`), 3);
    await until(
      () => checked.length > 0,
      () => 'a health check',
    );
    assert.equal(checked[0], 'localhost');
  } finally {
    origin.close();
    origin.closeAllConnections();
  }
});

test('a socket that nobody listens at is an origin that is down', async () => {
  const server = serverAt(0, { host: `unix:${join(temporaryDirectory(), 'none.sock')}` });
  await using asked = startGroup([server], {
    retries: { ...defaultGroupOptions.retries, retriesMax: 0 },
  });
  const { status, error } = await asked.ask();
  assert.equal(status, 0);
  assert.match(error, /^connection-(refused|failed)$/);
});
