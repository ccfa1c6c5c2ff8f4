import assert from 'node:assert/strict';
import { isIPv6 } from 'node:net';
import { test } from 'node:test';
import fc from '../../test/support/fast-check.ts';
import { AUTHORITY_BYTES_MAX, isAuthority, isIpv6 } from './authority.ts';

test('hosts with and without ports are authorities', () => {
  for (const text of [
    'a',
    'a.example',
    'a.example:',
    'a.example:0',
    'a.example:65535',
    '192.0.2.1:80',
    '[::]',
    '[2001:db8::1]:443',
    '[v1.fe80::a+en1]',
    'a%20b',
    "sub-delims!$&'()*+,;=",
    'a'.repeat(AUTHORITY_BYTES_MAX),
  ]) {
    assert.equal(isAuthority(text), true, text);
    assert.equal(isAuthority(text), true, `${text}, asked again`);
  }
});

test('user information, paths, lists and wrong ports make it none', () => {
  for (const text of [
    '',
    ':80',
    'u@a',
    'a/b',
    'a?b',
    'a#b',
    'a b',
    'a, b',
    'a:65536',
    'a:000080',
    'a:80:80',
    'a:-1',
    '2001:db8::1',
    '[2001:db8::1',
    '[]',
    '[1::2::3]',
    'a%2',
    'a\u00e9',
    'a\n',
    'a'.repeat(AUTHORITY_BYTES_MAX + 1),
  ]) {
    assert.equal(isAuthority(text), false, JSON.stringify(text));
  }
});

test('IPv6 addresses are told as node:net tells them', () => {
  const group = fc.oneof(
    fc.constantFrom('', ':', '0', 'ffff', '12345', 'g'),
    fc.nat(0xffff).map((group) => group.toString(16)),
  );
  const tail = fc.constantFrom('', '1.2.3.4', '255.255.255.255', '256.1.1.1', '1.2.3', '01.2.3.4');
  const address = fc
    .tuple(fc.array(group, { maxLength: 9 }), tail)
    .map(([groups, tail]) => [...groups, ...(tail === '' ? [] : [tail])].join(':'));
  const alike = fc.property(address, (text) => assert.equal(isIpv6(text), isIPv6(text), text));
  fc.assert(alike, { numRuns: 5_000 });
  for (const text of [
    '::',
    '::1',
    '1::',
    '::ffff:1.2.3.4',
    '1:2:3:4:5:6:7::',
    ':::',
    '1:2:3:4:5:6:1.2.3.4',
  ]) {
    assert.equal(isIpv6(text), isIPv6(text), text);
  }
});
