/** Puts one worker together: reactor, TLS, cache, proxy, listeners; and drains it in the end. */
import { BlockList, isIPv6 } from 'node:net';
import { setTimeout } from 'node:timers/promises';
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
import type { SocketHandler, StreamSocket } from '../reactor/contract.ts';
import type { Listener } from '../reactor/listener.ts';
import { Reactor } from '../reactor/reactor.ts';
import { createClientContext } from '../tls/client-context.ts';
import { EarlyDataGate } from '../tls/early-data-gate.ts';
import { createServerContext } from '../tls/server-context.ts';
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
import { Downstream, type DownstreamShared, type TlsAcceptor } from './downstream.ts';
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
  readonly #shared: DownstreamShared;
  readonly #connections = new Set<Downstream>();
  readonly #listeners: Listener[] = [];
  readonly #disposables: Disposable[] = [];
  readonly #sweeper: NodeJS.Timeout;

  constructor(input: WorkerInput, cache: WorkerCache) {
    const { options, metrics, accessLog } = input;
    const { monotonicMs } = systemClock;
    this.#input = input;
    this.#channels = new ChannelPool((body) => this.#reactor.defer(body));
    this.#cache = cache;
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
    const allowed = new BlockList();
    for (const { address, bits } of options.purgeFrom) {
      allowed.addSubnet(address, bits, isIPv6(address) ? 'ipv6' : 'ipv4');
    }
    return {
      isAllowed(address) {
        // Whoever reaches a UNIX socket is on this machine.
        if (address === 'unix') return allowed.check('127.0.0.1');
        return allowed.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
      },
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
    const gate = new EarlyDataGate(new StrikeRegister(this.#input.strikes), systemClock.wallMs);
    const context = createServerContext({
      ...options.certificate,
      alpn: ['h2', 'http/1.1'],
      earlyData: { enabled: options.earlyData, gate },
      ticketKeys: [this.#input.ticketKeys],
    });
    this.#disposables.push(context);
    return (handler) => context.accept(handler, systemClock);
  }

  #observer(): DownstreamShared['observer'] {
    const { metrics } = this.#input;
    return {
      onHandshake: (record) => metrics.handshakeEnded(record),
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
    const kind = listener.kind === 'http' ? 'http' : 'https';
    const acceptor = kind === 'https' ? accept : null;
    const onAccept = (socket: StreamSocket) => this.#accept(socket, kind, acceptor);
    this.#listeners.push(this.#reactor.listen({ fd }, onAccept));
  }

  #accept(
    socket: StreamSocket,
    kind: 'http' | 'https',
    acceptor: TlsAcceptor | null,
  ): SocketHandler | null {
    const { metrics } = this.#input;
    if (this.#connections.size >= this.#shared.limits.connectionsMax) {
      metrics.connectionRefused(kind);
      return null;
    }
    const connection = new Downstream(this.#shared, socket, acceptor);
    this.#connections.add(connection);
    metrics.connectionAccepted(kind);
    return connection.channel;
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
