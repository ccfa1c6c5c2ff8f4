/**
 * Keeps a connection to what its host asks of clients. The host is chosen by the server name of the
 * handshake, and what a request is for is said only later, in Host or `:authority`: whoever was not
 * asked for a certificate by one host must not reach another that requires one by naming it there
 * (RFC 9110 §7.4). Such requests get 421, and the client opens a connection to the other host.
 */
import { BoundedMap } from '../base/bounded-map.ts';
import { SluiceError } from '../base/errors.ts';
import { doNamesOverlap, HostNames, isBelow, isNameOf } from '../base/host-names.ts';
import type { Authority } from '../http/authority.ts';
import type {
  RequestFacts,
  RequestHandler,
  RequestSink,
  ResponseSender,
} from '../http/exchange.ts';
import type { RequestHead } from '../http/message.ts';
import type { HostTlsOptions } from '../tls/host-options.ts';

/**
 * Names that no host has, with the hosts whose demands they must meet; others are looked up again.
 */
export const UNKNOWN_HOSTS_KEPT_BYTES_MAX = 131_072;

/** The hosts that a name is judged by, and of these the one that asks most. */
interface Judges {
  readonly hosts: readonly number[];
  /** -1: none asks at least what each of the others does. No connection is good enough then. */
  readonly strictest: number;
}

/** The hosts of one configuration, as requests are measured by them. */
export class HostPolicies {
  readonly #names = new HostNames<Judges>();
  readonly #hosts: readonly HostTlsOptions[];
  readonly #routes: readonly (readonly string[])[];
  /** By host: what a connection to it had to do. Equal texts stand for each other. */
  readonly #demands: readonly string[];
  readonly #takesEarlyData: readonly boolean[];
  readonly #requiresCertificate: readonly boolean[];
  readonly #strangers = new BoundedMap<Judges>(UNKNOWN_HOSTS_KEPT_BYTES_MAX);

  /** `routes`: the names that each route is for, none for those that are for any host. */
  constructor(hosts: readonly HostTlsOptions[], routes: readonly (readonly string[])[]) {
    this.#hosts = hosts;
    this.#routes = routes.filter((names) => names.length > 0);
    for (const [index, { names }] of hosts.entries()) {
      const own = { hosts: [index], strictest: index };
      for (const name of names) this.#names.add(name, own);
    }
    this.#demands = hosts.map(demandsOf);
    this.#takesEarlyData = hosts.map(({ earlyData }) => earlyData.enabled);
    this.#requiresCertificate = hosts.map(
      ({ clientCertificates }) => clientCertificates.mode === 'required',
    );
  }

  /** Whether any two hosts ask for different things, or one for what plaintext does not have. */
  get matter(): boolean {
    const [first] = this.#demands;
    const [early] = this.#takesEarlyData;
    return (
      this.#requiresCertificate.includes(true) ||
      this.#demands.some((demands) => demands !== first) ||
      this.#takesEarlyData.some((takes) => takes !== early)
    );
  }

  /** Null when the request may go on; `connectionHost` is the index of the connection's host. */
  refusal(connectionHost: number, authority: Authority, early: boolean): SluiceError | null {
    const { hosts, strictest } = this.#judgesOf(authority);
    if (hosts.length === 1 && strictest === connectionHost) return null;
    if (strictest === -1) return MISDIRECTED;
    if (this.#demands[strictest] !== this.#demands[connectionHost]) return MISDIRECTED;
    return early && !hosts.every((host) => this.#takesEarlyData[host]) ? NOT_EARLY : null;
  }

  /** The same without TLS, where nobody proves anything; null when the request may go on. */
  refusalWithoutTls(authority: Authority): SluiceError | null {
    const { hosts } = this.#judgesOf(authority);
    return hosts.some((host) => this.#requiresCertificate[host]) ? MISDIRECTED : null;
  }

  /**
   * The indices of the hosts that a request is judged by: the one that has its name. A name that no
   * host has is the first's, as in TLS, and that of every host that it lies below or shares a route
   * with: what such a request would reach is theirs, too.
   */
  hostsFor(authority: Authority): readonly number[] {
    return this.#judgesOf(authority).hosts;
  }

  #judgesOf({ host, parent }: Authority): Judges {
    return this.#names.find(host, parent) ?? this.#strangers.get(host) ?? this.#judge(host);
  }

  #judge(stranger: string): Judges {
    const shared = this.#routes.filter((names) => names.some((name) => isNameOf(name, stranger)));
    const reached = shared.flat();
    const hosts = [...this.#hosts.keys()].filter((index) => {
      const { names } = this.#hosts[index]!;
      return index === 0 || names.some((name) => isTouched(name, stranger, reached));
    });
    const judges = { hosts, strictest: this.#strictestOf(hosts) };
    this.#strangers.set(stranger, judges);
    return judges;
  }

  #strictestOf(indices: readonly number[]): number {
    const asksMost = (index: number) =>
      indices.every((other) => asksAtLeast(this.#hosts[index]!, this.#hosts[other]!));
    return indices.find(asksMost) ?? -1;
  }
}

/** Whether what a host has named is below or beside a name that it has not. */
function isTouched(name: string, stranger: string, reached: readonly string[]): boolean {
  return isBelow(stranger, name) || reached.some((other) => doNamesOverlap(other, name));
}

/** Whether a client that has done what `one` asks has done what `other` asks, too. */
function asksAtLeast(one: HostTlsOptions, other: HostTlsOptions): boolean {
  if (one.minVersion < other.minVersion) return false;
  const { mode, authoritiesPem } = other.clientCertificates;
  if (mode === 'off') return true;
  const { clientCertificates } = one;
  if (clientCertificates.authoritiesPem !== authoritiesPem) return false;
  return clientCertificates.mode === mode || clientCertificates.mode === 'required';
}

/** Who the client is, and that nobody else reads along. */
function demandsOf({ clientCertificates, minVersion }: HostTlsOptions): string {
  const { mode, authoritiesPem } = clientCertificates;
  return JSON.stringify([mode, mode === 'off' ? '' : authoritiesPem, minVersion]);
}

// Made once: refusing a flood must not cost a stack trace each time.
const MISDIRECTED = new SluiceError(
  'misdirected-request',
  'the host asks more of clients than this connection has shown',
  { blame: 'downstream' },
);
const NOT_EARLY = new SluiceError('early-data-refused', 'the host takes no early data', {
  blame: 'downstream',
});

/** Who answers requests that are turned away; the proxy does. */
export interface RefusingSink extends RequestSink {
  turnAway(
    error: SluiceError,
    head: RequestHead,
    sender: ResponseSender,
    facts: RequestFacts,
  ): RequestHandler;
  /** The same, but for requests that take a route which answers by itself, such as a redirect. */
  turnAwayFromOrigin(
    error: SluiceError,
    head: RequestHead,
    sender: ResponseSender,
    facts: RequestFacts,
  ): RequestHandler;
}

/** What requests without TLS go through. */
export class PlaintextGuard implements RequestSink {
  readonly #sink: RefusingSink;
  readonly #policies: HostPolicies;

  constructor(sink: RefusingSink, policies: HostPolicies) {
    this.#sink = sink;
    this.#policies = policies;
  }

  onRequest(head: RequestHead, sender: ResponseSender, facts: RequestFacts): RequestHandler {
    const refusal = this.#policies.refusalWithoutTls(head.authority);
    if (refusal === null) return this.#sink.onRequest(head, sender, facts);
    return this.#sink.turnAwayFromOrigin(refusal, head, sender, facts);
  }
}

/** What one connection's requests go through. */
export class HostGuard implements RequestSink {
  readonly #sink: RefusingSink;
  readonly #policies: HostPolicies;
  readonly #connectionHost: () => number;

  constructor(sink: RefusingSink, policies: HostPolicies, connectionHost: () => number) {
    this.#sink = sink;
    this.#policies = policies;
    this.#connectionHost = connectionHost;
  }

  onRequest(head: RequestHead, sender: ResponseSender, facts: RequestFacts): RequestHandler {
    const refusal = this.#policies.refusal(this.#connectionHost(), head.authority, facts.early);
    if (refusal === null) return this.#sink.onRequest(head, sender, facts);
    return this.#sink.turnAway(refusal, head, sender, facts);
  }
}
