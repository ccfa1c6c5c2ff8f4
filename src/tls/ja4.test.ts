import assert from 'node:assert/strict';
import { test } from 'node:test';
import { extension, helloMessage, inRecords } from '../../test/support/client-hello.ts';
import { parseClientHello } from './client-hello.ts';
import { ja4Of } from './ja4.ts';

type Shape = Parameters<typeof helloMessage>[0];

function fingerprint(shape: Shape): string {
  return ja4Of(parseClientHello(inRecords(helloMessage(shape)))!);
}

/** The ciphers and schemes of the specification's example, which is Chrome. */
const CIPHERS = [
  ...[0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8],
  ...[0xc013, 0xc014, 0x009c, 0x009d, 0x002f, 0x0035],
];
const SCHEMES = [0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601];

const common = [
  extension.serverName('example.org'),
  extension.alpn('h2', 'http/1.1'),
  extension.versions(0x0304, 0x0303),
  extension.schemes(...SCHEMES),
  extension.groups(29, 23),
  extension.keyShares(29),
];

test('the examples that were published come out', () => {
  // 1b, 05, 0b, 12, 17, 23, 2d and ff01, and what tells the two versions of Chrome apart.
  const others = [0x1b, 0x05, 0x0b, 0x12, 0x17, 0x23, 0x2d, 0xff01].map(extension.empty);
  const older = [...common, ...others, extension.empty(0x15), extension.empty(0x4469)];
  const newer = [...common, ...others, extension.empty(0xfe0d), extension.empty(0x44cd)];
  assert.equal(
    fingerprint({ cipherSuites: CIPHERS, extensions: older }),
    't13d1516h2_8daaf6152771_e5627efa2ab1',
  );
  assert.equal(
    fingerprint({ cipherSuites: CIPHERS, extensions: newer }),
    't13d1516h2_8daaf6152771_d8a2da3f94cd',
  );
});

test('neither order nor GREASE nor the name asked for changes it', () => {
  const plain = fingerprint({ cipherSuites: CIPHERS, extensions: common });
  const extensions = [
    extension.empty(0x8a8a),
    ...common.toReversed().map((one) => (one[0] === 0 ? extension.serverName('b.example') : one)),
  ];
  const cipherSuites = [0x2a2a, ...CIPHERS.toReversed()];
  assert.equal(fingerprint({ cipherSuites, extensions }), plain);
});

test('its first part says version, name, counts and protocol', () => {
  const start = (shape: Shape) => fingerprint(shape).split('_')[0];
  assert.equal(start({ legacyVersion: 0x0301, cipherSuites: [0x2f] }), 't10i010000');
  assert.equal(start({ legacyVersion: 0x0303, extensions: [] }), 't12i010000');
  assert.equal(start({ extensions: [extension.versions(0x0304)] }), 't13i010100');
  assert.equal(start({ extensions: [extension.versions(0x7a7a, 0x0303)] }), 't12i010100');
  assert.equal(start({ extensions: [extension.serverName('a')] }), 't12d010100');
  assert.equal(start({ extensions: [extension.alpn('http/1.1')] }), 't12i0101h1');
  assert.equal(start({ extensions: [extension.alpn('x')] }), 't12i0101xx');
  // No letter or digit: the ends of the bytes in hexadecimal.
  assert.equal(start({ extensions: [extension.alpn('\xab')] }), 't12i0101ab');
  assert.equal(start({ extensions: [extension.alpn('0\xab')] }), 't12i01013b');
  const many = Array.from({ length: 120 }, (_, index) => 0x1300 + index);
  assert.equal(start({ cipherSuites: many }), 't12i990000');
});

test('what is not there has a hash of zeros, and no schemes leave no mark', () => {
  assert.equal(fingerprint({ cipherSuites: [] }), 't12i000000_000000000000_000000000000');
  const [, , hash] = fingerprint({ extensions: [extension.empty(23)] }).split('_');
  // SHA-256 of "0017".
  assert.equal(hash, '1ca028f07214');
});
