/** Makes the groups of origins of one worker from the options. */
import { systemClock } from '../base/clock.ts';
import type { SluiceOptions } from '../config/options.ts';
import type { ChannelPool } from '../proxy/channel.ts';
import type { TlsConnector } from '../proxy/upstream/connection.ts';
import { type OriginGroup, type Origins, PoolGroup } from '../proxy/upstream/group.ts';
import { defaultUpstreamLimits } from '../proxy/upstream/limits.ts';
import {
  defaultGroupOptions,
  type OriginGroupOptions,
  type OriginServerOptions,
} from '../proxy/upstream/options.ts';
import { OriginPool } from '../proxy/upstream/pool.ts';
import { Resolver } from '../proxy/upstream/resolver.ts';
import type { Reactor } from '../reactor/reactor.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { createClientContext } from '../tls/client-context.ts';
import { poolObserver } from './observers.ts';

/** Name of the group that --origin makes. */
const DEFAULT_GROUP = 'default';

export interface WorkerOrigins extends Origins, Disposable {
  /** Called now and then. */
  sweep(): void;
  drain(): void;
}

/** What of the worker the origins use. */
export interface OriginsBase {
  readonly reactor: Reactor;
  readonly channels: ChannelPool;
  readonly input: { readonly metrics: Metrics };
}

/** Throws UsageError for a root file that cannot be used. */
export function openOrigins(options: SluiceOptions, base: OriginsBase): WorkerOrigins {
  const disposables: Disposable[] = [];
  const resolver = new Resolver(systemClock.monotonicMs);
  const groups = new Map<string, OriginGroup>();
  for (const group of groupOptions(options)) {
    groups.set(group.name, makeGroup(group, base, resolver, disposables));
  }
  const [byDefault] = groups.values();
  return {
    groups,
    byDefault: byDefault!,
    sweep() {
      for (const group of groups.values()) group.sweep();
    },
    drain() {
      for (const group of groups.values()) group.drain();
    },
    [Symbol.dispose]() {
      for (const group of groups.values()) group.drain();
      for (const disposable of disposables) disposable[Symbol.dispose]();
    },
  };
}

function groupOptions({ origin }: SluiceOptions): OriginGroupOptions[] {
  const { scheme, http2, host, port, pathPrefix, verify, caFile } = origin;
  const server = { scheme, http2, host, port, weight: 1, backup: false };
  const tls = { ...defaultGroupOptions.tls, verify, caFile };
  return [{ ...defaultGroupOptions, name: DEFAULT_GROUP, servers: [server], pathPrefix, tls }];
}

function makeGroup(
  options: OriginGroupOptions,
  { reactor, channels, input }: OriginsBase,
  resolver: Resolver,
  disposables: Disposable[],
): OriginGroup {
  const server = options.servers[0]!;
  const { scheme, http2, host, port } = server;
  const connector = (...alpn: string[]): TlsConnector | null => {
    if (scheme === 'http') return null;
    const { verify, caFile } = options.tls;
    const context = createClientContext({ verify, caFile, alpn });
    disposables.push(context);
    return (handler) => context.connect({ serverName: host }, handler, systemClock);
  };
  const pool = new OriginPool({
    reactor,
    channels,
    resolver,
    host,
    port,
    tls: connector('h2', 'http/1.1'),
    tlsForHttp1: connector('http/1.1'),
    http2,
    limits: defaultUpstreamLimits,
    monotonicMs: systemClock.monotonicMs,
    observer: poolObserver(input.metrics),
  });
  return new PoolGroup(options.name, authorityOf(server), options.pathPrefix, pool);
}

function authorityOf({ scheme, host, port }: OriginServerOptions): string {
  const name = host.includes(':') ? `[${host}]` : host;
  return port === (scheme === 'https' ? 443 : 80) ? name : `${name}:${port}`;
}
