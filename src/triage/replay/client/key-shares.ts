/** Shares of keys of our own, in place of those that a client has sent (RFC 8446 §4.2.8). */
import {
  createECDH,
  createPublicKey,
  decapsulate,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto';
import { finiteFieldKeys } from './finite-field.ts';

export interface KeyShare {
  readonly group: number;
  /** What the client sends. */
  readonly bytes: Buffer;
  /** The shared secret from what the server sends; null where we have no key. */
  readonly secretWith: ((serverShare: Buffer) => Buffer) | null;
}

const X25519 = 29;
const X448 = 30;
const SECP256R1_MLKEM768 = 4587;
const X25519_MLKEM768 = 4588;
const curves: ReadonlyMap<number, string> = new Map([
  [23, 'prime256v1'],
  [24, 'secp384r1'],
  [25, 'secp521r1'],
]);
const MLKEM768_PUBLIC_BYTES = 1_184;
const MLKEM768_CIPHERTEXT_BYTES = 1_088;
const P256_POINT_BYTES = 65;

/**
 * A share for the group. Where there are no keys for it (GREASE, and what nobody knows): random bytes,
 * as many as were sent.
 */
export function makeKeyShare(group: number, length: number): KeyShare {
  const curve = curves.get(group);
  if (curve !== undefined) return curveShare(group, curve);
  switch (group) {
    case X25519:
      return montgomeryShare(group, 'x25519');
    case X448:
      return montgomeryShare(group, 'x448');
    // The order of the two parts differs (draft-ietf-tls-ecdhe-mlkem §4.1).
    case X25519_MLKEM768:
      return hybridShare(group, makeKeyShare(X25519, 0), 'kem-first', 32);
    case SECP256R1_MLKEM768:
      return hybridShare(group, makeKeyShare(23, 0), 'kem-last', P256_POINT_BYTES);
    default: {
      const keys = finiteFieldKeys(group);
      if (keys !== undefined) return { group, ...keys };
      return { group, bytes: randomBytes(length), secretWith: null };
    }
  }
}

/** Whether a server may choose the group, and we can go on. */
export function hasKeys(group: number): boolean {
  return makeKeyShare(group, 0).secretWith !== null;
}

function curveShare(group: number, curve: string): KeyShare {
  const ecdh = createECDH(curve);
  const bytes = ecdh.generateKeys();
  return { group, bytes, secretWith: (serverShare) => ecdh.computeSecret(serverShare) };
}

function montgomeryShare(group: number, type: 'x25519' | 'x448'): KeyShare {
  const { publicKey, privateKey } =
    type === 'x25519' ? generateKeyPairSync('x25519') : generateKeyPairSync('x448');
  return {
    group,
    bytes: rawOf(publicKey),
    secretWith: (serverShare) =>
      diffieHellman({
        privateKey,
        publicKey: createPublicKey({
          key: serverShare,
          format: 'raw-public',
          asymmetricKeyType: type,
        }),
      }),
  };
}

function hybridShare(
  group: number,
  classic: KeyShare,
  order: 'kem-first' | 'kem-last',
  classicBytes: number,
): KeyShare {
  const { publicKey, privateKey } = generateKeyPairSync('ml-kem-768');
  const kem = rawOf(publicKey);
  const ordered = (ofKem: Buffer, ofClassic: Buffer) =>
    Buffer.concat(order === 'kem-first' ? [ofKem, ofClassic] : [ofClassic, ofKem]);
  return {
    group,
    bytes: ordered(kem.subarray(0, MLKEM768_PUBLIC_BYTES), classic.bytes),
    secretWith(serverShare) {
      const kemAt = order === 'kem-first' ? 0 : classicBytes;
      const classicAt = order === 'kem-first' ? MLKEM768_CIPHERTEXT_BYTES : 0;
      const ciphertext = serverShare.subarray(kemAt, kemAt + MLKEM768_CIPHERTEXT_BYTES);
      const point = serverShare.subarray(classicAt, classicAt + classicBytes);
      return ordered(decapsulate(privateKey, ciphertext), classic.secretWith!(point));
    },
  };
}

function rawOf(key: KeyObject): Buffer {
  return key.export({ format: 'raw-public' }) as Buffer;
}
