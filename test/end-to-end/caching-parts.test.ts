import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import test from 'node:test';
import { startOrigin } from '../support/origins.ts';
import { RawConnection } from '../support/raw-connection.ts';
import { startSluice } from '../support/sluice.ts';
import { until } from '../support/waiting.ts';

const LENGTH = 200_000;

/** Content of each version: bytes that follow from the version and their place. */
function contentOf(version: string): Buffer {
  const content = Buffer.alloc(LENGTH);
  const seed = createHash('sha256').update(version).digest();
  for (let i = 0; i < LENGTH; i++) content[i] = seed[i % 32]! ^ (i & 0xff) ^ ((i >> 8) & 0xff);
  return content;
}

let version = '1';
/** Cuts the next response after so many bytes. */
let cutAfter = -1;

/** Understands one range, If-Range and If-None-Match, as origins do. */
const origin = await startOrigin((request, response) => {
  const content = contentOf(version);
  const etag = `"${version}"`;
  const { range, 'if-range': ifRange, 'if-none-match': ifNoneMatch } = request.headers;
  response.setHeader('ETag', etag);
  response.setHeader('Cache-Control', request.url!.includes('short') ? 'max-age=2' : 'max-age=60');
  response.setHeader('Content-Type', 'text/plain');
  if (ifNoneMatch === etag) {
    // Fresh for long again, so that a slow machine finds it so.
    response.writeHead(304, { 'Cache-Control': 'max-age=60' }).end();
    return;
  }
  let [first, last] = [0, LENGTH - 1];
  const match = /^bytes=(\d*)-(\d*)$/.exec(range ?? '');
  if (match !== null && (ifRange === undefined || ifRange === etag)) {
    if (match[1] === '') first = LENGTH - Number(match[2]);
    else [first, last] = [Number(match[1]), Math.min(last, Number(match[2] || last))];
    response.statusCode = 206;
    response.setHeader('Content-Range', `bytes ${first}-${last}/${LENGTH}`);
  }
  const part = content.subarray(first, last + 1);
  response.setHeader('Content-Length', part.length);
  if (cutAfter === -1) {
    response.end(part);
    return;
  }
  response.write(part.subarray(0, cutAfter), () => setTimeout(() => response.destroy(), 50));
  cutAfter = -1;
});
const sluice = await startSluice({ origin: origin.url });
test.after(async () => {
  await sluice[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
});

async function ask(path: string, fields = '') {
  using connection = await RawConnection.open(sluice.httpPort);
  connection.send(`GET ${path} HTTP/1.1\r\nHost: a.example\r\n${fields}\r\n`);
  const response = await connection.response();
  return { ...response, cacheStatus: response.fields.get('cache-status') ?? '' };
}

/** Asserts a 206 with these bytes. */
async function assertPart(path: string, first: number, last: number, fields = '') {
  const response = await ask(path, `Range: bytes=${first}-${last}\r\n${fields}`);
  assert.equal(response.status, 206);
  assert.equal(response.fields.get('content-range'), `bytes ${first}-${last}/${LENGTH}`);
  const expected = contentOf(version).subarray(first, last + 1);
  assert.ok(Buffer.from(response.content, 'latin1').equals(expected), 'the right bytes');
  return response.cacheStatus;
}

async function assertWhole(path: string) {
  const response = await ask(path);
  assert.equal(response.status, 200);
  assert.equal(response.fields.get('content-range'), undefined);
  assert.ok(Buffer.from(response.content, 'latin1').equals(contentOf(version)));
  return response.cacheStatus;
}

const rangesAsked = (path: string) => origin.asked(path).map((one) => one.headers.range ?? 'all');

test('ranges are answered from what several stored parts have together', async () => {
  const path = '/several';
  for (const [first, last] of [
    [0, 999],
    [2000, 2999],
    [1000, 1999],
  ] as const) {
    assert.match(await assertPart(path, first, last), /stored/);
  }
  for (const [first, last] of [
    [0, 2999],
    [10, 20],
    [900, 2100],
    [1000, 1999],
  ] as const) {
    assert.match(await assertPart(path, first, last), /^sluice; hit/, `${first}-${last}`);
  }
  assert.equal(origin.asked(path).length, 3);
});

test('only what lacks is asked for, under the condition that nothing has changed', async () => {
  const path = '/gaps';
  await assertPart(path, 1000, 1999);
  await assertPart(path, 5000, 5999);
  await assertPart(path, 0, 6999);
  const asked = origin.asked(path).slice(2);
  assert.deepEqual(
    asked.map((one) => [one.headers.range, one.headers['if-range']]),
    [
      ['bytes=0-999', '"1"'],
      ['bytes=2000-4999', '"1"'],
      ['bytes=6000-6999', '"1"'],
    ],
  );
  assert.match(await assertPart(path, 0, 6999), /^sluice; hit/);
});

test('a GET of the whole fetches the rest of it, and the next one needs nothing', async () => {
  const path = '/rest';
  await assertPart(path, 0, 149_999);
  await assertWhole(path);
  assert.deepEqual(rangesAsked(path), ['bytes=0-149999', 'bytes=150000-']);
  assert.match(await assertWhole(path), /^sluice; hit/);
  assert.equal(origin.asked(path).length, 2);
});

test('when the representation has changed, its new version is the answer', async () => {
  const path = '/changed';
  await assertPart(path, 0, 999);
  version = '2';
  try {
    await assertWhole(path);
    assert.match(await assertWhole(path), /^sluice; hit/);
  } finally {
    version = '1';
  }
});

test('a stale part is validated, and sent again only if it has changed', async () => {
  const path = '/short';
  await assertPart(path, 0, 999);
  await until(async () => !/^sluice; hit/.test(await assertPart(path, 0, 999)), 'it to be stale');
  const [, again] = origin.asked(path);
  assert.equal(again!.headers['if-none-match'], '"1"');
  assert.equal(again!.headers.range, 'bytes=0-999');
  assert.match(await assertPart(path, 5, 6), /^sluice; hit/);
});

test('a range of a whole that must be validated: cut from it, or of the new version', async () => {
  const path = '/whole';
  const validate = 'Cache-Control: max-age=0\r\n';
  await assertWhole(path);
  assert.match(await assertPart(path, 5, 9, validate), /fwd-status=304/);
  assert.equal(origin.asked(path).at(-1)!.headers['if-none-match'], '"1"');
  version = '2';
  try {
    await assertPart(path, 5, 9, validate);
    assert.equal(origin.asked(path).at(-1)!.headers['if-none-match'], '"1"');
    version = '3';
    // Of another version than it has, the client wants the whole (RFC 9110 §13.1.5).
    const fields = `Range: bytes=5-9\r\nIf-Range: "2"\r\n${validate}`;
    const changed = await ask(path, fields);
    assert.equal(changed.status, 200);
    assert.ok(Buffer.from(changed.content, 'latin1').equals(contentOf('3')));
  } finally {
    version = '1';
  }
  assert.equal(origin.asked(path).length, 4);
});

test('If-Range: the part of the same version, else the whole', async () => {
  const path = '/if-range';
  await assertPart(path, 0, 999);
  await assertPart(path, 500, 1499, 'If-Range: "1"\r\n');
  const response = await ask(path, 'Range: bytes=500-1499\r\nIf-Range: "other"\r\n');
  assert.equal(response.status, 200);
  assert.ok(Buffer.from(response.content, 'latin1').equals(contentOf(version)));
});

test('a response that broke off is completed, not fetched anew', async () => {
  const path = '/cut';
  cutAfter = 100_000;
  await assert.rejects(assertWhole(path), /closed in the middle/);
  await assertPart(path, 0, 49_999);
  await assertWhole(path);
  const asked = rangesAsked(path);
  assert.equal(asked.length, 2);
  const [, from] = /^bytes=(\d+)-$/.exec(`${asked[1]}`) ?? [];
  assert.ok(Number(from) > 0 && Number(from) <= 100_000, `${asked}`);
});

test('several ranges come from several parts', async () => {
  const path = '/multipart';
  await assertPart(path, 0, 99);
  await assertPart(path, 1000, 1099);
  const response = await ask(path, 'Range: bytes=10-19, 1010-1019\r\n');
  assert.match(response.cacheStatus, /^sluice; hit/);
  assert.match(response.fields.get('content-type')!, /^multipart\/byteranges/);
  const content = contentOf(version);
  for (const first of [10, 1010]) {
    const bytes = content.subarray(first, first + 10).toString('latin1');
    assert.ok(response.content.includes(bytes));
  }
  assert.equal(origin.asked(path).length, 2);
});

test('who asks only for what is cached gets no part of it', async () => {
  const path = '/only';
  await assertPart(path, 0, 999);
  const response = await ask(path, 'Cache-Control: only-if-cached\r\n');
  assert.equal(response.status, 504);
  assert.equal(origin.asked(path).length, 1);
});
