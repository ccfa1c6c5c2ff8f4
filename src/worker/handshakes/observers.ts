/** From what happens to metrics and logs. Observers run after the fact and alter nothing. */
import type { SluiceError } from '../../base/errors.ts';
import type { RequestFacts } from '../../http/exchange.ts';
import type { ExchangeObserver } from '../../proxy/environment.ts';
import { proxyStatusOf } from '../../proxy/reply/proxy-status.ts';
import type { AccessLogSink } from '../../telemetry/access-log.ts';
import { type ExchangeSummary, emptySummary } from '../../telemetry/exchange-summary.ts';
import type { Metrics } from '../../telemetry/metrics.ts';
import type { OneRoute } from '../../telemetry/route-metrics.ts';
import type { HandshakeRecord } from '../../tls/contract.ts';
import type { CrowdFacts } from '../../upstream/crowd.ts';
import type { PoolObserver } from '../../upstream/pool.ts';
import type { WorkerLog } from '../worker-log.ts';

export interface ObserverInput {
  readonly metrics: Metrics;
  readonly accessLog: AccessLogSink;
  readonly log: WorkerLog;
}

/** `route` is the name of the route that the exchanges take, or '' for what has none. */
export function exchangeObserver(input: ObserverInput, route = ''): ExchangeObserver {
  return new Observer(input, route);
}

/** One class, so that the observers of all routes have one shape. */
class Observer implements ExchangeObserver {
  readonly #metrics: Metrics;
  readonly #accessLog: AccessLogSink;
  readonly #log: WorkerLog;
  readonly #details: WorkerLog['details'];
  readonly #route: string;
  readonly #counts: OneRoute | null;

  constructor({ metrics, accessLog, log }: ObserverInput, route: string) {
    this.#metrics = metrics;
    this.#accessLog = accessLog;
    this.#log = log;
    this.#details = log.details;
    this.#route = route;
    this.#counts = route === '' ? null : metrics.routes.of(route);
  }

  get wantsText(): boolean {
    return this.#accessLog.enabled || this.#details.proxy || this.#details.cache;
  }

  onFinish(summary: ExchangeSummary): void {
    summary.route = this.#route;
    this.#metrics.exchangeFinished(summary);
    this.#counts?.finished(summary.status, summary.cache, summary.durationMs);
    if (this.#accessLog.enabled) this.#accessLog.write(summary);
    if (this.#details.proxy) tellExchange(this.#log, summary);
    if (this.#details.cache) tellCache(this.#log, summary);
  }

  onOriginError(error: SluiceError): void {
    const { type } = proxyStatusOf(error);
    this.#metrics.originFailed(type);
    if (!this.#details.origins) return;
    const fields = { route: this.#route, type };
    this.#log.detail('origins', `origin-${error.code}`, error.message, fields);
  }
}

/**
 * A line about what never became a request. It counts among refused messages, and not among requests:
 * what was asked for, nobody knows.
 */
export function logBadRequest(
  accessLog: AccessLogSink,
  facts: Pick<RequestFacts, 'remoteAddress' | 'remotePort' | 'localPort' | 'tls'>,
  sent: Pick<ExchangeSummary, 'errorCode' | 'status' | 'responseBytes'>,
  nowMs: number,
): void {
  if (!accessLog.enabled) return;
  const { remoteAddress, remotePort, localPort, tls } = facts;
  const known = { remoteAddress, remotePort, localPort, tls, ...sent };
  accessLog.write({ ...emptySummary(), ...known, startedAtMs: nowMs, durationMs: -1 });
}

function tellExchange(log: WorkerLog, summary: ExchangeSummary): void {
  const { method, authority, path, status, cache, durationMs, route, errorCode } = summary;
  const fields = {
    remote: summary.remoteAddress,
    status,
    cache,
    route,
    ms: Math.round(durationMs * 1000) / 1000,
    error: errorCode === '' ? null : errorCode,
  };
  log.detail('proxy', 'exchange-finished', `${method} ${authority}${path}`, fields);
}

function tellCache(log: WorkerLog, summary: ExchangeSummary): void {
  const { method, authority, path, cache, originStatus } = summary;
  const fields = { originStatus: originStatus === 0 ? null : originStatus };
  log.detail('cache', `cache-${cache}`, `${cache}: ${method} ${authority}${path}`, fields);
}

/** For whoever has seen that the details of `tls` are wanted. */
export function tellHandshake(log: WorkerLog, record: HandshakeRecord, remote: string): void {
  const { outcome, version, cipher, group, resumed, earlyData, serverName, errorCode } = record;
  const fields = {
    remote,
    version,
    cipher,
    group,
    resumed,
    earlyData,
    earlyDataReason: record.earlyDataReason,
    serverName,
    alpn: record.alpn,
    alert: record.alert,
    error: errorCode,
    state: record.lastState,
    ms: Math.round(record.durationMs * 1000) / 1000,
  };
  const told = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== ''));
  log.detail('tls', `handshake-${outcome}`, `handshake ${outcome}`, told);
}

export function poolObserver({
  metrics,
  log,
  server,
}: Pick<ObserverInput, 'metrics' | 'log'> & {
  /** As logs and metrics name it. */
  readonly server: string;
}): PoolObserver {
  const { details } = log;
  const tell = (code: string, what: string) =>
    log.detail('origins', code, `${server}: connection ${what}`);
  return {
    onConnectionOpened() {
      metrics.originConnectionOpened();
      if (details.origins) tell('origin-connection-opened', 'opened');
    },
    onConnectionReused() {
      metrics.originConnectionReused();
      if (details.origins) tell('origin-connection-reused', 'used again');
    },
    onConnectionClosed() {
      metrics.originConnectionClosed();
      if (details.origins) tell('origin-connection-closed', 'closed');
    },
    onHandshake(record) {
      metrics.originHandshakeEnded(record);
      if (details.origins) tell(`origin-handshake-${record.outcome}`, `has ${record.version}`);
    },
    onCrowd: (facts) => tellCrowd(log, server, facts),
  };
}

function tellCrowd({ report }: WorkerLog, origin: string, facts: CrowdFacts): void {
  const { of, connectionsMax, waiting, refused, forMs } = facts;
  const since = new Date(Date.now() - forMs).toISOString();
  const fields = { origin, connectionsMax, waiting, refused, since };
  const detail = {
    level: 'warning',
    subsystem: 'origins',
    event: 'origin-crowded',
    fields,
  } as const;
  const whose = of === 'all' ? '' : ' that uploads and WebSockets may have';
  const who = `${waiting} requests wait and ${refused} were refused since ${since}`;
  report(`origin ${origin}: all ${connectionsMax} connections${whose} are in use: ${who}`, detail);
}
