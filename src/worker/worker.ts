/** Puts one worker together: reactor, cache, listeners, and the service that a configuration makes. */
import { setTimeout } from 'node:timers/promises';
import { systemClock } from '../base/clock.ts';
import { repeat } from '../base/repeat.ts';
import { isOwnShortage } from '../base/shortage.ts';
import { CollapseTable } from '../cache/collapse.ts';
import type { SluiceOptions } from '../config/options.ts';
import { ClientCounts } from '../downstream/client-counts.ts';
import { type Acceptor, acceptorOf } from '../downstream/filters/acceptor.ts';
import { defaultDownstreamLimits } from '../downstream/limits.ts';
import { HitForMissMemory } from '../proxy/hit-for-miss-memory.ts';
import type { Listener, OnAccept } from '../reactor/listener.ts';
import { Reactor } from '../reactor/reactor.ts';
import { isOn } from '../tls/features.ts';
import type { TicketRing } from '../tls/ticket-ring.ts';
import { ChannelPool } from '../transport/channel.ts';
import { BatchClock } from './batch-clock.ts';
import { openCache, type WorkerCache } from './cache.ts';
import { answerCacheQuestion } from './cache-queries.ts';
import { ChallengeTable } from './challenge-table.ts';
import { ClusterRegisters } from './clusters.ts';
import { ConfigurationGeneration, type GenerationBase } from './configuration-generation.ts';
import type {
  Answerers,
  CacheAnswer,
  CacheQuestion,
  RunningWorker,
  ServiceHandlers,
  WorkerInput,
} from './contract.ts';
import { answerHandshakeQuestion } from './handshakes/handshake-queries.ts';
import { observersOf } from './handshakes/handshakes.ts';
import { QuicListeners } from './quic-listeners.ts';
import { Shortages } from './shortages.ts';

/** How often a drain looks whether everything has ended. */
const DRAIN_POLL_MS = 20;

/** Resolves when the cache is open: the sockets were bound and listening before the worker began. */
export async function startWorker(input: WorkerInput): Promise<RunningWorker> {
  const cache = await openCache(input);
  return new Worker(input, cache);
}

class Worker implements RunningWorker {
  readonly #base: GenerationBase;
  readonly #listeners: Listener[] = [];
  readonly #quic: QuicListeners;
  /** For each listener, what takes its connections in now. */
  #acceptors: readonly Acceptor[];
  #service: ConfigurationGeneration;
  #drainGraceMs: number;
  /** Those of former configurations, which still have connections. */
  readonly #retired = new Set<ConfigurationGeneration>();
  readonly #sweeper: NodeJS.Timeout;

  constructor(input: WorkerInput, cache: WorkerCache) {
    const reactor = new Reactor();
    const shortages = new Shortages(input.log.report);
    reactor.onShortage = (error) => shortages.note(error);
    const defer = (body: () => void) => reactor.defer(body);
    this.#base = {
      input,
      reactor,
      channels: new ChannelPool(defer),
      clock: new BatchClock(defer),
      cache,
      collapse: new CollapseTable(),
      hitForMissMemory: new HitForMissMemory(),
      originNames: new Map(),
      clients: new ClientCounts(),
      challenges: new ChallengeTable(),
      clusters: new ClusterRegisters(input),
      observers: observersOf(input.metrics, input.handshakes, input),
    };
    this.#service = new ConfigurationGeneration(this.#base, input.options);
    this.#drainGraceMs = input.options.drainGraceMs;
    this.#adoptFeatures(input.options);
    this.#acceptors = this.#acceptorsOf(this.#service);
    input.listeners.forEach(({ fd, place }, index) => {
      const isResting = place !== input.workerIndex;
      const onAccept: OnAccept = (socket) => this.#acceptors[index]!(socket);
      this.#listeners.push(reactor.listen({ fd, isResting }, onAccept));
    });
    this.#quic = new QuicListeners({
      base: this.#base,
      generation: () => this.#service,
      isFull: () => this.#connectionCount >= this.#service.shared.limits.connectionsMax,
    });
    const { sweepIntervalMs } = defaultDownstreamLimits;
    this.#sweeper = repeat(sweepIntervalMs, () => this.#sweep(), tolerate(shortages));
  }

  #acceptorsOf(service: ConfigurationGeneration): Acceptor[] {
    const { metrics, listeners } = this.#base.input;
    const { shared, accept, connections, tunnels } = service;
    return listeners.map((listener) =>
      acceptorOf(listener, accept, {
        shared,
        add: (connection) => connections.add(connection),
        remove: (connection) => connections.delete(connection),
        isFull: () => this.#connectionCount >= shared.limits.connectionsMax,
        tunnels,
        metrics,
      }),
    );
  }

  get #connectionCount(): number {
    let count = this.#service.connections.size;
    for (const { connections } of this.#retired) count += connections.size;
    return count;
  }

  get #services(): readonly ConfigurationGeneration[] {
    return [this.#service, ...this.#retired];
  }

  /**
   * Serves new connections by other options. Throws UsageError for options that cannot be carried
   * out; then everything stays as it was.
   */
  reconfigure(options: SluiceOptions): void {
    const service = new ConfigurationGeneration(this.#base, options);
    this.#service.retire();
    this.#retired.add(this.#service);
    this.#service = service;
    this.#drainGraceMs = options.drainGraceMs;
    this.#acceptors = this.#acceptorsOf(service);
    this.#adoptFeatures(options);
    this.#forgetRetired();
  }

  /** For open connections as well: who switches an observer off wants it called no more. */
  #adoptFeatures({ features }: SluiceOptions): void {
    this.#base.observers.adopt((name) => isOn(name, features));
  }

  readonly changes: ServiceHandlers = {
    // Only for the service that takes new connections.
    certificates: ({ names, certificates }) =>
      this.#service.replaceCertificates(names, certificates),
    challenges: ({ answers }) => this.#base.challenges.replace(answers),
    tickets: ({ tickets }) => this.#replaceTickets(tickets),
    'stand-in': ({ places }) => this.#standIn(places),
  };

  readonly answers: Answerers = {
    cache: (question) => this.#answerCache(question),
    handshakes: (question) => {
      const { input, observers } = this.#base;
      return answerHandshakeQuestion({ failures: input.handshakes.failures, observers }, question);
    },
  };

  #replaceTickets(tickets: TicketRing): void {
    this.#base.input.tickets.current = tickets;
    this.#quic.replaceTicketKeys(tickets.keys);
    for (const service of this.#services) service.replaceTicketKeys(tickets.keys);
  }

  #answerCache(question: CacheQuestion): Promise<CacheAnswer> {
    const { cache, collapse, hitForMissMemory } = this.#base;
    const { routes } = this.#service;
    const input = { cache, collapse, hitForMissMemory, clock: systemClock, routes };
    return answerCacheQuestion(input, question);
  }

  /** Takes the connections of these other workers as well, and of no others. */
  #standIn(places: readonly number[]): void {
    const { listeners, workerIndex } = this.#base.input;
    for (const [index, { place }] of listeners.entries()) {
      if (place === workerIndex) continue;
      this.#listeners[index]!.replaceResting(!places.includes(place));
    }
  }

  #sweep(): void {
    const nowMs = systemClock.monotonicMs();
    for (const service of this.#services) service.sweep(nowMs);
    this.#forgetRetired();
    this.#base.collapse.expire(systemClock.wallMs());
    this.#base.cache.count();
    this.#quic.count();
  }

  /** What a former configuration has made goes with its last connection. */
  #forgetRetired(): void {
    for (const service of this.#retired) {
      if (service.connections.size > 0) continue;
      this.#retired.delete(service);
      service[Symbol.dispose]();
    }
  }

  // ------------------------------------------------------------------ drain

  async #untilClosed(deadlineMs: number): Promise<void> {
    while (this.#connectionCount > 0 && systemClock.monotonicMs() < deadlineMs) {
      await setTimeout(DRAIN_POLL_MS);
    }
  }

  async drain(timeoutMs: number): Promise<void> {
    // What waits in the listening sockets' queues is taken first: nobody else would serve it.
    for (const listener of this.#listeners) {
      listener.acceptWaiting();
      listener.close();
    }
    this.#quic.drain();
    for (const service of this.#services) service.drain();
    const nowMs = systemClock.monotonicMs();
    const deadlineMs = nowMs + timeoutMs;
    await this.#untilClosed(Math.min(nowMs + this.#drainGraceMs, deadlineMs));
    for (const service of this.#services) service.endIdle();
    await this.#untilClosed(deadlineMs);
    for (const service of this.#services) service.breakOff();
    clearInterval(this.#sweeper);
    this.#quic.close();
    const { reactor, cache, channels } = this.#base;
    await reactor.close();
    await cache.close();
    channels[Symbol.dispose]();
    this.#base.clusters[Symbol.dispose]();
    this.#base.challenges[Symbol.dispose]();
    for (const service of this.#services) service[Symbol.dispose]();
  }
}

/** A sweep that fails for want of something is made again; any other failure is a fault of ours. */
function tolerate(shortages: Shortages): (error: Error) => void {
  return (error) => {
    if (!isOwnShortage(error)) throw error;
    shortages.note(error);
  };
}
