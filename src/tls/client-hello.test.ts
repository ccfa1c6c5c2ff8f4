import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { extension, helloMessage, inRecords } from '../../test/support/client-hello.ts';
import { clientHelloLength, isGrease, parseClientHello } from './client-hello.ts';

const full = helloMessage({
  cipherSuites: [0x2a2a, 0x1302, 0x1301],
  extensions: [
    extension.serverName('www.example.org'),
    extension.alpn('h2', 'http/1.1'),
    extension.versions(0x1a1a, 0x0304, 0x0303),
    extension.groups(0x11ec, 29),
    extension.schemes(0x0403, 0x0804),
    extension.keyShares(0x11ec, 29),
    extension.empty(42),
  ],
});

describe('a ClientHello', () => {
  test('is read with everything that it offers', () => {
    const hello = parseClientHello(inRecords(full))!;
    assert.equal(hello.legacyVersion, 0x0303);
    assert.equal(hello.random.length, 32);
    assert.deepEqual(hello.cipherSuites, [0x2a2a, 0x1302, 0x1301]);
    assert.deepEqual(
      hello.extensions.map(({ type }) => type),
      [0, 16, 43, 10, 13, 51, 42],
    );
    assert.equal(hello.serverName, 'www.example.org');
    assert.deepEqual(hello.protocols, ['h2', 'http/1.1']);
    assert.deepEqual(hello.supportedVersions, [0x1a1a, 0x0304, 0x0303]);
    assert.deepEqual(hello.supportedGroups, [0x11ec, 29]);
    assert.deepEqual(hello.signatureAlgorithms, [0x0403, 0x0804]);
    assert.deepEqual(hello.keyShareGroups, [0x11ec, 29]);
    assert.equal(hello.offersEarlyData, true);
  });

  test('may have no extensions at all (RFC 5246 §7.4.1.2)', () => {
    const hello = parseClientHello(inRecords(helloMessage({ cipherSuites: [0x002f] })))!;
    assert.deepEqual(hello.extensions, []);
    assert.equal(hello.serverName, '');
    assert.equal(hello.offersEarlyData, false);
  });

  test('is the same in any number of records', () => {
    const whole = parseClientHello(inRecords(full));
    for (let bytes = 1; bytes < full.length; bytes++) {
      assert.deepEqual(parseClientHello(inRecords(full, bytes)), whole, `${bytes} per record`);
    }
  });

  test('ends where its records end, whatever follows', () => {
    const records = inRecords(full);
    const early = Buffer.concat([records, Buffer.of(23, 3, 3, 0, 1, 0)]);
    assert.equal(clientHelloLength(early), records.length);
    assert.deepEqual(parseClientHello(early), parseClientHello(records));
  });

  test('is waited for while only its beginning is there', () => {
    for (const bytes of [1, 3, 100]) {
      const records = inRecords(full, bytes);
      for (let end = 0; end < records.length; end++) {
        assert.equal(clientHelloLength(records.subarray(0, end)), 0, `${end} bytes`);
        assert.equal(parseClientHello(records.subarray(0, end)), null);
      }
    }
  });

  test('is not seen in what is none', () => {
    for (const bytes of [
      Buffer.from('GET / HTTP/1.1\r\n\r\n'),
      Buffer.of(22, 2, 0, 0, 10, 1, 0, 0, 6),
      Buffer.of(22, 3, 1, 0, 0),
      Buffer.of(22, 3, 1, 0, 9, 2, 0, 0, 5, 0, 0, 0, 0, 0),
      Buffer.alloc(600),
    ]) {
      assert.equal(clientHelloLength(bytes), -1, bytes.toString('hex').slice(0, 20));
      assert.equal(parseClientHello(bytes), null);
    }
  });

  test('whose lengths do not add up is refused, never read beyond', () => {
    for (let at = 4; at < full.length; at++) {
      for (const value of [0, 1, 0x7f, 0xff]) {
        const broken = Buffer.from(full);
        broken[at] = value;
        const hello = parseClientHello(inRecords(broken));
        if (hello === null) continue;
        const bytes = hello.extensions.reduce((sum, { data }) => sum + 4 + data.length, 0);
        assert.ok(bytes <= full.length, `byte ${at} set to ${value}`);
      }
    }
    for (let end = 4; end < full.length; end++) {
      const cut = Buffer.from(full.subarray(0, end));
      cut.writeUIntBE(end - 4, 1, 3);
      const hello = parseClientHello(inRecords(cut));
      // What ends behind the compression methods is a whole one of TLS 1.2.
      assert.ok(hello === null || hello.extensions.length === 0, `cut at ${end}`);
    }
  });
});

test('GREASE is known by its two equal bytes (RFC 8701 §2)', () => {
  const grease = Array.from({ length: 0x10000 }, (_, value) => value).filter(isGrease);
  assert.equal(grease.length, 16);
  assert.ok(grease.includes(0x0a0a) && grease.includes(0xfafa));
});

test('the first flights of real clients are read', () => {
  const corpus = new URL('../../test/fuzz/client-hello-corpus/', import.meta.url);
  const files = readdirSync(corpus).filter((file) => !file.startsWith('not-'));
  assert.ok(files.length >= 8);
  for (const file of files) {
    const hello = parseClientHello(readFileSync(new URL(file, corpus)));
    assert.ok(hello !== null, file);
    assert.equal(hello.serverName, 'localhost', file);
    assert.equal(hello.offersEarlyData, file.includes('early-data'), file);
  }
});
