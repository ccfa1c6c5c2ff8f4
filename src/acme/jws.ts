/** Signed requests (RFC 7515, RFC 8555 §6.2) and the key of an account that signs them. */
import {
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
} from 'node:crypto';
import type { ExternalAccount } from './contract.ts';

/** Of a public key on P-256 (RFC 7518 §6.2), its members in the order of a thumbprint. */
interface PublicJwk {
  readonly crv: string;
  readonly kty: string;
  readonly x: string;
  readonly y: string;
}

export class AccountKey {
  readonly #key: KeyObject;
  readonly jwk: PublicJwk;
  /** RFC 7638. */
  readonly thumbprint: string;

  /** `pem`: as `makeAccountKey` makes it. Throws for another. */
  constructor(pem: string) {
    this.#key = createPrivateKey(pem);
    const { crv, kty, x, y } = createPublicKey(this.#key).export({ format: 'jwk' });
    if (crv !== 'P-256') throw new Error('the key of an account is on P-256');
    this.jwk = { crv, kty: kty!, x: x!, y: y! };
    const digest = createHash('sha256').update(JSON.stringify(this.jwk)).digest();
    this.thumbprint = digest.toString('base64url');
  }

  /** `payload` null: a request that only reads (POST-as-GET, RFC 8555 §6.3). */
  sign(header: Readonly<Record<string, unknown>>, payload: unknown): string {
    const head = encode({ alg: 'ES256', ...header });
    const content = payload === null ? '' : encode(payload);
    const input = Buffer.from(`${head}.${content}`);
    const signature = sign('sha256', input, { key: this.#key, dsaEncoding: 'ieee-p1363' });
    return JSON.stringify({
      protected: head,
      payload: content,
      signature: signature.toString('base64url'),
    });
  }

  /** What an authority knows the account by already (RFC 8555 §7.3.4). */
  binding({ keyId, secret }: ExternalAccount, url: string): object {
    const head = encode({ alg: 'HS256', kid: keyId, url });
    const content = encode(this.jwk);
    const mac = createHmac('sha256', Buffer.from(secret, 'base64url'));
    const signature = mac.update(`${head}.${content}`).digest('base64url');
    return { protected: head, payload: content, signature };
  }
}

/** A new key, PEM. */
export function makeAccountKey(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
