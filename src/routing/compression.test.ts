import assert from 'node:assert/strict';
import test from 'node:test';
import { configuredAuthority } from '../http/authority.ts';
import { FieldSection } from '../http/field-section.ts';
import type { RequestHead } from '../http/message.ts';
import { Compression, chooseCoding } from './compression.ts';

const options = {
  encodings: ['zstd', 'br', 'gzip'],
  minBytes: 100,
  types: ['text/*', 'application/json', '*+xml'],
} as const;
const compression = new Compression(options);

function fieldsOf(fields: Record<string, string>): FieldSection {
  return FieldSection.of(...Object.entries(fields));
}

function prepared(fields: Record<string, string>): Record<string, string> {
  const section = fieldsOf(fields);
  compression.prepare(section);
  return Object.fromEntries(section);
}

function request(fields: Record<string, string>): RequestHead {
  const common = {
    method: 'GET',
    version: '1.1',
    scheme: 'http',
    authority: configuredAuthority('a'),
  } as const;
  const rest = { path: '/', contentLength: 0, expectContinue: false, upgrade: '' };
  return { ...common, ...rest, fields: fieldsOf(fields) };
}

function planFor(
  response: Record<string, string>,
  {
    status = 200,
    length = -1,
    accept = 'br',
  }: { status?: number; length?: number; accept?: string } = {},
) {
  const head = { status, fields: fieldsOf(response), contentLength: length };
  return compression.plan(request({ 'accept-encoding': accept }), head);
}

test('the client’s weights decide, then the order of the configuration (RFC 9110 §12.5.3)', () => {
  const choose = (accepted: string) => chooseCoding(accepted, options.encodings);
  assert.equal(choose('gzip, deflate, br, zstd'), 'zstd');
  assert.equal(choose('gzip, deflate, br'), 'br');
  assert.equal(choose('gzip;q=1.0, br;q=0.8'), 'gzip');
  assert.equal(choose('X-GZIP'), 'gzip');
  assert.equal(choose('*'), 'zstd');
  assert.equal(choose('*;q=0.5, gzip;q=0.9, zstd;q=0'), 'gzip');
  assert.equal(choose('br;q=0'), 'identity');
  assert.equal(choose('br;q=0.001'), 'br');
  assert.equal(choose('identity, gzip;q=0.5'), 'identity');
  assert.equal(choose('identity;q=0.5, gzip;q=0.5'), 'gzip');
  assert.equal(choose(''), 'identity');
  assert.equal(choose('deflate'), 'identity');
  assert.equal(choose('deflate, identity;q=0'), 'as-sent');
  assert.equal(choose('compress, *;q=0'), 'as-sent');
});

test('clients that get the same coding ask for the same: they share a stored response', () => {
  assert.equal(prepared({ 'accept-encoding': 'gzip, deflate, br' })['accept-encoding'], 'br');
  assert.equal(prepared({ 'accept-encoding': 'br;q=0.9' })['accept-encoding'], 'br');
  assert.equal(prepared({ 'accept-encoding': 'deflate' })['accept-encoding'], undefined);
  assert.equal(prepared({})['accept-encoding'], undefined);
  const forbidding = 'deflate, identity;q=0';
  assert.equal(prepared({ 'accept-encoding': forbidding })['accept-encoding'], forbidding);
});

test('a part is of the plain content, and who has compressed bytes gets all of them again', () => {
  const plain = prepared({ 'accept-encoding': 'br', range: 'bytes=5-' });
  assert.deepEqual(plain, { range: 'bytes=5-' });
  const resumed = prepared({ 'accept-encoding': 'br', range: 'bytes=5-', 'if-range': '"a"' });
  assert.deepEqual(resumed, { 'accept-encoding': 'br' });
});

test('only content that gains by it, and that nobody forbids to transform, is compressed', () => {
  assert.equal(planFor({ 'content-type': 'text/html; charset=utf-8' }), 'br');
  assert.equal(planFor({ 'content-type': 'TEXT/HTML' }, { accept: 'gzip' }), 'gzip');
  assert.equal(planFor({ 'content-type': 'image/svg+xml' }), 'br');
  assert.equal(planFor({ 'content-type': 'image/png' }), 'leave');
  assert.equal(planFor({}), 'leave');
  assert.equal(planFor({ 'content-type': 'text/html' }, { length: 99 }), 'leave');
  assert.equal(planFor({ 'content-type': 'text/html' }, { length: 100 }), 'br');
  assert.equal(planFor({ 'content-type': 'text/html' }, { accept: 'identity' }), 'vary');
  assert.equal(planFor({ 'content-type': 'text/html', 'content-encoding': 'gzip' }), 'leave');
  assert.equal(planFor({ 'content-type': 'text/html', 'cache-control': 'No-Transform' }), 'leave');
  for (const status of [204, 205, 304, 101]) {
    assert.equal(planFor({ 'content-type': 'text/html' }, { status }), 'leave', String(status));
  }
  assert.equal(planFor({ 'content-type': 'text/html' }, { status: 404 }), 'br');
});

test('what is compressed says so, varies, and makes no promise about its bytes', () => {
  const fields = fieldsOf({
    'content-type': 'text/html',
    'content-length': '500',
    etag: '"a"',
    'accept-ranges': 'bytes',
    'content-digest': 'sha-256=:x:',
    vary: 'Cookie',
  });
  const response = { status: 200, fields, contentLength: 500 };
  const encoded = compression.apply('br', response);
  assert.equal(encoded.contentLength, -1);
  assert.deepEqual(Object.fromEntries(encoded.fields), {
    'content-type': 'text/html',
    etag: 'W/"a"',
    vary: 'Cookie, accept-encoding',
    'content-encoding': 'br',
  });
  const plain = compression.apply('vary', response);
  assert.equal(plain.fields.first('etag'), '"a"');
  assert.equal(plain.fields.first('vary'), 'Cookie, accept-encoding');
  assert.equal(plain.contentLength, 500);
});

test('a tag that was made weak is confirmed as such, and means the origin’s in If-Match', () => {
  const head = request({ 'accept-encoding': 'br' });
  const response = { status: 304, fields: fieldsOf({ etag: '"a"' }), contentLength: 0 };
  const tagFor = (stored: string) =>
    compression.applyToNotModified(head, response, fieldsOf({ etag: stored })).fields.first('etag');
  assert.equal(tagFor('W/"a"'), 'W/"a"');
  assert.equal(tagFor('"a"'), '"a"', 'what was not compressed keeps its strong tag');
  assert.equal(prepared({ 'if-match': 'W/"a", "b"' })['if-match'], '"a", "b"');
});

test('a part varies as the whole does, and is never compressed', () => {
  const html = { 'content-type': 'text/html' };
  const part = (length: number | '*') => ({ ...html, 'content-range': `bytes 0-9/${length}` });
  assert.equal(planFor(part(5000), { status: 206, length: 10 }), 'vary');
  assert.equal(planFor(part('*'), { status: 206, length: 10 }), 'vary');
  assert.equal(planFor(part(50), { status: 206, length: 10 }), 'leave');
  const several = { 'content-type': 'multipart/byteranges; boundary=x' };
  assert.equal(planFor(several, { status: 206 }), 'vary');
  assert.equal(planFor({ ...part(5000), 'content-type': 'video/mp4' }, { status: 206 }), 'leave');
});

test('a 304 varies as the 200 would, for clients with a coding and without (RFC 9110 §15.4.5)', () => {
  const varyOf = (accept: object, response: Record<string, string>, stored?: FieldSection) => {
    const head = { status: 304, fields: fieldsOf(response), contentLength: 0 };
    const made = compression.applyToNotModified(request({ ...accept }), head, stored);
    return made.fields.combined('vary');
  };
  const stored = fieldsOf({ vary: 'accept-encoding' });
  for (const accept of [{}, { 'accept-encoding': 'br' }]) {
    assert.equal(varyOf(accept, { vary: 'Cookie' }, stored), 'Cookie, accept-encoding');
    assert.equal(varyOf(accept, {}, stored), undefined);
    assert.equal(varyOf(accept, {}), 'accept-encoding');
    assert.equal(varyOf(accept, { 'content-type': 'video/mp4' }), undefined);
    assert.equal(varyOf(accept, { vary: 'Cookie' }, fieldsOf({ vary: 'Cookie' })), 'Cookie');
  }
});

test('a 304 brings no digest of the plain bytes to what is stored compressed', () => {
  const head = request({ 'accept-encoding': 'br' });
  const fields = fieldsOf({ etag: '"a"', 'repr-digest': 'x', 'accept-ranges': 'bytes' });
  const stored = fieldsOf({ 'content-encoding': 'br', vary: 'accept-encoding', etag: 'W/"a"' });
  const made = compression.applyToNotModified(
    head,
    { status: 304, fields, contentLength: 0 },
    stored,
  );
  assert.deepEqual(Object.fromEntries(made.fields), { etag: 'W/"a"' });
});

test('who forbids transformation is not given what was compressed for others', () => {
  const fields = { 'accept-encoding': 'br', 'cache-control': 'no-transform' };
  assert.deepEqual(prepared(fields), { 'cache-control': 'no-transform' });
});
