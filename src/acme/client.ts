/**
 * An account at an authority (RFC 8555): knows its directory, keeps nonces, signs requests, and reads
 * what comes back as an error with its kind. What is sent and received goes through `ask`.
 */
import { assert } from '../base/assert.ts';
import { AcmeError, type AcmeReply, type AskAuthority, type ExternalAccount } from './contract.ts';
import type { AccountKey } from './jws.ts';

/** Times that a request is signed again with a fresh nonce (RFC 8555 §6.5): some authorities refuse many. */
const NONCE_ATTEMPTS_MAX = 10;
/** Nonces that are kept: more than one order uses at once. */
const NONCES_KEPT_MAX = 32;

/** Where an authority's resources are (RFC 8555 §7.1.1, RFC 9773 §4.1). */
export interface Directory {
  readonly newNonce: string;
  readonly newAccount: string;
  readonly newOrder: string;
  readonly revokeCert: string;
  readonly renewalInfo?: string;
  readonly meta?: {
    readonly termsOfService?: string;
    readonly externalAccountRequired?: boolean;
    /** Names by which it is meant in CAA (RFC 8659). */
    readonly caaIdentities?: readonly string[];
    readonly profiles?: Readonly<Record<string, string>>;
  };
}

export interface AcmeClientInput {
  /** The directory's URL. */
  readonly directory: string;
  readonly key: AccountKey;
  readonly ask: AskAuthority;
  readonly wallMs: () => number;
  /** Where to reach the account's owner; null for nowhere. */
  readonly email: string | null;
  readonly externalAccount: ExternalAccount | null;
  /** The account's URL, when it is known from before. */
  readonly account: string | null;
}

/** An answer with its JSON; `url` where the resource is, when it is new. */
export interface AcmeAnswer<T> {
  readonly value: T;
  readonly location: string;
  readonly reply: AcmeReply;
}

export class AcmeClient {
  readonly #input: AcmeClientInput;
  #directory: Directory | null = null;
  #account: string | null;
  /** Orders that begin together share it. */
  #registration: Promise<string> | null = null;
  readonly #nonces: string[] = [];

  constructor(input: AcmeClientInput) {
    this.#input = input;
    this.#account = input.account;
  }

  get key(): AccountKey {
    return this.#input.key;
  }

  /** The account's URL; null while there is none. */
  get account(): string | null {
    return this.#account;
  }

  async directory(): Promise<Directory> {
    this.#directory ??= await this.read<Directory>(this.#input.directory);
    return this.#directory;
  }

  /** A plain GET. */
  async read<T>(url: string): Promise<T> {
    return this.#json<T>(await this.readReply(url));
  }

  /** The same with its fields. Throws AcmeError. */
  async readReply(url: string): Promise<AcmeReply> {
    return this.#checked(await this.#input.ask({ method: 'GET', url, body: null }));
  }

  /** Makes the account, or finds it by its key (RFC 8555 §7.3). */
  async #registered(): Promise<string> {
    this.#registration ??= this.#register();
    try {
      return await this.#registration;
    } finally {
      this.#registration = null;
    }
  }

  async #register(): Promise<string> {
    const { newAccount, meta } = await this.directory();
    const { email, externalAccount, key } = this.#input;
    if (meta?.externalAccountRequired === true && externalAccount === null) {
      throw new AcmeError('externalAccountRequired', 'it wants an account that it has made before');
    }
    const payload = {
      termsOfServiceAgreed: true,
      ...(email !== null && { contact: [`mailto:${email}`] }),
      ...(externalAccount !== null && {
        externalAccountBinding: key.binding(externalAccount, newAccount),
      }),
    };
    const reply = await this.#post(newAccount, payload, { jwk: key.jwk });
    const { location = '' } = reply.fields;
    assert(location !== '', 'an account has a URL');
    this.#account = location;
    return location;
  }

  /** Says that a certificate must not be trusted any more (RFC 8555 §7.6). */
  async revoke(certificate: Buffer): Promise<void> {
    const { revokeCert } = await this.directory();
    await this.postReply(revokeCert, { certificate: certificate.toString('base64url') });
  }

  /** A signed request by the account; `payload` null only reads. */
  async post<T>(url: string, payload: unknown): Promise<AcmeAnswer<T>> {
    const reply = await this.postReply(url, payload);
    return { value: this.#json<T>(reply), location: reply.fields.location ?? '', reply };
  }

  /** The same for an answer that is no JSON, with other fields to ask by. */
  async postReply(url: string, payload: unknown): Promise<AcmeReply> {
    const kid = this.#account ?? (await this.#registered());
    try {
      return await this.#post(url, payload, { kid });
    } catch (error) {
      // The authority has forgotten it, or it is one of before: made once more.
      if (!(error instanceof AcmeError) || error.kind !== 'accountDoesNotExist') throw error;
      return this.#post(url, payload, { kid: await this.#registered() });
    }
  }

  async #post(url: string, payload: unknown, who: object): Promise<AcmeReply> {
    for (let attempt = 1; ; attempt++) {
      const nonce = this.#nonces.pop() ?? (await this.#freshNonce());
      const body = this.#input.key.sign({ ...who, nonce, url }, payload);
      const reply = await this.#input.ask({ method: 'POST', url, body });
      this.#keepNonce(reply);
      try {
        return this.#checked(reply);
      } catch (error) {
        const isBadNonce = error instanceof AcmeError && error.kind === 'badNonce';
        if (!isBadNonce || attempt === NONCE_ATTEMPTS_MAX) throw error;
        // Others of the same age are no better; the one that came with the refusal is.
        const [latest] = this.#nonces.splice(0).slice(-1);
        if (latest !== undefined) this.#nonces.push(latest);
      }
    }
  }

  async #freshNonce(): Promise<string> {
    const { newNonce } = await this.directory();
    const reply = await this.#input.ask({ method: 'HEAD', url: newNonce, body: null });
    const nonce = this.#checked(reply).fields['replay-nonce'];
    if (nonce === undefined) throw new AcmeError('malformed', 'it gives no nonce');
    return nonce;
  }

  #keepNonce({ fields }: AcmeReply): void {
    const nonce = fields['replay-nonce'];
    if (nonce !== undefined && this.#nonces.length < NONCES_KEPT_MAX) this.#nonces.push(nonce);
  }

  #json<T>({ body }: AcmeReply): T {
    try {
      return JSON.parse(body) as T;
    } catch {
      throw new AcmeError('malformed', 'its answer is no JSON');
    }
  }

  /** Throws what an error says (RFC 7807, RFC 8555 §6.7). */
  #checked(reply: AcmeReply): AcmeReply {
    const { status, body, fields } = reply;
    if (status >= 200 && status < 300) return reply;
    const problem = problemIn(body);
    const kind = problem.type?.split(':').at(-1) ?? `status-${status}`;
    const text = problemText(problem) || `it answers with status ${status}`;
    throw new AcmeError(kind, text, retryAt(fields['retry-after'], this.#input.wallMs()));
  }
}

/** RFC 7807, with the subproblems of RFC 8555 §6.7.1. */
export interface Problem {
  readonly type?: string;
  readonly detail?: string;
  readonly subproblems?: readonly (Problem & {
    readonly identifier?: { readonly value: string };
  })[];
}

function problemIn(body: string): Problem {
  try {
    return JSON.parse(body) as Problem;
  } catch {
    return {};
  }
}

export function problemText({ detail = '', subproblems = [] }: Problem): string {
  const below = subproblems.map(
    (one) => `${one.identifier?.value ?? 'a name'}: ${one.detail ?? 'refused'}`,
  );
  return [detail, ...below].filter((text) => text !== '').join('; ');
}

/** Wall-clock milliseconds of a Retry-After (RFC 9110 §10.2.3); 0 without one. */
export function retryAt(text: string | undefined, nowMs: number): number {
  if (text === undefined) return 0;
  if (/^\d+$/.test(text)) return nowMs + Number(text) * 1_000;
  const atMs = Date.parse(text);
  return Number.isNaN(atMs) ? 0 : atMs;
}
