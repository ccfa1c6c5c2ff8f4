import assert from 'node:assert/strict';
import test from 'node:test';
import { extension, helloMessage, inRecords, vector } from '../../../test/support/client-hello.ts';
import fc from '../../../test/support/fast-check.ts';
import { parseClientHello } from '../../tls/client-hello.ts';
import { readHello, writeHello } from './hello-model.ts';
import { helloPartsOf, withParts } from './hello-parts.ts';
import { helloWords } from './hello-words.ts';

const uint16 = fc.nat({ max: 0xffff });
/** Types of which the content is nobody's business. */
const unread = fc.integer({ min: 100, max: 0xffff });
const extensions = fc.uniqueArray(
  fc.oneof(
    fc.array(uint16).map((values) => extension.groups(...values)),
    fc.array(uint16).map((values) => extension.versions(...values.slice(0, 100))),
    fc.array(uint16).map((values) => extension.keyShares(...values)),
    fc.array(fc.stringMatching(/^[a-z0-9/.]{1,8}$/)).map((names) => extension.alpn(...names)),
    fc
      .tuple(unread, fc.uint8Array({ maxLength: 40 }))
      .map(([type, data]) => [type, Buffer.from(data)] as const),
  ),
  { selector: ([type]) => type, maxLength: 8 },
);
const flight = fc
  .record({
    cipherSuites: fc.array(uint16, { maxLength: 20 }),
    extensions: fc.option(extensions, { nil: undefined }),
    bytesMax: fc.integer({ min: 20, max: 400 }),
  })
  .map(({ bytesMax, cipherSuites, extensions }) =>
    inRecords(
      helloMessage({ cipherSuites, ...(extensions === undefined ? {} : { extensions }) }),
      bytesMax,
    ),
  );

test('with nothing left out a ClientHello is the same, byte for byte', () => {
  fc.assert(
    fc.property(flight, fc.uint8Array({ maxLength: 20 }), (hello, rest) => {
      const bytes = Buffer.concat([hello, Buffer.of(23, 3, 3), rest]);
      const model = readHello(bytes)!;
      assert.deepEqual(writeHello(model), bytes);
      assert.deepEqual(withParts(model, helloPartsOf(model)), bytes);
    }),
  );
});

test('whatever is left out, what remains is a ClientHello with exactly the rest', () => {
  fc.assert(
    fc.property(flight, fc.infiniteStream(fc.boolean()), (bytes, coins) => {
      const model = readHello(bytes)!;
      const kept = helloPartsOf(model).filter(() => coins.next().value);
      const hello = parseClientHello(withParts(model, kept));
      assert.ok(hello !== null);
      const count = (kind: string) => kept.filter((part) => part.kind === kind).length;
      assert.equal(hello.cipherSuites.length, count('cipher-suite'));
      assert.equal(hello.extensions.length, count('extension'));
    }),
  );
});

test('parts have the names of the standards, and a ClientHello is told in a sentence', () => {
  const message = helloMessage({
    cipherSuites: [0x1301],
    extensions: [
      extension.versions(0x0304, 0x0303),
      extension.groups(0x0102, 0x001d),
      extension.keyShares(0x0102),
      extension.alpn('h2'),
      extension.empty(42),
    ],
  });
  const bytes = inRecords(message);
  const names = helloPartsOf(readHello(bytes)!).map(({ name }) => name);
  for (const name of [
    'cipher suite TLS_AES_128_GCM_SHA256',
    'extension key_share',
    'group ffdhe4096',
    'key share of ffdhe4096',
    'version TLS 1.3',
    'protocol h2',
  ]) {
    assert.ok(names.includes(name), `${name} is one of ${names.join()}`);
  }
  assert.equal(
    helloWords(bytes),
    'TLS 1.3 ClientHello, groups ffdhe4096, x25519, key shares of ffdhe4096, ' +
      'cipher suites TLS_AES_128_GCM_SHA256, no session ticket, with early data, ' +
      'and application_layer_protocol_negotiation',
  );
  assert.equal(helloWords(Buffer.from('GET / HTTP/1.1')), '14 bytes that are no whole ClientHello');
});

test('a list that is malformed stays as it is', () => {
  const broken = [0x000a, Buffer.of(0, 3, 1)] as const;
  const bytes = inRecords(helloMessage({ extensions: [broken, [0x002b, vector(1)]] }));
  const model = readHello(bytes)!;
  assert.deepEqual(withParts(model, helloPartsOf(model)), bytes);
  assert.ok(!helloPartsOf(model).some(({ kind }) => kind === 'entry'));
});
