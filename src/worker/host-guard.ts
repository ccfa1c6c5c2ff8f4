/**
 * Keeps a connection to what its host asks of clients. The host is chosen by the server name of the
 * handshake, and what a request is for is said only later, in Host or `:authority`: whoever was not
 * asked for a certificate by one host must not reach another that requires one by naming it there
 * (RFC 9110 §7.4). Such requests get 421, and the client opens a connection to the other host.
 */
import { SluiceError } from '../base/errors.ts';
import type {
  RequestFacts,
  RequestHandler,
  RequestSink,
  ResponseSender,
} from '../http/exchange.ts';
import type { RequestHead } from '../http/message.ts';
import { HostNames } from '../tls/host-names.ts';
import type { HostTlsOptions } from '../tls/host-options.ts';
import { hostOf } from './coverage.ts';

/** Authorities whose host is kept at hand; beyond this they are looked up again. */
const AUTHORITIES_KEPT_MAX = 1_024;

/** The hosts of one configuration, as requests are measured by them. */
export class HostPolicies {
  readonly #names = new HostNames<number>();
  /** By host: what a connection to it had to do. Equal texts stand for each other. */
  readonly #demands: readonly string[];
  readonly #takesEarlyData: readonly boolean[];
  readonly #requiresCertificate: readonly boolean[];
  readonly #byAuthority = new Map<string, number>();

  constructor(hosts: readonly HostTlsOptions[]) {
    for (const [index, { names }] of hosts.entries()) {
      for (const name of names) this.#names.add(name, index);
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
  refusal(connectionHost: number, authority: string, early: boolean): SluiceError | null {
    const host = this.hostFor(authority);
    if (host === connectionHost) return null;
    if (this.#demands[host] !== this.#demands[connectionHost]) return MISDIRECTED;
    return early && !this.#takesEarlyData[host] ? NOT_EARLY : null;
  }

  /** The same without TLS, where nobody proves anything; null when the request may go on. */
  refusalWithoutTls(authority: string): SluiceError | null {
    return this.#requiresCertificate[this.hostFor(authority)] ? MISDIRECTED : null;
  }

  /** The index of an authority's host. Names that no host has are the first's, as in TLS. */
  hostFor(authority: string): number {
    let host = this.#byAuthority.get(authority);
    if (host === undefined) {
      host = this.#names.find(hostOf(authority)) ?? 0;
      if (this.#byAuthority.size >= AUTHORITIES_KEPT_MAX) this.#byAuthority.clear();
      this.#byAuthority.set(authority, host);
    }
    return host;
  }
}

/** Null when there is nothing to guard. */
export function hostPolicies(hosts: readonly HostTlsOptions[]): HostPolicies | null {
  const policies = new HostPolicies(hosts);
  return policies.matter ? policies : null;
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
