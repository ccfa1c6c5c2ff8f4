import assert from 'node:assert/strict';
import test from 'node:test';
import { parseTarget, reachable } from './destination.ts';

const isReachable = reachable([]);

/** RFC 6890 and the registries that it began, with what is embedded in IPv6 addresses. */
const SPECIAL = {
  'this network': ['0.0.0.0', '0.1.2.3', '::', '::1'],
  'private networks': ['10.0.0.1', '172.16.0.1', '172.31.255.255', '192.168.1.1', 'fd00::1'],
  'shared address space': ['100.64.0.1', '100.127.255.255'],
  loopback: ['127.0.0.1', '127.255.255.254'],
  'link-local and site-local addresses': ['169.254.169.254', 'fe80::1', 'fec0::1', 'feff::1'],
  'protocol assignments': ['192.0.0.8', '192.0.0.170', '2001:1::1', '2001:2::1', '2001:100::1'],
  identifiers: ['2001:10::1', '2001:20::1', '2001:2f::1', '2001:30::1'],
  documentation: ['192.0.2.1', '198.51.100.1', '203.0.113.1', '2001:db8::1', '3fff:fff::1'],
  'benchmarks, relays, discard and segments': [
    '198.18.0.1',
    '198.19.255.255',
    '192.88.99.1',
    '100::1',
    '100:0:0:1::1',
    '5f00::1',
  ],
  'multicast and reserved': ['224.0.0.1', '239.1.1.1', '240.0.0.1', '255.255.255.255', 'ff02::1'],
  'an IPv4 address mapped into IPv6': ['::ffff:127.0.0.1', '::ffff:7f00:1', '0:0:0:0:0:ffff:a00:1'],
  'an IPv4-compatible address': ['::127.0.0.1', '::10.0.0.1', '::a9fe:a9fe'],
  SIIT: ['::ffff:0:127.0.0.1', '::ffff:0:a00:1'],
  NAT64: ['64:ff9b::127.0.0.1', '64:ff9b::a00:1', '64:ff9b:1::8.8.8.8', '64:ff9b:1:ffff::1'],
  '6to4': ['2002:7f00:1::1', '2002:a00:1::', '2002:c0a8:101:5::9'],
  // 127.0.0.1 as client and as server.
  Teredo: ['2001:0:808:808:0:0:80ff:fffe', '2001:0:7f00:1:0:0:f7f7:f7f7'],
  ISATAP: ['2600::5efe:127.0.0.1', '2600::200:5efe:10.0.0.1'],
};

for (const [name, addresses] of Object.entries(SPECIAL)) {
  test(`no tunnel leads to ${name}`, () => {
    for (const address of addresses) assert.equal(isReachable(address), false, address);
  });
}

test('tunnels lead to the Internet, also through translators and tunnels', () => {
  const addresses = [
    ...['8.8.8.8', '192.0.1.1', '100.63.0.1', '172.32.0.1', '192.52.193.1', '192.31.196.1'],
    ...['2606:4700::1111', '2001:4860:4860::8888', '2001:3::1', '2001:4:112::1', '2620:4f:8000::1'],
    ...['::ffff:8.8.8.8', '::8.8.8.8', '::ffff:0:8.8.8.8', '64:ff9b::8.8.8.8', '2002:808:808::1'],
    ...['2001:0:808:808:0:0:f7f7:f7f7', '2600::5efe:8.8.8.8'],
  ];
  for (const address of addresses) assert.equal(isReachable(address), true, address);
});

test('what the operator has named may be reached, however it is written', () => {
  const named = reachable([{ address: '10.0.0.0', bits: 8 }]);
  for (const address of ['10.1.2.3', '::ffff:10.1.2.3', '64:ff9b::10.1.2.3']) {
    assert.equal(named(address), true, address);
  }
  assert.equal(named('192.168.0.1'), false);
});

test('an address with a zone is no target, and none that a name leads to', () => {
  for (const zone of ['lo', '25lo', '1', '']) {
    for (const address of ['2606:4700::1111', '::ffff:8.8.8.8', 'fe80::1']) {
      assert.equal(parseTarget(`[${address}%${zone}]:443`), null);
      assert.equal(isReachable(`${address}%${zone}`), false);
    }
  }
  assert.equal(parseTarget('a%zz:443'), null);
  assert.deepEqual(parseTarget('[2606:4700::1111]:443'), { host: '2606:4700::1111', port: 443 });
});
