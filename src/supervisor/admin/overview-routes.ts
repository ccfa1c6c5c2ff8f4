/** `/overview` of the admin endpoint: what `sluice status` shows beside the workers. */
import { X509Certificate } from 'node:crypto';
import { certificateNames } from '../../config/certificate.ts';
import type { SluiceOptions } from '../../config/options.ts';
import { hitOutcomes } from '../../telemetry/exchange-summary.ts';
import { readMetrics } from '../../telemetry/metrics-reader.ts';
import type { Health } from '../health.ts';
import { type OpenListener, socketAddressText } from '../listeners.ts';
import { type AdminRoute, success } from './admin-routes.ts';
import { type TrafficSources, trafficRoutes, trafficSample } from './traffic-routes.ts';

export interface Overview {
  /** As `https 0.0.0.0:443`. */
  readonly listeners: readonly string[];
  /** The first to expire first. */
  readonly certificates: readonly CertificateOverview[];
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

interface CertificateOverview {
  readonly names: string;
  /** RFC 3339. */
  readonly until: string;
  /** Whole days that are left; below 0 when it has expired. */
  readonly days: number;
}

export interface Wrong {
  readonly what: string;
  /** What to do about it. */
  readonly remedy: string;
}

export interface OverviewSources {
  options(): SluiceOptions;
  listeners(): readonly OpenListener[];
  regions(): readonly Uint8Array[];
  readiness(): Health;
  /** Wall-clock milliseconds at which the active options were applied. */
  appliedAtMs(): number;
  /** As it was named; '' without one. */
  readonly configFile: string;
  readonly startedAtMs: number;
}

const DAY_MS = 86_400_000;
/** A certificate that is renewed by itself is renewed earlier. Days. */
const EXPIRY_WARNED_DAYS = 14;

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
  const certificates = certificatesOf(options, nowMs);
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
    wrong: [...sources.readiness().why.map(wrongOf), ...expiring(certificates)],
  };
}

function certificatesOf({ hosts }: SluiceOptions, nowMs: number): CertificateOverview[] {
  const found = hosts.flatMap(({ tls }) =>
    tls.certificates.flatMap(({ certificatePem }) => {
      try {
        const certificate = new X509Certificate(certificatePem);
        const names = certificateNames(certificate);
        const untilMs = Date.parse(certificate.validTo);
        const days = Math.floor((untilMs - nowMs) / DAY_MS);
        return [{ names, until: new Date(untilMs).toISOString(), days }];
      } catch {
        return [];
      }
    }),
  );
  return found.sort((a, b) => a.days - b.days);
}

function expiring(certificates: readonly CertificateOverview[]): Wrong[] {
  return certificates
    .filter(({ days }) => days < EXPIRY_WARNED_DAYS)
    .map(({ names, days }) => ({
      what: `the certificate of ${names} ${days < 0 ? 'has expired' : `expires in ${days} days`}`,
      remedy: 'renew it in its file: it is reloaded within seconds, without a restart',
    }));
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
  return { what, remedy };
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
