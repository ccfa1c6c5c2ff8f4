import assert from 'node:assert/strict';
import test from 'node:test';
import { extension, helloMessage, inRecords } from '../../../../test/support/client-hello.ts';
import fc from '../../../../test/support/fast-check.ts';
import { parseClientHello } from '../../../tls/client-hello.ts';
import { readHello, writeHello } from '../../reduce/hello-model.ts';
import { ownModel } from './own-hello.ts';

const GREASE = 0x2a2a;
const group = fc.constantFrom(23, 24, 29, 30, 4588, 256, GREASE);
const hello = fc
  .record({
    groups: fc.uniqueArray(group, { minLength: 1 }),
    shares: fc.uniqueArray(group),
    cipherSuites: fc.uniqueArray(fc.nat({ max: 0xffff }), { maxLength: 10 }),
    protocols: fc.array(fc.constantFrom('h2', 'http/1.1', 'x')),
    unknown: fc.uint8Array({ maxLength: 30 }),
  })
  .map(({ groups, shares, cipherSuites, protocols, unknown }) =>
    inRecords(
      helloMessage({
        cipherSuites,
        extensions: [
          [GREASE, Buffer.alloc(0)],
          extension.serverName('a.example'),
          extension.versions(0x0304),
          extension.groups(...groups),
          extension.keyShares(...shares),
          extension.alpn(...protocols),
          [0xfe0d, Buffer.from(unknown)],
        ],
      }),
    ),
  );

test('a ClientHello of our own has everything of the template but what belongs to keys', () => {
  fc.assert(
    fc.property(hello, (bytes) => {
      const template = parseClientHello(bytes)!;
      const { model, shares } = ownModel(readHello(bytes)!);
      const own = parseClientHello(writeHello(model))!;
      const { random: _, extensions, sessionId, ...rest } = template;
      const { random, extensions: ownExtensions, sessionId: ownSessionId, ...ownRest } = own;
      assert.deepEqual(ownRest, rest);
      assert.notDeepEqual(random, template.random);
      assert.equal(ownSessionId.length, sessionId.length);
      const others = (list: typeof extensions) =>
        list.map(({ type, data }) =>
          type === 51 ? [type] : [type, Buffer.from(data).toString('hex')],
        );
      assert.deepEqual(others(ownExtensions), others(extensions));
      assert.deepEqual(
        shares.map((share) => share.group),
        template.keyShareGroups,
      );
    }),
    { numRuns: 30 },
  );
});
