/** Puts one worker together: reactor, TLS, cache, proxy, listeners; and drains it in the end. */
import { setTimeout } from 'node:timers/promises';
import { AddressSet } from '../base/address-range.ts';
import { systemClock } from '../base/clock.ts';
import { CollapseTable } from '../cache/collapse.ts';
import { defaultKeyRules } from '../cache/key.ts';
import { defaultCachePolicy } from '../cache/policy.ts';
import type { SluiceOptions } from '../config/options.ts';
import { formatHttpDate } from '../http/dates.ts';
import { ChannelPool } from '../proxy/channel.ts';
import { defaultEarlyDataPolicy } from '../proxy/early-data.ts';
import { PassMemory } from '../proxy/pass-memory.ts';
import { ReverseProxy } from '../proxy/proxy.ts';
import type { PurgeGate } from '../proxy/purge-request.ts';
import type { TlsConnector } from '../proxy/upstream/connection.ts';
import { defaultUpstreamLimits } from '../proxy/upstream/limits.ts';
import { OriginPool } from '../proxy/upstream/pool.ts';
import { Resolver } from '../proxy/upstream/resolver.ts';
import type { Listener } from '../reactor/listener.ts';
import { Reactor } from '../reactor/reactor.ts';
import { createClientContext } from '../tls/client-context.ts';
import { EarlyDataGate } from '../tls/early-data-gate.ts';
import { createServerContext } from '../tls/server-context.ts';
import { isOn } from '../tls/features.ts';
import { StrikeRegister } from '../tls/strike-register.ts';
import { BatchClock } from './batch-clock.ts';
import { openCache, type WorkerCache } from './cache.ts';
import { answerCacheQuestion } from './cache-desk.ts';
import type {
  CacheAnswer,
  CacheQuestion,
  InheritedListener,
  RunningWorker,
  WorkerInput,
} from './contract.ts';
import { coverageOf } from './coverage.ts';
import type { DownstreamShared, TlsAcceptor } from './downstream.ts';
import type { WatchedConnection } from './front/connection-front.ts';
import { entranceOf } from './front/entrance.ts';
import type { HandshakeObservers } from './handshake-observers.ts';
import { observersOf } from './handshakes.ts';
import { defaultDownstreamLimits } from './limits.ts';
import { exchangeObserver, poolObserver } from './observers.ts';

/** How often a drain looks whether everything has ended. */
const DRAIN_POLL_MS = 20;

function authorityOf({ scheme, host, port }: SluiceOptions['origin']): string {
  const name = host.includes(':') ? `[${host}]` : host;
  return port === (scheme === 'https' ? 443 : 80) ? name : `${name}:${port}`;
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

/** Resolves when the cache is open: the sockets were bound and listening before the worker began. */
export async function startWorker(input: WorkerInput): Promise<RunningWorker> {
  return new Worker(input, await openCache(input.options, input.metrics));
}

class Worker implements RunningWorker {
  readonly #input: WorkerInput;
  readonly #reactor = new Reactor();
  readonly #channels: ChannelPool;
  readonly #cache: WorkerCache;
  readonly #collapse = new CollapseTable();
  readonly #passMemory = new PassMemory();
  readonly #pool: OriginPool;
  readonly #handshakes: HandshakeObservers;
  readonly #shared: DownstreamShared;
  readonly #connections = new Set<WatchedConnection>();
  readonly #listeners: Listener[] = [];
  readonly #disposables: Disposable[] = [];
  readonly #sweeper: NodeJS.Timeout;

  constructor(input: WorkerInput, cache: WorkerCache) {
    const { options, metrics, accessLog } = input;
    const { monotonicMs } = systemClock;
    this.#input = input;
    this.#channels = new ChannelPool((body) => this.#reactor.defer(body));
    this.#cache = cache;
    this.#handshakes = observersOf(options.features, metrics);
    this.#pool = this.#makePool(options);
    const sink = new ReverseProxy({
      pool: this.#pool,
      originAuthority: authorityOf(options.origin),
      pathPrefix: options.origin.pathPrefix,
      store: cache.store,
      cachePolicy: defaultCachePolicy,
      keyRules: defaultKeyRules,
      earlyDataPolicy: defaultEarlyDataPolicy,
      collapse: this.#collapse,
      passMemory: this.#passMemory,
      purges: this.#purgeGate(),
      clock: new BatchClock((body) => this.#reactor.defer(body)),
      observer: exchangeObserver(metrics, accessLog),
      dateNow,
    });
    const limits = defaultDownstreamLimits;
    const { channels, observer } = { channels: this.#channels, observer: this.#observer() };
    const isCovered = coverageOf(options.certificate?.certificatePem ?? null);
    this.#shared = { channels, sink, limits, monotonicMs, observer, isCovered };
    const accept = this.#tlsAcceptor(options);
    for (const listener of input.listeners) this.#listen(listener, accept);
    this.#sweeper = setInterval(() => this.#sweep(), limits.sweepIntervalMs);
  }

  #makePool(options: SluiceOptions): OriginPool {
    const { scheme, http2, host, port, verify, caFile } = options.origin;
    const connector = (...alpn: string[]): TlsConnector | null => {
      if (scheme === 'http') return null;
      const context = createClientContext({ verify, caFile, alpn });
      this.#disposables.push(context);
      return (handler) => context.connect({ serverName: host }, handler, systemClock);
    };
    const { monotonicMs } = systemClock;
    return new OriginPool({
      reactor: this.#reactor,
      channels: this.#channels,
      resolver: new Resolver(monotonicMs),
      host,
      port,
      tls: connector('h2', 'http/1.1'),
      tlsForHttp1: connector('http/1.1'),
      http2,
      limits: defaultUpstreamLimits,
      monotonicMs,
      observer: poolObserver(this.#input.metrics),
    });
  }

  #purgeGate(): PurgeGate {
    const { options, purgeEverywhere } = this.#input;
    const allowed = new AddressSet(options.purgeFrom);
    return {
      isAllowed: (address) => allowed.has(address),
      purge: (selectors, soft, done) => purgeEverywhere({ selectors, soft }, done),
    };
  }

  askCache(question: CacheQuestion): Promise<CacheAnswer> {
    const cache = this.#cache;
    const [collapse, passMemory] = [this.#collapse, this.#passMemory];
    return answerCacheQuestion({ cache, collapse, passMemory, clock: systemClock }, question);
  }

  #tlsAcceptor(options: SluiceOptions): TlsAcceptor | null {
    if (options.certificate === null) return null;
    const { features } = options;
    const gate = new EarlyDataGate(new StrikeRegister(this.#input.strikes), systemClock.wallMs);
    const context = createServerContext({
      ...options.certificate,
      alpn: isOn('alpn-h2', features) ? ['h2', 'http/1.1'] : ['http/1.1'],
      earlyData: { enabled: options.earlyData && isOn('early-data', features), gate },
      tickets: isOn('session-tickets', features),
      ticketKeys: [this.#input.ticketKeys],
    });
    this.#disposables.push(context);
    return (handler) => context.accept(handler, systemClock);
  }

  #observer(): DownstreamShared['observer'] {
    const { metrics } = this.#input;
    return {
      onHandshake: (record, connection) => this.#handshakes.notify(record, connection),
      onAbuse: (kind) => metrics.http2Abused(kind),
      onRefused: (error) => metrics.messageRefused(error.code),
      onClosed: (connection) => {
        this.#connections.delete(connection);
        metrics.connectionClosed(connection.kind);
      },
    };
  }

  // ------------------------------------------------------------------ connections

  #listen(listener: InheritedListener, accept: TlsAcceptor | null): void {
    const { fd } = listener;
    const { metrics } = this.#input;
    const entrance = entranceOf(listener, accept, {
      shared: this.#shared,
      add: (connection) => this.#connections.add(connection),
      remove: (connection) => this.#connections.delete(connection),
      isFull: () => this.#connections.size >= this.#shared.limits.connectionsMax,
      metrics,
    });
    this.#listeners.push(this.#reactor.listen({ fd }, entrance));
  }

  #sweep(): void {
    const nowMs = systemClock.monotonicMs();
    for (const connection of this.#connections) connection.sweep(nowMs);
    this.#collapse.expire(systemClock.wallMs());
    this.#pool.expireQueue();
    this.#cache.count();
  }

  // ------------------------------------------------------------------ drain

  async drain(timeoutMs: number): Promise<void> {
    // What waits in the listening sockets' queues is taken first: nobody else would serve it.
    for (const listener of this.#listeners) {
      listener.acceptWaiting();
      listener.close();
    }
    this.#pool.drain();
    for (const connection of this.#connections) connection.drain();
    const deadlineMs = systemClock.monotonicMs() + timeoutMs;
    while (this.#connections.size > 0 && systemClock.monotonicMs() < deadlineMs) {
      await setTimeout(DRAIN_POLL_MS);
    }
    for (const connection of this.#connections) connection.breakOff();
    clearInterval(this.#sweeper);
    await this.#reactor.close();
    await this.#cache.close();
    this.#channels[Symbol.dispose]();
    for (const disposable of this.#disposables) disposable[Symbol.dispose]();
  }
}
