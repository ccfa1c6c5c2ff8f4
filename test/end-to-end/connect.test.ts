import assert from 'node:assert/strict';
import { connect as connectHttp2 } from 'node:http2';
import { createServer, type Socket } from 'node:net';
import test, { after } from 'node:test';
import { startOrigin } from '../support/origins.ts';
import { run } from '../support/programs.ts';
import { RawConnection } from '../support/raw-connection.ts';
import { startSluiceWith } from '../support/sluice-file.ts';
import { until } from '../support/waiting.ts';

const origin = await startOrigin((_request, response) => response.end('through the tunnel'));
const echo = createServer({ allowHalfOpen: true }, (socket: Socket) => socket.pipe(socket));
await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve));
const echoPort = (echo.address() as { port: number }).port;
const originPort = Number(new URL(origin.url).port);

const sluice = await startSluiceWith({
  origin: origin.url,
  'log-format': 'json',
  'access-log': '-',
  connect: { from: ['127.0.0.0/8'], ports: [echoPort, originPort], to: ['127.0.0.1'] },
});
after(async () => {
  await sluice[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
  echo.close();
});

const asks = (target: string) => `CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`;

test('curl reaches a server through a tunnel, over TLS to us and without', async () => {
  for (const proxy of [sluice.httpUrl, sluice.httpsUrl]) {
    const words = ['-sS', '--proxy', proxy, '--proxy-insecure', '--proxytunnel', origin.url];
    const { code, text, stderr } = await run('curl', words);
    assert.equal(code, 0, stderr);
    assert.equal(text, 'through the tunnel');
  }
});

test('bytes go both ways, sent before the answer too, and each end is passed on', async () => {
  using client = await RawConnection.open(sluice.httpPort);
  client.send(`${asks(`127.0.0.1:${echoPort}`)}early `);
  await until(() => client.unread.includes('\r\n\r\n'), 'the answer');
  assert.match(client.unread, /^HTTP\/1\.1 200 /);
  assert.doesNotMatch(client.unread, /content-length|transfer-encoding/i, 'RFC 9110 §9.3.6');
  const big = 'x'.repeat(3_000_000);
  client.send(big).end();
  await until(() => client.isEnded, 'the end');
  assert.ok(client.unread.endsWith(`\r\n\r\nearly ${big}`));
  const line = await until(
    () =>
      sluice.output
        .split('\n')
        .slice(0, -1)
        .find((one) => one.includes(`"authority":"127.0.0.1:${echoPort}"`)),
    'its log line',
  );
  assert.match(line, /"method":"CONNECT".*"status":200/);
});

test('a stream of HTTP/2 becomes a tunnel', async () => {
  const session = connectHttp2(sluice.httpsUrl, { rejectUnauthorized: false });
  try {
    const stream = session.request({
      ':method': 'CONNECT',
      ':authority': `127.0.0.1:${echoPort}`,
    });
    let text = '';
    let status = 0;
    stream.on('response', (fields) => {
      status = fields[':status']!;
    });
    stream.setEncoding('latin1').on('data', (part: string) => {
      text += part;
    });
    stream.end('hello');
    await new Promise((resolve, reject) => stream.on('end', resolve).on('error', reject));
    assert.deepEqual([status, text], [200, 'hello']);
  } finally {
    session.destroy();
  }
});

const refused: Record<string, readonly [string, number, RegExp]> = {
  'a port that is not listed': ['127.0.0.1:1', 403, /destination_ip_prohibited/],
  'an address of a private network': [`10.0.0.1:${'{port}'}`, 403, /may not lead/],
  'the address of the cloud’s metadata': ['169.254.169.254:{port}', 403, /may not lead/],
  'loopback under its other names': ['[::1]:{port}', 403, /may not lead/],
  'an IPv4 address inside an IPv6 one': ['[::ffff:10.0.0.1]:{port}', 403, /may not lead/],
  'a name that resolves to nothing': ['nowhere.invalid:{port}', 502, /dns_error/],
};

for (const [name, [target, status, words]] of Object.entries(refused)) {
  test(`no tunnel leads to ${name}`, async () => {
    using client = await RawConnection.open(sluice.httpPort);
    client.send(asks(target.replace('{port}', String(echoPort))));
    const response = await client.response();
    assert.equal(response.status, status);
    assert.match(response.fields.get('proxy-status')!, words);
  });
}

test('an address with a zone is nowhere, and ends no worker', async () => {
  const pids = await sluice.workerPids();
  const session = connectHttp2(sluice.httpsUrl, { rejectUnauthorized: false });
  try {
    for (const host of ['2606:4700::1111%lo', '::ffff:8.8.8.8%25lo', 'fe80::1%1', '::1%lo']) {
      const authority = `[${host}]:${echoPort}`;
      const stream = session.request({ ':method': 'CONNECT', ':authority': authority });
      const status = await new Promise((resolve) => {
        stream.on('response', (fields) => resolve(fields[':status']));
        stream.on('error', () => resolve(400));
        stream.on('close', () => resolve(400));
      });
      assert.ok([400, 403].includes(status as number), `${authority}: ${status}`);
    }
  } finally {
    session.destroy();
  }
  assert.deepEqual(await sluice.workerPids(), pids);
});

test('without the section CONNECT gets 405, and from elsewhere 403', async () => {
  await using off = await startSluiceWith({ origin: origin.url });
  using plain = await RawConnection.open(off.httpPort);
  plain.send(asks(`127.0.0.1:${echoPort}`));
  assert.equal((await plain.response()).status, 405);
  await using far = await startSluiceWith({
    origin: origin.url,
    connect: { from: ['192.0.2.0/24'], ports: [echoPort], to: ['127.0.0.1'] },
  });
  using stranger = await RawConnection.open(far.httpPort);
  stranger.send(asks(`127.0.0.1:${echoPort}`));
  assert.equal((await stranger.response()).status, 403);
});
