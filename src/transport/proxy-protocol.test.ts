import assert from 'node:assert/strict';
import { isIP } from 'node:net';
import test from 'node:test';
import fc from '../../test/support/fast-check.ts';
import { PROXY_HEADER_BYTES_MAX, readProxyHeader, V2_SIGNATURE } from './proxy-protocol.ts';

const latin1 = (text: string) => Buffer.from(text, 'latin1');

function v2(command: number, family: number, addresses: Uint8Array, announced?: number): Buffer {
  const fixed = Buffer.alloc(4);
  fixed[0] = command;
  fixed[1] = family;
  fixed.writeUInt16BE(announced ?? addresses.length, 2);
  return Buffer.concat([V2_SIGNATURE, fixed, addresses]);
}

const ipv4Addresses = Buffer.from([192, 0, 2, 1, 198, 51, 100, 7, 0xd9, 0x03, 0x01, 0xbb]);

function ipv6Addresses(source: string): Buffer {
  const bytes = Buffer.alloc(36);
  const [head = '', tail = ''] = source.split('::');
  const groups = (text: string) => (text === '' ? [] : text.split(':'));
  groups(head).forEach((group, i) => {
    bytes.writeUInt16BE(Number.parseInt(group, 16), 2 * i);
  });
  const last = groups(tail);
  last.forEach((group, i) => {
    bytes.writeUInt16BE(Number.parseInt(group, 16), 16 - 2 * (last.length - i));
  });
  bytes.writeUInt16BE(4_321, 32);
  return bytes;
}

function peer(bytes: Uint8Array) {
  const header = readProxyHeader(bytes);
  assert.equal(header.kind, 'header', JSON.stringify(header));
  return header.kind === 'header' ? header.peer : null;
}

const whole: readonly [Uint8Array, string | null][] = [
  [latin1('PROXY TCP4 192.0.2.1 198.51.100.7 55555 443\r\n'), '192.0.2.1 55555'],
  [latin1('PROXY TCP6 2001:db8::1 ::1 1 65535\r\n'), '2001:db8::1 1'],
  [latin1('PROXY TCP6 ::ffff:192.0.2.9 ::1 7 8\r\n'), '192.0.2.9 7'],
  [latin1('PROXY UNKNOWN\r\n'), null],
  [latin1('PROXY UNKNOWN ffff:f::1 ffff::1 65535 65535\r\n'), null],
  [v2(0x21, 0x11, ipv4Addresses), '192.0.2.1 55555'],
  [v2(0x21, 0x11, Buffer.concat([ipv4Addresses, latin1('\x03\0\x04abcd')])), '192.0.2.1 55555'],
  [v2(0x21, 0x21, ipv6Addresses('2001:db8::ff')), '2001:db8::ff 4321'],
  [v2(0x21, 0x21, ipv6Addresses('::1')), '::1 4321'],
  [v2(0x21, 0x21, ipv6Addresses('fe80::')), 'fe80:: 4321'],
  [v2(0x21, 0x31, Buffer.alloc(216)), 'unix 0'],
  [v2(0x20, 0x11, ipv4Addresses), null],
  [v2(0x20, 0x00, Buffer.alloc(0)), null],
  [v2(0x21, 0x00, Buffer.alloc(0)), null],
];

test('a header of either version names the client, cut anywhere it is waited for', () => {
  for (const [bytes, wanted] of whole) {
    const found = peer(bytes);
    const text = found === null ? null : `${found.remoteAddress} ${found.remotePort}`;
    assert.equal(text, wanted);
    for (let cut = 0; cut < bytes.length; cut++) {
      assert.equal(readProxyHeader(bytes.subarray(0, cut)).kind, 'incomplete', `cut at ${cut}`);
    }
    const header = readProxyHeader(Buffer.concat([bytes, latin1('GET / HTTP/1.1\r\n')]));
    assert.ok(header.kind === 'header' && header.length === bytes.length, 'what follows is left');
  }
});

test('what begins otherwise has no header', () => {
  for (const text of [
    'GET / HTTP/1.1\r\n\r\n',
    '\x16\x03\x01\x02\x00',
    'PRI * HTTP/2.0',
    'PROXX',
  ]) {
    assert.equal(readProxyHeader(latin1(text)).kind, 'absent', text);
  }
});

const broken: readonly (readonly [Uint8Array, RegExp])[] = [
  [latin1('PROXY TCP4 192.0.2.256 198.51.100.7 1 2\r\n'), /address/],
  [latin1('PROXY TCP4 192.0.2.1 198.51.100.7 1 65536\r\n'), /port/],
  [latin1('PROXY TCP4 192.0.2.1 198.51.100.7 01 2\r\n'), /port/],
  [latin1('PROXY TCP4 192.0.2.1  198.51.100.7 1 2\r\n'), /six words/],
  [latin1('PROXY TCP5 192.0.2.1 198.51.100.7 1 2\r\n'), /family/],
  [latin1('PROXY TCP6 192.0.2.1 198.51.100.7 1 2\r\n'), /address/],
  [latin1(`PROXY TCP4 ${'1'.repeat(107)}`), /too long/],
  [latin1('PROXY TCP6 :::: ::1 1 2\r\n'), /address/],
  [latin1('PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n'), /address/],
  [v2(0x31, 0x11, ipv4Addresses), /version 3/],
  [v2(0x22, 0x11, ipv4Addresses), /command 2/],
  [v2(0x21, 0x11, ipv4Addresses.subarray(0, 11)), /cut off/],
  [v2(0x21, 0x21, ipv4Addresses), /cut off/],
  [v2(0x21, 0x11, ipv4Addresses, PROXY_HEADER_BYTES_MAX + 1), /over the limit/],
];

test('what begins as a header and breaks its rules is refused with a reason', () => {
  for (const [bytes, reason] of broken) {
    const header = readProxyHeader(bytes);
    assert.ok(header.kind === 'invalid' && reason.test(header.reason), JSON.stringify(header));
  }
});

test('any IPv6 address comes out as one, and the same again', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), fc.nat(65_535), (source, port) => {
      const addresses = Buffer.alloc(36);
      addresses.set(source);
      addresses.writeUInt16BE(port, 32);
      const found = peer(v2(0x21, 0x21, addresses))!;
      assert.notEqual(isIP(found.remoteAddress), 0, found.remoteAddress);
      const canonical = new URL(
        `http://[${found.remoteAddress.includes(':') ? found.remoteAddress : `::ffff:${found.remoteAddress}`}]/`,
      );
      const groups = Array.from({ length: 8 }, (_, i) =>
        ((source[2 * i]! << 8) | source[2 * i + 1]!).toString(16),
      );
      assert.equal(canonical.hostname, new URL(`http://[${groups.join(':')}]/`).hostname);
    }),
  );
});
