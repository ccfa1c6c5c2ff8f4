/**
 * HKDF (RFC 5869) as TLS 1.3 and QUIC use it, by OpenSSL's HMAC. `createHmac` of node:crypto costs
 * 3 µs a call, and a connection needs some twenty.
 */
import { assert } from '../../base/assert.ts';
import { addressOf, NativeBuffer } from '../memory.ts';
import { libcrypto } from '../openssl-table.ts';
import { withCString } from '../ssl-context.ts';
import { evp } from './evp-table.ts';

export type KeyHash = 'SHA256' | 'SHA384';

export const HASH_BYTES: Readonly<Record<KeyHash, number>> = { SHA256: 32, SHA384: 48 };

/** `OSSL_PARAM_UTF8_STRING` and sizeof(OSSL_PARAM) (core.h). */
const OSSL_PARAM_UTF8_STRING = 4;
const OSSL_PARAM_BYTES = 40;

const KEY_BYTES_MAX = 64;
const TEXT_BYTES_MAX = 512;
const TEXT_OFFSET = KEY_BYTES_MAX;
const RESULT_OFFSET = TEXT_OFFSET + TEXT_BYTES_MAX;
const LENGTH_OFFSET = RESULT_OFFSET + 64;

const scratch = NativeBuffer.allocate(LENGTH_OFFSET + 8);
const keyAddress = addressOf(scratch);
const textAddress = keyAddress + BigInt(TEXT_OFFSET);
const resultAddress = keyAddress + BigInt(RESULT_OFFSET);
const lengthAddress = keyAddress + BigInt(LENGTH_OFFSET);

const { EVP_MAC_update, EVP_MAC_final } = evp.direct;
const { EVP_MAC_init } = libcrypto.direct;

/** One for the process and hash, made when first needed and kept. */
const macs = new Map<KeyHash, bigint>();

function macOf(hash: KeyHash): bigint {
  const known = macs.get(hash);
  if (known !== undefined) return known;
  const { EVP_MAC_fetch, EVP_MAC_CTX_new, EVP_MAC_CTX_set_params } = evp.checked;
  const algorithm = withCString('HMAC', (name) => EVP_MAC_fetch(0n, name, 0n));
  assert(algorithm !== 0n, 'HMAC is built in');
  const mac = EVP_MAC_CTX_new(algorithm);
  assert(mac !== 0n, 'memory is left');
  // `digest`, and the all-zero OSSL_PARAM that ends the list.
  using parameters = NativeBuffer.allocate(256);
  const { bytes } = parameters;
  const address = addressOf(parameters);
  const nameOffset = 2 * OSSL_PARAM_BYTES;
  const valueOffset = nameOffset + 16;
  bytes.write('digest\0', nameOffset);
  bytes.write(`${hash}\0`, valueOffset);
  bytes.writeBigUInt64LE(address + BigInt(nameOffset), 0);
  bytes.writeUInt32LE(OSSL_PARAM_UTF8_STRING, 8);
  bytes.writeBigUInt64LE(address + BigInt(valueOffset), 16);
  bytes.writeBigUInt64LE(BigInt(hash.length), 24);
  assert(EVP_MAC_CTX_set_params(mac, address) === 1, 'the hash is built in');
  macs.set(hash, mac);
  return mac;
}

/** HMAC of the first `textLength` bytes of the scratch text, into the scratch result. */
function hmac(hash: KeyHash, key: Uint8Array, textLength: number): void {
  assert(key.length > 0 && key.length <= KEY_BYTES_MAX, 'a key of HMAC has 1 to 64 bytes');
  const mac = macOf(hash);
  scratch.bytes.set(key, 0);
  const isDone =
    EVP_MAC_init(mac, keyAddress, key.length, 0n) === 1 &&
    EVP_MAC_update(mac, textAddress, textLength) === 1 &&
    EVP_MAC_final(mac, resultAddress, lengthAddress, HASH_BYTES[hash]) === 1;
  scratch.bytes.fill(0, 0, key.length);
  assert(isDone, 'HMAC does not fail');
}

/** HKDF-Extract (RFC 5869 §2.2): as many bytes as the hash has. */
export function hkdfExtract(hash: KeyHash, salt: Uint8Array, material: Uint8Array): Buffer {
  assert(material.length <= TEXT_BYTES_MAX, 'the material fits');
  scratch.bytes.set(material, TEXT_OFFSET);
  hmac(hash, salt, material.length);
  return Buffer.from(scratch.bytes.subarray(RESULT_OFFSET, RESULT_OFFSET + HASH_BYTES[hash]));
}

/**
 * HKDF-Expand-Label with an empty context (RFC 8446 §7.1), `label` without its `tls13 `. At most as
 * many bytes as the hash has, which is all that QUIC asks for (RFC 9001 §5.1). `target` gets them.
 */
export function deriveInto(
  hash: KeyHash,
  secret: Uint8Array,
  label: string,
  target: Uint8Array,
): void {
  assert(target.length <= HASH_BYTES[hash], 'one block of HKDF is enough');
  const { bytes } = scratch;
  let at = bytes.writeUInt16BE(target.length, TEXT_OFFSET);
  bytes[at++] = 'tls13 '.length + label.length;
  at += bytes.write(`tls13 ${label}`, at, 'latin1');
  bytes[at++] = 0;
  // The number of the block (RFC 5869 §2.3).
  bytes[at++] = 1;
  hmac(hash, secret, at - TEXT_OFFSET);
  target.set(bytes.subarray(RESULT_OFFSET, RESULT_OFFSET + target.length));
  bytes.fill(0, RESULT_OFFSET, RESULT_OFFSET + HASH_BYTES[hash]);
}

/** The same in memory of its own. */
export function deriveKey(
  hash: KeyHash,
  secret: Uint8Array,
  label: string,
  length: number,
): Buffer {
  const target = Buffer.alloc(length);
  deriveInto(hash, secret, label, target);
  return target;
}
