import assert from 'node:assert/strict';
import test from 'node:test';
import { type OriginHandler, startOrigin } from '../support/origins.ts';
import { RawConnection } from '../support/raw-connection.ts';
import { startSluice } from '../support/sluice.ts';
import { until } from '../support/waiting.ts';

/** Responses that wait until the test lets them go, by target. */
const held = new Map<string, () => void>();
const handler: OriginHandler = (request, response) => {
  request.resume();
  const serial = origin.seen.length;
  const answer = () => {
    response.setHeader('Cache-Control', 'max-age=60');
    response.end(`content ${serial}`);
  };
  if (request.headers['x-hold'] === undefined) answer();
  else held.set(request.url!, answer);
};
const origin = await startOrigin(handler);
const sluice = await startSluice({ origin: origin.url });
test.after(async () => {
  await sluice[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
});

async function ask(head: string): Promise<{ content: string; cacheStatus: string }> {
  using connection = await RawConnection.open(sluice.httpPort);
  connection.send(`${head}Host: a.example\r\n\r\n`);
  const { fields, content } = await connection.response();
  return { content: content.toString(), cacheStatus: fields.get('cache-status') ?? '' };
}

for (const [field, path] of [
  ['Cache-Control: no-cache', '/no-cache'],
  ['Range: bytes=0-999', '/range'],
] as const) {
  test(`what was asked for with ${field} before an unsafe request is not stored after it`, async () => {
    const slow = ask(`GET ${path} HTTP/1.1\r\n${field}\r\nX-Hold: 1\r\n`);
    const letGo = await until(() => held.get(path), 'the origin to be asked');
    await ask(`POST ${path} HTTP/1.1\r\nContent-Length: 0\r\n`);
    letGo();
    const { content } = await slow;
    const later = await ask(`GET ${path} HTTP/1.1\r\n`);
    assert.match(later.cacheStatus, /fwd=uri-miss/);
    assert.notEqual(later.content, content);
    assert.match((await ask(`GET ${path} HTTP/1.1\r\n`)).cacheStatus, /^sluice; hit/);
  });
}

test('who leaves a response too large to keep does not break it off for others', async () => {
  const chunk = Buffer.alloc(65_536, 'x');
  const count = 120;
  let sent = 0;
  let next: () => void = () => {};
  await using endless = await startOrigin((_request, response) => {
    response.setHeader('Cache-Control', 'max-age=60');
    next = () => {
      sent++;
      if (sent < count) response.write(chunk);
      else response.end(chunk);
    };
    next();
  });
  // An eighth of 8 MiB may be stored; 7.5 MiB are sent.
  const flags = ['--cache-size', '8MiB'];
  await using small = await startSluice({ origin: endless.url, flags });
  const head = 'GET /large HTTP/1.1\r\nHost: a.example\r\n\r\n';
  const first = await RawConnection.open(small.httpPort);
  first.send(head);
  await until(() => first.unread.includes('\r\n\r\n'), 'the head');
  using second = await RawConnection.open(small.httpPort);
  second.send(head);
  await until(() => second.unread.includes('\r\n\r\n'), 'the head for who joined');
  while (sent < 40) next();
  await until(() => second.unread.length > 20 * 65_536, 'more than may be stored');
  first[Symbol.dispose]();
  while (sent < count) {
    next();
    await until(() => second.unread.length > (sent - 1) * 65_536 || sent < count, 'content');
  }
  const { content } = await second.response();
  assert.equal(content.length, count * 65_536);
  assert.equal(endless.seen.length, 1);
});
