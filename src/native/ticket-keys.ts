/**
 * Encryption of session tickets with keys of our own (RFC 5077 §4): AES-256-CBC and HMAC-SHA256.
 * The newest key encrypts; all of them decrypt, so that a rotation forgets nobody.
 */
import { assert } from '../base/assert.ts';
import { Callback } from './callbacks.ts';
import { addressOf, NativeBuffer } from './memory.ts';
import { libcMemory, libcrypto } from './openssl-table.ts';

/** Bytes of one key: its name, the key of AES, the key of HMAC. nginx and ATS have the same form. */
export const TICKET_KEY_BYTES = 80;

const NAME_BYTES = 16;
const AES_OFFSET = 16n;
const HMAC_OFFSET = 48n;
const HMAC_KEY_BYTES = 32;
const AES_IV_BYTES = 16;

/** `OSSL_PARAM_UTF8_STRING` and sizeof(OSSL_PARAM) (core.h). */
const OSSL_PARAM_UTF8_STRING = 4;
const OSSL_PARAM_BYTES = 40;

// What the callback tells OpenSSL (SSL_CTX_set_tlsext_ticket_key_evp_cb).
const FAILED = -1;
const UNKNOWN_KEY = 0;
const ENCRYPTED = 1;
/** Taken, and to be replaced: a client uses a TLS 1.3 ticket once (RFC 8446 §C.4). */
const DECRYPTED_RENEW = 2;

/** `digest = SHA256` for EVP_MAC_init, built once. */
const macParameters = NativeBuffer.allocate(256);
const macParametersAddress = addressOf(macParameters);

function buildMacParameters(): void {
  const { bytes } = macParameters;
  const nameOffset = 2 * OSSL_PARAM_BYTES;
  const valueOffset = nameOffset + 16;
  bytes.write('digest\0', nameOffset);
  bytes.write('SHA256\0', valueOffset);
  bytes.writeBigUInt64LE(macParametersAddress + BigInt(nameOffset), 0);
  bytes.writeUInt32LE(OSSL_PARAM_UTF8_STRING, 8);
  bytes.writeBigUInt64LE(macParametersAddress + BigInt(valueOffset), 16);
  bytes.writeBigUInt64LE(BigInt('SHA256'.length), 24);
  // The second, all-zero OSSL_PARAM ends the list.
}
buildMacParameters();

/** **For native/ only**. */
let addressesOfTicketKeys: (keys: TicketKeys) => readonly bigint[];

/** Keys in native memory, newest first; wiped when they are replaced or disposed. */
export class TicketKeys implements Disposable {
  #memory: NativeBuffer | undefined;
  #addresses: readonly bigint[] = [];

  static {
    addressesOfTicketKeys = (keys) => keys.#addresses;
  }

  constructor(keys: readonly Uint8Array[]) {
    this.replace(keys);
  }

  /** Puts other keys in their place, for every context that uses this object. */
  replace(keys: readonly Uint8Array[]): void {
    assert(keys.length > 0, 'there is at least one ticket key');
    assert(
      keys.every((key) => key.length === TICKET_KEY_BYTES),
      'a ticket key has 80 bytes',
    );
    this.#wipe();
    const memory = NativeBuffer.allocate(keys.length * TICKET_KEY_BYTES);
    keys.forEach((key, index) => {
      memory.bytes.set(key, index * TICKET_KEY_BYTES);
    });
    this.#memory = memory;
    const base = addressOf(memory);
    this.#addresses = keys.map((_key, index) => base + BigInt(index * TICKET_KEY_BYTES));
  }

  [Symbol.dispose](): void {
    this.#wipe();
  }

  #wipe(): void {
    this.#addresses = [];
    this.#memory?.bytes.fill(0);
    this.#memory?.[Symbol.dispose]();
    this.#memory = undefined;
  }
}

let aes256Cbc = 0n;

function fetchAes256Cbc(): bigint {
  using name = NativeBuffer.allocate(16);
  name.bytes.write('AES-256-CBC\0');
  const cipher = libcrypto.checked.EVP_CIPHER_fetch(0n, addressOf(name), 0n);
  assert(cipher !== 0n, 'AES-256-CBC is built in');
  return cipher;
}

/** The function that OpenSSL calls to set up the encryption or decryption of one ticket. */
export function ticketKeyCallback(keys: TicketKeys): Callback {
  // Fetched once for the process and kept: freeing it would gain nothing.
  aes256Cbc ||= fetchAes256Cbc();
  const { EVP_MAC_init, EVP_EncryptInit_ex2, EVP_DecryptInit_ex2, RAND_bytes } = libcrypto.direct;
  const { memcmp, memcpy } = libcMemory.direct;

  const startMac = (mac: bigint, key: bigint): boolean =>
    EVP_MAC_init(mac, key + HMAC_OFFSET, HMAC_KEY_BYTES, macParametersAddress) === 1;

  const encrypt = (name: bigint, iv: bigint, cipher: bigint, mac: bigint): number => {
    const newest = addressesOfTicketKeys(keys)[0];
    if (newest === undefined || RAND_bytes(iv, AES_IV_BYTES) !== 1) return FAILED;
    memcpy(name, newest, NAME_BYTES);
    const ready = EVP_EncryptInit_ex2(cipher, aes256Cbc, newest + AES_OFFSET, iv, 0n) === 1;
    return ready && startMac(mac, newest) ? ENCRYPTED : FAILED;
  };

  const decrypt = (name: bigint, iv: bigint, cipher: bigint, mac: bigint): number => {
    for (const key of addressesOfTicketKeys(keys)) {
      if (memcmp(name, key, NAME_BYTES) !== 0) continue;
      const ready = EVP_DecryptInit_ex2(cipher, aes256Cbc, key + AES_OFFSET, iv, 0n) === 1;
      return ready && startMac(mac, key) ? DECRYPTED_RENEW : FAILED;
    }
    return UNKNOWN_KEY;
  };

  return new Callback(
    'ticket-key',
    { arguments: ['pointer', 'pointer', 'pointer', 'pointer', 'pointer', 'i32'], return: 'i32' },
    (_ssl: bigint, name: bigint, iv: bigint, cipher: bigint, mac: bigint, encrypting: number) =>
      encrypting === 1 ? encrypt(name, iv, cipher, mac) : decrypt(name, iv, cipher, mac),
    UNKNOWN_KEY,
  );
}
