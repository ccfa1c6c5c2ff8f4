/** `/origins` of the admin endpoint: how the servers of each group do, and what is wanted of them. */

import { ORIGIN_ADDRESS_STATES } from '../../telemetry/metric-table.ts';
import { type MetricSnapshot, readMetrics } from '../../telemetry/metrics-reader.ts';
import type { OriginGroupOptions } from '../../upstream/options.ts';
import { serverNames } from '../../upstream/server-names.ts';
import type { AdminState, SharedHealth } from '../../upstream/shared-health.ts';
import { troubleText } from '../../upstream/trouble.ts';
import type { OriginsAnswer } from '../dashboard/answers.ts';
import {
  type AdminAnswer,
  type AdminRequest,
  type AdminRoute,
  failure,
  success,
} from './admin-routes.ts';

export interface OriginSources {
  /** The groups that are active. */
  groups(): readonly OriginGroupOptions[];
  readonly sharedHealth: SharedHealth;
  /** Whether nothing has listened there since the start. */
  isAbsent(group: string, server: string): boolean;
  /** Metrics of all workers. */
  regions(): readonly Uint8Array[];
}

export interface GroupReport {
  readonly name: string;
  readonly balance: OriginGroupOptions['balance']['method'];
  readonly retries: number;
  readonly circuitOpenings: number;
  readonly servers: readonly ServerReport[];
}

/** Sums over the workers. Numbers of the moment are up to a second old. */
export interface ServerReport {
  readonly name: string;
  readonly weight: number;
  readonly backup: boolean;
  /** What an operator wants. */
  readonly wanted: AdminState;
  /**
   * `up` when every worker asks all of its addresses, `partly` when some do not. `failing`: it is
   * asked, and requests to it fail. `absent`: nothing has listened there since the
   * start, and no request has met it.
   */
  readonly state:
    | 'up'
    | 'failing'
    | 'partly'
    | 'unreachable'
    | 'absent'
    | Exclude<AddressState, 'up'>;
  /** Why its requests fail, in words, and for how many seconds; null while they do not. */
  readonly trouble: { readonly text: string; readonly seconds: number } | null;
  /** How many of its addresses are in each state, summed over the workers. */
  readonly addresses: Readonly<Record<AddressState, number>>;
  readonly requests: number;
  readonly failures: number;
  readonly ejections: number;
  readonly responses5xx: number;
  readonly connections: number;
  readonly underWay: number;
  /** Milliseconds to a response's head, since the start; null without any. */
  readonly meanResponseMs: number | null;
}

type AddressState = (typeof ORIGIN_ADDRESS_STATES)[number];

const ADMIN_STATES: readonly AdminState[] = ['up', 'drain', 'down'];

export function originRoutes(sources: OriginSources): AdminRoute[] {
  return [
    {
      path: '/origins',
      summary: 'The groups of origins and how their servers do.',
      get: () => success({ origins: originReports(sources) } satisfies OriginsAnswer),
    },
    {
      path: '/origins/',
      summary:
        'POST /origins/GROUP/SERVER `{"state": "up" | "drain" | "down"}`: takes a server out ' +
        'or in. `drain` lets its requests finish and continues its health checks, `down` ' +
        'stops them, too.',
      keys: ['state'],
      post: ({ path, body }) => change(path, body, sources),
    },
  ];
}

function change(
  path: string,
  { state }: AdminRequest['body'],
  sources: OriginSources,
): AdminAnswer {
  const [group = '', server = '', ...more] = path.split('/').slice(2).map(decoded);
  const adminState = ADMIN_STATES.find((one) => one === state);
  if (adminState === undefined) return failure(400, `state is one of ${ADMIN_STATES.join(', ')}`);
  const groups = sources.groups();
  const options = groups.find(({ name }) => name === group);
  if (options === undefined || more.length > 0) {
    return failure(404, `there is ${groups.map(({ name }) => name).join(', ')}`);
  }
  const names = serverNames(options.servers);
  if (!names.includes(server)) return failure(404, `${group} has ${names.join(', ')}`);
  sources.sharedHealth.setAdminState(group, server, adminState);
  return success({ origin: group, server, wanted: adminState });
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return '';
  }
}

export function originReports(sources: OriginSources): GroupReport[] {
  const sums = new Sums(readMetrics(sources.regions()));
  return sources.groups().map((options) => {
    const { name, balance, servers } = options;
    const names = serverNames(servers);
    return {
      name,
      balance: balance.method,
      retries: sums.of('sluice_origin_retries_total', name),
      circuitOpenings: sums.of('sluice_origin_circuit_openings_total', name),
      servers: servers.map(({ weight, backup }, i) => ({
        name: names[i]!,
        weight,
        backup,
        wanted: sources.sharedHealth.adminStateOf(name, names[i]!),
        ...withTrouble(
          measured(sums, name, names[i]!),
          sources.sharedHealth.trouble(name, names[i]!),
          sources.isAbsent(name, names[i]!),
        ),
      })),
    };
  });
}

function measured(sums: Sums, group: string, server: string) {
  const sum = (metric: string, ...more: string[]) =>
    sums.of(`sluice_origin_server_${metric}`, group, server, ...more);
  const addresses = Object.fromEntries(
    ORIGIN_ADDRESS_STATES.map((state) => [state, sum('addresses', state)]),
  ) as Record<AddressState, number>;
  const responses = sum('responses_total');
  const seconds = sum('response_seconds_total');
  return {
    state: stateOf(addresses),
    addresses,
    requests: sum('requests_total'),
    failures: sum('failures_total'),
    ejections: sum('ejections_total'),
    responses5xx: sum('responses_total', '5xx'),
    connections: sum('connections_open'),
    underWay: sum('requests_under_way'),
    meanResponseMs: responses === 0 ? null : Math.round((seconds / responses) * 10_000) / 10,
  };
}

/** A server of which requests fail is not shown as one that is up. */
function withTrouble<T extends Pick<ServerReport, 'state'>>(
  report: T,
  trouble: { readonly seconds: number; readonly number: number } | null,
  isAbsent: boolean,
): T & Pick<ServerReport, 'state' | 'trouble'> {
  const isAsked = report.state === 'up';
  if (trouble === null) {
    return { ...report, state: isAsked && isAbsent ? 'absent' : report.state, trouble: null };
  }
  const { seconds, number } = trouble;
  const state = isAsked ? 'failing' : report.state;
  return { ...report, state, trouble: { text: troubleText(number), seconds } };
}

function stateOf(addresses: Record<AddressState, number>): ServerReport['state'] {
  const present = ORIGIN_ADDRESS_STATES.filter((state) => addresses[state] > 0);
  // Its name has no address yet.
  if (present.length === 0) return 'unreachable';
  return present.length === 1 ? present[0]! : 'partly';
}

/** Sums of series by the values of their first labels. */
class Sums {
  readonly #snapshots: ReadonlyMap<string, MetricSnapshot>;

  constructor(snapshots: readonly MetricSnapshot[]) {
    this.#snapshots = new Map(snapshots.map((one) => [one.definition.name, one]));
  }

  of(metric: string, ...labels: readonly string[]): number {
    let sum = 0;
    for (const one of this.#snapshots.get(metric)!.series) {
      if (labels.every((value, i) => one.labels[i] === value)) sum += one.value;
    }
    return sum;
  }
}
