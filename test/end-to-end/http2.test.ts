import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import test, { after } from 'node:test';
import { curl } from '../support/curl.ts';
import { Http2Client } from '../support/http2-client.ts';
import { startOrigin } from '../support/origins.ts';
import { run, unlessInstalled } from '../support/programs.ts';
import { startSluice } from '../support/sluice.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { inParallel, until, within } from '../support/waiting.ts';

const MIB = 1 << 20;
const directory = temporaryDirectory();

const heldResponses: ServerResponse[] = [];

const origin = await startOrigin((request, response, seen) => {
  const path = request.url!;
  response.setHeader('Cache-Control', path.startsWith('/cached') ? 'max-age=60' : 'no-store');
  if (path.startsWith('/trailers')) {
    response.setHeader('Trailer', 'x-checksum');
    response.write('content');
    response.addTrailers({ 'x-checksum': 'abc' });
    response.end();
  } else if (path.startsWith('/hints')) {
    response.writeEarlyHints({ link: '</style.css>; rel=preload' }, () => response.end('after'));
  } else if (path.startsWith('/big')) {
    response.end(Buffer.alloc(8 * MIB, 'x'));
  } else if (path.startsWith('/slow')) {
    request.on('end', () => setTimeout(() => response.end('late'), 300)).resume();
  } else if (path.startsWith('/held')) {
    heldResponses.push(response);
    response.write('begun');
  } else if (path.startsWith('/echo')) {
    response.flushHeaders();
    request.pipe(response);
  } else {
    if (path.startsWith('/continue')) response.writeContinue();
    request.on('end', () => response.end(`${seen.method} ${path} ${seen.contentBytes}`)).resume();
  }
});
const accessLog = join(directory, 'access.log');
const flags = ['--access-log', accessLog, '--log-format', 'json'];
const sluice = await startSluice({ origin: origin.url, flags });
after(async () => {
  await sluice[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
});

const open = () => Http2Client.open(sluice.httpsUrl);

test('a client that offers h2 gets it, and the log says so', async () => {
  using client = await open();
  const { status, fields, content } = await client.get('/plain');
  assert.deepEqual([status, content], [200, 'GET /plain 0']);
  assert.match(fields.via as string, /sluice/);
  const line = await until(
    () =>
      readFileSync(accessLog, 'utf8')
        .split('\n')
        .slice(0, -1)
        .find((one) => one.includes('"/plain"')),
    'the log line',
  );
  assert.equal(JSON.parse(line).version, '2');
  assert.ok((await sluice.sum('sluice_requests_by_version_total', { version: '2' })) > 0);
});

test('what one connection stored, others hit, over HTTP/1.1 and HTTP/2', async () => {
  using client = await open();
  await client.get('/cached/shared');
  const again = await client.get('/cached/shared');
  assert.match(again.fields['cache-status'] as string, /sluice; hit/);
  assert.match(again.fields.age as string, /^\d+$/);
  const overHttp1 = await curl(`${sluice.httpsUrl}/cached/shared`, '--http1.1');
  assert.match(overHttp1.fields.get('cache-status')!, /sluice; hit/);
  assert.equal(origin.asked('/cached/shared').length, 1);
});

test('a hundred requests at once share one connection and each gets its own answer', async () => {
  using client = await open();
  const before = await sluice.sum('sluice_connections_accepted_total', { listener: 'https' });
  await inParallel(100, 100, async (index) => {
    const { content } = await client.post(`/many/${index}`, 'x'.repeat(index * 100));
    assert.equal(content, `POST /many/${index} ${index * 100}`);
  });
  const now = await sluice.sum('sluice_connections_accepted_total', { listener: 'https' });
  assert.equal(now, before);
});

test('trailers and interim responses reach the client', async () => {
  using client = await open();
  const { content, trailers } = await client.get('/trailers');
  assert.deepEqual([content, trailers['x-checksum']], ['content', 'abc']);
  const hinted = client.begin({ ':path': '/hints' }, true);
  assert.equal((await hinted.answer()).content, 'after');
  assert.deepEqual(hinted.interim, [103]);
});

test('Expect: 100-continue: content is sent after the origin agreed (RFC 9110 §10.1.1)', async () => {
  using client = await open();
  const head = { ':method': 'POST', ':path': '/continue', expect: '100-continue' };
  const waiting = client.begin({ ...head, 'content-length': 4 }, false);
  await within(once(waiting.stream, 'continue'), 'the origin to agree');
  waiting.stream.end('four');
  assert.equal((await waiting.answer()).content, 'POST /continue 4');
});

test('request trailers reach the origin', async () => {
  using client = await open();
  const stream = client.session.request(
    { ':method': 'POST', ':path': '/with-trailers' },
    { waitForTrailers: true },
  );
  stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': '42' }));
  stream.resume();
  stream.end('abc');
  const seen = await until(() => origin.asked('/with-trailers')[0], 'the request');
  await until(() => seen.complete, 'its end');
  assert.equal(seen.trailers['x-sum'], '42');
});

test('content flows both ways at once', async () => {
  using client = await open();
  const echo = client.begin({ ':method': 'POST', ':path': '/echo' }, false);
  await echo.head();
  echo.stream.write('one');
  await echo.until('one');
  echo.stream.write('two');
  await echo.until('onetwo');
  echo.stream.end();
  await echo.answer();
});

test('a response of 8 MiB passes beside small ones', async () => {
  using client = await open();
  const big = client.begin({ ':path': '/big' }, true);
  const small = await client.get('/beside');
  assert.equal(small.status, 200);
  assert.equal((await big.answer()).content.length, 8 * MIB);
});

test('a client that gives a request up ends it at the origin; its other requests go on', async () => {
  using client = await open();
  const held = client.begin({ ':path': '/held' }, true);
  await held.until('begun');
  const other = client.begin({ ':path': '/slow' }, true);
  held.stream.close(8);
  await until(() => heldResponses.every((one) => one.destroyed), 'the origin to hear of it');
  assert.equal((await other.answer()).content, 'late');
});

test('a request for another scheme than the connection’s gets 421', async () => {
  using client = await open();
  const refused = await client.get('/x', { ':scheme': 'http' });
  assert.equal(refused.status, 421);
  assert.ok(Date.parse(String(refused.fields.date)) > 0, 'RFC 9110 §6.6.1');
  assert.equal((await client.get('/x')).status, 200);
});

test('behind the self-signed certificate any host may be asked for', async () => {
  using client = await open();
  assert.equal((await client.get('/x', { ':authority': 'shop.example' })).status, 200);
});

test('on SIGTERM open requests are answered, and the connection ends in order', async () => {
  await using sluice = await startSluice({ origin: origin.url });
  using client = await Http2Client.open(sluice.httpsUrl);
  const open = client.begin({ ':path': '/slow' }, true);
  await until(() => origin.asked('/slow').length > 0, 'the request at the origin');
  const code = sluice.stop();
  assert.equal((await open.answer()).content, 'late');
  assert.equal(await code, 0);
  await until(() => client.isClosed, 'the connection to close');
  assert.ok(client.goaways.every((one) => one === 0));
});

test('curl speaks HTTP/2', { skip: unlessInstalled('curl') }, async () => {
  const { status, content } = await curl(`${sluice.httpsUrl}/curl`, '--http2', '--data', 'abc');
  assert.deepEqual([status, content], [200, 'POST /curl 3']);
});

test('nghttp: several requests at once', { skip: unlessInstalled('nghttp') }, async () => {
  const urls = [1, 2, 3].map((n) => `${sluice.httpsUrl}/nghttp/${n}`);
  const { code, text } = await run('nghttp', ['--no-verify-peer', '--stat', ...urls]);
  assert.equal(code, 0);
  for (const n of [1, 2, 3]) assert.match(text, new RegExp(`GET /nghttp/${n} 0`));
});

test('h2load: thousands of hits without a failure', {
  skip: unlessInstalled('h2load'),
}, async () => {
  const words = ['-n', '5000', '-c', '8', '-m', '32', `${sluice.httpsUrl}/cached/load`];
  const { code, text } = await run('h2load', words);
  assert.equal(code, 0);
  assert.match(text, /5000 succeeded, 0 failed, 0 errored/);
  assert.ok(origin.asked('/cached/load').length <= 2);
});

/** A certificate that an authority has issued, for some names. */
async function issuedCertificate(names: readonly string[]) {
  const file = (name: string) => join(directory, name);
  const openssl = async (...words: string[]) => {
    const { code, stderr } = await run('openssl', words);
    assert.equal(code, 0, stderr);
  };
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  const ca = ['-x509', '-subj', '/CN=Test CA', '-days', '2'];
  await openssl('req', ...key, ...ca, '-keyout', file('ca.key'), '-out', file('ca.pem'));
  const request = ['-subj', '/CN=leaf', '-keyout', file('leaf.key'), '-out', file('leaf.csr')];
  await openssl('req', '-new', ...key, ...request);
  const alternatives = names.map((name) => `DNS:${name}`).join(',');
  writeFileSync(file('leaf.cnf'), `subjectAltName=${alternatives}\n`);
  const signer = ['-CA', file('ca.pem'), '-CAkey', file('ca.key'), '-CAcreateserial'];
  const output = ['-extfile', file('leaf.cnf'), '-out', file('leaf.pem')];
  await openssl('x509', '-req', '-in', file('leaf.csr'), '-days', '2', ...signer, ...output);
  return { certificate: file('leaf.pem'), key: file('leaf.key') };
}

test('with an issued certificate, hosts that it does not name get 421', {
  skip: unlessInstalled('openssl'),
}, async () => {
  const { certificate, key } = await issuedCertificate(['shop.example', '*.shop.example']);
  const flags = ['--cert', certificate, '--key', key];
  await using sluice = await startSluice({ origin: origin.url, flags });
  const statusOf = async (servername: string | null, authority: string) => {
    const options = servername === null ? {} : { servername };
    const url = `https://127.0.0.1:${sluice.httpsPort}`;
    using client = await Http2Client.open(url, options);
    return (await client.get('/x', { ':authority': authority })).status;
  };
  assert.equal(await statusOf('shop.example', 'shop.example'), 200);
  assert.equal(await statusOf('shop.example', 'WWW.shop.example:443'), 200);
  assert.equal(await statusOf('shop.example', 'elsewhere.example'), 421);
  assert.equal(await statusOf('gateway.internal', 'gateway.internal'), 200, 'as was asked for');
  assert.equal(await statusOf(null, 'elsewhere.example'), 200, 'no name was asked for');
});
