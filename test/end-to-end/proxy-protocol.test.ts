import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { after } from 'node:test';
import { V2_SIGNATURE } from '../../src/transport/proxy-protocol.ts';
import { curl } from '../support/curl.ts';
import { startOrigin } from '../support/origins.ts';
import { ended, start, unlessInstalled } from '../support/programs.ts';
import { RawConnection } from '../support/raw-connection.ts';
import { startSluice } from '../support/sluice.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { freePort, until } from '../support/waiting.ts';

const origin = await startOrigin((request, response) => {
  response.end(`for ${request.headers['x-forwarded-for']}`);
});
const sluice = await startSluice({
  origin: origin.url,
  flags: ['--proxy-protocol-from', '127.0.0.0/8'],
});
after(async () => {
  await sluice[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
});

const GET = 'GET / HTTP/1.1\r\nHost: a.example\r\n\r\n';
const refusedWith = (code: string) => sluice.sum('sluice_messages_refused_total', { code });

function v2(source: readonly number[], port: number): Buffer {
  const rest = Buffer.from([0x21, 0x11, 0, 12, ...source, 127, 0, 0, 1, 0, 0, 0, 80]);
  rest.writeUInt16BE(port, 12);
  return Buffer.concat([V2_SIGNATURE, rest]);
}

test('the origin hears of the client that the header names, over TLS and without', async () => {
  const plain = await curl(sluice.httpUrl, '--haproxy-protocol');
  assert.match(plain.content, /^for 127\.0\.0\.1\b/);
  const { socket } = await RawConnection.open(sluice.httpsPort);
  socket.write('PROXY TCP6 2001:db8::7 ::1 5000 443\r\n');
  socket.removeAllListeners('data');
  const secure = await RawConnection.openTls(sluice.httpsPort, { socket });
  secure.send(GET);
  assert.match((await secure.response()).content.toString(), /^for "?\[?2001:db8::7\b/);
  socket.destroy();
});

test('a binary header, cut into single bytes, is read as well', async () => {
  using connection = await RawConnection.open(sluice.httpPort);
  for (const byte of v2([192, 0, 2, 8], 5_555)) {
    connection.socket.write(Buffer.from([byte]));
    await new Promise(setImmediate);
  }
  connection.send(GET);
  assert.match((await connection.response()).content.toString(), /^for 192\.0\.2\.8\b/);
  connection.send(GET);
  assert.match(
    (await connection.response()).content.toString(),
    /192\.0\.2\.8/,
    'and for every request',
  );
});

test('a header and a request in one packet are told apart', async () => {
  using connection = await RawConnection.open(sluice.httpPort);
  const header = 'PROXY TCP4 192.0.2.9 127.0.0.1 5000 80\r\n';
  connection.send(`${header}${GET}`);
  assert.match((await connection.response()).content.toString(), /^for 192\.0\.2\.9\b/);
});

const refused: Record<string, string> = {
  'proxy-header-missing': GET,
  'proxy-header-invalid': `PROXY TCP4 192.0.2.1 127.0.0.1 1 x\r\n${GET}`,
};

for (const [code, text] of Object.entries(refused)) {
  test(`a connection with ${code} is closed, and counted`, async () => {
    const before = await refusedWith(code);
    using connection = await RawConnection.open(sluice.httpPort);
    connection.send(text);
    await until(() => connection.isEnded, 'the close');
    assert.equal(connection.unread, '');
    await until(async () => (await refusedWith(code)) === before + 1, 'the count');
  });
}

test('who is not named may not connect, nor speak for others', async () => {
  await using strict = await startSluice({
    origin: origin.url,
    flags: ['--proxy-protocol-from', '192.0.2.0/24'],
  });
  using connection = await RawConnection.open(strict.httpPort);
  connection.send(`PROXY TCP4 192.0.2.9 127.0.0.1 5000 80\r\n${GET}`);
  await until(() => connection.isEnded, 'the close');
  assert.equal(connection.unread, '');
});

test('HAProxy in front passes its clients on, version 1 and 2', {
  skip: unlessInstalled('haproxy'),
}, async () => {
  for (const send of ['send-proxy', 'send-proxy-v2']) {
    const port = await freePort();
    const file = join(temporaryDirectory(), 'haproxy.cfg');
    const lines = ['defaults', ' timeout connect 5s', ' timeout client 5s', ' timeout server 5s'];
    lines.push('listen front', ` bind 127.0.0.1:${port}`, ' mode tcp');
    lines.push(` server sluice 127.0.0.1:${sluice.httpPort} ${send}`, '');
    writeFileSync(file, lines.join('\n'));
    const haproxy = start('haproxy', ['-db', '-f', file], { stdio: 'ignore' });
    try {
      const url = `http://127.0.0.1:${port}/`;
      const answer = await until(() => curl(url).catch(() => false as const), 'HAProxy to serve');
      assert.match(answer.content, /^for 127\.0\.0\.1/);
    } finally {
      haproxy.kill('SIGKILL');
      await ended(haproxy);
    }
  }
});
