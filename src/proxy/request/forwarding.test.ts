import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configuredAuthority, NO_AUTHORITY } from '../../http/authority.ts';
import { FieldSection } from '../../http/field-section.ts';
import type { RequestHead } from '../../http/message.ts';
import {
  addOurMark,
  isLooping,
  requestFieldsToOrigin,
  responseFieldsToClient,
} from './forwarding.ts';

function request(...lines: [string, string][]): RequestHead {
  return {
    method: 'GET',
    version: '1.1',
    scheme: 'https',
    authority: configuredAuthority('example.com'),
    path: '/',
    fields: FieldSection.of(...lines),
    contentLength: 0,
    expectContinue: false,
    upgrade: '',
  };
}

const facts = {
  peerAddress: '192.0.2.7',
  early: false,
  originAuthority: 'origin.internal:8080',
};

test('the origin is told whom the request was for, who asked and by which protocol', () => {
  const fields = requestFieldsToOrigin(request(['host', 'EXAMPLE.com']), facts);
  assert.equal(fields.names[0], 'host');
  assert.deepEqual(fields.all('host'), ['example.com']);
  assert.equal(fields.first('via'), '1.1 sluice');
  assert.equal(fields.first('x-forwarded-for'), '192.0.2.7');
  assert.equal(fields.first('x-forwarded-proto'), 'https');
  assert.equal(fields.first('x-forwarded-host'), 'example.com');
  assert.equal(fields.first('forwarded'), 'for=192.0.2.7;host="example.com";proto=https');
});

test('an IPv6 address is quoted in Forwarded (RFC 7239 §6)', () => {
  const fields = requestFieldsToOrigin(request(), { ...facts, peerAddress: '2001:db8::1' });
  assert.match(fields.first('forwarded') ?? '', /^for="\[2001:db8::1\]";/);
  assert.equal(fields.first('x-forwarded-for'), '2001:db8::1');
});

test('a request of HTTP/1.0 without Host is for the origin by its own name', () => {
  const head = { ...request(), version: '1.0', authority: NO_AUTHORITY } as const;
  assert.deepEqual(requestFieldsToOrigin(head, facts).all('host'), ['origin.internal:8080']);
});

test('what earlier proxies said is kept in front, but a claimed protocol is replaced', () => {
  const head = request(
    ['via', '1.0 first'],
    ['x-forwarded-for', '198.51.100.1'],
    ['x-forwarded-proto', 'http'],
  );
  const fields = requestFieldsToOrigin(head, facts);
  assert.equal(fields.combined('via'), '1.0 first, 1.1 sluice');
  assert.equal(fields.combined('x-forwarded-for'), '198.51.100.1, 192.0.2.7');
  assert.deepEqual(fields.all('x-forwarded-proto'), ['https']);
});

for (const [received, kept] of [
  ['for="', false],
  ['for=192.0.2.1;host="a', false],
  ['for="a\\"', false],
  ['for="\\', false],
  ['for="a"";host=b', false],
  ['for="[2001:db8::1]:80", for="_a, b"', true],
  ['for="a\\"b"', true],
  ['for=192.0.2.1\\', true],
] as const) {
  test(`Forwarded: ${received} cannot hide what we say of the client`, () => {
    const fields = requestFieldsToOrigin(request(['forwarded', received]), facts);
    const ours = 'for=192.0.2.7;host="example.com";proto=https';
    assert.equal(fields.combined('forwarded'), kept ? `${received}, ${ours}` : ours);
  });
}

test('connection-specific fields stay behind, those named in Connection included', () => {
  const head = request(
    ['connection', 'close, X-Secret'],
    ['x-secret', '1'],
    ['keep-alive', 'timeout=5'],
    ['te', 'gzip'],
    ['proxy-authorization', 'Basic x'],
    ['accept', '*/*'],
  );
  const { names } = requestFieldsToOrigin(head, facts);
  assert.ok(names.includes('accept'));
  for (const name of ['connection', 'x-secret', 'keep-alive', 'te', 'proxy-authorization']) {
    assert.ok(!names.includes(name), name);
  }
});

test('Early-Data: 1 is added while the handshake is open and only then (RFC 8470 §5.1)', () => {
  const early = requestFieldsToOrigin(request(), { ...facts, early: true });
  assert.deepEqual(early.all('early-data'), ['1']);
  assert.deepEqual(requestFieldsToOrigin(request(), facts).all('early-data'), []);
});

test("a client's own Early-Data is kept and counts as 1 whatever it says (RFC 8470 §5.1)", () => {
  const head = request(['early-data', '0'], ['early-data', 'x']);
  assert.deepEqual(requestFieldsToOrigin(head, facts).all('early-data'), ['1']);
});

test('a response gets Date when it lacks one, Via, and our member of Cache-Status last', () => {
  const received = FieldSection.of(['cache-status', 'upstream; hit'], ['connection', 'close']);
  const fields = responseFieldsToClient(received, 'now', 'sluice; fwd=uri-miss');
  assert.equal(fields.first('date'), 'now');
  assert.equal(fields.first('via'), '1.1 sluice');
  assert.equal(fields.combined('cache-status'), 'upstream; hit, sluice; fwd=uri-miss');
  assert.ok(!fields.has('connection'));
});

test("the origin's own Date is kept", () => {
  const fields = responseFieldsToClient(FieldSection.of(['date', 'then']), 'now', 'sluice; hit');
  assert.deepEqual(fields.all('date'), ['then']);
});

test('a request that has passed through us many times is a loop', () => {
  const once = FieldSection.of(['via', '1.1 sluice, 1.1 other']);
  assert.equal(isLooping(once), false);
  const fields = new FieldSection();
  for (let i = 0; i < 8; i++) addOurMark(fields, 'sluice; fwd=uri-miss');
  assert.equal(isLooping(fields), true);
});
