/**
 * What one configuration makes of a worker: routes, origins, TLS, policies. A reload puts another in
 * its place for new connections; those that are open keep the one they began with to their end.
 */
import { AddressSet } from '../base/address-range.ts';
import { systemClock } from '../base/clock.ts';
import type { CollapseTable } from '../cache/collapse.ts';
import type { SluiceOptions } from '../config/options.ts';
import { type AuthorityCheck, authorityCheckOf } from '../downstream/authority-check.ts';
import type { ClientCounts } from '../downstream/client-counts.ts';
import type { DownstreamShared, TlsAcceptor } from '../downstream/connection.ts';
import type { WatchedConnection } from '../downstream/filters/filter-chain.ts';
import type { SniTunnels } from '../downstream/filters/sni-tunnel.ts';
import { HostPolicies, type RefusingSink } from '../downstream/host-guard.ts';
import { defaultDownstreamLimits } from '../downstream/limits.ts';
import { noContentLimits } from '../http/content-watch.ts';
import { formatHttpDate } from '../http/dates.ts';
import { handshakeOf } from '../plugin/handshake-view.ts';
import { PluginSet } from '../plugin/plugin-set.ts';
import { ConnectGateway } from '../proxy/connect-gateway.ts';
import type { HitForMissMemory } from '../proxy/hit-for-miss-memory.ts';
import { ReverseProxy } from '../proxy/proxy.ts';
import type { PurgeGate } from '../proxy/purge-request.ts';
import { ClientClaims, FORWARDING_CLAIMS } from '../proxy/request/client-claims.ts';
import { ClientIdentity, identityClaims } from '../proxy/request/client-identity.ts';
import { EarlyDataPolicies } from '../proxy/request/early-data.ts';
import type { Reactor } from '../reactor/reactor.ts';
import { ClaimedNames } from '../routing/claimed-names.ts';
import { type FeatureSwitches, isPluginOn } from '../tls/features.ts';
import type { CertificatePair } from '../tls/host-options.ts';
import type { QuicTlsEngine, QuicTlsOwner } from '../tls/quic-engine.ts';
import type { ChannelPool } from '../transport/channel.ts';
import { defaultTunnelLimits } from '../tunnel/limits.ts';
import { TunnelTable } from '../tunnel/tunnel-table.ts';
import type { BatchClock } from './batch-clock.ts';
import type { WorkerCache } from './cache.ts';
import type { ChallengeTable } from './challenge-table.ts';
import type { ClusterRegisters } from './clusters.ts';
import type { WorkerInput } from './contract.ts';
import { connectionsFor, descriptorsMax } from './descriptors.ts';
import type { HandshakeObservers } from './handshakes/handshake-observers.ts';
import { exchangeObserver, logBadRequest, tellHandshake } from './handshakes/observers.ts';
import { type KnownNames, openOrigins, type WorkerOrigins } from './origins.ts';
import { openRoutes } from './routing.ts';
import { certificatesToSend, openTls, type WorkerTls } from './tls.ts';

const connectionsMax = connectionsFor(descriptorsMax(), defaultDownstreamLimits.connectionsMax);

/** Makes the TLS engine of a connection of QUIC from the address `peer`. */
export type QuicAcceptor = (owner: QuicTlsOwner, peer: string) => QuicTlsEngine;

/** What outlives any configuration: it belongs to the worker. */
export interface GenerationBase {
  readonly input: Omit<WorkerInput, 'options'>;
  readonly reactor: Reactor;
  readonly channels: ChannelPool;
  readonly clock: BatchClock;
  readonly cache: WorkerCache;
  readonly collapse: CollapseTable;
  readonly hitForMissMemory: HitForMissMemory;
  readonly originNames: KnownNames;
  readonly clients: ClientCounts;
  readonly challenges: ChallengeTable;
  readonly clusters: ClusterRegisters;
  readonly observers: HandshakeObservers;
}

export class ConfigurationGeneration {
  /** What its downstream connections share. */
  readonly shared: DownstreamShared;
  /** Null without TLS. */
  readonly accept: TlsAcceptor | null;
  /** The same for QUIC; null where nothing listens for it, or it is off now. */
  readonly acceptQuic: QuicAcceptor | null;
  readonly connections = new Set<WatchedConnection>();
  /** What its tunnels share. */
  readonly tunnels: SniTunnels;
  readonly #base: GenerationBase;
  readonly #origins: WorkerOrigins;
  readonly #plugins: PluginSet;
  readonly #disposables: Disposable[] = [];
  #tls: WorkerTls | null = null;
  readonly #features: FeatureSwitches;
  readonly routes: SluiceOptions['routes'];
  readonly #hostNames: readonly string[];
  /** PEM, by host. */
  readonly #certificates: string[][];
  #authorityCheck: AuthorityCheck;

  /** Throws UsageError for options that cannot be carried out; then nothing of it stays. */
  constructor(base: GenerationBase, options: SluiceOptions) {
    this.#base = base;
    try {
      this.#tls = this.#openTls(options);
      this.accept = this.#tlsAcceptor();
      this.acceptQuic = this.#quicAcceptor();
      this.#origins = openOrigins(options, base);
      this.#disposables.push(this.#origins);
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
    this.#plugins = new PluginSet(options.plugins, base.input.plugins, (name) =>
      isPluginOn(name, options.features),
    );
    const hosts = options.hosts.map(({ tls }) => tls);
    this.#features = options.features;
    this.routes = options.routes;
    this.#hostNames = hosts.map(({ names }) => names.join());
    this.#certificates = hosts.map(({ certificates }) => certificates.map(pemOf));
    this.#authorityCheck = authorityCheckOf(this.#certificates);
    this.tunnels = {
      connect: (address, handler) => base.reactor.connect(address, handler),
      table: new TunnelTable(defaultTunnelLimits),
      limits: defaultTunnelLimits,
      monotonicMs: systemClock.monotonicMs,
    };
    const policies = new HostPolicies(
      hosts,
      options.routes.map(({ match }) => match.hosts),
    );
    this.shared = {
      channels: base.channels,
      sink: this.#makeProxy(options, policies),
      limits: {
        ...defaultDownstreamLimits,
        connectionsMax,
        ...(options.requestBody ?? noContentLimits),
      },
      monotonicMs: systemClock.monotonicMs,
      dateNow,
      observer: this.#observer(),
      isCovered: (host, serverName, authority) => this.#authorityCheck(host, serverName, authority),
      policies: policies.matter ? policies : null,
      clients: base.clients,
    };
  }

  #makeProxy(options: SluiceOptions, policies: HostPolicies): RefusingSink {
    const { cache, collapse, hitForMissMemory, clock, input } = this.#base;
    const common = {
      store: cache.store,
      earlyDataPolicies: new EarlyDataPolicies(
        options.hosts.map(({ earlyDataPolicy }) => earlyDataPolicy),
        (authority) => policies.hostsFor(authority),
      ),
      collapse,
      hitForMissMemory,
      purges: this.#purgeGate(options),
      clock,
      observer: exchangeObserver(input),
      requests: input.recorder.requests,
      dateNow,
    };
    const identities = options.hosts.map(({ tls, clientIdentityFields }) =>
      tls.clientCertificates.mode === 'off' ? null : clientIdentityFields,
    );
    const claims = new ClaimedNames([...FORWARDING_CLAIMS, ...identityClaims(identities)]);
    const observerOf = (route: string) => exchangeObserver(input, route);
    const routes = openRoutes({
      routes: options.routes,
      origins: this.#origins,
      common,
      rates: input.rates,
      observerOf,
      claims,
      plugins: this.#plugins,
    });
    const proxy = new ReverseProxy(routes, this.#base.challenges.answer);
    const next = new ClientIdentity(proxy, identities);
    const { trustedProxies, trustedProxiesHeader: field } = options;
    const from = trustedProxies ?? [];
    if (options.connect === null) return new ClientClaims(next, { from, field });
    const { table: tunnels, connect, limits } = this.tunnels;
    const { observer, requests } = common;
    const environment = { clock, observer, requests };
    const settings = {
      options: options.connect,
      next,
      connect,
      tunnels,
      limits,
      environment,
    };
    return new ClientClaims(new ConnectGateway(settings), { from, field });
  }

  #purgeGate(options: SluiceOptions): PurgeGate {
    const { purgeEverywhere } = this.#base.input;
    const allowed = new AddressSet(options.purgeFrom ?? []);
    return {
      isAllowed: (address) => allowed.has(address),
      purge: (selectors, soft, done) => purgeEverywhere({ selectors, soft }, done),
    };
  }

  #openTls(options: SluiceOptions): WorkerTls | null {
    if (options.hosts.length === 0) return null;
    const tls = openTls(
      options,
      this.#base.clusters.registerOf(options.cluster),
      this.#base.input,
      this.#base.challenges.certificates,
    );
    for (const part of [tls.context, tls.quic, tls.keyLog]) {
      if (part !== null) this.#disposables.push(part);
    }
    return tls;
  }

  #tlsAcceptor(): TlsAcceptor | null {
    if (this.#tls === null) return null;
    const { context } = this.#tls;
    const { recorder, guard } = this.#base.input;
    return (handler, peer) => context.accept(handler, systemClock, { recorder, peer, guard });
  }

  #quicAcceptor(): QuicAcceptor | null {
    const quic = this.#tls?.quic ?? null;
    if (quic === null) return null;
    const { recorder, guard } = this.#base.input;
    return (owner, peer) => quic.accept(owner, systemClock, { recorder, peer, guard });
  }

  replaceCertificates(names: readonly string[], certificates: readonly CertificatePair[]): void {
    const host = this.#hostNames.indexOf(names.join());
    if (host === -1) return;
    const sent = certificatesToSend(certificates, this.#features);
    this.#tls?.context.replaceCertificates(host, sent);
    this.#tls?.quic?.replaceCertificates(host, sent);
    this.#certificates[host] = certificates.map(pemOf);
    this.#authorityCheck = authorityCheckOf(this.#certificates);
  }

  replaceTicketKeys(keys: readonly Uint8Array[]): void {
    this.#tls?.context.replaceTicketKeys(keys);
    this.#tls?.quic?.replaceTicketKeys(keys);
  }

  #observer(): DownstreamShared['observer'] {
    const { observers, clock } = this.#base;
    const { metrics, log, accessLog } = this.#base.input;
    const hears = this.#plugins.hasHook('onHandshake');
    return {
      onHandshake: (record, connection) => {
        observers.notify(record, connection);
        if (hears) this.#plugins.tell('onHandshake', handshakeOf(record, connection.remoteAddress));
        if (log.details.tls) tellHandshake(log, record, connection.remoteAddress);
      },
      onAbuse: (kind) => metrics.http2Abused(kind),
      onHttp3Abuse: (kind) => metrics.http3Abused(kind),
      onQuicEnd: ({ packetsSent, packetsReceived, packetsLost, migrations }) => {
        const packets = { sent: packetsSent, received: packetsReceived, lost: packetsLost };
        metrics.quicEnded(packets, migrations);
      },
      onRefused: (error) => metrics.messageRefused(error.code),
      onBadRequest: (sent, connection) =>
        logBadRequest(accessLog, connection, sent, clock.wallMs()),
      onClosed: (connection) => {
        this.connections.delete(connection);
        this.#base.clients.leave(connection.remoteAddress);
        metrics.connectionClosed(connection.kind);
      },
    };
  }

  /** Once a second or so: deadlines. */
  sweep(nowMs: number): void {
    for (const connection of this.connections) connection.sweep(nowMs);
    this.tunnels.table.sweep(nowMs);
    this.#origins.sweep();
  }

  /** Another configuration has taken its place; its connections go on. */
  retire(): void {
    this.#origins.retire();
  }

  /** Finishes what is under way on its connections, and closes them. */
  drain(): void {
    this.#origins.drain();
    for (const connection of this.connections) connection.drain();
  }

  /** The drain's grace is over. */
  endIdle(): void {
    for (const connection of this.connections) connection.endIdle();
  }

  /** The drain's time is up. */
  breakOff(): void {
    for (const connection of this.connections) connection.breakOff();
  }

  /** Frees what its connections no longer need: none is open, and none will be. */
  [Symbol.dispose](): void {
    for (const disposable of this.#disposables.splice(0)) disposable[Symbol.dispose]();
  }
}

function pemOf({ certificatePem }: CertificatePair): string {
  return certificatePem;
}

let dateSecond = -1;
let dateText = '';

/** IMF-fixdate of now, made once a second. */
function dateNow(): string {
  const second = Math.floor(systemClock.wallMs() / 1000);
  if (second !== dateSecond) {
    dateSecond = second;
    dateText = formatHttpDate(second * 1000);
  }
  return dateText;
}
