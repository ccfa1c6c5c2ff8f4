/** TLS toward clients: what all connections of a listener have in common, and its hosts. */
import { assert } from '../base/assert.ts';
import type { Clock, SteadyClock } from '../base/clock.ts';
import { HostNames, isHostName } from '../base/host-names.ts';
import { bootClock } from '../native/boot-clock.ts';
import { type ClientHelloStep, HelloVerdict, onClientHello } from '../native/client-hello.ts';
import type { InfoObserver } from '../native/info-observer.ts';
import { keepTickets, onEarlyData } from '../native/session-callbacks.ts';
import { Ssl } from '../native/ssl.ts';
import { SslContext, SslMode, SslOption } from '../native/ssl-context.ts';
import { TicketKeys } from '../native/ticket-keys.ts';
import { ALERT_ILLEGAL_PARAMETER, ALERT_UNRECOGNIZED_NAME } from './alerts.ts';
import type { ChallengeCertificates } from './challenge-certificates.ts';
import type { ClusterRegister } from './cluster.ts';
import { TlsEngine } from './connection.ts';
import type { TlsConnection, TlsHandler } from './contract.ts';
import type { AntiReplayCheck } from './early-data/anti-replay-check.ts';
import { EarlyDataAcceptance } from './early-data/early-data-acceptance.ts';
import { decisionOf, HelloDecision } from './early-data/hello-decision.ts';
import {
  type CertificatePair,
  EARLY_DATA_IN_FLIGHT_BYTES_DEFAULT,
  type HostTlsOptions,
  plainHost,
} from './host-options.ts';
import { configureHost, ServerHost } from './server-host.ts';
import { TICKET_LIFETIME_SECONDS_DEFAULT, TICKETS_PER_HANDSHAKE_DEFAULT } from './ticket-ring.ts';
import type { TraceWatch } from './trace-recorder.ts';

/** What holds for every host of a server. */
export interface SharedServerOptions {
  /** Protocols by our preference, as `['h2', 'http/1.1']`. Empty: ALPN is not answered. */
  readonly alpn: readonly string[];
  /**
   * Accepts no ClientHello's early data twice. Without one, replays are accepted: only where
   * nothing can be replayed, as in tests.
   */
  readonly antiReplay?: AntiReplayCheck | undefined;
  /** Asked about ClientHellos with early data beside it, for more machines than this one. */
  readonly cluster?: ClusterRegister | undefined;
  /** Bytes of early data that open handshakes of all hosts together may send. */
  readonly earlyDataInFlightBytesMax?: number;
  /** What tickets are dated by without a cluster; by default the clock of this machine. */
  readonly ticketClock?: SteadyClock;
  /** 80 bytes each, newest first: 16 name, 32 AES, 32 HMAC. */
  readonly ticketKeys: readonly Uint8Array[];
  /** False: no tickets are issued, and none is taken. */
  readonly tickets?: boolean;
  readonly ticketsPerHandshake?: number;
  readonly ticketLifetimeSeconds?: number;
  /** Gets a line for every secret of every connection, in the NSS format, from inside OpenSSL. */
  readonly logKey?: ((line: string) => void) | undefined;
  /** Called from inside OpenSSL, which nothing of ours needs; see native/info-observer.ts. */
  readonly infoObservers?: readonly InfoObserver[];
  /** Whether connections keep their ClientHello until their handshake has ended. */
  readonly keepsClientHello?: boolean;
  /** What authorities that look whether a name is ours are shown. */
  readonly challenges?: ChallengeCertificates;
  /** What else looks at a ClientHello, after its host has been chosen. */
  readonly helloSteps?: readonly ClientHelloStep[];
}

/** A server with one host and one certificate; what is left out is as by default. */
export interface ServerContextOptions
  extends Omit<SharedServerOptions, 'antiReplay'>,
    CertificatePair,
    Partial<Pick<HostTlsOptions, 'groups' | 'minVersion' | 'maxVersion'>> {
  readonly earlyData: {
    readonly enabled: boolean;
    /** Bytes per connection. */
    readonly bytesMax?: number;
    readonly antiReplay?: AntiReplayCheck;
  };
}

/** What can be done with a server, whatever carries its handshakes. `Accept` makes a connection. */
export interface AcceptingContext<Accept> extends Disposable {
  /** What an operator should know, as an expired certificate; whole sentences. */
  readonly warnings: readonly string[];
  /** First names of hosts whose certificates were to be compressed, and the library could not. */
  readonly uncompressedHosts: readonly string[];
  /** A connection that waits for a ClientHello. */
  readonly accept: Accept;
  /** Newest first; tickets under the keys that are left out are no longer resumed. */
  replaceTicketKeys(keys: readonly Uint8Array[]): void;
  /**
   * Gives the host with this index other certificates, for connections whose ClientHello is yet to
   * come. Throws UsageError for those that cannot be used, and then nothing has changed.
   */
  replaceCertificates(host: number, certificates: readonly CertificatePair[]): void;
}

export type ServerContext = AcceptingContext<
  (handler: TlsHandler, clock: Clock, watch?: TraceWatch | null) => TlsConnection
>;

/** As `createHostedContext`, for one host with one certificate. */
export function createServerContext(options: ServerContextOptions): ServerContext {
  const { certificatePem, keyPem, groups, minVersion, maxVersion, earlyData, ...shared } = options;
  const { enabled, bytesMax = plainHost.earlyData.bytesMax, antiReplay } = earlyData;
  const host: HostTlsOptions = {
    ...plainHost,
    certificates: [{ certificatePem, keyPem }],
    groups: groups ?? plainHost.groups,
    minVersion: minVersion ?? plainHost.minVersion,
    maxVersion: maxVersion ?? plainHost.maxVersion,
    earlyData: { ...plainHost.earlyData, enabled, bytesMax },
  };
  return createHostedContext({ ...shared, antiReplay }, [host]);
}

/**
 * A server of these hosts; the first is for names that none of them has. Throws UsageError for a
 * certificate, key or list that cannot be used. Connections may outlive their context's disposal.
 *
 * Every connection begins with a context that has no certificate, and goes on with its host's as
 * soon as the ClientHello has named it, before anything else is decided.
 */
export function createHostedContext(
  shared: SharedServerOptions,
  options: readonly HostTlsOptions[],
): ServerContext {
  const parts = assembleServer(shared, options);
  return contextOf(
    parts,
    (handler: TlsHandler, clock: Clock, watch: TraceWatch | null = null) =>
      new TlsEngine({
        ssl: new Ssl(parts.base),
        role: 'server',
        handler,
        clock,
        acceptance: parts.acceptance,
        keepsClientHello: shared.keepsClientHello ?? false,
        watch,
      }),
  );
}

/** A server, before it accepts anything. */
export interface ServerParts {
  /** What connections begin with. */
  readonly base: SslContext;
  readonly hosts: readonly ServerHost[];
  readonly acceptance: EarlyDataAcceptance;
  readonly keys: TicketKeys;
}

/** `firstSteps` look at a ClientHello before its host is chosen. All hosts have the same carrier. */
export function assembleServer(
  shared: SharedServerOptions,
  options: readonly HostTlsOptions[],
  firstSteps: readonly ClientHelloStep[] = [],
): ServerParts {
  assert(options.length > 0, 'a server has a host');
  const base = new SslContext('server');
  try {
    // Filled below: OpenSSL looks for them in the context that was chosen, too, for the second
    // ClientHello and after a pause.
    const steps: ClientHelloStep[] = [...firstSteps];
    const prepare = (context: SslContext) => configureAny(context, shared, steps);
    const hosts = options.map((option) => {
      const host = new ServerHost(option, prepare);
      // As long as a connection of the base lives its ClientHello may be yet to come.
      base.own(host);
      return host;
    });
    const keys = new TicketKeys(shared.ticketKeys);
    base.setTicketKeys(keys);
    prepare(base);
    const acceptance = configureBase(base, shared, hosts);
    steps.push(chooseHost(hosts, shared.challenges), ...(shared.helloSteps ?? []));
    if (acceptance.cluster !== null) steps.push(waitForCluster);
    return { base, hosts, acceptance, keys };
  } catch (error) {
    base[Symbol.dispose]();
    throw error;
  }
}

/** A server that accepts. */
export function contextOf<Accept>(
  { base, hosts, keys }: ServerParts,
  accept: Accept,
): AcceptingContext<Accept> {
  return {
    get warnings() {
      return hosts.flatMap((host) => host.warnings);
    },
    get uncompressedHosts() {
      const left = hosts.filter((host) => host.isLeftUncompressed);
      return left.map(({ options: { names } }) => names[0] ?? 'the default host');
    },
    accept,
    replaceTicketKeys: (replacement) => keys.replace(replacement),
    replaceCertificates: (index, certificates) => hosts[index]!.replaceCertificates(certificates),
    [Symbol.dispose]: () => base[Symbol.dispose](),
  };
}

/** What every context has, before and after the choice of a host. */
function configureAny(
  context: SslContext,
  shared: SharedServerOptions,
  steps: readonly ClientHelloStep[],
): void {
  context.setOptions(
    SslOption.NO_COMPRESSION |
      SslOption.NO_RENEGOTIATION |
      // OpenSSL's anti-replay knows one process only and makes tickets stateful.
      SslOption.NO_ANTI_REPLAY |
      // Our order, but a client without AES hardware, which lists ChaCha20 first, gets it.
      SslOption.CIPHER_SERVER_PREFERENCE |
      SslOption.PRIORITIZE_CHACHA,
  );
  context.setMode(SslMode.ACCEPT_MOVING_WRITE_BUFFER | SslMode.RELEASE_BUFFERS);
  if (shared.alpn.length > 0) {
    const otherwise = shared.alpn.filter((protocol) => protocol !== 'h2');
    context.selectAlpn(shared.alpn, otherwise.length > 0 ? otherwise : ['http/1.1']);
  }
  if (shared.logKey !== undefined) context.logKeys(shared.logKey);
  context.watchFromInside(shared.infoObservers ?? []);
  onClientHello(context, steps);
}

/** What connections take from the context that they begin with: it holds for all hosts. */
function configureBase(
  base: SslContext,
  shared: SharedServerOptions,
  hosts: readonly ServerHost[],
): EarlyDataAcceptance {
  configureHost(base, hosts[0]!.options);
  const { tickets = true, ticketsPerHandshake = TICKETS_PER_HANDSHAKE_DEFAULT } = shared;
  // Without the option OpenSSL would still take tickets; with it alone it would issue stateful ones.
  if (!tickets) base.setOptions(SslOption.NO_TICKET);
  base.setTickets(
    tickets ? ticketsPerHandshake : 0,
    shared.ticketLifetimeSeconds ?? TICKET_LIFETIME_SECONDS_DEFAULT,
  );
  const acceptance = new EarlyDataAcceptance({
    antiReplay: shared.antiReplay ?? null,
    clock: shared.ticketClock ?? bootClock,
    hosts: hosts.map((host) => ({ ...host.options.earlyData, policyMark: host.policyMark })),
    inFlightBytesMax: shared.earlyDataInFlightBytesMax ?? EARLY_DATA_IN_FLIGHT_BYTES_DEFAULT,
    cluster: shared.cluster ?? null,
    isUnmetered: hosts[0]!.options.carrier === 'quic',
  });
  const { clock } = acceptance;
  onEarlyData(base, (ssl, flight) => acceptance.accepts(decisionOf(ssl)!, flight), clock);
  keepTickets(base, (ssl) => decisionOf(ssl)!.serverName, clock);
  return acceptance;
}

/** The step that finds a ClientHello's host, and makes its connection one of that host's: the decision begins. */
function chooseHost(
  hosts: readonly ServerHost[],
  challenges: ChallengeCertificates | undefined,
): ClientHelloStep {
  const base = hosts[0]!.options;
  const names = new HostNames<number>();
  for (const [index, host] of hosts.entries()) {
    for (const name of host.options.names) names.add(name, index);
  }
  return (hello) => {
    const { connection, serverName, ticketMark, offersEarlyData } = hello;
    // RFC 6066 §3. Whoever takes the name later, for a field or a log, takes the name of a host.
    if (serverName !== '' && !isHostName(serverName)) return hello.refuse(ALERT_UNRECOGNIZED_NAME);
    const index = names.find(serverName) ?? 0;
    const before = decisionOf(connection);
    // RFC 8446 §4.1.2: the second ClientHello is the first but for what the retry asked for. A name
    // of another host would leave that host with groups and versions that it does not allow.
    if (before !== null && before.host !== index) return hello.refuse(ALERT_ILLEGAL_PARAMETER);
    const facts = { host: index, serverName, ticketMark, offersEarlyData };
    connection.decision = new HelloDecision(facts, before);
    const isNew = before === null && challenges?.adopt(hello) !== true;
    if (isNew) hosts[index]!.adopt(connection, base);
    return HelloVerdict.proceed;
  };
}

/**
 * The step that pauses a handshake until the cluster has been asked, once; the engine asks. Also where
 * early data is not accepted, by a policy that is not everywhere the same yet or under a key that others
 * may have: the client repeats its request, and none of the cluster may take the flight afterwards.
 */
const waitForCluster: ClientHelloStep = (hello) => {
  const decision = decisionOf(hello.connection)!;
  const isAsked = hello.offersEarlyData && decision.ticketMark !== null;
  if (!isAsked || decision.clusterQuestion !== null) return HelloVerdict.proceed;
  decision.clusterQuestion = { random: Buffer.from(hello.random), answer: null };
  return HelloVerdict.pause;
};
