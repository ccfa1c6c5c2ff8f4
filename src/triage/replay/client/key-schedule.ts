/** The key schedule of TLS 1.3 (RFC 8446 §7.1), for the client of a desk. */
import { createHash, createHmac } from 'node:crypto';

export type HashName = 'sha256' | 'sha384';

const HASH_BYTES: Readonly<Record<HashName, number>> = { sha256: 32, sha384: 48 };

export function hashBytes(name: HashName, ...parts: readonly Uint8Array[]): Buffer {
  const hash = createHash(name);
  for (const part of parts) hash.update(part);
  return hash.digest();
}

function hmac(name: HashName, key: Uint8Array, data: Uint8Array): Buffer {
  return createHmac(name, key).update(data).digest();
}

/** HKDF-Expand-Label. */
export function expandLabel(
  name: HashName,
  secret: Uint8Array,
  label: string,
  context: Uint8Array,
  length: number,
): Buffer {
  const full = Buffer.from(`tls13 ${label}`);
  const info = Buffer.concat([
    Buffer.of(length >> 8, length & 0xff, full.length),
    full,
    Buffer.of(context.length),
    context,
  ]);
  let block: Buffer = Buffer.alloc(0);
  const blocks: Buffer[] = [];
  for (let counter = 1; blocks.length * HASH_BYTES[name] < length; counter++) {
    block = hmac(name, secret, Buffer.concat([block, info, Buffer.of(counter)]));
    blocks.push(block);
  }
  return Buffer.concat(blocks).subarray(0, length);
}

/** One connection's: from secret to secret as the handshake goes on. */
export class KeySchedule {
  readonly hash: HashName;
  #secret: Buffer;

  /** `psk`: of a ticket; null for none. The secret is the early one. */
  constructor(hash: HashName, psk: Uint8Array | null) {
    this.hash = hash;
    this.#secret = hmac(hash, this.#zeros, psk ?? this.#zeros);
  }

  get #zeros(): Buffer {
    return Buffer.alloc(HASH_BYTES[this.hash]);
  }

  /** Derive-Secret with a transcript hash, as `c e traffic` or `s ap traffic`. */
  derive(label: string, transcriptHash: Uint8Array): Buffer {
    const { hash } = this;
    return expandLabel(hash, this.#secret, label, transcriptHash, HASH_BYTES[hash]);
  }

  /** To the handshake secret with the shared one, then to the master secret with null. */
  advance(shared: Uint8Array | null): void {
    const salt = this.derive('derived', hashBytes(this.hash));
    this.#secret = hmac(this.hash, salt, shared ?? this.#zeros);
  }

  /** The MAC of a Finished message, or of a binder (§4.4.4, §4.2.11.2). */
  finished(baseSecret: Uint8Array, transcriptHash: Uint8Array): Buffer {
    const { hash } = this;
    const empty = Buffer.alloc(0);
    const key = expandLabel(hash, baseSecret, 'finished', empty, HASH_BYTES[hash]);
    return hmac(hash, key, transcriptHash);
  }
}

/** The key that belongs to a ticket (§4.6.1). */
export function ticketKey(hash: HashName, resumption: Uint8Array, nonce: Uint8Array): Buffer {
  return expandLabel(hash, resumption, 'resumption', nonce, HASH_BYTES[hash]);
}
