import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import test, { after, before } from 'node:test';
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib';
import { curl } from '../support/curl.ts';
import { Http2Client } from '../support/http2-client.ts';
import { type Origin, startOrigin } from '../support/origins.ts';
import { RawConnection } from '../support/raw-connection.ts';
import { startConfigured } from '../support/routes.ts';
import type { RunningSluice } from '../support/sluice.ts';
import { until } from '../support/waiting.ts';

let origin: Origin;
let sluice: RunningSluice;

const text = 'To be, or not to be: that is the question.\n'.repeat(500);
const decoders = { gzip: gunzipSync, br: brotliDecompressSync, zstd: zstdDecompressSync };
/** Parts of an open response, which a test sends when it wants to. */
const trickles = new Map<string, { write(text: string): void; end(): void }>();

before(async () => {
  origin = await startOrigin((request, response) => {
    const url = request.url!;
    const fields: Record<string, string> = { 'content-type': 'text/plain' };
    if (url.includes('cached')) fields['cache-control'] = 'max-age=600';
    if (url.includes('stale')) fields['cache-control'] = 'max-age=0';
    if (url.includes('tagged')) fields.etag = '"v1"';
    if (url.includes('transform')) fields['cache-control'] = 'no-transform';
    if (url.includes('image')) fields['content-type'] = 'image/png';
    if (url.includes('events')) fields['content-type'] = 'text/event-stream';
    if (url.includes('encoded')) fields['content-encoding'] = 'deflate';
    if (url.includes('ranges')) fields['accept-ranges'] = 'bytes';
    const tag = request.headers['if-none-match'];
    if (url.includes('tagged') && tag?.replace('W/', '').includes('"v1"')) {
      response.writeHead(304, fields).end();
      return;
    }
    if (url.includes('trickle')) {
      response.writeHead(200, fields);
      response.flushHeaders();
      trickles.set(url, response);
      return;
    }
    const content = url.includes('small') ? 'small' : url.includes('big') ? big : text;
    if (!url.includes('chunked')) fields['content-length'] = String(Buffer.byteLength(content));
    response.writeHead(200, fields);
    response.end(content);
  });
  const image = { encodings: ['gzip'], 'min-size': 10, types: ['image/*'] };
  const routes = [
    { match: { 'path-prefix': '/narrow' }, compression: image },
    { match: { 'path-prefix': '/plain' } },
    { match: { 'path-prefix': '/events' }, compression: { types: ['text/event-stream'] } },
    { compression: 'on' },
  ];
  const file = { origin: origin.url, routes: routes.map((one) => ({ origin: 'default', ...one })) };
  sluice = await startConfigured({ file });
});

const big = randomBytes(3_000_000).toString('base64');

after(async () => {
  await sluice[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
});

/** The response as it came, with its content as bytes. */
async function get(path: string, accept: string | null, ...words: string[]) {
  const field = accept === null ? [] : ['-H', `Accept-Encoding: ${accept}`];
  const response = await curl(`${sluice.httpUrl}${path}`, ...field, ...words);
  return { ...response, bytes: Buffer.from(response.content, 'latin1') };
}

for (const coding of ['gzip', 'br', 'zstd'] as const) {
  test(`${coding}: made on the way in, stored, and served as it is to the next`, async () => {
    const path = `/cached/tagged/${coding}`;
    const first = await get(path, coding);
    assert.equal(first.fields.get('content-encoding'), coding);
    assert.equal(first.fields.get('vary'), 'accept-encoding');
    assert.equal(first.fields.get('etag'), 'W/"v1"');
    assert.ok(first.bytes.length < text.length / 5);
    assert.equal(decoders[coding](first.bytes).toString(), text);
    const second = await get(path, `${coding}, deflate;q=0.3`);
    assert.match(second.fields.get('cache-status')!, /sluice; hit/);
    assert.equal(second.fields.get('content-length'), String(first.bytes.length));
    assert.ok(second.bytes.equals(first.bytes));
    const head = await get(path, coding, '--head');
    assert.equal(head.fields.get('content-encoding'), coding);
    assert.equal(origin.asked(path).length, 1);
  });
}

test('each coding is a stored response of its own, and who takes none gets none', async () => {
  const path = '/cached/variants';
  for (const round of ['stored', 'hit']) {
    for (const accept of ['gzip', 'br', 'zstd', null, 'deflate']) {
      const response = await get(path, accept);
      const coding = accept === 'deflate' || accept === null ? undefined : accept;
      assert.equal(response.fields.get('content-encoding'), coding, `${accept} ${round}`);
      assert.equal(response.fields.get('vary'), 'accept-encoding');
      if (coding === undefined) assert.equal(response.content, text);
      if (round === 'hit') assert.match(response.fields.get('cache-status')!, /hit/);
    }
  }
  assert.equal(origin.asked(path).length, 4);
});

test('the client’s weights decide, and the configured order among equals', async () => {
  const codingFor = async (accept: string) =>
    (await get('/weights', accept)).fields.get('content-encoding');
  assert.equal(await codingFor('gzip, br, zstd'), 'zstd');
  assert.equal(await codingFor('gzip;q=1, br;q=0.5'), 'gzip');
  assert.equal(await codingFor('br;q=0, *;q=0.1'), 'zstd');
  assert.equal(await codingFor('identity, gzip;q=0.5'), undefined);
});

test('what must not or need not be compressed is left as it is', async () => {
  for (const path of ['/small', '/image', '/transform', '/encoded', '/plain']) {
    const response = await get(path, 'br');
    const expected = path.endsWith('encoded') ? 'deflate' : undefined;
    assert.equal(response.fields.get('content-encoding'), expected, path);
    assert.equal(response.fields.get('vary'), undefined, path);
  }
  const narrow = await get('/narrow/image', 'br, gzip');
  assert.equal(narrow.fields.get('content-encoding'), 'gzip');
  assert.equal(gunzipSync(narrow.bytes).toString(), text);
  assert.equal((await get('/narrow', 'gzip')).fields.get('content-encoding'), undefined);
});

test('over HTTP/2, and content far larger than any buffer', async () => {
  using client = await Http2Client.open(sluice.httpsUrl);
  const answer = await client.get('/big/cached', { 'accept-encoding': 'br' });
  assert.equal(answer.fields['content-encoding'], 'br');
  const bytes = Buffer.from(answer.content, 'latin1');
  assert.ok(brotliDecompressSync(bytes).toString() === big);
  const again = await client.get('/big/cached', { 'accept-encoding': 'br' });
  assert.ok(Buffer.from(again.content, 'latin1').equals(bytes));
  assert.equal(origin.asked('/big/cached').length, 1);
});

test('many at once, each with all of its content', async () => {
  const answers = await Promise.all(
    Array.from({ length: 100 }, (_, i) => get(`/chunked/${i}`, 'gzip')),
  );
  for (const { bytes, fields } of answers) {
    // Beyond the compressors that there may be at once, content is sent as it is.
    const content = fields.get('content-encoding') === 'gzip' ? gunzipSync(bytes) : bytes;
    assert.equal(content.toString(), text);
  }
});

test('parts are of the plain content; a part of compressed content is not continued', async () => {
  const part = await get('/ranges/cached/tagged', 'br', '-r', '0-4');
  await get('/ranges/cached/tagged', 'br');
  assert.equal(part.fields.get('content-encoding'), undefined);
  const resumed = await get('/ranges/cached/tagged', 'br', '-r', '5-', '-H', 'If-Range: W/"v1"');
  assert.equal(resumed.status, 200);
  assert.equal(brotliDecompressSync(resumed.bytes).toString(), text);
  assert.equal(resumed.fields.get('accept-ranges'), undefined);
});

test('a client’s weak tag is confirmed from the cache and by the origin', async () => {
  const confirmed = (path: string) => get(path, 'br', '-H', 'If-None-Match: W/"v1"');
  await get('/cached/tagged/confirm', 'br');
  assert.equal((await confirmed('/cached/tagged/confirm')).status, 304);
  assert.equal(origin.asked('/cached/tagged/confirm').length, 1);
  const unstored = await confirmed('/tagged/unstored');
  assert.equal(unstored.status, 304);
  assert.equal(unstored.fields.get('etag'), 'W/"v1"');
});

test('a stale compressed response is confirmed, not made again', async () => {
  const first = await get('/stale/tagged', 'br');
  const second = await get('/stale/tagged', 'br');
  assert.match(second.fields.get('cache-status')!, /fwd-status=304/);
  assert.equal(second.fields.get('content-encoding'), 'br');
  assert.equal(second.fields.get('etag'), 'W/"v1"');
  assert.ok(second.bytes.equals(first.bytes));
  const plain = await get('/stale/tagged', null);
  assert.equal(plain.content, text);
  assert.equal(plain.fields.get('etag'), '"v1"');
});

test('content that trickles reaches the client before its end; events at once', async () => {
  for (const path of ['/trickle', '/events/trickle']) {
    using connection = await RawConnection.open(sluice.httpPort);
    connection.send(`GET ${path} HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n`);
    const response = await until(() => trickles.get(path), 'the origin to be asked');
    response.write('first part');
    await until(() => connection.unread.includes('content-encoding: gzip'), 'the head');
    const length = () => connection.unread.length;
    await until(() => length() - connection.unread.indexOf('\r\n\r\n') > 20, 'the first part');
    const before = length();
    response.write('second part');
    await until(() => length() > before + 5, 'the second part');
    response.end();
    await until(() => connection.unread.endsWith('0\r\n\r\n'), 'the end');
  }
});

test('a client that goes away in the middle leaves nothing behind', async () => {
  using connection = await RawConnection.open(sluice.httpPort);
  connection.send('GET /big/gone HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n');
  await until(() => connection.unread.includes('content-encoding: gzip'), 'the head');
  connection.socket.destroy();
  const after = await get('/after', 'gzip');
  assert.equal(gunzipSync(after.bytes).toString(), text);
});
