/**
 * What QUIC keeps secret beside a connection's keys: tokens of stateless resets and of address
 * validation. Their keys come from the ticket keys, so that they live as long, through restarts, and
 * are the same on all machines of a cluster.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  randomBytes,
  randomFillSync,
} from 'node:crypto';
import { assert } from '../base/assert.ts';
import { hkdfExtract } from '../native/quic/key-derivation.ts';
import { type QuicSecrets, RESET_TOKEN_BYTES } from '../quic/contracts.ts';

/** Bytes that are drawn at once: most calls want a few. */
const POOL_BYTES = 4_096;

const CIPHER = 'aes-128-gcm';
const KEY_BYTES = 16;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** Tells which key a token is sealed with. */
const KEY_NAME_BYTES = 4;
const SEALED_AT = KEY_NAME_BYTES + NONCE_BYTES;

interface Keys {
  readonly name: Buffer;
  readonly token: Buffer;
  readonly reset: Buffer;
}

function derive(ticketKey: Uint8Array, purpose: string): Buffer {
  return createHmac('sha256', ticketKey).update(`sluice quic ${purpose}`).digest();
}

function keysOf(ticketKey: Uint8Array): Keys {
  return {
    name: derive(ticketKey, 'key name').subarray(0, KEY_NAME_BYTES),
    token: derive(ticketKey, 'token').subarray(0, KEY_BYTES),
    reset: derive(ticketKey, 'reset'),
  };
}

export class TicketedQuicSecrets implements QuicSecrets {
  #ring: readonly Keys[] = [];
  readonly #pool = Buffer.alloc(POOL_BYTES);
  #poolAt = POOL_BYTES;

  /** As of the tickets: newest first. */
  constructor(ticketKeys: readonly Uint8Array[]) {
    this.replaceKeys(ticketKeys);
  }

  /**
   * What the keys that are left out have sealed is worth nothing any more. A reset by a newer key than
   * the connection's is none to its peer, which then waits for its idle time-out.
   */
  replaceKeys(ticketKeys: readonly Uint8Array[]): void {
    assert(ticketKeys.length > 0, 'there is at least one ticket key');
    this.#ring = ticketKeys.map(keysOf);
  }

  fillRandom(bytes: Uint8Array): void {
    if (bytes.length > POOL_BYTES) {
      randomFillSync(bytes);
      return;
    }
    if (this.#poolAt + bytes.length > POOL_BYTES) {
      randomFillSync(this.#pool);
      this.#poolAt = 0;
    }
    const end = this.#poolAt + bytes.length;
    bytes.set(this.#pool.subarray(this.#poolAt, end));
    this.#pool.fill(0, this.#poolAt, end);
    this.#poolAt = end;
  }

  resetToken(connectionId: Uint8Array): Uint8Array {
    const { reset } = this.#ring[0]!;
    return hkdfExtract('SHA256', reset, connectionId).subarray(0, RESET_TOKEN_BYTES);
  }

  sealToken(text: Uint8Array, context: Uint8Array): Uint8Array {
    const { name, token } = this.#ring[0]!;
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv(CIPHER, token, nonce).setAAD(context);
    const sealed = cipher.update(text);
    cipher.final();
    return Buffer.concat([name, nonce, sealed, cipher.getAuthTag()]);
  }

  openToken(token: Uint8Array, context: Uint8Array): Uint8Array | undefined {
    if (token.length < SEALED_AT + TAG_BYTES) return undefined;
    const bytes = Buffer.from(token);
    const keys = this.#ring.find(({ name }) => name.equals(bytes.subarray(0, KEY_NAME_BYTES)));
    if (keys === undefined) return undefined;
    const decipher = createDecipheriv(
      CIPHER,
      keys.token,
      bytes.subarray(KEY_NAME_BYTES, SEALED_AT),
    );
    decipher.setAAD(context).setAuthTag(bytes.subarray(-TAG_BYTES));
    const text = decipher.update(bytes.subarray(SEALED_AT, -TAG_BYTES));
    try {
      decipher.final();
      return text;
    } catch {
      return undefined;
    }
  }
}
