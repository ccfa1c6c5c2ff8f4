import assert from 'node:assert/strict';
import test from 'node:test';
import { incidentConfiguration, redacted } from './redaction.ts';

const KEY = '-----BEGIN PRIVATE KEY-----\nMIGHsecret\n-----END PRIVATE KEY-----\n';

test('secrets are left out of options, and what explains a fault is kept', () => {
  const options = {
    certificate: { certificatePem: '-----BEGIN CERTIFICATE-----\nMIIB\n', keyPem: 'MIGHsecret' },
    bundle: `first\n${KEY}last`,
    cluster: { redis: 'redis://user:hunter2@10.0.0.1:6379/0', timeout: 5 },
    routes: [{ 'request-headers': { set: { Authorization: 'Bearer s3cret', 'X-A': 'b' } } }],
    ticketKeys: Buffer.from('s3cret'),
    cookies: ['session'],
    cache: { key: { query: 'keep' }, 'set-cookie': '' },
    port: 443,
    nothing: undefined,
  };
  const safe = redacted(options);
  assert.deepEqual(safe, {
    certificate: {
      certificatePem: '-----BEGIN CERTIFICATE-----\nMIIB\n',
      keyPem: '(redacted)',
    },
    bundle: 'first\n(redacted)\nlast',
    cluster: { redis: 'redis://(redacted)@10.0.0.1:6379/0', timeout: 5 },
    routes: [{ 'request-headers': { set: { Authorization: '(redacted)', 'X-A': '(redacted)' } } }],
    ticketKeys: '(redacted)',
    cookies: '(redacted)',
    cache: { key: { query: 'keep' }, 'set-cookie': '' },
    port: 443,
  });
});

test('equal options have equal digests, whatever the order of their keys', () => {
  const one = incidentConfiguration({ a: 1, b: { c: [1, 2], d: 'x' } });
  const same = incidentConfiguration({ b: { d: 'x', c: [1, 2] }, a: 1 });
  const other = incidentConfiguration({ b: { d: 'x', c: [2, 1] }, a: 1 });
  assert.equal(one.digest, same.digest);
  assert.notEqual(one.digest, other.digest);
});
