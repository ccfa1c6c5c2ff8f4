/** What the protocol of certificate authorities (ACME, RFC 8555) is spoken with, and about. */

/** One HTTP request to an authority. */
export interface AcmeRequest {
  readonly method: 'GET' | 'HEAD' | 'POST';
  readonly url: string;
  /** application/jose+json; null for none. */
  readonly body: string | null;
}

export interface AcmeReply {
  readonly status: number;
  /** The values of fields, by lower-case name. */
  readonly fields: Readonly<Record<string, string | undefined>>;
  readonly body: string;
}

/** Rejects with an Error when there is no answer. */
export type AskAuthority = (request: AcmeRequest) => Promise<AcmeReply>;

export type ChallengeType = 'http-01' | 'tls-alpn-01' | 'dns-01';

export type KeyType = 'ecdsa' | 'rsa';

/** How an authority is given to know an account that it has made elsewhere (RFC 8555 §7.3.4). */
export interface ExternalAccount {
  readonly keyId: string;
  /** base64url, as authorities give it. */
  readonly secret: string;
}

/** What proves that a name is ours, while an authority looks. */
export interface Challenge {
  readonly type: ChallengeType;
  /** A DNS name without `*.`, or an IP address. */
  readonly name: string;
  readonly token: string;
  /** RFC 8555 §8.1. */
  readonly keyAuthorization: string;
}

/** An authority refused. `kind` is the last part of its type (RFC 8555 §6.7): `rateLimited`. */
export class AcmeError extends Error {
  override readonly name = 'AcmeError';
  readonly kind: string;
  /** Wall-clock milliseconds before which it wants to be left alone; 0 when it does not say. */
  readonly retryAtMs: number;

  constructor(kind: string, message: string, retryAtMs = 0) {
    super(message);
    this.kind = kind;
    this.retryAtMs = retryAtMs;
  }
}
