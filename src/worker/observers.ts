/** From what happens to metrics and logs. Observers run after the fact and alter nothing. */
import type { ExchangeObserver } from '../proxy/environment.ts';
import { proxyStatusOf } from '../proxy/proxy-status.ts';
import type { PoolObserver } from '../proxy/upstream/pool.ts';
import type { AccessLogSink } from '../telemetry/access-log.ts';
import type { Metrics } from '../telemetry/metrics.ts';

export function exchangeObserver(metrics: Metrics, accessLog: AccessLogSink): ExchangeObserver {
  return {
    get wantsText() {
      return accessLog.enabled;
    },
    onFinish(summary) {
      metrics.exchangeFinished(summary);
      if (accessLog.enabled) accessLog.write(summary);
    },
    onOriginError(error) {
      metrics.originFailed(proxyStatusOf(error).type);
    },
  };
}

export function poolObserver(metrics: Metrics): PoolObserver {
  return {
    onConnectionOpened: () => metrics.originConnectionOpened(),
    onConnectionReused: () => metrics.originConnectionReused(),
    onConnectionClosed: () => metrics.originConnectionClosed(),
    onHandshake: (record) => metrics.originHandshakeEnded(record),
  };
}
