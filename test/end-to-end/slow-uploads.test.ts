import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import test from 'node:test';
import { Http2Client } from '../support/http2-client.ts';
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

/** Each holds a connection to the origin for as long as the client likes. */
const openEnded = {
  'of unknown length':
    'POST /slow HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n',
  'that are long': 'PUT /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nx',
  'that wait for 100 (Continue)':
    'POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n',
  'by GET': 'GET /slow HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n',
  'of protocols that are switched to':
    'GET /slow HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n',
};

for (const [kind, request] of Object.entries(openEnded)) {
  test(`slow uploads ${kind} fill their share of connections-max, and a miss is served`, async () => {
    await using origin = await startOrigin((request, response) => {
      if (request.url !== '/slow') response.end('honest');
    });
    // It answers nothing that has been switched.
    origin.server.on('upgrade', (_request, socket) => {
      socket.on('error', () => {}).on('end', () => socket.destroy());
      socket.resume();
    });
    await using sluice = await startConfigured({
      file: {
        origins: { app: { servers: [origin.url], 'connections-max': 4, 'queued-max': 8 } },
        routes: [{ origin: 'app' }],
      },
    });
    const slow: RawConnection[] = [];
    for (let i = 0; i < 8; i++) {
      slow.push((await RawConnection.open(sluice.httpPort)).send(request));
    }
    const openConnections = () => sluice.sum('sluice_origin_connections_open');
    await until(async () => (await openConnections()) === 3, 'their share to be full');
    for (let i = 0; i < 10; i++) {
      using honest = await RawConnection.open(sluice.httpPort);
      const { status, content } = await honest.request(`GET /${i} HTTP/1.1\r\nHost: a\r\n\r\n`);
      assert.deepEqual([status, content], [200, 'honest']);
    }
    const told = await until(
      () => /.*all 3 connections that uploads and WebSockets may have.*/.exec(sluice.output)?.[0],
      'a line of the log',
    );
    assert.match(
      told,
      /origin app\/127\.0\.0\.1:\d+: .* 5 requests wait .* since \d{4}-\d\d-\d\dT/,
    );
    // When some go, those who wait take their places, and no more than the share.
    for (const { socket } of slow.splice(0, 3)) (socket as Socket).resetAndDestroy();
    await until(async () => (await sluice.sum('sluice_connections_open')) <= 5, 'them to go');
    using honest = await RawConnection.open(sluice.httpPort);
    assert.equal((await honest.request('GET /last HTTP/1.1\r\nHost: a\r\n\r\n')).status, 200);
    for (const connection of slow) connection[Symbol.dispose]();
  });
}

test('an upload that is complete gives its place to the next one while it is being answered', async () => {
  await using origin = await startOrigin((request) => request.resume());
  await using sluice = await startConfigured({
    file: {
      origins: { app: { servers: [origin.url], 'connections-max': 4 } },
      routes: [{ origin: 'app' }],
    },
  });
  const uploads: RawConnection[] = [];
  for (let i = 0; i < 4; i++) {
    const connection = await RawConnection.open(sluice.httpPort);
    const head = `POST /${i} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n`;
    uploads.push(connection.send(`${head}1\r\nx\r\n0\r\n\r\n`));
  }
  await until(() => origin.seen.filter(({ complete }) => complete).length === 4, 'all four');
  for (const connection of uploads) connection[Symbol.dispose]();
});

test('the log tells that connections-max is reached: which origin, how many wait, since when', async () => {
  await using origin = await startOrigin(() => {});
  await using sluice = await startConfigured({
    file: {
      origins: { app: { servers: [origin.url], 'connections-max': 2, 'queued-max': 3 } },
      routes: [{ origin: 'app' }],
    },
  });
  const waiting: RawConnection[] = [];
  for (let i = 0; i < 6; i++) {
    const connection = await RawConnection.open(sluice.httpPort);
    waiting.push(connection.send(`GET /${i} HTTP/1.1\r\nHost: a\r\n\r\n`));
  }
  const pattern = /.*all 2 connections are in use.*/g;
  const [told] = await until(() => sluice.output.match(pattern) ?? false, 'a line of the log');
  assert.match(
    told!,
    /origin app\/127\.0\.0\.1:\d+: .* 3 requests wait and 1 were refused since \d{4}/,
  );
  assert.equal((await waiting.at(-1)!.response()).status, 503);
  for (const connection of waiting) connection[Symbol.dispose]();
});

test('timeouts.tunnel: a WebSocket that nobody uses is closed, and one that is used is not', async () => {
  await using origin = await startOrigin(() => {});
  origin.server.on('upgrade', (_request, socket) => {
    socket.on('error', () => {}).on('end', () => socket.destroy());
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n');
    socket.pipe(socket);
  });
  await using sluice = await startConfigured({
    file: {
      origins: { app: { servers: [origin.url], timeouts: { tunnel: '3s' } } },
      routes: [{ origin: 'app' }],
    },
  });
  const upgrade = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n';
  using used = await RawConnection.open(sluice.httpPort);
  assert.equal((await used.request(upgrade)).status, 101);
  using unused = await RawConnection.open(sluice.httpPort);
  assert.equal((await unused.request(upgrade)).status, 101);
  await until(async () => {
    await used.send('x').until('x');
    return unused.isEnded;
  }, 'the unused one to be closed');
  await used.send('still there').until('still there');
});

for (const [what, pace] of Object.entries({
  'slower than min-rate after its grace': { 'min-rate': 1000, grace: '1s' },
  'that takes longer than total': { 'min-rate': 0, total: '2s' },
})) {
  test(`an upload ${what} gets 408, over HTTP/2 a reset of its stream alone`, async () => {
    await using origin = await startOrigin((request, response) => {
      request.resume().on('end', () => response.end('done'));
    });
    await using sluice = await startConfigured({
      file: {
        timeouts: { 'request-body': pace },
        origins: { app: { servers: [origin.url] } },
        routes: [{ origin: 'app' }],
      },
    });
    using connection = await RawConnection.open(sluice.httpPort);
    connection.send('POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n');
    using client = await Http2Client.open(sluice.httpsUrl);
    const slow = { ':method': 'POST', ':path': '/slow', 'content-length': '60000' };
    const stream = client.begin(slow, false);
    await until(
      () => {
        // Never silent, and never fast.
        if (!connection.isEnded) connection.send('x');
        if (!stream.isClosed) stream.stream.write('x');
        return connection.isEnded && stream.isClosed;
        // Before the default's grace of 20 s would refuse them, too.
      },
      'both to be refused',
      8_000,
    );
    assert.match(connection.unread, /^HTTP\/1\.1 408 /);
    assert.equal(stream.errorCode, 'CANCEL');
    const fast = client.begin({ ':method': 'POST', ':path': '/fast' }, false);
    fast.stream.end('x'.repeat(5_000));
    assert.equal((await fast.answer()).content, 'done');
    assert.equal(origin.asked('/slow').length, 0);
  });
}
