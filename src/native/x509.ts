/** X.509 certificates and private keys, read from PEM. */
import { counted } from './counters.ts';
import { stringAt } from './load.ts';
import { addressOf, NativeBuffer } from './memory.ts';
import { takeOpensslErrors } from './openssl-errors.ts';
import { libcrypto } from './openssl-table.ts';

const { checked } = libcrypto;

/** `ERR_LIB_PEM` and `PEM_R_NO_START_LINE` (err.h, pemerr.h): nothing (more) of that kind here. */
const ERR_LIB_PEM = 9;
const PEM_R_NO_START_LINE = 108;

/** **For native/ only**: the `X509 *`. */
export let addressOfCertificate: (certificate: Certificate) => bigint;
/** **For native/ only**: the `EVP_PKEY *`. */
export let addressOfKey: (key: PrivateKey) => bigint;

export class Certificate implements Disposable {
  #address: bigint;

  static {
    addressOfCertificate = (certificate) => certificate.#address;
  }

  private constructor(address: bigint) {
    this.#address = address;
    counted('x509', 1);
  }

  /**
   * Every certificate of a PEM text, in order. Throws an Error with OpenSSL's words when one cannot
   * be read; an empty list means that the text holds none.
   */
  static readAll(pem: string): Certificate[] {
    const certificates: Certificate[] = [];
    const fault = withPemReader(pem, (bio) => {
      for (;;) {
        const address = checked.PEM_read_bio_X509(bio, 0n, 0n, noPassphraseAddress);
        if (address === 0n) break;
        certificates.push(new Certificate(address));
      }
    });
    if (fault === '') return certificates;
    for (const certificate of certificates) certificate[Symbol.dispose]();
    throw new Error(`certificate ${certificates.length + 1} cannot be read: ${fault}`);
  }

  /** Whether now, by the system's clock, is before, within or after the validity period. */
  get validity(): 'not-yet' | 'valid' | 'expired' {
    const { X509_cmp_current_time, X509_get0_notAfter, X509_get0_notBefore } = checked;
    if (X509_cmp_current_time(X509_get0_notAfter(this.#address)) < 0) return 'expired';
    return X509_cmp_current_time(X509_get0_notBefore(this.#address)) > 0 ? 'not-yet' : 'valid';
  }

  matches(key: PrivateKey): boolean {
    const matches = checked.X509_check_private_key(this.#address, addressOfKey(key)) === 1;
    takeOpensslErrors();
    return matches;
  }

  [Symbol.dispose](): void {
    if (this.#address === 0n) return;
    checked.X509_free(this.#address);
    this.#address = 0n;
    counted('x509', -1);
  }
}

/** **For native/ only**: the bytes of an `X509 *` in DER. */
export function certificateDer(address: bigint): Buffer {
  const { BIO_new, BIO_s_mem, BIO_ctrl_pending, BIO_read, BIO_free, i2d_X509_bio } = checked;
  const bio = BIO_new(BIO_s_mem());
  i2d_X509_bio(bio, address);
  using bytes = NativeBuffer.allocate(Math.max(1, BIO_ctrl_pending(bio)));
  const length = BIO_read(bio, addressOf(bytes), bytes.length);
  BIO_free(bio);
  return Buffer.from(bytes.bytes.subarray(0, Math.max(0, length)));
}

export class PrivateKey implements Disposable {
  #address: bigint;

  static {
    addressOfKey = (key) => key.#address;
  }

  private constructor(address: bigint) {
    this.#address = address;
    counted('evp-pkey', 1);
  }

  /** `RSA`, `EC`, `ED25519` and so on. OpenSSL holds one certificate of each in a context. */
  get type(): string {
    return stringAt(checked.EVP_PKEY_get0_type_name(this.#address));
  }

  /** The first private key of a PEM text. Throws an Error with OpenSSL's words when there is none. */
  static read(pem: string): PrivateKey {
    let address = 0n;
    const fault = withPemReader(pem, (bio) => {
      address = checked.PEM_read_bio_PrivateKey(bio, 0n, 0n, noPassphraseAddress);
    });
    if (address !== 0n) return new PrivateKey(address);
    if (pem.includes('ENCRYPTED')) throw new Error('the key is protected by a passphrase');
    throw new Error(pem.includes('PRIVATE KEY-----') ? fault : 'it holds no private key');
  }

  [Symbol.dispose](): void {
    if (this.#address === 0n) return;
    checked.EVP_PKEY_free(this.#address);
    this.#address = 0n;
    counted('evp-pkey', -1);
  }
}

/** An empty passphrase: without one OpenSSL would ask for it on the terminal. */
const noPassphrase = NativeBuffer.allocate(1);
const noPassphraseAddress = addressOf(noPassphrase);

/** Runs `read` on a BIO over the text; returns why it stopped, '' at the end of the text. */
function withPemReader(pem: string, read: (bio: bigint) => void): string {
  using text = NativeBuffer.allocate(Math.max(1, Buffer.byteLength(pem)));
  const length = text.bytes.write(pem);
  takeOpensslErrors();
  const bio = checked.BIO_new_mem_buf(addressOf(text), length);
  read(bio);
  checked.BIO_free(bio);
  const errors = takeOpensslErrors();
  const last = errors.at(-1);
  const atEnd = last?.library === ERR_LIB_PEM && last.reason === PEM_R_NO_START_LINE;
  return atEnd || last === undefined ? '' : last.text;
}
