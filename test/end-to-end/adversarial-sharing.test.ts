import assert from 'node:assert/strict';
import test from 'node:test';
import { type Origin, startOrigin } from '../support/origins.ts';
import { RawConnection } from '../support/raw-connection.ts';
import { startSluice } from '../support/sluice.ts';
import { until } from '../support/waiting.ts';

/** Says whose request it was; waits with the answers of `/held…` until the test lets them go. */
const held: (() => void)[] = [];
const origin: Origin = await startOrigin((request, response) => {
  const cacheControl = new URL(request.url!, origin.url).searchParams.get('cc');
  if (cacheControl !== null) response.setHeader('Cache-Control', cacheControl);
  response.setHeader('ETag', '"same"');
  let content = '';
  request.setEncoding('latin1').on('data', (text: string) => {
    content += text;
  });
  request.on('end', () => {
    const answer = () => response.end(`for ${request.headers.cookie ?? 'nobody'}${content}`);
    if (request.url!.startsWith('/held')) held.push(answer);
    else answer();
  });
});
const sluice = await startSluice({ origin: origin.url });
test.after(async () => {
  await sluice[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
});

/** RFC 9111 §4: without validation only what is fresh may answer another request. */
for (const cc of [null, 'no-cache', 'max-age=0, must-revalidate', 'public, max-age=0']) {
  test(`who waits for another’s answer does not get it when it must be validated: ${cc}`, async () => {
    const path = `/held${cc === null ? '' : `?${new URLSearchParams({ cc })}`}`;
    using alice = await RawConnection.open(sluice.httpPort);
    using bob = await RawConnection.open(sluice.httpPort);
    const get = (name: string) => `GET ${path} HTTP/1.1\r\nHost: a\r\nCookie: ${name}\r\n\r\n`;
    alice.send(get('alice'));
    await until(() => held.length === 1, 'the first request');
    bob.send(get('bob'));
    // An answer on the same loop, asked for after the second request: that one waits by now.
    using third = await RawConnection.open(sluice.httpPort);
    await third.request('GET /other HTTP/1.1\r\nHost: a\r\n\r\n');
    held.shift()!();
    assert.equal((await alice.response()).content, 'for alice');
    await until(() => held.length === 1, 'the second request');
    held.shift()!();
    assert.equal((await bob.response()).content, 'for bob');
  });
}

test('content of a GET does not change what others get (RFC 9110 §9.3.1)', async () => {
  const path = `/fat?${new URLSearchParams({ cc: 'max-age=60' })}`;
  using connection = await RawConnection.open(sluice.httpPort);
  const get = (more: string) => `GET ${path} HTTP/1.1\r\nHost: a\r\n${more}`;
  const fat = await connection.request(get('Content-Length: 5\r\n\r\n evil'));
  assert.equal(fat.content, 'for nobody evil');
  assert.equal((await connection.request(get('\r\n'))).content, 'for nobody');
});

test('what was asked for before a POST succeeded is not stored after it (RFC 9111 §4.4)', async () => {
  const path = `/held-by-post?${new URLSearchParams({ cc: 'max-age=60' })}`;
  using reader = await RawConnection.open(sluice.httpPort);
  using writer = await RawConnection.open(sluice.httpPort);
  reader.send(`GET ${path} HTTP/1.1\r\nHost: a\r\nCookie: before\r\n\r\n`);
  await until(() => held.length === 1, 'the GET');
  writer.send(`POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n`);
  await until(() => held.length === 2, 'the POST');
  held.pop()!();
  await writer.response();
  held.pop()!();
  assert.equal((await reader.response()).content, 'for before');
  writer.send(`GET ${path} HTTP/1.1\r\nHost: a\r\nCookie: after\r\n\r\n`);
  await until(() => held.length === 1, 'the origin to be asked again');
  held.pop()!();
  assert.equal((await writer.response()).content, 'for after');
});
