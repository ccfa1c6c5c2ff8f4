import assert from 'node:assert/strict';
import test from 'node:test';
import { startOrigin } from '../support/origins.ts';
import { RawConnection } from '../support/raw-connection.ts';
import { startConfigured } from '../support/routes.ts';
import { until } from '../support/waiting.ts';

test('slow uploads of forms take no connection to the origin: others are served', async () => {
  await using origin = await startOrigin((request, response) => {
    let content = '';
    request.on('data', (bytes) => {
      content += bytes;
    });
    request.on('end', () => response.end(`${request.method} ${content}`));
  });
  await using sluice = await startConfigured({
    file: {
      origins: { app: { servers: [origin.url], 'connections-max': 4, 'queued-max': 2 } },
      routes: [{ origin: 'app' }],
    },
  });
  const slow: RawConnection[] = [];
  for (let i = 0; i < 24; i++) {
    const connection = await RawConnection.open(sluice.httpPort);
    connection.send(`POST /${i} HTTP/1.1\r\nHost: a.example\r\nContent-Length: 4\r\n\r\nx`);
    slow.push(connection);
  }
  for (let i = 0; i < 10; i++) {
    using honest = await RawConnection.open(sluice.httpPort);
    const { status } = await honest.request(`GET /honest/${i} HTTP/1.1\r\nHost: a.example\r\n\r\n`);
    assert.equal(status, 200);
  }
  assert.equal(origin.asked('/honest/*').length, origin.seen.length, 'no slow one is there yet');
  // What has been gathered goes on whole.
  const [first] = slow;
  const { content } = await first!.request('yz!');
  assert.equal(content, 'POST xyz!');
  for (const connection of slow) connection[Symbol.dispose]();
  await until(async () => (await sluice.sum('sluice_connections_open')) === 0, 'all to be gone');
  assert.equal(origin.seen.length, 11);
});
