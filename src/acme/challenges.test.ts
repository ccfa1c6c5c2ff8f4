import assert from 'node:assert/strict';
import { createHash, X509Certificate } from 'node:crypto';
import test from 'node:test';
import { answersTo, chooseChallenge, dnsRecord, serverNameOf } from './challenges.ts';
import type { Challenge } from './contract.ts';

const challenge = (type: Challenge['type'], name: string): Challenge => ({
  type,
  name,
  token: 'abc',
  keyAuthorization: 'abc.thumb',
});

test('a certificate for tls-alpn-01 is for the name alone and shows the digest, as critical', () => {
  const { http, tls } = answersTo([challenge('tls-alpn-01', 'a.test')], Date.now());
  assert.deepEqual(http, []);
  const [{ serverName, certificatePem }] = tls as [(typeof tls)[number]];
  assert.equal(serverName, 'a.test');
  const { raw, subjectAltName } = new X509Certificate(certificatePem);
  assert.equal(subjectAltName, 'DNS:a.test');
  // RFC 8737 §3: the identifier, TRUE for critical, and an octet string in an octet string.
  const digest = createHash('sha256').update('abc.thumb').digest('hex');
  assert.ok(raw.toString('hex').includes(`06082b0601050507011f0101ff04220420${digest}`));
});

test('an address is asked for by the name of its reverse (RFC 8738 §6)', () => {
  assert.equal(serverNameOf('192.0.2.7'), '7.2.0.192.in-addr.arpa');
  assert.equal(
    serverNameOf('2001:db8::1'),
    '1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa',
  );
  assert.equal(serverNameOf('2001:db8:0:0:0:0:0:1'), serverNameOf('2001:DB8::1'));
  assert.equal(serverNameOf('a.test'), 'a.test');
});

test('a record in DNS has the digest, under a name of its own', () => {
  const value = createHash('sha256').update('abc.thumb').digest('base64url');
  const record = dnsRecord(challenge('dns-01', 'a.test'));
  assert.deepEqual(record, { name: '_acme-challenge.a.test', value });
});

test('ways to prove a name are taken in our order; wildcards by DNS alone, addresses never', () => {
  const offered = [{ type: 'dns-01' }, { type: 'tls-alpn-01' }, { type: 'http-01' }];
  const choose = (name: string, isWildcard: boolean, ...allowed: Challenge['type'][]) =>
    chooseChallenge(offered, allowed, { name, isWildcard })?.type ?? null;
  assert.equal(choose('a.test', false, 'http-01', 'dns-01'), 'http-01');
  assert.equal(choose('a.test', false, 'dns-01', 'http-01'), 'dns-01');
  assert.equal(choose('a.test', true, 'http-01', 'dns-01'), 'dns-01');
  assert.equal(choose('a.test', true, 'http-01'), null);
  assert.equal(choose('192.0.2.7', false, 'dns-01', 'tls-alpn-01'), 'tls-alpn-01');
});
