import assert from 'node:assert/strict';
import { isIPv6 } from 'node:net';
import test from 'node:test';
import fc from '../../test/support/fast-check.ts';
import { HOST_NAME_BYTES_MAX } from '../base/host-names.ts';
import { AUTHORITY_BYTES_MAX, configuredAuthority, parseAuthority } from './authority.ts';

const label = 'a'.repeat(63);
const longest = [label, label, label, 'a'.repeat(61)].join('.');

const READ: readonly (readonly [written: string, host: string, port: number])[] = [
  ['a', 'a', -1],
  ['A.Example', 'a.example', -1],
  ['a.example.', 'a.example', -1],
  ['a.example.:443', 'a.example', 443],
  ['a.example:', 'a.example', -1],
  ['a.example:0', 'a.example', 0],
  ['a.example:00080', 'a.example', 80],
  ['a.example:65535', 'a.example', 65_535],
  ['_service.a-b.example', '_service.a-b.example', -1],
  ['xn--bcher-kva.example', 'xn--bcher-kva.example', -1],
  ['1.2.3.example', '1.2.3.example', -1],
  ['192.0.2.1:80', '192.0.2.1', 80],
  ['192.0.2.1.', '192.0.2.1', -1],
  ['[::]', '[::]', -1],
  ['[2001:DB8:0:0:0:0:0:1]:443', '[2001:db8::1]', 443],
  ['[2001:db8::0:1]', '[2001:db8::1]', -1],
  ['[1:0:0:2:0:0:0:3]', '[1:0:0:2::3]', -1],
  ['[::ffff:1.2.3.4]', '[::ffff:102:304]', -1],
  [`${longest}.:65535`, longest, 65_535],
];

test('an authority is read into its normal form, in which the same are equal', () => {
  assert.equal(longest.length, HOST_NAME_BYTES_MAX);
  for (const [written, host, port] of READ) {
    const read = parseAuthority(written);
    assert.deepEqual([read?.host, read?.port], [host, port], written);
    assert.equal(read!.text, port === -1 ? host : `${host}:${port}`);
    assert.equal(parseAuthority(written), read, `${written}, read again`);
  }
});

test('what others could read as another host is none', () => {
  for (const text of [
    '',
    '.',
    ':80',
    'a..b',
    '.a',
    'a..',
    'u@a',
    'a/b',
    'a?b',
    'a#b',
    'a b',
    'a,b',
    'a, b',
    'a\\b',
    '*.a',
    '%61',
    'a%20b',
    'a%2eb',
    'a%',
    'a\u00e9',
    'b\xfccher.example',
    'a\n',
    'a:65536',
    'a:000080',
    'a:80:80',
    'a::80',
    'a:x',
    'a:-1',
    'a:+1',
    'a:80.',
    '127.1',
    '127.0.0.01',
    '127.0.0.256',
    '1.2.3.4.5',
    '2130706433',
    '0x7f.1',
    'a.0x7f',
    '2001:db8::1',
    '[2001:db8::1',
    '2001:db8::1]',
    '[]',
    '[a]',
    '[1::2::3]',
    '[fe80::1%25lo]',
    '[fe80::1%lo]',
    '[v1.fe80::a+en1]',
    '[::1].',
    '[::1]a',
    '[1.2.3.4::1]',
    'a'.repeat(64),
    `a.${longest}`,
    'a'.repeat(AUTHORITY_BYTES_MAX + 1),
  ]) {
    assert.equal(parseAuthority(text), null, JSON.stringify(text));
  }
});

test('the default port of a scheme makes no difference', () => {
  const [plain, ...others] = ['a', 'A.:443', 'a:80', 'a:8443'].map((text) => parseAuthority(text)!);
  assert.deepEqual(
    others.map((one) => one.inScheme('https') === plain!.inScheme('https')),
    [true, false, false],
  );
  assert.equal(parseAuthority('a:80')!.inScheme('http'), 'a');
});

test('IPv6 addresses are told as node:net tells them, and written as URLs write them', () => {
  const group = fc.oneof(
    fc.constantFrom('', ':', '0', 'ffff', '12345', 'g'),
    fc.nat(0xffff).map((group) => group.toString(16)),
  );
  const tail = fc.constantFrom('', '1.2.3.4', '255.255.255.255', '256.1.1.1', '1.2.3', '01.2.3.4');
  const address = fc
    .tuple(fc.array(group, { maxLength: 9 }), tail)
    .map(([groups, tail]) => [...groups, ...(tail === '' ? [] : [tail])].join(':'));
  const alike = (text: string) => {
    const read = parseAuthority(`[${text}]`);
    assert.equal(read !== null, isIPv6(text), text);
    if (read !== null) assert.equal(read.host, new URL(`http://[${text}]`).hostname);
  };
  fc.assert(fc.property(address, alike), { numRuns: 5_000 });
  for (const text of ['::', '::1', '1::', '1:2:3:4:5:6:7::', ':::', '1:2:3:4:5:6:1.2.3.4']) {
    alike(text);
  }
});

test('the normal form is its own normal form, and never longer than what may be written', () => {
  const piece = fc.constantFrom(
    'a',
    'B',
    '1',
    '0x1',
    '-',
    '_',
    '.',
    ':',
    '80',
    '[',
    ']',
    '::',
    '%',
  );
  const text = fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join(''));
  const holds = fc.property(text, (text) => {
    const read = parseAuthority(text);
    if (read === null) return;
    assert.equal(parseAuthority(read.text)?.text, read.text, text);
    assert.match(read.text, /^(?:[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:]+\])(?::\d{1,5})?$/);
  });
  fc.assert(holds, { numRuns: 20_000 });
});

test('what a configuration has that is no authority is no host that a peer can ask for', () => {
  assert.equal(configuredAuthority('Origin.example:80').host, 'origin.example');
  const odd = configuredAuthority('a b');
  assert.deepEqual([odd.text, odd.host, odd.port], ['a b', 'a b', -1]);
});
