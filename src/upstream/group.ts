/**
 * A group of origins that stand in for each other: chooses who is asked, keeps account of how they
 * do, leaves alone those that fail, and allows retries as far as the budget goes. The exchanges
 * know none of its members.
 *
 * Long because what a request changes of a group is accounted for in one place.
 */
import { SluiceError } from '../base/errors.ts';
import type { RequestHead } from '../http/message.ts';
import { ORIGIN_ADDRESS_STATES } from '../telemetry/metric-table.ts';
import type { GroupMetrics } from '../telemetry/origin-metrics.ts';
import { nextByHash, nextByLoad, nextByTurn } from './balance.ts';
import { CircuitBreaker } from './circuit-breaker.ts';
import { type ContentPace, PaceWatch } from './content-pace.ts';
import type { Attempts, GroupRequest, OriginGroup } from './contract.ts';
import { type OriginServer, UpstreamEndpoint } from './endpoint.ts';
import type { EndpointPool } from './endpoint-pool.ts';
import { balanceHash } from './hash-key.ts';
import type { OriginGroupOptions } from './options.ts';
import type { NameWatch, WatchName } from './resolver.ts';
import type { SharedHealth } from './shared-health.ts';
import { requestText, troubleNumber } from './trouble.ts';

/** For groups that do not ask. */
const NO_WATCH = new PaceWatch(null);

/** Content that is over sooner says nothing about its rate. */
const PACE_AFTER_MS = 1_000;

export interface UpstreamGroupInput {
  readonly options: OriginGroupOptions;
  readonly authority: string;
  /** In the order of the options. */
  readonly servers: readonly OriginServer[];
  readonly watchName: WatchName;
  readonly sharedHealth: SharedHealth;
  makePool(server: OriginServer, address: string): EndpointPool;
  /** One was left alone after failures, or is asked again. */
  onEjection(endpoint: UpstreamEndpoint, isEjected: boolean): void;
  readonly monotonicMs: () => number;
  readonly counters: Pick<GroupMetrics, 'answered' | 'retried' | 'circuitOpened'>;
}

/** Milliseconds without an ejection after which the next one is a step shorter, in ejections. */
const FORGIVEN_AFTER_EJECTIONS = 2;

/** A success is told to workers in which the same server failed last: not older than a look and a half. */
const SUCCESS_NEWS_MS = 1_500;

/** A trial of the circuit breaker whose response goes on for so long, as a stream does, is well. */
const TRIAL_MS_MAX = 10_000;

export class UpstreamGroup implements OriginGroup {
  readonly name: string;
  readonly authority: string;
  readonly isHandler: boolean;
  readonly pathPrefix: string;
  readonly retriedStatuses: readonly number[];
  readonly servers: readonly OriginServer[];
  readonly #input: UpstreamGroupInput;
  readonly #options: OriginGroupOptions;
  readonly #breaker: CircuitBreaker;
  readonly #watches: NameWatch[] = [];
  #endpoints: UpstreamEndpoint[] = [];
  /** Addresses that are no longer the servers', and still busy. */
  #leaving: UpstreamEndpoint[] = [];
  /** Those that may be asked: the primary ones that are up, or else the backups that are. */
  #ready: UpstreamEndpoint[] = [];
  /** Requests that came before any address was known. */
  #waiting: GroupRequest[] = [];
  #liveCount = 0;
  #retryingCount = 0;
  /** Requests that try whether the circuit may close. */
  readonly #trials = new Set<Attempts>();
  #hasStarted = false;
  #isUncounted = false;

  constructor(input: UpstreamGroupInput) {
    const { options, servers, authority, watchName } = input;
    this.#input = input;
    this.#options = options;
    this.name = options.name;
    this.authority = authority;
    this.isHandler = options.handler !== null;
    this.pathPrefix = options.pathPrefix;
    this.retriedStatuses = options.retries.statuses;
    this.servers = servers;
    this.#breaker = new CircuitBreaker(options.circuitBreaker);
    for (const server of servers) {
      this.#watches.push(watchName(server.options.host, () => this.#onAddresses()));
    }
    this.#onAddresses();
    this.#hasStarted = true;
  }

  // ------------------------------------------------------------------ one request

  watchPace(): PaceWatch {
    const isAsked = this.#options.passiveHealth.minRate > 0;
    return isAsked ? new PaceWatch(this.#input.monotonicMs) : NO_WATCH;
  }

  start(request: GroupRequest): void {
    const { requestsMax } = this.#options;
    const { attempts } = request;
    if (requestsMax > 0 && this.#liveCount >= requestsMax) {
      request.onConnectionFailure(tooMany(this.name));
      return;
    }
    if (this.#breaker.isUsed) {
      if (!this.#breaker.admits(this.#input.monotonicMs())) {
        request.onConnectionFailure(unavailable(`the circuit of '${this.name}' is open`));
        return;
      }
      attempts.isTrial = this.#breaker.state === 'half-open';
      if (attempts.isTrial) this.#trials.add(attempts);
    }
    attempts.isCounted = true;
    this.#liveCount++;
    this.#begin(request);
  }

  #begin(request: GroupRequest): void {
    const endpoint = this.#choose(request);
    if (endpoint !== null) {
      this.#attempt(request, endpoint);
      this.goOn(request);
    } else if (this.#endpoints.length === 0 && this.#isResolving) {
      this.#waiting.push(request);
    } else {
      this.#watches.forEach(({ error }, index) => {
        if (error !== null) this.#isInTrouble(this.servers[index]!, error, request.head);
      });
      request.onConnectionFailure(this.#whyNone());
    }
  }

  #attempt({ attempts }: GroupRequest, endpoint: UpstreamEndpoint): void {
    attempts.endpoint = endpoint;
    endpoint.activeCount++;
  }

  goOn(request: GroupRequest): void {
    this.#connect(request, false);
  }

  again(request: GroupRequest): void {
    this.#connect(request, true);
  }

  #connect(request: GroupRequest, fresh: boolean): void {
    const { attempts } = request;
    const endpoint = attempts.endpoint!;
    attempts.count++;
    attempts.status = 0;
    attempts.isBlamed = false;
    attempts.attemptMs = this.#input.monotonicMs();
    endpoint.server.counters.attemptStarted();
    endpoint.pool.acquire(request, fresh, request.needsHttp1);
  }

  moveOn(request: GroupRequest, wasSent: boolean): boolean {
    const { attempts } = request;
    const { retries } = this.#options;
    if (attempts.endpoint === null || attempts.count > retries.retriesMax) return false;
    const needsBudget = wasSent && !attempts.isRetrying;
    if (needsBudget) {
      const budget = Math.max(retries.budgetMin, retries.budgetShare * this.#liveCount);
      if (this.#retryingCount >= budget) return false;
    }
    (attempts.failedAt ??= []).push(attempts.endpoint);
    const next = this.#choose(request);
    if (next === null) return false;
    if (needsBudget) {
      this.#retryingCount++;
      attempts.isRetrying = true;
    }
    this.#input.counters.retried();
    attempts.endpoint.activeCount--;
    attempts.endpoint.pool.settle(request);
    this.#attempt(request, next);
    return true;
  }

  gathered(request: GroupRequest): void {
    request.attempts.endpoint?.pool.settle(request);
  }

  answered({ attempts, head }: GroupRequest, status: number): void {
    const endpoint = attempts.endpoint!;
    const nowMs = this.#input.monotonicMs();
    const elapsedMs = nowMs - attempts.attemptMs;
    endpoint.server.counters.answered(status, elapsedMs);
    endpoint.server.answered(status, head, nowMs);
    this.#input.counters.answered(elapsedMs);
    endpoint.answeredIn(elapsedMs);
    attempts.status = status;
    if (status < 500) return;
    attempts.outcome = 'failed';
    if (this.#options.passiveHealth.on5xx) this.#blame(attempts, endpoint);
  }

  completed({ attempts }: GroupRequest, pace: ContentPace | null): void {
    const endpoint = attempts.endpoint!;
    if (this.#isTooSlow(pace)) {
      attempts.outcome = 'failed';
      endpoint.server.counters.failed();
      this.#blame(attempts, endpoint);
    }
    if (attempts.isBlamed) return;
    if (attempts.status < 500) {
      attempts.outcome = 'ok';
      endpoint.server.trouble.succeeded(this.#input.monotonicMs());
    }
    endpoint.succeeded();
  }

  failed({ attempts, head }: GroupRequest, error: SluiceError): void {
    const { endpoint } = attempts;
    if (endpoint === null || error.blame !== 'upstream') return;
    attempts.outcome = 'failed';
    endpoint.server.counters.failed();
    this.#isInTrouble(endpoint.server, error, head);
    this.#blame(attempts, endpoint);
  }

  #isInTrouble(server: OriginServer, { code, message }: SluiceError, head: RequestHead): void {
    server.trouble.failed({ code, message, request: requestText(head) }, this.#input.monotonicMs());
  }

  #isTooSlow(pace: ContentPace | null): boolean {
    const { minRate } = this.#options.passiveHealth;
    if (minRate === 0 || pace === null || pace.elapsedMs < PACE_AFTER_MS) return false;
    return (pace.bytes * 1000) / pace.elapsedMs < minRate;
  }

  ended(request: GroupRequest): void {
    const { attempts } = request;
    if (!attempts.isCounted) return;
    attempts.isCounted = false;
    this.#liveCount--;
    if (attempts.isRetrying) this.#retryingCount--;
    if (attempts.endpoint !== null) {
      attempts.endpoint.activeCount--;
      attempts.endpoint.pool.settle(request);
    }
    if (!this.#breaker.isUsed) return;
    this.#trials.delete(attempts);
    const { state } = this.#breaker;
    this.#breaker.ended(attempts.outcome, attempts.isTrial, this.#input.monotonicMs());
    if (state !== 'open' && this.#breaker.state === 'open') this.#input.counters.circuitOpened();
  }

  withdraw(request: GroupRequest): void {
    const { endpoint } = request.attempts;
    if (endpoint !== null) endpoint.pool.withdraw(request);
    else this.#waiting = this.#waiting.filter((waiting) => waiting !== request);
  }

  // ------------------------------------------------------------------ choice

  #choose(request: GroupRequest): UpstreamEndpoint | null {
    const { failedAt } = request.attempts;
    const candidates = failedAt === null ? this.#ready : this.#others(failedAt);
    if (candidates.length <= 1) return candidates[0] ?? null;
    const { balance } = this.#options;
    switch (balance.method) {
      case 'round-robin':
        return nextByTurn(candidates);
      case 'least-connections':
        return nextByLoad(candidates);
      case 'consistent-hash': {
        const key = balanceHash(balance.key, request.head, request.client);
        return nextByHash(candidates, key, balance.loadFactor);
      }
    }
  }

  #others(failedAt: readonly UpstreamEndpoint[]): UpstreamEndpoint[] {
    const others = this.#endpoints.filter((one) => one.isUp && !failedAt.includes(one));
    const primary = others.filter((one) => !one.server.options.backup);
    return primary.length > 0 ? primary : others;
  }

  #refresh(): void {
    const up = this.#endpoints.filter((one) => one.isUp);
    const primary = up.filter((one) => !one.server.options.backup);
    this.#ready = primary.length > 0 ? primary : up;
  }

  // ------------------------------------------------------------------ health

  #blame(attempts: Attempts, endpoint: UpstreamEndpoint): void {
    if (attempts.isBlamed) return;
    attempts.isBlamed = true;
    this.#countFailure(endpoint);
  }

  #countFailure(endpoint: UpstreamEndpoint): void {
    const { passiveHealth } = this.#options;
    if (!endpoint.isOneTooMany(passiveHealth) || !this.#mayEject(endpoint)) return;
    endpoint.eject(this.#input.monotonicMs(), passiveHealth);
    this.#refresh();
    this.#input.onEjection(endpoint, true);
  }

  /** Never so many that those left are overrun; but all that have a backup. */
  #mayEject({ server }: UpstreamEndpoint): boolean {
    const { backup } = server.options;
    const peers = this.#endpoints.filter((one) => one.server.options.backup === backup);
    const ejected = peers.filter((one) => one.ejectedUntilMs > 0).length;
    if (!backup && peers.length < this.#endpoints.length) return true;
    const { ejectedShareMax } = this.#options.passiveHealth;
    if (ejectedShareMax === 0 || (peers.length === 1 && ejectedShareMax < 1)) return false;
    return ejected < Math.max(1, Math.floor(peers.length * ejectedShareMax));
  }

  /**
   * Takes over what the shared health table says: verdicts of the active checks, and admin states
   * of operators.
   */
  readSharedHealth(): void {
    const { sharedHealth, monotonicMs } = this.#input;
    const hasChecks = this.#options.healthCheck !== null;
    let isChanged = false;
    for (const server of this.servers)
      server.adminState = sharedHealth.adminStateOf(this.name, server.name);
    for (const endpoint of this.#endpoints) {
      endpoint.isChecked = !hasChecks || sharedHealth.isWell(this.name, endpoint.key);
      const isWanted = endpoint.isChecked && endpoint.server.adminState === 'up';
      if (isWanted === endpoint.isWanted) continue;
      endpoint.isWanted = isWanted;
      isChanged = true;
      if (!isWanted) endpoint.pool.closeIdle();
      else endpoint.startSlowly(monotonicMs(), this.#options.slowStartMs);
    }
    if (isChanged) this.#refresh();
  }

  get endpoints(): readonly UpstreamEndpoint[] {
    return this.#endpoints;
  }

  get circuit() {
    return this.#breaker.state;
  }

  get liveCount(): number {
    return this.#liveCount;
  }

  // ------------------------------------------------------------------ addresses

  get #isResolving(): boolean {
    return this.#watches.filter((watch) => watch.ask()).length > 0;
  }

  #whyNone(): SluiceError {
    const failure = this.#watches.find((watch) => watch.error !== null)?.error;
    if (this.#endpoints.length === 0 && failure != null) return failure;
    return unavailable(`no server of '${this.name}' is up`);
  }

  /** The addresses of a server may have changed: those that stay keep all that is known of them. */
  #onAddresses(): void {
    const nowMs = this.#input.monotonicMs();
    const previous = this.#endpoints;
    const endpoints: UpstreamEndpoint[] = [];
    this.#watches.forEach((watch, index) => {
      const server = this.servers[index]!;
      for (const address of watch.addresses) {
        const known = previous.find((one) => one.server === server && one.address === address);
        if (known !== undefined) {
          endpoints.push(known);
          continue;
        }
        const added = new UpstreamEndpoint(server, address, this.#input.makePool(server, address));
        if (this.#hasStarted) added.startSlowly(nowMs, this.#options.slowStartMs);
        endpoints.push(added);
      }
    });
    this.#endpoints = endpoints;
    for (const gone of previous) {
      if (endpoints.includes(gone)) continue;
      gone.pool.drain();
      this.#leaving.push(gone);
    }
    this.readSharedHealth();
    this.#refresh();
    // At once: who asks how servers do right after the start is not to hear that there are none.
    if (!this.#isUncounted) this.count();
    if (endpoints.length > 0 || !this.#isResolving) this.#releaseWaiting();
  }

  #releaseWaiting(): void {
    for (const request of this.#waiting.splice(0)) this.#begin(request);
  }

  // ------------------------------------------------------------------ time

  /** Called about once a second. */
  sweep(): void {
    const nowMs = this.#input.monotonicMs();
    const { passiveHealth, slowStartMs } = this.#options;
    this.readSharedHealth();
    this.#sweepTrouble(nowMs);
    this.#endTrials(nowMs);
    let isChanged = false;
    for (const endpoint of this.#endpoints) {
      endpoint.pool.expireQueue();
      endpoint.ramp(nowMs, slowStartMs);
      if (endpoint.ejectedUntilMs > 0 && nowMs >= endpoint.ejectedUntilMs) {
        endpoint.readmit(nowMs);
        endpoint.startSlowly(nowMs, slowStartMs);
        this.#input.onEjection(endpoint, false);
        isChanged = true;
      }
      endpoint.forgive(nowMs, passiveHealth.ejectionMs * FORGIVEN_AFTER_EJECTIONS);
    }
    if (isChanged) this.#refresh();
    for (const endpoint of this.#leaving) endpoint.pool.expireQueue();
    this.#leaving = this.#leaving.filter(({ activeCount }) => activeCount > 0);
  }

  #sweepTrouble(nowMs: number): void {
    const { sharedHealth } = this.#input;
    for (const { name, trouble } of this.servers) {
      if (sharedHealth.succeedsElsewhere(this.name, name)) trouble.succeededElsewhere(nowMs);
      trouble.sweep(nowMs);
      if (trouble.present === null) {
        const isWell = nowMs - trouble.succeededMs < SUCCESS_NEWS_MS;
        if (isWell && sharedHealth.trouble(this.name, name) !== null) {
          sharedHealth.noteSuccess(this.name, name);
        }
        continue;
      }
      const { sinceMs, failure } = trouble.present;
      const seconds = Math.round((nowMs - sinceMs) / 1_000);
      sharedHealth.noteTrouble(this.name, name, seconds, troubleNumber(failure.code));
    }
  }

  #endTrials(nowMs: number): void {
    for (const attempts of this.#trials) {
      const isAnswered = attempts.status > 0 && attempts.status < 500;
      if (!isAnswered || nowMs - attempts.attemptMs < TRIAL_MS_MAX) continue;
      this.#trials.delete(attempts);
      attempts.isTrial = false;
      this.#breaker.ended('ok', true, nowMs);
    }
  }

  /** Counts what there is now. Called about once a second while the group is active. */
  count(): void {
    for (const server of this.servers) {
      const counts = ORIGIN_ADDRESS_STATES.map(() => 0);
      let connections = 0;
      let underWay = 0;
      for (const endpoint of this.#endpoints) {
        if (endpoint.server !== server) continue;
        counts[ORIGIN_ADDRESS_STATES.indexOf(endpoint.state)]!++;
        connections += endpoint.pool.connectionCount;
        underWay += endpoint.activeCount;
      }
      server.counters.holds(connections, underWay);
      server.counters.fails(server.trouble.present !== null);
      server.counters.addressesAre(counts);
    }
  }

  /** Another group of the name counts from now on, if there is one. */
  uncount(): void {
    this.#isUncounted = true;
    for (const { counters } of this.servers) {
      counters.holds(0, 0);
      counters.fails(false);
      counters.addressesAre(ORIGIN_ADDRESS_STATES.map(() => 0));
    }
  }

  drain(): void {
    for (const watch of this.#watches) watch.close();
    for (const endpoint of [...this.#endpoints, ...this.#leaving]) endpoint.pool.drain();
  }
}

function tooMany(name: string): SluiceError {
  const message = `too many requests to '${name}' are under way`;
  return new SluiceError('no-connection-available', message, { blame: 'internal' });
}

function unavailable(message: string): SluiceError {
  return new SluiceError('origin-unavailable', message, { blame: 'internal' });
}
