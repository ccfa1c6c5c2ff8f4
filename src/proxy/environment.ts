/** What every exchange of one route works with. */
import type { Clock } from '../base/clock.ts';
import type { SluiceError } from '../base/errors.ts';
import type { CollapseTable } from '../cache/collapse.ts';
import type { Store } from '../cache/contract.ts';
import type { KeyRules } from '../cache/rules/key.ts';
import type { CachePolicy } from '../cache/rules/policy.ts';
import type { RoutePlugins } from '../plugin/route-plugins.ts';
import type { RouteRules } from '../routing/rules.ts';
import type { ExchangeSummary } from '../telemetry/exchange-summary.ts';
import type { RequestRecorder } from '../telemetry/requests/request-recorder.ts';
import type { Origins } from '../upstream/contract.ts';
import type { HitForMissMemory } from './hit-for-miss-memory.ts';
import type { PurgeGate } from './purge-request.ts';
import type { EarlyDataPolicies } from './request/early-data.ts';

/** Told of every exchange once, when it is over; alters nothing. */
export interface ExchangeObserver {
  /** Whether anyone reads who asked and for what: the texts that only logs need. */
  readonly wantsText: boolean;
  onFinish(summary: ExchangeSummary): void;
  /** An attempt at the origin failed; `error` maps to a type of RFC 9209. */
  onOriginError(error: SluiceError): void;
}

export interface ProxyEnvironment {
  readonly origins: Origins;
  readonly store: Store;
  readonly cachePolicy: CachePolicy;
  readonly keyRules: KeyRules;
  /** Bytes of a slice, or 0: see CacheRules. */
  readonly sliceBytes: number;
  /** What else the request's route asks for. */
  readonly route: RouteRules;
  /** Null for a route without plugins, which pays nothing for those of others. */
  readonly plugins: RoutePlugins | null;
  readonly earlyDataPolicies: EarlyDataPolicies;
  readonly collapse: CollapseTable;
  readonly hitForMissMemory: HitForMissMemory;
  readonly purges: PurgeGate;
  readonly clock: Clock;
  readonly observer: ExchangeObserver;
  /** What a worker that dies leaves of its requests. */
  readonly requests: RequestRecorder;
  /** IMF-fixdate of now, for responses without Date. */
  readonly dateNow: () => string;
}
