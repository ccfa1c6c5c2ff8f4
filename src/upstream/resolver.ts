/**
 * Names to addresses for origins, kept up to date: asked again when the records' TTL is over, so that
 * a server that moves is followed. What failed to be asked again stays as it was.
 *
 * /etc/hosts comes first, then DNS with its TTLs; the system's resolver last, for what only it knows
 * (search domains, mDNS and other sources of names), which tells no TTL.
 */
import { Resolver as DnsResolver, lookup, type RecordWithTtl } from 'node:dns';
import { readFile } from 'node:fs';
import { isIP } from 'node:net';
import { SluiceError } from '../base/errors.ts';
import { isOwnShortage } from '../base/shortage.ts';
import type { ResolveOptions } from './options.ts';
import { socketPathOf } from './server-names.ts';

/** Milliseconds for which addresses are used that came without a TTL. */
const SYSTEM_TTL_MS = 30_000;
/** Milliseconds until a failed look-up is made again. */
const FAILURE_TTL_MS = 1_000;
/** Milliseconds to wait for the answer of one DNS server. */
const QUESTION_TIMEOUT_MS = 2_500;
/** How often each DNS server is queried: a datagram may be lost. */
const QUESTION_TRIES = 2;
const HOSTS_FILE = '/etc/hosts';

/** What is known of a name. */
export interface NameWatch {
  /** In the resolver's order; empty before the first answer. */
  readonly addresses: readonly string[];
  /** Why the last look-up failed; null when it did not. */
  readonly error: SluiceError | null;
  /**
   * Whether an answer is on its way. Asks when nothing is known, unless that has failed a moment ago.
   */
  ask(): boolean;
  close(): void;
}

export type WatchName = (host: string, onChange: () => void) => NameWatch;

interface Answer {
  readonly addresses: readonly string[];
  readonly ttlMs: number;
}

type Failure = NodeJS.ErrnoException;
type OnAnswer = (failure: Failure | null, answer: Answer) => void;

const NO_ANSWER: Answer = { addresses: [], ttlMs: 0 };

/**
 * The last addresses of names, by name: whoever begins anew, as after a reload, has them at once, and
 * asks while it uses them.
 */
export type KnownNames = Map<string, readonly string[]>;

export interface ResolverInput {
  readonly options: ResolveOptions;
  readonly monotonicMs: () => number;
  readonly onFailure: (host: string, error: SluiceError) => void;
  readonly known: KnownNames;
  /** Another file than /etc/hosts, for tests. */
  readonly hostsFile?: string;
}

export class Resolver {
  readonly #input: ResolverInput;
  readonly #dns: DnsResolver;

  constructor(input: ResolverInput) {
    this.#input = input;
    this.#dns = new DnsResolver({ timeout: QUESTION_TIMEOUT_MS, tries: QUESTION_TRIES });
    const { servers } = input.options;
    if (servers.length > 0) this.#dns.setServers([...servers]);
  }

  /** Keeps the addresses of a name; `onChange` is called after each answer, good or bad. */
  readonly watch: WatchName = (host, onChange) => {
    if (isIP(host) !== 0 || socketPathOf(host) !== null) return literal(host);
    const { options, monotonicMs, onFailure, known } = this.#input;
    const resolve = (done: OnAnswer) => this.#resolve(host, done);
    return new Watch({ host, options, monotonicMs, resolve, onChange, onFailure, known });
  };

  #resolve(host: string, done: OnAnswer): void {
    readFile(this.#input.hostsFile ?? HOSTS_FILE, 'utf8', (error, text) => {
      // The file may have the name all the same.
      if (error !== null && isOwnShortage(error)) {
        done(error, NO_ANSWER);
        return;
      }
      const listed = error === null ? addressesIn(text, host) : [];
      if (listed.length > 0) done(null, { addresses: listed, ttlMs: SYSTEM_TTL_MS });
      else this.#query(host, done);
    });
  }

  /** IPv4 and IPv6 at once; one of them is enough. */
  #query(host: string, done: OnAnswer): void {
    const records: { v4?: readonly RecordWithTtl[]; v6?: readonly RecordWithTtl[] } = {};
    let failure: Failure | null = null;
    const take = (family: 'v4' | 'v6') => (error: Failure | null, found: RecordWithTtl[]) => {
      records[family] = error === null ? found : [];
      // That there is no address of one family says little; that nobody answered says more.
      if (error !== null && (failure === null || NO_RECORD.has(failure.code ?? '')))
        failure = error;
      if (records.v4 === undefined || records.v6 === undefined) return;
      this.#conclude(host, [...records.v4, ...records.v6], failure, done);
    };
    this.#dns.resolve4(host, { ttl: true }, take('v4'));
    this.#dns.resolve6(host, { ttl: true }, take('v6'));
  }

  #conclude(
    host: string,
    records: readonly RecordWithTtl[],
    failure: Failure | null,
    done: OnAnswer,
  ): void {
    const { servers, ttlMinMs, ttlMaxMs } = this.#input.options;
    if (records.length > 0) {
      const ttlMs = Math.min(...records.map(({ ttl }) => ttl)) * 1000;
      const addresses = records.map(({ address }) => address);
      done(null, { addresses, ttlMs: Math.min(Math.max(ttlMs, ttlMinMs), ttlMaxMs) });
    } else if (servers.length > 0) {
      done(failure, NO_ANSWER);
    } else {
      lookup(host, { all: true, order: 'verbatim' }, (error, found) => {
        if (error !== null) done(error, NO_ANSWER);
        else done(null, { addresses: found.map((one) => one.address), ttlMs: SYSTEM_TTL_MS });
      });
    }
  }
}

/** c-ares: the name is unknown, or has no record of this kind. */
const NO_RECORD = new Set(['ENOTFOUND', 'ENODATA']);

/** The addresses that a hosts file has for a name (hosts(5)). */
export function addressesIn(hosts: string, name: string): string[] {
  const plain = (one: string) => one.replace(/\.$/, '').toLowerCase();
  const wanted = plain(name);
  const found: string[] = [];
  for (const line of hosts.split('\n')) {
    const [address = '', ...names] = line.replace(/#.*/, '').trim().split(/\s+/);
    // An address with a zone (RFC 4007 §11) is none that a socket can be opened to by its text.
    if (isIP(address) === 0 || address.includes('%') || found.includes(address)) continue;
    if (names.some((one) => plain(one) === wanted)) found.push(address);
  }
  return found;
}

function literal(address: string): NameWatch {
  return { addresses: [address], error: null, ask: () => false, close() {} };
}

interface WatchInput {
  readonly host: string;
  readonly options: ResolveOptions;
  readonly monotonicMs: () => number;
  readonly resolve: (done: OnAnswer) => void;
  readonly onChange: () => void;
  readonly onFailure: (host: string, error: SluiceError) => void;
  readonly known: KnownNames;
}

class Watch implements NameWatch {
  readonly #input: WatchInput;
  addresses: readonly string[] = [];
  error: SluiceError | null = null;
  #isAsking = false;
  #isClosed = false;
  #failedMs = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | null = null;

  constructor(input: WatchInput) {
    this.#input = input;
    this.addresses = input.known.get(input.host) ?? [];
    this.#ask();
  }

  ask(): boolean {
    if (this.#isAsking || this.addresses.length > 0 || this.#isClosed) return this.#isAsking;
    if (this.#input.monotonicMs() - this.#failedMs >= FAILURE_TTL_MS) this.#ask();
    return this.#isAsking;
  }

  #ask(): void {
    if (this.#isAsking) return;
    this.#isAsking = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#input.resolve((failure, answer) => {
      this.#isAsking = false;
      if (this.#isClosed) return;
      if (failure === null) this.#onAnswer(answer);
      else this.#onFailure(failure);
    });
  }

  #onAnswer({ addresses, ttlMs }: Answer): void {
    this.error = null;
    this.addresses = [...new Set(addresses)];
    this.#input.known.set(this.#input.host, this.addresses);
    this.#askIn(ttlMs);
    this.#input.onChange();
  }

  #onFailure(cause: Failure): void {
    const { host, options, monotonicMs, onFailure, onChange } = this.#input;
    this.error = lookupError(host, cause);
    this.#failedMs = monotonicMs();
    onFailure(host, this.error);
    // Without any address the next request asks again, and hears how it went.
    if (this.addresses.length > 0) this.#askIn(Math.max(FAILURE_TTL_MS, options.ttlMinMs));
    onChange();
  }

  #askIn(delayMs: number): void {
    this.#timer = setTimeout(() => this.#ask(), delayMs);
    this.#timer.unref();
  }

  close(): void {
    this.#isClosed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }
}

function lookupError(host: string, cause: Failure): SluiceError {
  const message = `cannot resolve ${host}: ${cause.code ?? cause.message}`;
  if (isOwnShortage(cause)) {
    return new SluiceError('out-of-resources', message, { blame: 'internal', cause });
  }
  const options = { blame: 'upstream', cause } as const;
  return cause.code === 'ETIMEOUT' || cause.code === 'EAI_AGAIN'
    ? new SluiceError('dns-timeout', message, options)
    : new SluiceError('dns-error', message, options);
}
