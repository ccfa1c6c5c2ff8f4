/** A certificate authority in this process: what ACME says, without sockets, and with faults on demand. */
import { createHash, createPublicKey, verify } from 'node:crypto';
import type { AcmeReply, AcmeRequest, AskAuthority } from '../../src/acme/contract.ts';
import { makeSelfSignedCertificate } from '../../src/tls/self-signed.ts';

interface Order {
  names: string[];
  profile: string | undefined;
  replaces: string | undefined;
  isFinalized: boolean;
}

interface Signed {
  readonly header: { nonce: string; url: string; kid?: string; jwk?: object };
  readonly payload: Record<string, unknown> | null;
}

const DAY_MS = 86_400_000;

export class AcmeAuthority {
  readonly url = 'https://authority.test/directory';
  /** What was asked of it, as `POST new-order`. */
  readonly log: string[] = [];
  readonly orders: Order[] = [];
  readonly accounts: { contact: unknown; binding: unknown }[] = [];
  readonly revoked: string[] = [];
  /** Refuses so many requests for their nonces. */
  badNonces = 0;
  /** Whether it can be reached. */
  isAway = false;
  /** Refuses new orders so, by the kind of error. */
  refusal: { readonly kind: string; readonly detail: string; readonly retryAfter?: string } | null =
    null;
  /** Names that it cannot see. */
  readonly unseen = new Set<string>();
  /** Of what it issues, in days. */
  days = 90;
  /** Null: it says nothing about renewals. */
  renewalWindow: { start: string; end: string } | null = null;
  wantsExternalAccount = false;
  /** Issues this one, whatever is asked for; '' for one made for the names. */
  fixedPem = '';
  nowMs = Date.now();
  #nonces = new Set<string>();
  readonly #accountOf = new Map<string, number>();
  #count = 0;

  readonly ask: AskAuthority = async (request) => {
    if (this.isAway) throw new Error('it cannot be reached (ECONNREFUSED)');
    const reply = this.#answer(request);
    const nonce = `nonce-${++this.#count}`;
    this.#nonces.add(nonce);
    return { ...reply, fields: { ...reply.fields, 'replay-nonce': nonce } };
  };

  #answer(request: AcmeRequest): AcmeReply {
    const { pathname } = new URL(request.url);
    const [what = '', number = '', name = ''] = pathname.slice(1).split('/');
    this.log.push(`${request.method} ${what}`);
    if (what === 'directory') return json(200, this.#directory());
    if (what === 'new-nonce') return json(200, {});
    if (what === 'renewal-info') return this.#renewal();
    const signed = read(request);
    if (!this.#nonces.delete(signed.header.nonce)) return problem('badNonce', 'used before');
    if (this.badNonces > 0) {
      this.badNonces--;
      return problem('badNonce', 'no luck');
    }
    if (signed.header.url !== request.url) return problem('malformed', 'another URL');
    return this.#signed(what, { number: Number(number), name }, signed);
  }

  #signed(what: string, { number, name }: { number: number; name: string }, signed: Signed) {
    const { payload } = signed;
    switch (what) {
      case 'new-account':
        return this.#register(payload!, JSON.stringify(signed.header.jwk));
      case 'new-order':
        return this.#newOrder(payload!);
      case 'order':
        return this.#order(number);
      case 'authorization':
        return json(200, this.#authorization(number, decodeURIComponent(name)));
      case 'challenge':
        return json(200, {});
      case 'finalize':
        this.orders[number]!.isFinalized = true;
        return this.#order(number);
      case 'certificate':
        return { status: 200, fields: {}, body: this.#issue(this.orders[number]!) };
      case 'revoke':
        this.revoked.push(String(payload!.certificate));
        return json(200, {});
      default:
        return problem('malformed', `no ${what}`);
    }
  }

  #directory(): object {
    const at = (path: string) => `https://authority.test/${path}`;
    return {
      newNonce: at('new-nonce'),
      newAccount: at('new-account'),
      newOrder: at('new-order'),
      revokeCert: at('revoke'),
      ...(this.renewalWindow !== null && { renewalInfo: at('renewal-info') }),
      meta: {
        caaIdentities: ['authority.test'],
        profiles: { classic: 'as ever', shortlived: 'six days' },
        externalAccountRequired: this.wantsExternalAccount,
      },
    };
  }

  /** A key has one account, however often it is registered (RFC 8555 §7.3.1). */
  #register({ contact, externalAccountBinding }: Record<string, unknown>, key: string): AcmeReply {
    const known = this.#accountOf.get(key);
    if (known === undefined) this.accounts.push({ contact, binding: externalAccountBinding });
    const number = known ?? this.accounts.length;
    this.#accountOf.set(key, number);
    const location = `https://authority.test/account/${number}`;
    return { ...json(known === undefined ? 201 : 200, { status: 'valid' }), fields: { location } };
  }

  #newOrder({ identifiers, profile, replaces }: Record<string, unknown>): AcmeReply {
    const { refusal } = this;
    if (refusal !== null) return problem(refusal.kind, refusal.detail, refusal.retryAfter);
    const names = (identifiers as { value: string }[]).map(({ value }) => value);
    this.orders.push({
      names,
      profile: profile as string | undefined,
      replaces: replaces as string | undefined,
      isFinalized: false,
    });
    const number = this.orders.length - 1;
    const location = `https://authority.test/order/${number}`;
    return { ...this.#order(number), status: 201, fields: { location } };
  }

  #order(number: number): AcmeReply {
    const { names, isFinalized } = this.orders[number]!;
    const isUnseen = names.some((name) => this.unseen.has(name));
    const at = (path: string) => `https://authority.test/${path}/${number}`;
    const isAsked = this.log.includes('POST challenge');
    return json(200, {
      status: isFinalized ? 'valid' : isUnseen || !isAsked ? 'pending' : 'ready',
      authorizations: names.map((name) => `${at('authorization')}/${encodeURIComponent(name)}`),
      finalize: at('finalize'),
      ...(isFinalized && { certificate: at('certificate') }),
    });
  }

  #authorization(number: number, name: string): object {
    const value = name.replace('*.', '');
    const isWildcard = value !== name;
    const isAsked = this.log.lastIndexOf('POST challenge') > this.log.lastIndexOf('POST new-order');
    const isUnseen = this.unseen.has(name);
    const error = { type: 'urn:ietf:params:acme:error:connection', detail: 'connection refused' };
    const types = isWildcard ? ['dns-01'] : ['http-01', 'tls-alpn-01', 'dns-01'];
    return {
      status: isAsked ? (isUnseen ? 'invalid' : 'valid') : 'pending',
      identifier: { type: 'dns', value },
      ...(isWildcard && { wildcard: true }),
      challenges: types.map((type) => ({
        type,
        url: `https://authority.test/challenge/${number}`,
        token: `token-${number}-${createHash('sha256').update(name).digest('hex').slice(0, 8)}`,
        status: isAsked && isUnseen ? 'invalid' : 'pending',
        ...(isAsked && isUnseen && { error }),
      })),
    };
  }

  /** Valid from now on; the fixed lifetime of what makes it is not looked at. */
  #issue({ names }: Order): string {
    if (this.fixedPem !== '') return this.fixedPem;
    const certificateLifeMs = 397 * DAY_MS;
    const startMs = this.nowMs - certificateLifeMs + this.days * DAY_MS;
    return makeSelfSignedCertificate({ names, nowMs: startMs }).certificatePem;
  }

  #renewal(): AcmeReply {
    return json(200, { suggestedWindow: this.renewalWindow });
  }
}

/** Proves the signature, where the key is said with it. */
function read({ body }: AcmeRequest): Signed {
  const { protected: head, payload, signature } = JSON.parse(body!) as Record<string, string>;
  const header = JSON.parse(decode(head!)) as Signed['header'];
  if (header.jwk !== undefined) {
    const key = createPublicKey({ key: header.jwk as never, format: 'jwk' });
    const options = { key, dsaEncoding: 'ieee-p1363' } as const;
    const text = Buffer.from(`${head}.${payload}`);
    if (!verify('sha256', text, options, Buffer.from(signature!, 'base64url'))) {
      throw new Error('the signature is wrong');
    }
  }
  return { header, payload: payload === '' ? null : JSON.parse(decode(payload!)) };
}

function decode(text: string): string {
  return Buffer.from(text, 'base64url').toString();
}

function json(status: number, value: unknown): AcmeReply {
  return { status, fields: {}, body: JSON.stringify(value) };
}

function problem(kind: string, detail: string, retryAfter?: string): AcmeReply {
  const fields = retryAfter === undefined ? {} : { 'retry-after': retryAfter };
  const type = `urn:ietf:params:acme:error:${kind}`;
  return { status: 400, fields, body: JSON.stringify({ type, detail }) };
}
