import assert from 'node:assert/strict';
import test from 'node:test';
import type { ClientFacts } from '../http/client-facts.ts';
import { proxyHeader } from './proxy-header.ts';
import { readProxyHeader } from './proxy-protocol.ts';

const v4: ClientFacts = {
  remoteAddress: '192.0.2.7',
  remotePort: 5000,
  localAddress: '198.51.100.1',
  localPort: 443,
  tls: null,
};
const v6 = { ...v4, remoteAddress: '2001:db8::7', localAddress: '2001:db8::1' };
const tls = {
  handshakeMs: 1,
  version: 'TLSv1.3',
  cipher: 'TLS_AES_128_GCM_SHA256',
  alpn: 'h2',
  serverName: 'a.example',
};

test('version 1 is the line that proxy-protocol.txt §2.1 shows', () => {
  const text = (client: ClientFacts | null) => Buffer.from(proxyHeader('v1', client)).toString();
  assert.equal(text(v4), 'PROXY TCP4 192.0.2.7 198.51.100.1 5000 443\r\n');
  assert.equal(text(v6), 'PROXY TCP6 2001:db8::7 2001:db8::1 5000 443\r\n');
  assert.equal(
    text({ ...v4, localAddress: '2001:db8::1' }),
    'PROXY TCP6 ::ffff:192.0.2.7 2001:db8::1 5000 443\r\n',
  );
  assert.equal(text({ ...v4, remoteAddress: 'unix' }), 'PROXY UNKNOWN\r\n');
  assert.equal(text(null), 'PROXY UNKNOWN\r\n');
});

test('version 2 is what proxy-protocol.txt §2.2 says, byte by byte', () => {
  const header = Buffer.from(proxyHeader('v2', v4)).toString('hex');
  const signature = '0d0a0d0a000d0a515549540a';
  assert.equal(
    header,
    `${signature}2111000cc0000207c63364011388${(443).toString(16).padStart(4, '0')}`,
  );
  assert.equal(Buffer.from(proxyHeader('v2', null)).toString('hex'), `${signature}20000000`);
});

test('whoever reads our headers learns the client', () => {
  for (const version of ['v1', 'v2'] as const) {
    for (const client of [v4, v6, { ...v6, tls }]) {
      const bytes = proxyHeader(version, client);
      assert.deepEqual(readProxyHeader(bytes), {
        kind: 'header',
        length: bytes.length,
        peer: { remoteAddress: client.remoteAddress, remotePort: client.remotePort },
      });
    }
    const own = readProxyHeader(proxyHeader(version, null));
    assert.ok(own.kind === 'header' && own.peer === null);
  }
});

test('version 2 tells of TLS when its handshake is complete', () => {
  const text = (client: ClientFacts) => Buffer.from(proxyHeader('v2', client)).toString('latin1');
  const header = text({ ...v4, tls });
  for (const word of ['\x01\x00\x02h2', '\x02\x00\x09a.example', '\x21\x00\x07TLSv1.3']) {
    assert.ok(header.includes(word), JSON.stringify(word));
  }
  assert.equal(text({ ...v4, tls: { ...tls, handshakeMs: -1 } }), text(v4));
});
