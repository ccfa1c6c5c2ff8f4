/** Sealed records of TLS 1.3 (RFC 8446 §5.2), for the client of a desk. */
import { type CipherGCMTypes, createCipheriv, createDecipheriv } from 'node:crypto';
import { expandLabel, type HashName } from './key-schedule.ts';

export interface CipherSuite {
  readonly hash: HashName;
  readonly algorithm: 'aes-128-gcm' | 'aes-256-gcm' | 'chacha20-poly1305';
  readonly keyBytes: number;
}

export const cipherSuites: ReadonlyMap<number, CipherSuite> = new Map([
  [0x1301, { hash: 'sha256', algorithm: 'aes-128-gcm', keyBytes: 16 }],
  [0x1302, { hash: 'sha384', algorithm: 'aes-256-gcm', keyBytes: 32 }],
  [0x1303, { hash: 'sha256', algorithm: 'chacha20-poly1305', keyBytes: 32 }],
]);

const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const APPLICATION_DATA = 23;

/** One direction under one traffic secret. */
export class RecordProtection {
  readonly #suite: CipherSuite;
  readonly #key: Buffer;
  readonly #iv: Buffer;
  #sequence = 0;

  constructor(suite: CipherSuite, secret: Uint8Array) {
    const { hash, keyBytes } = suite;
    const empty = Buffer.alloc(0);
    this.#suite = suite;
    this.#key = expandLabel(hash, secret, 'key', empty, keyBytes);
    this.#iv = expandLabel(hash, secret, 'iv', empty, NONCE_BYTES);
  }

  /** A whole record, header included. */
  seal(type: number, content: Uint8Array): Buffer {
    const inner = Buffer.concat([content, Buffer.of(type)]);
    const length = inner.length + TAG_BYTES;
    const header = Buffer.of(APPLICATION_DATA, 3, 3, length >> 8, length & 0xff);
    // The type for GCM is the one that lets the tag be asked for; ChaCha20 is used in the same way.
    const algorithm = this.#suite.algorithm as CipherGCMTypes;
    const options = { authTagLength: TAG_BYTES };
    const cipher = createCipheriv(algorithm, this.#key, this.#nonce(), options);
    cipher.setAAD(header);
    return Buffer.concat([header, cipher.update(inner), cipher.final(), cipher.getAuthTag()]);
  }

  /** Null for a record that these keys do not open. */
  open(record: Buffer): { readonly type: number; readonly content: Buffer } | null {
    const header = record.subarray(0, 5);
    const sealed = record.subarray(5, -TAG_BYTES);
    const algorithm = this.#suite.algorithm as CipherGCMTypes;
    const options = { authTagLength: TAG_BYTES };
    const decipher = createDecipheriv(algorithm, this.#key, this.#nonce(), options);
    decipher.setAAD(header);
    decipher.setAuthTag(record.subarray(-TAG_BYTES));
    try {
      const inner = Buffer.concat([decipher.update(sealed), decipher.final()]);
      let end = inner.length - 1;
      while (end > 0 && inner[end] === 0) end--;
      return { type: inner[end]!, content: inner.subarray(0, end) };
    } catch {
      return null;
    }
  }

  /** §5.3: the sequence number, padded to the left, XOR the IV. */
  #nonce(): Buffer {
    const nonce = Buffer.from(this.#iv);
    const sequence = this.#sequence++;
    for (let i = 0; i < 6; i++) {
      nonce[NONCE_BYTES - 1 - i]! ^= Math.floor(sequence / 256 ** i) & 0xff;
    }
    return nonce;
  }
}
