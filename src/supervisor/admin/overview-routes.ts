/** `/overview` of the admin endpoint: what `sluice status` shows beside the workers. */
import type { SluiceOptions } from '../../config/options.ts';
import { hitOutcomes } from '../../telemetry/exchange-summary.ts';
import { readMetrics } from '../../telemetry/metrics-reader.ts';
import {
  type CertificateExpiry,
  certificateExpiries,
  EXPIRY_REMEDY,
  expiryText,
} from '../certificates/certificate-expiry.ts';
import { type EarlyDataState, refusalText } from '../early-data-state.ts';
import type { Health } from '../health.ts';
import { type OpenListener, socketAddressText } from '../listeners.ts';
import type { Wrong } from '../troubles.ts';
import { type AdminRoute, success } from './admin-routes.ts';
import { type TrafficSources, trafficRoutes, trafficSample } from './traffic-routes.ts';

export interface Overview {
  /** As `https 0.0.0.0:443`. */
  readonly listeners: readonly string[];
  /** The first to expire first. */
  readonly certificates: readonly CertificateExpiry[];
  readonly configuration: { readonly file: string; readonly appliedAt: string };
  /** Of the whole time since the start. */
  readonly rates: {
    readonly requestsPerSecond: number;
    readonly hitPercent: number;
    readonly errorPercent: number;
    readonly connections: number;
  };
  readonly wrong: readonly Wrong[];
}

export interface OverviewSources {
  options(): SluiceOptions;
  listeners(): readonly OpenListener[];
  regions(): readonly Uint8Array[];
  readiness(): Health;
  earlyData(): EarlyDataState;
  /** What the error log has said that still holds. */
  troubles(): readonly Wrong[];
  /** Wall-clock milliseconds at which the active options were applied. */
  appliedAtMs(): number;
  /** As it was named; '' without one. */
  readonly configFile: string;
  readonly startedAtMs: number;
}

/** With what there is to see of the traffic. */
export function viewRoutes(sources: OverviewSources & TrafficSources): AdminRoute[] {
  return [...trafficRoutes(sources), ...overviewRoutes(sources)];
}

function overviewRoutes(sources: OverviewSources): AdminRoute[] {
  return [
    {
      path: '/overview',
      summary: 'listeners, certificates, configuration, rates, and what is wrong now',
      get: () => success(overviewOf(sources, Date.now()) satisfies Overview),
    },
  ];
}

function overviewOf(sources: OverviewSources, nowMs: number): Overview {
  const options = sources.options();
  const certificates = certificateExpiries(options.hosts, nowMs);
  return {
    listeners: sources
      .listeners()
      .map(({ kind, address }) => `${kind} ${socketAddressText(address)}`),
    certificates,
    configuration: {
      file: sources.configFile,
      appliedAt: new Date(sources.appliedAtMs()).toISOString(),
    },
    rates: ratesOf(sources, nowMs),
    wrong: [
      ...sources.readiness().why.map(wrongOf),
      ...expiring(certificates),
      ...refusedOf(sources.earlyData()),
      ...sources.troubles(),
    ],
  };
}

function expiring(certificates: readonly CertificateExpiry[]): Wrong[] {
  return certificates
    .filter(({ isLate }) => isLate)
    .map((one) => ({ what: expiryText(one), remedy: EXPIRY_REMEDY, at: null }));
}

/** Not what an operator has chosen, and not what each start brings for a moment. */
const REFUSED_AS_USUAL: readonly EarlyDataState['refusal'][] = [
  '',
  'policy off',
  'register too young',
];

function refusedOf(state: EarlyDataState): Wrong[] {
  const { refusal } = state;
  if (REFUSED_AS_USUAL.includes(refusal)) return [];
  const remedy =
    refusal === 'cluster did not answer'
      ? 'look at the Redis of --cluster; requests come after the handshake meanwhile'
      : 'it ends by itself; requests come after the handshake meanwhile';
  return [{ what: refusalText(state), remedy, at: null }];
}

/** What operators do about each kind of trouble. */
const REMEDIES: readonly (readonly [RegExp, string])[] = [
  [/is absent/, 'start the app there, or name where it listens: sluice reload'],
  [/connection refused/, 'is it running, and does it listen there?'],
  [/no address|name server/, 'look at the name, and at the name servers of this machine'],
  [/time limit|timed out/, 'is it overloaded, or does a firewall drop packets?'],
  [/answers with errors/, 'look at its own log'],
  [/is unhealthy/, 'sluice log --subsystem origins says what its checks have met'],
  [/is (?:drain|down)/, 'an operator took it out: sluice origins up GROUP/SERVER'],
  [/origin/, 'sluice log --subsystem origins says what requests have met'],
  [/cache directory/, 'sluice log --subsystem cache says why'],
  [/worker/, 'sluice log --level warning says why; sluice incidents list'],
];

function wrongOf(what: string): Wrong {
  const [, remedy = 'see sluice log'] = REMEDIES.find(([kind]) => kind.test(what)) ?? [];
  return { what, remedy, at: null };
}

function ratesOf({ regions, startedAtMs }: OverviewSources, nowMs: number): Overview['rates'] {
  const { requests, byCache, byStatus, connections } = trafficSample(readMetrics(regions()), nowMs);
  const hits = hitOutcomes.reduce((sum, outcome) => sum + (byCache[outcome] ?? 0), 0);
  const percent = (part: number) =>
    requests === 0 ? 0 : Math.round((part / requests) * 1000) / 10;
  const seconds = Math.max(1, (nowMs - startedAtMs) / 1000);
  return {
    requestsPerSecond: Math.round((requests / seconds) * 10) / 10,
    hitPercent: percent(hits),
    errorPercent: percent(byStatus['5xx'] ?? 0),
    connections,
  };
}
