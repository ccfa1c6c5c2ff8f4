import assert from 'node:assert/strict';
import net from 'node:net';
import { describe, it } from 'node:test';
import fc from '../../test/support/fast-check.ts';
import { ConnectionAddress, encodeSocketAddress, SOCKADDR_BYTES_MAX } from './socket-address.ts';

function roundTrip(host: string, port: number): ConnectionAddress {
  const target = Buffer.alloc(SOCKADDR_BYTES_MAX, 0xff);
  encodeSocketAddress({ host, port }, target);
  return new ConnectionAddress(target);
}

describe('a socket address', () => {
  it('comes back as it was given, for every IPv4 address and port', () => {
    fc.assert(
      fc.property(fc.ipV4(), fc.nat(65_535), (host, port) => {
        const address = roundTrip(host, port);
        assert.equal(address.text, host);
        assert.equal(address.port, port);
      }),
    );
  });

  it('comes back as an equal address, for every IPv6 one', () => {
    fc.assert(
      fc.property(fc.ipV6(), fc.nat(65_535), (host, port) => {
        const address = roundTrip(host, port);
        assert.equal(address.port, port);
        const list = new net.BlockList();
        list.addAddress(host, 'ipv6');
        const family = address.text.includes(':') ? 'ipv6' : 'ipv4';
        assert.ok(list.check(address.text, family), `${host} became ${address.text}`);
      }),
    );
  });

  it('is written in the canonical form of RFC 5952', () => {
    assert.equal(roundTrip('2001:DB8:0:0:1:0:0:1', 1).text, '2001:db8::1:0:0:1');
    assert.equal(roundTrip('::', 0).text, '::');
    assert.equal(roundTrip('::ffff:192.0.2.7', 80).text, '192.0.2.7');
  });

  it('copies what it shows, so that the memory may be used again', () => {
    const target = Buffer.alloc(SOCKADDR_BYTES_MAX);
    encodeSocketAddress({ host: '192.0.2.1', port: 443 }, target);
    const address = new ConnectionAddress(target);
    target.fill(0);
    assert.equal(address.text, '192.0.2.1');
    assert.equal(address.port, 443);
  });

  it('of a UNIX socket is the word unix, without a port', () => {
    const target = Buffer.alloc(SOCKADDR_BYTES_MAX);
    const { length } = encodeSocketAddress({ path: '/run/a.sock' }, target);
    assert.equal(length, 2 + '/run/a.sock'.length + 1);
    assert.equal(new ConnectionAddress(target).text, 'unix');
    assert.equal(new ConnectionAddress(target).port, 0);
  });

  it('refuses what is no IP address, port or path, whatever it is', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 100 }), (host) => {
        fc.pre(net.isIP(host) === 0);
        assert.throws(() => roundTrip(host, 80), { code: 'address-invalid' });
      }),
    );
    for (const port of [-1, 65_536, 1.5, Number.NaN]) {
      assert.throws(() => roundTrip('127.0.0.1', port), { code: 'address-invalid' });
    }
    const target = Buffer.alloc(SOCKADDR_BYTES_MAX);
    for (const path of ['', 'a\0b', 'é'.repeat(54)]) {
      assert.throws(() => encodeSocketAddress({ path }, target), { code: 'address-invalid' });
    }
    encodeSocketAddress({ path: 'p'.repeat(107) }, target);
    assert.equal(target[2 + 107], 0, 'the longest path is terminated');
  });
});
