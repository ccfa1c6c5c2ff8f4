import assert from 'node:assert/strict';
import test, { after } from 'node:test';
import { curl } from '../support/curl.ts';
import { startOrigin } from '../support/origins.ts';
import { run, unlessInstalled } from '../support/programs.ts';
import { RawConnection } from '../support/raw-connection.ts';
import { startSluice } from '../support/sluice.ts';
import { until } from '../support/waiting.ts';

const origin = await startOrigin((request, response, seen) => {
  request.on('end', () => response.end(`${request.method} ${seen.contentBytes}`)).resume();
});
const sluice = await startSluice({ origin: origin.url, flags: ['--http2-cleartext', 'on'] });
after(async () => {
  await sluice[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
});

const byVersion = (version: string) => sluice.sum('sluice_requests_by_version_total', { version });

test('curl speaks HTTP/2 without TLS by prior knowledge, and HTTP/1.1 beside it', async () => {
  const before = await byVersion('2');
  const content = ['--data-binary', 'x'.repeat(50_000)];
  const answer = await curl(sluice.httpUrl, '--http2-prior-knowledge', ...content);
  assert.deepEqual([answer.status, answer.content], [200, 'POST 50000']);
  assert.equal((await curl(sluice.httpUrl, '--http1.1')).content, 'GET 0');
  await until(async () => (await byVersion('2')) === before + 1, 'one HTTP/2 request');
});

test('the upgrade from HTTP/1.1 is not offered: the request is answered as it is', async () => {
  const answer = await curl(sluice.httpUrl, '--http2');
  assert.deepEqual([answer.status, answer.content], [200, 'GET 0']);
  assert.equal(answer.fields.get('upgrade'), undefined);
});

test('h2load opens many streams without TLS', { skip: unlessInstalled('h2load') }, async () => {
  const words = ['-n', '500', '-c', '4', '-m', '16', '-p', 'h2c', `${sluice.httpUrl}/`];
  const { text } = await run('h2load', words);
  assert.match(text, /500 succeeded, 0 failed/);
});

test('a preface that comes byte by byte is recognised, and its like is not', async () => {
  using http2 = await RawConnection.open(sluice.httpPort);
  const settings = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]).toString('latin1');
  for (const byte of `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${settings}`) {
    http2.send(byte);
    await new Promise(setImmediate);
  }
  await until(() => http2.unread.length >= 9, 'our SETTINGS');
  assert.equal(http2.unread.charCodeAt(3), 4, 'the first frame is SETTINGS (RFC 9113 §3.4)');
  using http1 = await RawConnection.open(sluice.httpPort);
  http1.send('P');
  await new Promise(setImmediate);
  http1.send('OST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n');
  assert.equal((await http1.response()).content, 'POST 0');
});

test('without the option the preface is a bad request', async () => {
  await using off = await startSluice({ origin: origin.url });
  using connection = await RawConnection.open(off.httpPort);
  connection.send('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
  await until(() => connection.isEnded, 'the close');
  assert.match(connection.unread, /^HTTP\/1\.1 (?:400|505) /);
});
