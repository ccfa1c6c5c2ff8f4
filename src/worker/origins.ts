/** Makes the groups of origins of one worker from the options. */
import { systemClock } from '../base/clock.ts';
import type { SluiceOptions } from '../config/options.ts';
import type { ClientFacts } from '../http/client-facts.ts';
import type { Reactor } from '../reactor/reactor.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { type ClientContext, createClientContext } from '../tls/client-context.ts';
import type { TraceRecorder } from '../tls/trace-recorder.ts';
import type { ChannelPool } from '../transport/channel.ts';
import { proxyHeader } from '../transport/proxy-header.ts';
import type { Origins } from '../upstream/contract.ts';
import { OriginServer } from '../upstream/endpoint.ts';
import { EndpointPool } from '../upstream/endpoint-pool.ts';
import { UpstreamGroup } from '../upstream/group.ts';
import { HealthChecker } from '../upstream/health-check.ts';
import { defaultUpstreamLimits, type UpstreamLimits } from '../upstream/limits.ts';
import type {
  OriginGroupOptions,
  OriginServerOptions,
  OriginTlsOptions,
} from '../upstream/options.ts';
import { OriginTls } from '../upstream/origin-tls.ts';
import { type KnownNames, Resolver } from '../upstream/resolver.ts';
import { authorityOf, nameOfServer, serverNames } from '../upstream/server-names.ts';
import { openSharedHealth } from '../upstream/shared-health.ts';
import { poolObserver } from './handshakes/observers.ts';
import { healthTeller } from './origin-news.ts';
import type { WorkerLog } from './worker-log.ts';

export type { KnownNames };

export interface WorkerOrigins extends Origins, Disposable {
  readonly groups: ReadonlyMap<string, UpstreamGroup>;
  /** Called about once a second. */
  sweep(): void;
  /**
   * Another configuration is active: what runs goes on, and nothing is checked or counted that the
   * other one checks and counts.
   */
  retire(): void;
  drain(): void;
}

/** What of the worker the origins use. */
export interface OriginsBase {
  readonly reactor: Reactor;
  readonly channels: ChannelPool;
  readonly originNames: KnownNames;
  readonly input: {
    readonly metrics: Metrics;
    readonly workerIndex: number;
    /** Shared memory; see upstream/shared-health.ts. */
    readonly sharedHealth: Int32Array;
    readonly recorder: TraceRecorder;
    readonly log: WorkerLog;
  };
}

/** Throws UsageError for a root file that cannot be used. */
export function openOrigins(options: SluiceOptions, base: OriginsBase): WorkerOrigins {
  const disposables: Disposable[] = [];
  const groups = new Map<string, UpstreamGroup>();
  const checkers: HealthChecker[] = [];
  let isRetired = false;
  const contextFor = contextMaker(base, disposables);
  try {
    for (const one of options.origins) {
      const { group, checker } = makeGroup(one, base, disposables, contextFor);
      groups.set(one.name, group);
      if (checker !== null) checkers.push(checker);
    }
  } catch (error) {
    for (const group of groups.values()) group.drain();
    for (const checker of checkers) checker.close();
    for (const disposable of disposables) disposable[Symbol.dispose]();
    throw error;
  }
  const [byDefault] = groups.values();
  const retire = () => {
    if (isRetired) return;
    isRetired = true;
    for (const checker of checkers) checker.close();
    for (const group of groups.values()) group.uncount();
  };
  return {
    groups,
    // When there is none, every route answers by itself, and nobody asks for it.
    byDefault: byDefault!,
    sweep() {
      for (const group of groups.values()) {
        group.sweep();
        if (!isRetired) group.count();
      }
    },
    retire,
    drain() {
      retire();
      for (const group of groups.values()) group.drain();
    },
    [Symbol.dispose]() {
      retire();
      for (const group of groups.values()) group.drain();
      for (const disposable of disposables) disposable[Symbol.dispose]();
    },
  };
}

/** One group, and what checks its servers. What it makes for TLS is added to `disposables`. */
export function makeGroup(
  options: OriginGroupOptions,
  base: OriginsBase,
  disposables: Disposable[],
  contextFor = contextMaker(base, disposables),
): { group: UpstreamGroup; checker: HealthChecker | null } {
  const { monotonicMs } = systemClock;
  const { metrics, workerIndex } = base.input;
  const names = serverNames(options.servers);
  const tell = healthTeller(base.input.log, options.name);
  const servers = options.servers.map((server, index) => {
    const name = names[index]!;
    const counters = metrics.origins.server(options.name, name);
    return new OriginServer(server, name, counters, (news) => tell.trouble(name, news));
  });
  const pools = new Map(
    servers.map((server) => [server, poolMaker(options, server.options, base, contextFor)]),
  );
  const counters = metrics.origins.group(options.name);
  const resolver = new Resolver({
    options: options.resolve,
    monotonicMs,
    onFailure: () => counters.lookupFailed(),
    known: base.originNames,
  });
  const sharedHealth = openSharedHealth(base.input.sharedHealth);
  const authority = authorityOf(options.servers[0]!);
  const group = new UpstreamGroup({
    options,
    authority,
    servers,
    watchName: resolver.watch,
    sharedHealth,
    makePool: (server, address) => pools.get(server)!(address),
    onEjection: tell.ejection,
    monotonicMs,
    counters,
  });
  if (options.healthCheck === null) return { group, checker: null };
  const checker = new HealthChecker({
    group: options.name,
    options: options.healthCheck,
    reactor: base.reactor,
    sharedHealth,
    workerIndex,
    endpoints: () => group.endpoints,
    onVerdict(endpoint, fault) {
      group.readSharedHealth();
      tell.verdict(endpoint, fault);
    },
    random: Math.random,
  });
  return { group, checker };
}

/** Gives what is made with a TLS context for these options and protocols; sees to its end. */
type ContextFor = (
  tls: OriginTlsOptions,
  alpn: readonly string[],
  make: (context: ClientContext) => OriginTls,
) => OriginTls;

/** Servers share contexts where they can: each holds all roots. */
function contextMaker({ input }: OriginsBase, disposables: Disposable[]): ContextFor {
  const contexts = new Map<string, ClientContext>();
  return ({ verify, caFile }, alpn, make) => {
    const key = JSON.stringify([verify, caFile, alpn]);
    let context = contexts.get(key);
    if (context === undefined) {
      context = createClientContext({ verify, caFile, alpn, recorder: input.recorder });
      contexts.set(key, context);
      disposables.push(context);
    }
    const made = make(context);
    disposables.push(made);
    return made;
  };
}

/** Makes the pools of one server's addresses. */
function poolMaker(
  options: OriginGroupOptions,
  { scheme, http2, host, port }: OriginServerOptions,
  { reactor, channels, input }: OriginsBase,
  contextFor: ContextFor,
): (address: string) => EndpointPool {
  const { tls, proxyProtocol } = options;
  const clock = systemClock;
  const serverName = tls.serverName === '' ? host : tls.serverName;
  const connector = (...alpn: string[]): OriginTls | null => {
    if (scheme === 'http') return null;
    return contextFor(tls, alpn, (context) => {
      return new OriginTls({ context, serverName, earlyData: tls.earlyData, clock });
    });
  };
  const shared = {
    reactor,
    channels,
    port,
    tls: http2 === 'never' ? connector('http/1.1') : connector('h2', 'http/1.1'),
    tlsForHttp1: http2 === 'never' ? null : connector('http/1.1'),
    http2,
    prefaceFor:
      proxyProtocol === 'off'
        ? null
        : (client: ClientFacts | null) => proxyHeader(proxyProtocol, client),
    limits: limitsOf(options),
    monotonicMs: clock.monotonicMs,
    observer: poolObserver({ ...input, server: `${options.name}/${nameOfServer(host, port)}` }),
  };
  return (address) => new EndpointPool({ ...shared, address });
}

function limitsOf({ timeouts, connectionsMax, queuedMax }: OriginGroupOptions): UpstreamLimits {
  return {
    ...defaultUpstreamLimits,
    connectionsMax,
    queuedMax,
    queueTimeoutMs: timeouts.queueMs,
    connectTimeoutMs: timeouts.connectMs,
    responseTimeoutMs: timeouts.responseMs,
    readTimeoutMs: timeouts.idleMs,
    tunnelTimeoutMs: timeouts.tunnelMs,
    idleTimeoutMs: timeouts.keepAliveMs,
  };
}
