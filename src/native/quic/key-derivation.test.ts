import assert from 'node:assert/strict';
import { createHmac, hkdfSync, randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { deriveKey, HASH_BYTES, hkdfExtract, type KeyHash } from './key-derivation.ts';

const hex = (text: string) => Buffer.from(text, 'hex');

/** RFC 9001 §5.2. */
const SALT_V1 = hex('38762cf7f55934b34d179ae6a4c80cadccbb7f0a');

describe('key derivation', () => {
  it('gives the Initial secrets and keys of RFC 9001 appendix A.1', () => {
    const initial = hkdfExtract('SHA256', SALT_V1, hex('8394c8f03e515708'));
    assert.equal(
      initial.toString('hex'),
      '7db5df06e7a69e432496adedb00851923595221596ae2ae9fb8115c1e9ed0a44',
    );
    const sides = [
      {
        label: 'client in',
        secret: 'c00cf151ca5be075ed0ebfb5c80323c42d6b7db67881289af4008f1f6c357aea',
        key: '1f369613dd76d5467730efcbe3b1a22d',
        iv: 'fa044b2f42a3fd3b46fb255c',
        hp: '9f50449e04a0e810283a1e9933adedd2',
      },
      {
        label: 'server in',
        secret: '3c199828fd139efd216c155ad844cc81fb82fa8d7446fa7d78be803acdda951b',
        key: 'cf3a5331653c364c88f0f379b6067e37',
        iv: '0ac1493ca1905853b0bba03e',
        hp: 'c206b8d9b9f0f37644430b490eeaa314',
      },
    ];
    for (const side of sides) {
      const secret = deriveKey('SHA256', initial, side.label, 32);
      assert.equal(secret.toString('hex'), side.secret);
      for (const [label, length, wanted] of [
        ['quic key', 16, side.key],
        ['quic iv', 12, side.iv],
        ['quic hp', 16, side.hp],
      ] as const) {
        assert.equal(deriveKey('SHA256', secret, label, length).toString('hex'), wanted);
      }
    }
  });

  it('gives the keys and the next secret of RFC 9001 appendix A.5', () => {
    const secret = hex('9ac312a7f877468ebe69422748ad00a15443f18203a07d6060f688f30f21632b');
    for (const [label, length, wanted] of [
      ['quic key', 32, 'c6d98ff3441c3fe1b2182094f69caa2ed4b716b65488960a7a984979fb23e1c8'],
      ['quic iv', 12, 'e0459b3474bdd0e44a41c144'],
      ['quic hp', 32, '25a282b9e82f06f21f488917a4fc8f1b73573685608597d0efcb076b0ab7a7a4'],
      ['quic ku', 32, '1223504755036d556342ee9361d253421a826c9ecdf3c7148684b36b714881f9'],
    ] as const) {
      assert.equal(deriveKey('SHA256', secret, label, length).toString('hex'), wanted);
    }
  });

  it('agrees with node:crypto for both hashes, in any order', () => {
    for (let round = 0; round < 20; round++) {
      for (const hash of ['SHA256', 'SHA384'] satisfies KeyHash[]) {
        const secret = randomBytes(HASH_BYTES[hash]);
        const salt = randomBytes(1 + (round % 40));
        const length = 1 + ((round * 7) % HASH_BYTES[hash]);
        const info = Buffer.concat([
          Buffer.from([0, length, 6 + 7]),
          Buffer.from('tls13 quic ku'),
          Buffer.from([0]),
        ]);
        // hkdfSync extracts first: undone by giving Expand alone, which is one HMAC here.
        const block = Buffer.concat([info, Buffer.from([1])]);
        const wanted = createHmac(hash.toLowerCase(), secret).update(block).digest();
        const got = deriveKey(hash, secret, 'quic ku', length);
        assert.deepEqual(got, wanted.subarray(0, length));
        const extracted = hkdfExtract(hash, salt, secret);
        assert.deepEqual(
          Buffer.from(hkdfSync(hash.toLowerCase(), secret, salt, info, length)),
          deriveKey(hash, extracted, 'quic ku', length),
        );
      }
    }
  });

  it('refuses to give more than one block', () => {
    assert.throws(() => deriveKey('SHA256', randomBytes(32), 'quic key', 33), /one block/);
  });
});
