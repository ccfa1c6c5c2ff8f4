/**
 * One order from its beginning to a certificate (RFC 8555 §7.4). What shows an authority that a name is
 * ours is the caller's matter: it is told what to show, and when that may go.
 */
import { isIP } from 'node:net';
import { certificateRequest, makeCertificateKey } from './certificate-request.ts';
import { chooseChallenge } from './challenges.ts';
import { type AcmeClient, type Problem, problemText, retryAt } from './client.ts';
import { AcmeError, type Challenge, type ChallengeType, type KeyType } from './contract.ts';

/** Milliseconds between two looks at an order, unless the authority says; doubled each time. */
const POLL_MS_MIN = 250;
const POLL_MS_MAX = 10_000;
/** An authority may look long, and ask from several places; what takes longer is tried later anew. */
export const ORDER_TIMEOUT_MS = 300_000;

interface OrderResource {
  readonly status: 'pending' | 'ready' | 'processing' | 'valid' | 'invalid';
  readonly authorizations: readonly string[];
  readonly finalize: string;
  readonly certificate?: string;
  readonly error?: Problem;
}

interface AuthorizationResource {
  readonly status: 'pending' | 'valid' | 'invalid' | 'deactivated' | 'expired' | 'revoked';
  readonly identifier: { readonly type: string; readonly value: string };
  readonly wildcard?: boolean;
  readonly challenges: readonly {
    readonly type: string;
    readonly url: string;
    readonly token?: string;
    readonly status: string;
    readonly error?: Problem;
  }[];
}

export interface OrderRequest {
  /** DNS names, wildcards among them, and IP addresses. */
  readonly names: readonly string[];
  readonly keyType: KeyType;
  /** In the order in which they are to be used. */
  readonly challenges: readonly ChallengeType[];
  /** What kind of certificate, by the authority's own name for it; null for its default. */
  readonly profile: string | null;
  /** The one that it takes the place of (RFC 9773 §5), by its identifier; null for none. */
  readonly replaces: string | null;
}

/** What an order needs from outside. */
export interface OrderHelp {
  /** Shows these, and resolves when whoever asks is answered. */
  show(challenges: readonly Challenge[]): Promise<void>;
  /** They need not be shown any more. */
  hide(challenges: readonly Challenge[]): Promise<void>;
  readonly sleep: (ms: number) => Promise<void>;
  readonly wallMs: () => number;
}

export interface Issued {
  readonly keyPem: string;
  /** Leaf first. */
  readonly certificatePem: string;
}

/** One that was begun: whoever knows it can go on with it. */
export interface OpenOrder {
  /** Where it is, at the authority. */
  readonly location: string;
  /** The key of the certificate that it is for. */
  readonly keyPem: string;
}

/** Where an order is remembered until it has ended. */
export interface OrderMemory {
  /** Null for none. */
  read(): Promise<OpenOrder | null>;
  /** Rejects when it cannot be remembered: then the order is given up. */
  keep(order: OpenOrder): Promise<void>;
}

/**
 * Without a memory an order ends with whoever has begun it. Rejects with an AcmeError that names the
 * name that was refused.
 */
export async function runOrder(
  client: AcmeClient,
  request: OrderRequest,
  help: OrderHelp,
  memory: OrderMemory | null = null,
): Promise<Issued> {
  const run = new OrderRun(client, help);
  const { order, location, key, isResumed } =
    (await resume(client, memory)) ?? (await begin(client, request, memory));
  if (order.status === 'pending') await run.authorize(order, request);
  const now = await run.until<OrderResource>(location, ({ status }) => status !== 'pending');
  const keyPem = key ?? (await makeCertificateKey(request.keyType));
  if (now.status === 'ready') {
    const csr = certificateRequest(keyPem, request.names).toString('base64url');
    const finalize = client.post(order.finalize, { csr });
    // Who has begun it may be at it still: what becomes of it shows below.
    if (isResumed) await finalize.catch(() => {});
    else await finalize;
  }
  const isDone = ({ status }: OrderResource) => status === 'valid' || status === 'invalid';
  const done = await run.until<OrderResource>(location, isDone);
  if (done.status === 'invalid' || done.certificate === undefined) throw refusalOf(done.error, '');
  const { body } = await client.postReply(done.certificate, null);
  return { keyPem, certificatePem: body };
}

/** One that was begun before, if it can still come to something. */
async function resume(client: AcmeClient, memory: OrderMemory | null) {
  const open = (await memory?.read()) ?? null;
  if (open === null) return null;
  const { location, keyPem: key } = open;
  try {
    const { value: order } = await client.post<OrderResource>(open.location, null);
    return order.status === 'invalid' ? null : { location, key, order, isResumed: true };
  } catch (error) {
    // The authority does not know it any more.
    if (error instanceof AcmeError) return null;
    throw error;
  }
}

/** The key is made at once where another may have to go on with the order. */
async function begin(client: AcmeClient, request: OrderRequest, memory: OrderMemory | null) {
  const key = memory === null ? null : await makeCertificateKey(request.keyType);
  const { value: order, location } = await place(client, request);
  if (key !== null) await memory?.keep({ location, keyPem: key });
  return { order, location, key, isResumed: false };
}

async function place(client: AcmeClient, { names, profile, replaces }: OrderRequest) {
  const { newOrder, meta } = await client.directory();
  if (profile !== null && meta?.profiles?.[profile] === undefined) {
    const known = Object.keys(meta?.profiles ?? {}).join(', ') || 'none';
    throw new AcmeError('invalidProfile', `it has no profile ${profile}; it has: ${known}`);
  }
  const identifiers = names.map((value) => ({ type: isIP(value) === 0 ? 'dns' : 'ip', value }));
  const payload = { identifiers, ...(profile !== null && { profile }) };
  if (replaces === null) return client.post<OrderResource>(newOrder, payload);
  try {
    return await client.post<OrderResource>(newOrder, { ...payload, replaces });
  } catch (error) {
    // It may have been replaced already, or the authority does not know it (RFC 9773 §5).
    const isAboutIt = error instanceof AcmeError && REPLACING_KINDS.has(error.kind);
    if (!isAboutIt) throw error;
    return client.post<OrderResource>(newOrder, payload);
  }
}

const REPLACING_KINDS = new Set(['alreadyReplaced', 'malformed', 'conflict']);

class OrderRun {
  readonly #client: AcmeClient;
  readonly #help: OrderHelp;
  readonly #deadlineMs: number;

  constructor(client: AcmeClient, help: OrderHelp) {
    this.#client = client;
    this.#help = help;
    this.#deadlineMs = help.wallMs() + ORDER_TIMEOUT_MS;
  }

  async authorize({ authorizations }: OrderResource, request: OrderRequest): Promise<void> {
    const open = [];
    for (const url of authorizations) {
      const { value } = await this.#client.post<AuthorizationResource>(url, null);
      if (value.status === 'valid') continue;
      open.push({ ...this.#challengeOf(value, request.challenges), authorization: url });
    }
    const challenges = open.map(({ challenge }) => challenge);
    try {
      await this.#help.show(challenges);
      for (const { url, isAsked } of open) if (!isAsked) await this.#client.post(url, {});
      for (const { authorization, challenge } of open) await this.#seen(authorization, challenge);
    } finally {
      await this.#help.hide(challenges);
    }
  }

  #challengeOf(value: AuthorizationResource, allowed: readonly ChallengeType[]) {
    const { value: name } = value.identifier;
    if (value.status !== 'pending') throw refusalOf(undefined, name);
    const isWildcard = value.wildcard === true;
    const chosen = chooseChallenge(value.challenges, allowed, { isWildcard, name });
    if (chosen === null) throw noWay(value, allowed);
    const { token = '', type, url, status } = chosen;
    // It becomes a path and a record: nothing but what RFC 8555 §8.1 allows.
    if (!/^[\w-]+$/.test(token)) throw new AcmeError('malformed', 'its token is none');
    const keyAuthorization = `${token}.${this.#client.key.thumbprint}`;
    const challenge: Challenge = { type, name, token, keyAuthorization };
    // Asked already, by whoever has begun the order.
    return { challenge, url, isAsked: status === 'processing' };
  }

  async #seen(authorization: string, { name }: Challenge): Promise<void> {
    const isSeen = ({ status }: AuthorizationResource) => status !== 'pending';
    const seen = await this.until<AuthorizationResource>(authorization, isSeen);
    if (seen.status === 'valid') return;
    const { error } = seen.challenges.find(({ status }) => status === 'invalid') ?? {};
    throw refusalOf(error, name);
  }

  /** Reads a resource until it is settled. */
  async until<T>(url: string, isSettled: (value: T) => boolean): Promise<T> {
    const { sleep, wallMs } = this.#help;
    let waitMs = POLL_MS_MIN;
    for (;;) {
      const { value, reply } = await this.#client.post<T>(url, null);
      if (isSettled(value)) return value;
      const nowMs = wallMs();
      if (nowMs >= this.#deadlineMs) throw new AcmeError('timeout', 'it has not decided in time');
      const saidMs = retryAt(reply.fields['retry-after'], nowMs) - nowMs;
      await sleep(Math.min(saidMs > 0 ? saidMs : waitMs, POLL_MS_MAX));
      waitMs = Math.min(waitMs * 2, POLL_MS_MAX);
    }
  }
}

function noWay(
  { identifier, wildcard, challenges }: AuthorizationResource,
  allowed: readonly string[],
): AcmeError {
  const name = wildcard === true ? `*.${identifier.value}` : identifier.value;
  const offered = challenges.map(({ type }) => type).join(', ');
  const wanted = wildcard === true ? '; a wildcard needs dns-01' : '';
  const text = `${name}: it offers ${offered}, and we may use ${allowed.join(', ')}${wanted}`;
  return new AcmeError('noChallenge', text);
}

function refusalOf(problem: Problem | undefined, name: string): AcmeError {
  const kind = problem?.type?.split(':').at(-1) ?? 'invalid';
  const text = problemText(problem ?? {}) || 'it was refused without a reason';
  return new AcmeError(kind, name === '' ? text : `${name}: ${text}`);
}
